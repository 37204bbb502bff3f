/**
 * Parts of werift 0.25.2 that its types keep private and the hardening needs. The version is
 * pinned exactly; `peer_hardening_test.ts` fails when one of them goes missing.
 */
import type { Buffer } from "node:buffer";
import type {
  Address,
  Candidate,
  CandidatePair,
  RTCIceTransport,
  RTCPeerConnection,
  RTCRtpSender,
} from "werift";
import type { TurnStream } from "./turn_stream.ts";

/** A socket's receiving side: UDP sockets have `datagramReceived`, relayed ones `handleStunMessage`. */
export interface IceProtocol {
  readonly type: string;
  localCandidate?: Candidate;
  datagramReceived?: (data: Buffer, addr: Address) => void;
  handleStunMessage?: (data: Buffer, addr: Address) => void;
  readonly turn?: TurnInternals;
  close?(): Promise<void>;
}

export interface TurnInternals {
  readonly relayedAddress: Address;
  readonly transactions: Readonly<Record<string, { cancel(): void }>>;
  readonly serverEndpoint?: Address;
  readonly transport: {
    readonly type: string;
    onData: (data: Buffer, addr: Address) => void;
    /** TCP and TLS only. */
    readonly stream?: TurnStream;
  };
}

export interface ConnectionInternals {
  localUsername: string;
  localPassword: string;
  userHistory: Record<string, string>;
  stunServer?: Address;
  turnServer?: Address;
  readonly remoteUsername: string;
  readonly checkList: readonly CandidatePair[];
  readonly nominated?: CandidatePair;
  readonly generation: number;
  state: string;
  setState(state: string): void;
  protocols: IceProtocol[];
  ensureProtocol(protocol: IceProtocol): void;
  getCandidatePromises(addresses: string[], timeoutSeconds?: number): Promise<unknown>[];
  pairLocalProtocol(protocol: IceProtocol): void;
  appendLocalCandidate(candidate: Candidate): void;
}

/** The private side of an ICE connection. Throws when werift is not the version this was written for. */
export function connectionInternals(
  connection: RTCIceTransport["connection"],
): ConnectionInternals {
  const internals = connection as unknown as ConnectionInternals;
  for (
    const name of [
      "setState",
      "ensureProtocol",
      "getCandidatePromises",
      "pairLocalProtocol",
      "appendLocalCandidate",
    ] as const
  ) {
    if (typeof internals[name] !== "function") throw new Error(`werift has no Connection.${name}`);
  }
  if (!Array.isArray(internals.protocols)) throw new Error("werift has no Connection.protocols");
  return internals;
}

/** Replaces how the peer connection gathers, so that it connects without waiting for the end. */
export function replaceGathering(pc: RTCPeerConnection, gather: () => Promise<void>): void {
  const internals = pc as unknown as { gatherCandidates: () => Promise<void> };
  if (typeof internals.gatherCandidates !== "function") {
    throw new Error("werift has no RTCPeerConnection.gatherCandidates");
  }
  internals.gatherCandidates = gather;
}

/** Counters that werift puts into its RTCP sender reports (RFC 3550 section 6.4.1). */
export interface SenderReportFields {
  ntpTimestamp: bigint;
  rtpTimestamp: number;
  octetCount: number;
  packetCount: number;
  readonly codec?: { readonly payloadType: number };
  runRtcp(): Promise<void>;
}

export function senderReports(sender: RTCRtpSender): SenderReportFields {
  const internals = sender as unknown as SenderReportFields;
  if (typeof internals.runRtcp !== "function") {
    throw new Error("werift has no RTCRtpSender.runRtcp");
  }
  return internals;
}
