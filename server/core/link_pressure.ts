/** What many links cost together, and what is done about it. */
import {
  LINK_HEARTBEAT_MS,
  type LinkState,
  MAX_UNACKED_BYTES,
  MAX_UNACKED_MESSAGES,
} from "@farglass/protocol";

/** The slowest heartbeat that agents are asked for. */
const MAX_HEARTBEAT_MS = 20_000;
/** Each socket may always hold this much: cutting it would free nothing worth it. */
const SMALL_SOCKET_BYTES = 16 * 1024;

/** How often a client should beat; the more agents there are, the slower theirs, in milliseconds. */
export function heartbeatMs(
  role: "agent" | "console",
  agents: number,
  agentBeatsPerSecond = Infinity,
): number {
  if (role === "console") return LINK_HEARTBEAT_MS;
  const wanted = Math.ceil(agents / agentBeatsPerSecond) * 1000;
  return Math.min(MAX_HEARTBEAT_MS, Math.max(LINK_HEARTBEAT_MS, wanted));
}

/** The slowest readers that must go until the bytes that wait for the rest are below `limit`. */
export function slowest<T extends { readonly bytes: number }>(
  waiting: readonly T[],
  limit: number,
): readonly T[] {
  let left = waiting.reduce((sum, { bytes }) => sum + bytes, 0);
  if (left <= limit) return [];
  const cut: T[] = [];
  const slow = waiting.filter(({ bytes }) => bytes > SMALL_SOCKET_BYTES);
  for (const one of slow.toSorted((a, b) => b.bytes - a.bytes)) {
    if (left <= limit) break;
    cut.push(one);
    left -= one.bytes;
  }
  return cut;
}

/** Whether a link holds so much back, with `more` messages, that what can be replaced is dropped. */
export const isPressed = ({ unacked }: LinkState, more = 0): boolean =>
  unacked.length + more > MAX_UNACKED_MESSAGES / 2 || unacked.bytes > MAX_UNACKED_BYTES / 2;

interface Waiting {
  readonly identity: { readonly role: "agent" | "console" };
  readonly state: { readonly link: Pick<LinkState, "unacked"> };
  readonly socket: { bufferedBytes(): number } | null;
}

/** What waits for the clients of each role: messages without an acknowledgement, and bytes. */
export function backlogOf(links: Iterable<Waiting>) {
  const sums = { agent: { messages: 0, bytes: 0 }, console: { messages: 0, bytes: 0 } };
  for (const { identity, state, socket } of links) {
    const sum = sums[identity.role];
    sum.messages += state.link.unacked.length;
    sum.bytes += state.link.unacked.bytes + (socket?.bufferedBytes() ?? 0);
  }
  return [{ role: "agent", ...sums.agent }, { role: "console", ...sums.console }] as const;
}
