/**
 * One signalling link at the server, from WELCOME to its death: numbering, resume, heartbeat,
 * rate limit, bad messages. A link outlives its socket by LINK_RESUME_MS.
 */
import {
  CLOSE,
  type CodedError,
  codedError,
  decodeMessage,
  type Draft,
  type ErrorCode,
  LINK_HEARTBEAT_MS,
  LINK_RESUME_MS,
  LINK_TIMEOUT_MS,
  linkAck,
  linkOrder,
  linkResume,
  linkSend,
  type LinkState,
  type Message,
  type MessageType,
  PROTOCOL_VERSION,
  retryLater,
  SOFTWARE_VERSION,
  type Unacked,
  UnackedLog,
} from "@farglass/protocol";
import { isPressed } from "./link_pressure.ts";
import { type Bucket, type BucketRate, fullBucket, takeToken } from "./rate_limit.ts";

export interface LinkLimits {
  readonly rate: BucketRate;
  /** UTF-16 units of text; the burst must hold the largest message. Left out: no limit. */
  readonly bytes?: BucketRate;
  /** Bad messages on one link before it is closed for good. */
  readonly maxBadMessages: number;
}

export interface ServerLink {
  readonly linkId: string;
  readonly role: "agent" | "console";
  readonly limits: LinkLimits;
  /** Its `received` is what is dealt with, and so may be acknowledged. */
  readonly link: LinkState;
  /** Last number received; `pending` are those of them that are still being dealt with. */
  readonly heard: number;
  readonly pending: readonly number[];
  /** Taken over from another node: only the client's next numbered message tells `heard`. */
  readonly adopted: boolean;
  /** When the socket went, in Unix ms; null while there is one. */
  readonly detachedAtMs: number | null;
  readonly heardAtMs: number;
  /** Highest sequence number that an outgoing message has acknowledged. */
  readonly ackSent: number;
  readonly badMessages: number;
  readonly bucket: Bucket;
  readonly byteBucket: Bucket;
  /** The heartbeat that the client was last told; silence of three is a dead link. */
  readonly heartbeatMs: number;
  readonly dead: boolean;
}

export type LinkEvent =
  /** A new socket after HELLO; `lastSeq` is what the client has seen of this link, null for a new one. */
  | { readonly kind: "attach"; readonly lastSeq: number | null; readonly heartbeatMs?: number }
  /** `heartbeatMs` is what a client of that role should keep now; LINK_HEARTBEAT_MS when left out. */
  | { readonly kind: "text"; readonly text: string; readonly heartbeatMs?: number }
  /** A binary frame came; it is dealt with elsewhere, but the link is alive. */
  | { readonly kind: "binary" }
  | { readonly kind: "send"; readonly draft: Draft }
  /** A delivered message is dealt with: nobody needs it again. */
  | { readonly kind: "handled"; readonly seq: number }
  /** The socket closed. `final`: the client will not resume. */
  | { readonly kind: "detach"; readonly final: boolean }
  | { readonly kind: "tick" };

export type LinkEffect =
  /** `type` is null for a message that is sent again; `seq` is 0 for one without a number. */
  | {
    readonly kind: "write";
    readonly text: string;
    readonly type: MessageType | null;
    readonly seq: number;
  }
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  | { readonly kind: "deliver"; readonly message: Message }
  | { readonly kind: "rejected"; readonly code: ErrorCode }
  /** Nobody will resume the link any more. */
  | { readonly kind: "gone" };

type Stepped = readonly [ServerLink, readonly LinkEffect[]];

/** Messages that may wait for the store; the client keeps what this link does not take. */
const MAX_PENDING = 256;
/** The client acknowledges at least with every PING; before that this many may wait for it. */
const ACK_EVERY = 64;

export function newServerLink(
  options: Pick<ServerLink, "linkId" | "role" | "limits">,
  now: number,
  adopted: { readonly sent: number; readonly unacked: Iterable<Unacked> } | null = null,
): ServerLink {
  const { sent, unacked } = adopted ?? { sent: 0, unacked: [] };
  return {
    ...options,
    link: { sent, received: 0, unacked: UnackedLog.of(unacked) },
    heard: 0,
    pending: [],
    adopted: adopted !== null,
    detachedAtMs: now,
    heardAtMs: now,
    ackSent: 0,
    badMessages: 0,
    bucket: fullBucket(options.limits.rate, now),
    byteBucket: fullBucket(options.limits.bytes ?? options.limits.rate, now),
    heartbeatMs: LINK_HEARTBEAT_MS,
    dead: false,
  };
}

/** One event; effects are to be run in order. A dead link does nothing. */
export function linkStep(state: ServerLink, event: LinkEvent, now: number): Stepped {
  if (state.dead) return [state, []];
  switch (event.kind) {
    case "attach":
      return onAttach(state, event, now);
    case "text":
      return onText(state, event, now);
    case "binary":
      return [{ ...state, heardAtMs: now }, []];
    case "send":
      return onSend(state, event.draft, now);
    case "handled":
      return onHandled(state, event.seq, now);
    case "detach":
      if (event.final) return die(state, null);
      return [state.detachedAtMs === null ? { ...state, detachedAtMs: now } : state, []];
    case "tick":
      return onTick(state, now);
  }
}

function onAttach(
  state: ServerLink,
  event: Extract<LinkEvent, { kind: "attach" }>,
  now: number,
): Stepped {
  const { lastSeq, heartbeatMs = LINK_HEARTBEAT_MS } = event;
  const resume = linkResume(state.link, lastSeq ?? 0);
  const payload = {
    version: PROTOCOL_VERSION,
    software: SOFTWARE_VERSION,
    linkId: state.linkId,
    resumed: lastSeq !== null,
    lastSeq: state.link.received,
    heartbeatMs,
  };
  const welcome = { type: "WELCOME", seq: 0, ack: state.link.received, ts: now, payload };
  return [
    {
      ...state,
      link: resume.link,
      detachedAtMs: null,
      heardAtMs: now,
      heartbeatMs,
      ackSent: state.link.received,
    },
    [
      { kind: "write", text: JSON.stringify(welcome), type: "WELCOME", seq: 0 },
      ...Array.from(
        resume.link.unacked,
        ({ text, seq }) => ({ kind: "write", text, type: null, seq }) as const,
      ),
    ],
  ];
}

function onText(
  state: ServerLink,
  event: Extract<LinkEvent, { kind: "text" }>,
  now: number,
): Stepped {
  const { text, heartbeatMs = LINK_HEARTBEAT_MS } = event;
  const taken = takeRate(state, text.length, now);
  const { waitMs, bucket, byteBucket } = taken;
  // Over the limit it is not even read.
  const decoded = waitMs === 0
    ? decodeMessage(text, state.role)
    : { ok: false, error: retryLater("rate-limited", { ms: waitMs }) } as const;
  if (!decoded.ok) {
    const next = { ...state, heardAtMs: now, bucket, byteBucket };
    const { seq, type } = peek(text);
    // What is sent again after a resume was dealt with: too many of those need no answer.
    if (waitMs > 0 && seq > 0 && seq <= state.heard) return [next, []];
    return onBad(next, { error: decoded.error, seq, type }, now);
  }
  const message = decoded.value;
  const { seq } = message;
  const order = linkOrder(state.adopted && seq > 0 ? seq - 1 : state.heard, seq);
  const isWork = order === "deliver" && seq > 0;
  if (isWork && !isDone(message) && state.pending.length >= MAX_PENDING) {
    // As if it had not come: the client sends it again when it is back.
    const next = { ...state, heardAtMs: now, bucket, byteBucket };
    return [next, [{ kind: "close", code: CLOSE.tryAgainLater, reason: "busy" }]];
  }
  const heard = isWork ? seq : state.heard;
  const pending = isWork && !isDone(message) ? [...state.pending, seq] : state.pending;
  const link = settled(linkAck(state.link, message.ack), heard, pending);
  const adopted = state.adopted && seq === 0;
  // One copy: this is done for every message.
  const next = { ...state, heardAtMs: now, bucket, byteBucket, link, heard, pending, adopted };
  if (order === "duplicate") return [next, []];
  if (order === "gap") {
    return [
      next,
      [
        { kind: "rejected", code: "sequence-gap" },
        { kind: "close", code: CLOSE.policyViolation, reason: "sequence-gap" },
      ],
    ];
  }
  if (message.type === "PING") return onPing(next, heartbeatMs, now);
  if (message.type === "PONG") return [next, []];
  if (message.type === "HELLO") {
    const error = codedError("out-of-state", "HELLO came twice");
    return onBad(next, { error, seq: 0, type: "HELLO" }, now);
  }
  return [next, [{ kind: "deliver", message }]];
}

/** What the link deals with itself. */
const isDone = ({ type }: Message): boolean =>
  type === "PING" || type === "PONG" || type === "HELLO";

/** Takes one message of so many bytes; the wait in ms is 0 when it may pass. */
function takeRate(state: ServerLink, bytes: number, now: number) {
  const { limits, bucket, byteBucket } = state;
  const one = takeToken(bucket, limits.rate, now);
  if (limits.bytes === undefined) {
    return { bucket: one.bucket, byteBucket, waitMs: one.waitMs };
  }
  const all = takeToken(byteBucket, limits.bytes, now, bytes);
  return {
    bucket: one.bucket,
    byteBucket: all.bucket,
    waitMs: Math.max(one.waitMs, all.waitMs),
  };
}

/** Answers, and says so when the heartbeat should be another one. */
function onPing(state: ServerLink, heartbeatMs: number, now: number): Stepped {
  if (heartbeatMs === state.heartbeatMs) return onSend(state, { type: "PONG", payload: {} }, now);
  return onSend({ ...state, heartbeatMs }, { type: "PONG", payload: { heartbeatMs } }, now);
}

/** What may be acknowledged: everything before the first message that is not dealt with. */
function settled(link: LinkState, heard: number, pending: readonly number[]): LinkState {
  const received = pending.length > 0 ? pending[0] - 1 : heard;
  if (received === link.received) return link;
  return { sent: link.sent, received, unacked: link.unacked };
}

/** Acknowledges a long run of messages early, so that the client's buffer cannot fill up. */
function onHandled(state: ServerLink, seq: number, now: number): Stepped {
  const pending = state.pending[0] === seq
    ? state.pending.slice(1)
    : state.pending.filter((s) => s !== seq);
  const next = { ...state, pending, link: settled(state.link, state.heard, pending) };
  if (next.link.received - next.ackSent < ACK_EVERY) return [next, []];
  return onSend(next, { type: "PONG", payload: {} }, now);
}

/** A message that cannot be read has still been sent: its number, where legible, is used up. */
function onBad(
  state: ServerLink,
  bad: { readonly error: CodedError; readonly seq: number; readonly type: string },
  now: number,
): Stepped {
  const { error, seq, type } = bad;
  const heard = seq > 0 && (state.adopted || seq === state.heard + 1) ? seq : state.heard;
  // A burst is no bad message, nor is what a newer client knows and this server does not; their
  // errors fill the link's own bounded buffer if they never end.
  const innocent = error.code === "rate-limited" || error.code === "unknown-type";
  const badMessages = state.badMessages + (innocent ? 0 : 1);
  const adopted = state.adopted && seq === 0;
  const link = settled(state.link, heard, state.pending);
  const next = { ...state, link, heard, adopted, badMessages };
  const rejected = { kind: "rejected", code: error.code } as const;
  if (badMessages > state.limits.maxBadMessages) {
    const [dead, effects] = die(next, { code: CLOSE.policyViolation, reason: "too many errors" });
    return [dead, [rejected, ...effects]];
  }
  const draft: Draft = {
    type: "ERROR",
    payload: { ...error, refSeq: seq, ...(type === "" ? {} : { refType: type }) },
  };
  const [sent, effects] = onSend(next, draft, now);
  return [sent, [rejected, ...effects]];
}

function peek(text: string): { readonly seq: number; readonly type: string } {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== "object" || json === null) return { seq: 0, type: "" };
    const seq = "seq" in json && Number.isSafeInteger(json.seq) ? Number(json.seq) : 0;
    const type = "type" in json && typeof json.type === "string" ? json.type.slice(0, 64) : "";
    return { seq: Math.max(0, seq), type };
  } catch {
    // Not JSON: the error says so already.
    return { seq: 0, type: "" };
  }
}

function onSend(state: ServerLink, draft: Draft, now: number): Stepped {
  const pressed = state.detachedAtMs !== null || isPressed(state.link);
  if (pressed && isDroppable(draft)) return [state, []];
  const sent = linkSend(state.link, draft, now);
  if (!sent.ok) {
    const [dead, effects] = die(state, { code: CLOSE.tryAgainLater, reason: sent.error.code });
    return [dead, [{ kind: "rejected", code: sent.error.code }, ...effects]];
  }
  const next = { ...state, link: sent.value.link, ackSent: state.link.received };
  if (state.detachedAtMs !== null) return [next, []];
  const seq = sent.value.link.sent === state.link.sent ? 0 : sent.value.link.sent;
  return [next, [{ kind: "write", text: sent.value.text, type: draft.type, seq }]];
}

/** What a newer message replaces: better lost than kept for a peer that does not read. */
function isDroppable(draft: Draft): boolean {
  if (draft.type === "PONG" || draft.type === "PING") return true;
  if (draft.type !== "VIEWER_CONTROL") return false;
  const { op } = draft.payload;
  return op === "cursor-position" || op === "ping" || op === "pong";
}

/** When `tick` has something to do if nothing is heard meanwhile, in Unix ms. */
export const linkDeadline = (state: ServerLink): number =>
  state.detachedAtMs !== null
    ? state.detachedAtMs + LINK_RESUME_MS
    : state.heardAtMs + Math.max(LINK_TIMEOUT_MS, BEATS_MISSED * state.heartbeatMs);

const BEATS_MISSED = 3;

function onTick(state: ServerLink, now: number): Stepped {
  if (state.detachedAtMs !== null) {
    return now - state.detachedAtMs >= LINK_RESUME_MS ? die(state, null) : [state, []];
  }
  if (now < linkDeadline(state)) return [state, []];
  return [state, [{ kind: "close", code: CLOSE.heartbeatLost, reason: "silence" }]];
}

function die(
  state: ServerLink,
  close: { readonly code: number; readonly reason: string } | null,
): Stepped {
  const effects: LinkEffect[] = close === null ? [] : [{ kind: "close", ...close }];
  return [{ ...state, dead: true }, [...effects, { kind: "gone" }]];
}
