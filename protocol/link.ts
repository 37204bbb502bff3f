/**
 * The numbered, resumable message stream on both ends of a signalling WebSocket: sequence
 * numbers, cumulative acknowledgement, retransmission after a reconnect, exactly-once delivery.
 * Pure: the shell owns the socket and the clock.
 */
import { type CodedError, codedError } from "./errors.ts";
import { MAX_UNACKED_BYTES, MAX_UNACKED_MESSAGES } from "./limits.ts";
import { type Draft, type Message, UNSEQUENCED } from "./messages.ts";
import { err, ok, type Result } from "./result.ts";

/** A sent message that the peer has not acknowledged: kept as text, so that it is sent again to the letter. */
interface Unacked {
  readonly seq: number;
  readonly text: string;
}

export interface LinkState {
  /** Last sequence number given out. */
  readonly sent: number;
  /** Last sequence number received. */
  readonly received: number;
  readonly unacked: readonly Unacked[];
  readonly unackedBytes: number;
}

export const newLink: LinkState = { sent: 0, received: 0, unacked: [], unackedBytes: 0 };

/** Numbers and stamps `draft`; `text` is what goes on the wire now, or waits for the next socket. */
export function linkSend(
  link: LinkState,
  draft: Draft,
  now: number,
): Result<{ readonly link: LinkState; readonly text: string }, CodedError> {
  const sequenced = !UNSEQUENCED.has(draft.type);
  const seq = sequenced ? link.sent + 1 : 0;
  const text = draft.type === "DESKTOP_LIST"
    ? listText(draft, { seq, ack: link.received, ts: now })
    : JSON.stringify({ ...draft, seq, ack: link.received, ts: now });
  if (!sequenced) return ok({ link, text });
  const unackedBytes = link.unackedBytes + text.length;
  if (link.unacked.length >= MAX_UNACKED_MESSAGES || unackedBytes > MAX_UNACKED_BYTES) {
    return err(codedError("buffer-full"));
  }
  return ok({
    link: { ...link, sent: seq, unacked: [...link.unacked, { seq, text }], unackedBytes },
    text,
  });
}

const payloadTexts = new WeakMap<object, string>();

/** One list goes to every console: its payload becomes text once. */
function listText(
  { payload, ...header }: Extract<Draft, { type: "DESKTOP_LIST" }>,
  numbers: { readonly seq: number; readonly ack: number; readonly ts: number },
): string {
  const text = payloadTexts.get(payload) ?? JSON.stringify(payload);
  payloadTexts.set(payload, text);
  return `${JSON.stringify({ ...header, ...numbers }).slice(0, -1)},"payload":${text}}`;
}

export type LinkReceipt =
  | { readonly kind: "deliver"; readonly link: LinkState }
  | { readonly kind: "duplicate"; readonly link: LinkState }
  | { readonly kind: "gap"; readonly link: LinkState };

/** Takes the acknowledgement of `message` and decides whether it is new, known or too early. */
export function linkReceive(link: LinkState, message: Message): LinkReceipt {
  const acked = linkAck(link, message.ack);
  if (message.seq === 0) return { kind: "deliver", link: acked };
  if (message.seq <= acked.received) return { kind: "duplicate", link: acked };
  if (message.seq !== acked.received + 1) return { kind: "gap", link: acked };
  return { kind: "deliver", link: { ...acked, received: message.seq } };
}

/** Forgets what the peer has acknowledged; an acknowledgement of the unsent is ignored. */
export function linkAck(link: LinkState, ack: number): LinkState {
  if (ack > link.sent || link.unacked.length === 0 || ack < link.unacked[0].seq) return link;
  let { unackedBytes } = link;
  let known = 0;
  for (; known < link.unacked.length && link.unacked[known].seq <= ack; known++) {
    unackedBytes -= link.unacked[known].text.length;
  }
  return { ...link, unacked: link.unacked.slice(known), unackedBytes };
}

/** Other texts under numbers that are given out and not acknowledged. */
export function linkReplace(link: LinkState, entries: readonly Unacked[]): LinkState {
  const texts = new Map(entries.map(({ seq, text }) => [seq, text]));
  const unacked = link.unacked.map((m) => ({ ...m, text: texts.get(m.seq) ?? m.text }));
  return { ...link, unacked, unackedBytes: unacked.reduce((sum, m) => sum + m.text.length, 0) };
}

/** After a reconnect: what the peer, which has seen up to `peerLastSeq`, has to receive again. */
export function linkResume(
  link: LinkState,
  peerLastSeq: number,
): { readonly link: LinkState; readonly resend: readonly string[] } {
  const acked = linkAck(link, peerLastSeq);
  return { link: acked, resend: acked.unacked.map((m) => m.text) };
}

/** The numbers of a message that cannot be read otherwise; null where they cannot either. */
export function numbersOf(text: string): { readonly seq: number; readonly ack: number } | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Not JSON, so it has none.
    return null;
  }
  if (typeof json !== "object" || json === null || !("seq" in json) || !("ack" in json)) {
    return null;
  }
  const { seq, ack } = json;
  return Number.isSafeInteger(seq) && Number.isSafeInteger(ack)
    ? { seq: Number(seq), ack: Number(ack) }
    : null;
}
