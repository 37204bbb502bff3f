/**
 * Hardens one werift ICE connection (security.md sections 1 and 3): strong credentials, only the
 * servers and addresses of the policy, and no packet reaches werift's STUN, DTLS or SRTP code
 * before it has proved where it comes from.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Buffer } from "node:buffer";
import {
  type Address,
  Candidate,
  candidateFoundation,
  candidatePriority,
  createStunOverTurnClient,
  type RTCIceTransport,
} from "werift";
import {
  acceptSource,
  hostAddresses,
  type IcePolicy,
  type IceTargets,
  type TurnTarget,
} from "../../core/ice_policy.ts";
import { classifyDatagram, integrityParts } from "../../core/stun_message.ts";
import { type ConnectionInternals, connectionInternals, type IceProtocol } from "./internals.ts";

/** RFC 8445 section 5.3 asks for at least 24 and 128 bits; base64 characters are ice-chars. */
const UFRAG_CHARS = 8;
const PASSWORD_CHARS = 24;
const STUN_GATHER_TIMEOUT_SECONDS = 1;
/** CandidatePairState.SUCCEEDED of werift. */
const PAIR_SUCCEEDED = 3;
/** Steps of local preference, so that relaying by UDP is preferred to TCP and TCP to TLS. */
const RELAY_PREFERENCE_STEP = { udp: 0, tcp: 256, tls: 512 } as const;

/** What an ICE transport of werift calls its connection. */
type IceConnection = RTCIceTransport["connection"];

const iceChars = (count: number): string => randomBytes(count).toString("base64").slice(0, count);

/** What the guard has turned away; counters for tests and metrics. */
export interface GuardCounters {
  forgedRequests: number;
  strayPackets: number;
}

export class IceGuard {
  readonly counters: GuardCounters = { forgedRequests: 0, strayPackets: 0 };
  readonly #ice: ConnectionInternals;
  #closed = false;
  #locked = false;

  constructor(
    connection: IceConnection,
    private readonly policy: IcePolicy,
    targets: IceTargets,
    private readonly gatherTimeoutMs: number,
  ) {
    const ice = connectionInternals(connection);
    this.#ice = ice;
    ice.localUsername = iceChars(UFRAG_CHARS);
    ice.localPassword = iceChars(PASSWORD_CHARS);
    ice.userHistory = { [ice.localUsername]: ice.localPassword };
    // werift puts a public STUN server here when it was given none.
    ice.stunServer = targets.stun === null ? undefined : [targets.stun.host, targets.stun.port];
    ice.turnServer = undefined;
    const ensureProtocol = ice.ensureProtocol.bind(ice);
    ice.ensureProtocol = (protocol) => {
      ensureProtocol(protocol);
      this.#guard(protocol);
    };
    const getCandidatePromises = ice.getCandidatePromises.bind(ice);
    ice.getCandidatePromises = (addresses) => [
      ...getCandidatePromises(hostAddresses(addresses, policy), STUN_GATHER_TIMEOUT_SECONDS),
      ...targets.turn.map((target) => this.#allocate(target)),
    ];
  }

  /** Bytes that wait in a TCP connection to a TURN server; 0 over UDP. */
  get backlogBytes(): number {
    const turn = (this.#ice.nominated?.protocol as IceProtocol | undefined)?.turn;
    return turn?.transport.stream?.client?.writableLength ?? 0;
  }

  /** From now on nobody may begin a new DTLS handshake: werift would drop the session's keys for it. */
  lockHandshake(): void {
    this.#locked = true;
  }

  /** Closes sockets that were opened while the connection closed. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#ice.protocols.splice(0).map((protocol) => protocol.close?.()));
  }

  /** werift uses one TURN server only and does not pair its address when it comes late. */
  async #allocate(target: TurnTarget): Promise<void> {
    const { host, port, username, credential: password, transport } = target;
    const protocol = await createStunOverTurnClient(
      { address: [host, port], username, password },
      {
        transport,
        connectTimeoutMs: this.gatherTimeoutMs,
        interfaceAddresses: this.policy.loopbackOnly ? { udp4: "127.0.0.1" } : undefined,
      },
    ) as unknown as IceProtocol;
    if (this.#closed) {
      await protocol.close?.();
      return;
    }
    const ice = this.#ice;
    ice.ensureProtocol(protocol);
    ice.protocols.push(protocol);
    const [address, relayPort] = protocol.turn!.relayedAddress;
    // The related address would tell the agent's own one; it serves diagnostics only.
    protocol.localCandidate = new Candidate(
      candidateFoundation("relay", transport, address),
      1,
      "udp",
      candidatePriority("relay") - RELAY_PREFERENCE_STEP[transport],
      address,
      relayPort,
      "relay",
      "0.0.0.0",
      0,
      undefined,
      ice.generation,
      ice.localUsername,
    );
    ice.pairLocalProtocol(protocol);
    ice.appendLocalCandidate(protocol.localCandidate);
  }

  #guard(protocol: IceProtocol): void {
    const { datagramReceived, handleStunMessage } = protocol;
    if (datagramReceived !== undefined) {
      protocol.datagramReceived = (data, addr) => {
        if (this.#accept(protocol, data, addr)) datagramReceived.call(protocol, data, addr);
      };
    } else if (handleStunMessage !== undefined) {
      protocol.handleStunMessage = (data, addr) => {
        if (this.#accept(protocol, data, addr)) handleStunMessage.call(protocol, data, addr);
      };
      this.#guardTurnSocket(protocol);
    } else throw new Error("werift has an ICE protocol that cannot be guarded");
  }

  /** Only the TURN server itself may speak to an allocation's socket; TCP and TLS have one peer. */
  #guardTurnSocket(protocol: IceProtocol): void {
    const transport = protocol.turn!.transport;
    if (transport.type !== "udp") {
      // Small packets must not wait for the acknowledgement of the last (Nagle's algorithm).
      transport.stream?.client?.setNoDelay(true);
      return;
    }
    const receive = transport.onData;
    transport.onData = (data, addr) => {
      const server = protocol.turn!.serverEndpoint;
      if (server !== undefined && sameAddress(server, addr)) receive(data, addr);
      else this.counters.strayPackets++;
    };
  }

  #accept(protocol: IceProtocol, data: Buffer, addr: Address): boolean {
    const accepted = acceptSource(addr[0], this.policy) && this.#isGenuine(protocol, data, addr);
    return accepted && !this.#closed;
  }

  #isGenuine(protocol: IceProtocol, data: Buffer, addr: Address): boolean {
    const datagram = classifyDatagram(data);
    switch (datagram.kind) {
      case "malformed":
        this.counters.strayPackets++;
        return false;
      case "response":
        // werift matches these with its transactions and checks their integrity.
        return true;
      case "other":
        if (this.#isSelected(protocol, addr) && !(this.#locked && isClientHello(data))) return true;
        this.counters.strayPackets++;
        return false;
      case "binding-request": {
        const { username, integrityOffset } = datagram;
        if (this.#isSigned(data, username, integrityOffset)) return true;
        this.counters.forgedRequests++;
        return false;
      }
    }
  }

  /** RFC 8445 section 7.3: USERNAME is "<own ufrag>:<their ufrag>", signed with the own password. */
  #isSigned(data: Buffer, username: string | null, integrityOffset: number | null): boolean {
    const ice = this.#ice;

    if (username !== `${ice.localUsername}:${ice.remoteUsername}`) return false;
    if (integrityOffset === null) return false;
    const { signed, hmac } = integrityParts(data, integrityOffset);
    return timingSafeEqual(createHmac("sha1", ice.localPassword).update(signed).digest(), hmac);
  }

  #isSelected(protocol: IceProtocol, addr: Address): boolean {
    const ice = this.#ice;
    const { nominated } = ice;
    if (nominated !== undefined && sameAddress(nominated.remoteAddr, addr)) return true;
    return ice.checkList.some((pair) =>
      (pair.protocol as unknown) === protocol && (pair.state as number) === PAIR_SUCCEEDED &&
      sameAddress(pair.remoteAddr, addr)
    );
  }
}

const sameAddress = (a: readonly [string, number], b: readonly [string, number]): boolean =>
  a[0] === b[0] && a[1] === b[1];

/** A DTLS record of type handshake (22) in epoch 0 with a ClientHello (1) first (RFC 6347 section 4.3). */
const isClientHello = (data: Uint8Array): boolean =>
  data.length > 13 && data[0] === 22 && data[3] === 0 && data[4] === 0 && data[13] === 1;
