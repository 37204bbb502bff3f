/** Which addresses and servers ICE (RFC 8445) may use: security.md section 1, candidate SSRF and leaks. */
import { type CandidateSummary, isLoopback } from "@farglass/protocol";

export interface LoopbackPolicy {
  /** 127.0.0.1 only, and every other address dropped. */
  readonly loopbackOnly: boolean;
  /** 127.0.0.1 beside the others: server, agent and browser may share one machine. */
  readonly loopbackToo: boolean;
}

export interface IcePolicy extends LoopbackPolicy {
  /** TURN only: no own address is told or used. */
  readonly relayOnly: boolean;
}

/** Each address costs a socket and a row of connectivity checks; container hosts have dozens. */
export const MAX_HOST_ADDRESSES = 6;
/** Candidates of the other side that a peer takes in its life, those in the offer included. */
export const MAX_REMOTE_CANDIDATES = 64;
/** One allocation for each transport of one server is what a network can be asked for. */
export const MAX_TURN_TARGETS = 3;

/** The own addresses that may become host candidates, out of those the machine has. */
export function hostAddresses(addresses: readonly string[], policy: IcePolicy): string[] {
  if (policy.relayOnly) return [];
  if (policy.loopbackOnly) return ["127.0.0.1"];
  const others = addresses.filter((address) => !isLoopback(address)).slice(0, MAX_HOST_ADDRESSES);
  return policy.loopbackToo ? ["127.0.0.1", ...others] : others;
}

/** Whether a candidate of the other side may be tried. Its syntax has been checked before. */
export function acceptRemoteCandidate(candidate: CandidateSummary, policy: IcePolicy): boolean {
  // No ICE-TCP here: TCP to an address of the other side's choice is a port scan.
  if (candidate.protocol !== "udp") return false;
  return acceptAddress(candidate.address, policy);
}

/** A loopback address is a peer only where the policy says so; with `loopbackOnly` nothing else is. */
export function acceptAddress(address: string, policy: LoopbackPolicy): boolean {
  return isLoopback(address) ? policy.loopbackOnly || policy.loopbackToo : !policy.loopbackOnly;
}

/** Whether a packet from this address may be looked at. */
export function acceptSource(address: string, policy: IcePolicy): boolean {
  return !policy.loopbackOnly || isLoopback(address);
}

/** A STUN server as host and port. */
export interface StunTarget {
  readonly host: string;
  readonly port: number;
}

export interface TurnTarget extends StunTarget {
  readonly transport: "udp" | "tcp" | "tls";
  readonly username: string;
  readonly credential: string;
}

export interface IceTargets {
  readonly stun: StunTarget | null;
  /** UDP before TCP before TLS: the quickest first. */
  readonly turn: readonly TurnTarget[];
}

interface IceServer {
  readonly urls: readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

const TRANSPORT_ORDER = { udp: 0, tcp: 1, tls: 2 } as const;
/** RFC 7064 and RFC 7065 section 3.1; a port is optional, an IPv6 address stands in brackets. */
const ICE_URL =
  /^(stun|turn|turns):(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i;

/**
 * Reads the servers that the controller gave. What cannot be used (a malformed address, TURN
 * without credentials, DTLS to a TURN server) is left out; with none left ICE uses none.
 */
export function iceTargets(servers: readonly IceServer[], policy: IcePolicy): IceTargets {
  let stun: StunTarget | null = null;
  const turn: TurnTarget[] = [];
  for (const { urls, username, credential } of servers) {
    for (const url of urls) {
      const match = ICE_URL.exec(url.trim());
      if (match === null) continue;
      const scheme = match[1].toLowerCase();
      const host = match[2].replace(/^\[|\]$/g, "");
      const port = match[3] === undefined ? (scheme === "turns" ? 5349 : 3478) : Number(match[3]);
      if (port < 1 || port > 65535) continue;
      if (policy.loopbackOnly && !isLoopback(host)) continue;
      if (scheme === "stun") {
        if (!policy.relayOnly) stun ??= { host, port };
        continue;
      }
      if (!username || !credential) continue;
      const asked = match[4]?.toLowerCase();
      if (scheme === "turns" && asked === "udp") continue;
      const transport = scheme === "turns" ? "tls" : asked === "tcp" ? "tcp" : "udp";
      turn.push({ host, port, transport, username, credential });
    }
  }
  turn.sort((a, b) => TRANSPORT_ORDER[a.transport] - TRANSPORT_ORDER[b.transport]);
  return { stun, turn: spread(turn) };
}

/** One target of each transport first, so that a second UDP server does not push out TCP and TLS. */
function spread(turn: readonly TurnTarget[]): TurnTarget[] {
  const first = turn.filter((t, i) => turn.findIndex((o) => o.transport === t.transport) === i);
  const rest = turn.filter((t) => !first.includes(t));
  return [...first, ...rest].slice(0, MAX_TURN_TARGETS);
}
