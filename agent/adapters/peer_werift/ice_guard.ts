/**
 * Hardens one werift ICE connection (security.md sections 1 and 3): strong credentials, only the
 * servers and addresses of the policy, and no packet reaches werift's STUN, DTLS or SRTP code
 * before it has proved where it comes from.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import {
  type Address,
  Candidate,
  candidateFoundation,
  candidatePriority,
  type RTCIceTransport,
} from "werift";
import {
  acceptSource,
  hostAddresses,
  type IcePolicy,
  type IceTargets,
  type TurnTarget,
} from "../../core/ice_policy.ts";
import { DtlsFilter } from "../../core/dtls_filter.ts";
import { classifyDatagram, integrityParts } from "../../core/stun_message.ts";
import { TurnAllocation } from "./turn_allocation.ts";
import { batchWrites } from "./turn_stream.ts";
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
  readonly #allocations = new Set<TurnAllocation>();
  readonly #relayed: IceProtocol[] = [];
  #closed = false;
  readonly #dtls = new DtlsFilter();

  constructor(
    connection: IceConnection,
    private readonly policy: IcePolicy,
    targets: IceTargets,
    private readonly gatherTimeoutMs: number,
    private readonly repeatLastFlight: () => void,
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

  /** The DTLS handshake is done: nothing of another one reaches werift from now on. */
  establish(): void {
    this.#dtls.establish();
  }

  /** Closes sockets that were opened while the connection closed. */
  async close(): Promise<void> {
    this.#closed = true;
    // The end of gathering would overwrite "closed", and the check loop would run for ever.
    this.#ice.state = "closed";
    this.#ice.setState = () => {};
    for (const allocation of this.#allocations) allocation.abort();
    for (const { turn } of this.#relayed) {
      // Its close leaves requests that wait for the server or, through it, for the peer.
      for (const transaction of Object.values(turn?.transactions ?? {})) transaction.cancel();
    }
    await Promise.allSettled(this.#ice.protocols.splice(0).map((protocol) => protocol.close?.()));
  }

  async #allocate(target: TurnTarget): Promise<void> {
    const { transport } = target;
    const localAddress = this.policy.loopbackOnly ? "127.0.0.1" : undefined;
    const allocation = new TurnAllocation(target, this.gatherTimeoutMs, localAddress);
    this.#allocations.add(allocation);
    const protocol = await allocation.open().finally(() => this.#allocations.delete(allocation));
    this.#relayed.push(protocol);
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
    // werift pairs an address of its own with the candidates that are there, but not a relayed one.
    ice.pairLocalProtocol(protocol);
    ice.appendLocalCandidate(protocol.localCandidate);
  }

  #guard(protocol: IceProtocol): void {
    const { datagramReceived, handleStunMessage } = protocol;
    if (datagramReceived !== undefined) {
      protocol.datagramReceived = (data, addr) => {
        const seen = this.#accept(protocol, data, addr);
        if (seen !== null) datagramReceived.call(protocol, seen, addr);
      };
    } else if (handleStunMessage !== undefined) {
      protocol.handleStunMessage = (data, addr) => {
        const seen = this.#accept(protocol, data, addr);
        if (seen !== null) handleStunMessage.call(protocol, seen, addr);
      };
      this.#guardTurnSocket(protocol);
    } else throw new Error("werift has an ICE protocol that cannot be guarded");
  }

  /** Only the TURN server itself may speak to an allocation's socket; TCP and TLS have one peer. */
  #guardTurnSocket(protocol: IceProtocol): void {
    const transport = protocol.turn!.transport;
    if (transport.stream !== undefined) {
      batchWrites(transport.stream);
      return;
    }
    const receive = transport.onData;
    transport.onData = (data, addr) => {
      const server = protocol.turn!.serverEndpoint;
      if (server !== undefined && sameAddress(server, addr)) receive(data, addr);
      else this.counters.strayPackets++;
    };
  }

  /** What werift may see of a datagram, or null. */
  #accept(protocol: IceProtocol, data: Buffer, addr: Address): Buffer | null {
    if (this.#closed || !acceptSource(addr[0], this.policy)) return null;
    const datagram = classifyDatagram(data);
    switch (datagram.kind) {
      case "malformed":
        this.counters.strayPackets++;
        return null;
      case "response":
        // werift matches these with its transactions and checks their integrity.
        return data;
      case "other":
        if (this.#isSelected(protocol, addr)) return isDtls(data) ? this.#inOrder(data) : data;
        this.counters.strayPackets++;
        return null;
      case "binding-request": {
        const { username, integrityOffset } = datagram;
        if (this.#isSigned(data, username, integrityOffset)) return data;
        this.counters.forgedRequests++;
        return null;
      }
    }
  }

  #inOrder(data: Buffer): Buffer | null {
    const { pass, repeatLastFlight } = this.#dtls.filter(data);
    if (repeatLastFlight) this.repeatLastFlight();
    return pass.length === 0 ? null : Buffer.from(pass.buffer, pass.byteOffset, pass.byteLength);
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

/** RFC 7983 section 7. */
const isDtls = (data: Uint8Array): boolean => data[0] >= 20 && data[0] <= 63;
