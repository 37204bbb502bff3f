/**
 * The numbered, resumable message stream on both ends of a signalling WebSocket: sequence
 * numbers, cumulative acknowledgement, retransmission after a reconnect, exactly-once delivery.
 * Pure: the shell owns the socket and the clock.
 */
import { type CodedError, codedError } from "./errors.ts";
import { MAX_UNACKED_BYTES, MAX_UNACKED_MESSAGES } from "./limits.ts";
import { type Draft, type Message, UNSEQUENCED } from "./messages.ts";
import { err, ok, type Result } from "./result.ts";
import { type Unacked, UnackedLog } from "./unacked.ts";

export interface LinkState {
  /** Last sequence number given out. */
  readonly sent: number;
  /** Last sequence number received. */
  readonly received: number;
  readonly unacked: UnackedLog;
}

export const newLink: LinkState = { sent: 0, received: 0, unacked: UnackedLog.none };

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
  const { received, unacked } = link;
  if (
    unacked.length >= MAX_UNACKED_MESSAGES || unacked.bytes + text.length > MAX_UNACKED_BYTES
  ) return err(codedError("buffer-full"));
  return ok({ link: { sent: seq, received, unacked: unacked.with({ seq, text }) }, text });
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
  const { seq } = message;
  const acked = linkAck(link, message.ack);
  const kind = linkOrder(acked.received, seq);
  return { kind, link: kind === "deliver" && seq > 0 ? { ...acked, received: seq } : acked };
}

/** Whether message `seq` is new, known or too early after `received`. */
export function linkOrder(received: number, seq: number): LinkReceipt["kind"] {
  if (seq === 0 || seq === received + 1) return "deliver";
  return seq <= received ? "duplicate" : "gap";
}

/** Forgets what the peer has acknowledged; an acknowledgement of the unsent is ignored. */
export function linkAck(link: LinkState, ack: number): LinkState {
  if (ack > link.sent) return link;
  const unacked = link.unacked.after(ack);
  return unacked === link.unacked ? link : { ...link, unacked };
}

/** Other texts under numbers that are given out and not acknowledged. */
export function linkReplace(link: LinkState, entries: readonly Unacked[]): LinkState {
  const texts = new Map(entries.map(({ seq, text }) => [seq, text]));
  const replaced = [...link.unacked].map(({ seq, text }) => ({
    seq,
    text: texts.get(seq) ?? text,
  }));
  return { ...link, unacked: UnackedLog.of(replaced) };
}

/** After a reconnect: what the peer, which has seen up to `peerLastSeq`, has to receive again. */
export function linkResume(
  link: LinkState,
  peerLastSeq: number,
): { readonly link: LinkState; readonly resend: readonly string[] } {
  const acked = linkAck(link, peerLastSeq);
  return { link: acked, resend: Array.from(acked.unacked, (m) => m.text) };
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
