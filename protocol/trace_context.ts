/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): the `traceparent` that every process
 * of a session hands on, and the finished spans that a console hands to its server.
 */
import * as v from "valibot";
import { REASON_CODES, TRANSPORTS } from "./vocabulary.ts";

/** Names one span and says whether it is recorded. */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  /** The `sampled` flag (section 3.2.2.5.1): the sender records this trace. */
  readonly sampled: boolean;
}

/** Version 00 is exactly 55 characters; what a later version adds follows a dash (section 4.3). */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Longer ones are refused unread. */
const MAX_TRACEPARENT_CHARS = 256;

/** Reads a traceparent; null when it is anything else. */
export function parseTraceparent(text: string): TraceContext | null {
  if (text.length > MAX_TRACEPARENT_CHARS) return null;
  const match = TRACEPARENT.exec(text);
  if (match === null) return null;
  const [, version, traceId, spanId, flags, rest] = match;
  if (version === "00" && rest !== undefined) return null;
  return { traceId, spanId, sampled: (parseInt(flags, 16) & 1) === 1 };
}

/** Writes a traceparent of version 00. */
export const formatTraceparent = ({ traceId, spanId, sampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;

/** An envelope's traceparent: a malformed one counts as none and never costs the message. */
export const traceparentSchema = /* @__PURE__ */ v.fallback(
  /* @__PURE__ */ v.optional(
    /* @__PURE__ */ v.pipe(v.string(), v.check((text) => parseTraceparent(text) !== null)),
  ),
  undefined,
);

/** What a console may call its spans: nothing else reaches a trace. */
export const CONSOLE_SPANS = [
  /** From the operator's click to the first frame on the screen. */
  "desktop.open",
  /** From the click until a link and an online desktop let the request go out. */
  "link.ready",
  "session.request",
  "session.decision",
  "negotiation.offer",
  "negotiation.answer",
  "ice.connect",
  "channels.open",
  "first-frame",
] as const;
export type ConsoleSpanName = (typeof CONSOLE_SPANS)[number];

/** Spans in one report; a console has one report per trace. */
export const MAX_REPORTED_SPANS = 16;

const spanId = v.pipe(v.string(), v.regex(/^(?!0{16})[0-9a-f]{16}$/));
const timeMs = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(8.64e15));

/** One finished span of a console; the trace is its session's. Times are Unix ms. */
export const consoleSpanSchema = v.pipe(
  v.object({
    name: v.picklist(CONSOLE_SPANS),
    spanId,
    /** Null for the root. */
    parentId: v.nullable(spanId),
    startMs: timeMs,
    endMs: timeMs,
    ok: v.boolean(),
    transport: v.optional(v.picklist(TRANSPORTS)),
    reason: v.optional(v.picklist(REASON_CODES)),
  }),
  v.check(({ startMs, endMs }) => endMs >= startMs, "ends before it starts"),
);
export type ConsoleSpan = v.InferOutput<typeof consoleSpanSchema>;
