/**
 * The console's part of a session's trace: moments on the way from the operator's click to the
 * first frame, told to the server as spans when that has come, or has failed. Nothing is sent
 * unless the server says that the trace is recorded.
 */
import {
  type ConsoleSpan,
  type ConsoleSpanName,
  formatTraceparent,
  parseTraceparent,
  type Reason,
  type Transport,
} from "@farglass/protocol";
import type { Draft } from "./draft.ts";

export type TraceMark =
  | "requested"
  | "made"
  | "approved"
  | "offering"
  | "offered"
  | "answered"
  | "connected"
  | "ready"
  | "selected";

/** One wish for a desktop. */
export interface ConsoleTrace {
  readonly traceId: string;
  /** The first 14 of a span id's 16 hex digits; the last two number the spans. */
  readonly base: string;
  /** The click, or the loss that made the console ask again. */
  readonly startedAt: number;
  readonly again: boolean;
  readonly marks: Readonly<Partial<Record<TraceMark, number>>>;
  /** The server records it. */
  readonly recorded: boolean;
}

const ROOT = 0;
/** Each span from one mark to another; the first begins with the click, the last ends with the picture. */
const SPANS: readonly (readonly [ConsoleSpanName, from: TraceMark | null, to: TraceMark | null])[] =
  [
    ["link.ready", null, "requested"],
    ["session.request", "requested", "made"],
    ["session.decision", "made", "approved"],
    ["negotiation.offer", "offering", "offered"],
    ["negotiation.answer", "offered", "answered"],
    ["ice.connect", "answered", "connected"],
    ["channels.open", "answered", "ready"],
    ["first-frame", "selected", null],
  ];

const spanId = (trace: ConsoleTrace, number: number): string =>
  trace.base + number.toString(16).padStart(2, "0");

/** Begins a trace. */
export function traceBegin(d: Draft, again: boolean): void {
  const [traceId, base] = [d.uuid(), d.uuid()].map((id) => id.replaceAll("-", ""));
  d.patch({
    trace: {
      traceId,
      // A version 4 UUID has a 4 among them: never all zero.
      base: base.slice(0, 14),
      startedAt: d.now,
      again,
      marks: {},
      recorded: false,
    },
  });
}

/** The session is asked for again: the same wish while it has shown nothing, else a new one. */
export function traceAgain(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  if (session.trace === null) return traceBegin(d, true);
  d.patch({ trace: { ...session.trace, marks: {}, recorded: false } });
}

/** Notes a moment; the first of each name counts. */
export function traceMark(d: Draft, mark: TraceMark): void {
  const trace = d.session?.trace ?? null;
  if (trace === null || trace.marks[mark] !== undefined) return;
  d.patch({ trace: { ...trace, marks: { ...trace.marks, [mark]: d.now } } });
}

/** Another negotiation begins: what the last one came to does not count. */
export function traceOffering(d: Draft): void {
  const trace = d.session?.trace ?? null;
  if (trace === null) return;
  const { requested, made, approved } = trace.marks;
  d.patch({ trace: { ...trace, marks: { requested, made, approved, offering: d.now } } });
}

/** The server's answer tells whether it records. */
export function traceAnswered(d: Draft, traceparent: string | undefined): void {
  traceMark(d, "made");
  const trace = d.session?.trace ?? null;
  const told = traceparent === undefined ? null : parseTraceparent(traceparent);
  if (trace === null || told === null || told.traceId !== trace.traceId) return;
  d.patch({ trace: { ...trace, recorded: told.sampled } });
}

/** Envelope field of the request: below the whole wish. */
export const requestHeader = (d: Draft): { readonly traceparent?: string } => header(d, ROOT);

/** Envelope field of an offer: below the wait for its answer. */
export const offerHeader = (d: Draft): { readonly traceparent?: string } =>
  header(d, numberOf("negotiation.answer"));

const numberOf = (name: ConsoleSpanName): number =>
  SPANS.findIndex(([known]) => known === name) + 1;

function header(d: Draft, number: number): { readonly traceparent?: string } {
  const trace = d.session?.trace ?? null;
  if (trace === null) return {};
  const { traceId } = trace;
  return {
    traceparent: formatTraceparent({ traceId, spanId: spanId(trace, number), sampled: true }),
  };
}

/** The first frame is on the screen, or will never be: tells the server, once. */
export function traceEnd(
  d: Draft,
  end: { readonly ok: true; readonly transport: Transport } | {
    readonly ok: false;
    readonly reason: Reason;
  },
): void {
  const trace = d.session?.trace ?? null;
  if (trace === null) return;
  d.patch({ trace: null });
  if (!trace.recorded || d.ids === null) return;
  const spans = [rootOf(d, trace, end), ...stepsOf(trace, end.ok ? d.now : null)];
  d.send({ type: "TRACE_SPANS", ...d.ids, payload: { spans } });
}

function stepsOf(trace: ConsoleTrace, paintedAt: number | null): readonly ConsoleSpan[] {
  return SPANS.flatMap(([name, from, to], i): ConsoleSpan[] => {
    const startMs = from === null ? trace.startedAt : trace.marks[from];
    const endMs = to === null ? paintedAt ?? undefined : trace.marks[to];
    // A step that was never taken, or taken again.
    if (startMs === undefined || endMs === undefined || endMs < startMs) return [];
    const parentId = spanId(trace, ROOT);
    return [{ name, spanId: spanId(trace, i + 1), parentId, startMs, endMs, ok: true }];
  });
}

function rootOf(
  d: Draft,
  trace: ConsoleTrace,
  end: Parameters<typeof traceEnd>[1],
): ConsoleSpan {
  return {
    name: "desktop.open",
    spanId: spanId(trace, ROOT),
    parentId: null,
    startMs: trace.startedAt,
    endMs: d.now,
    ok: end.ok,
    ...(end.ok ? { transport: end.transport } : { reason: end.reason }),
    ...(end.ok && trace.again ? { reason: "retry" as const } : {}),
  };
}
