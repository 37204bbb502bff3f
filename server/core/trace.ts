/** The W3C trace of a session: made with it, kept with it, handed on with its messages. */
import { formatTraceparent, type TraceContext } from "@farglass/protocol";

/** Where a session stands in its trace. */
export interface SessionTrace {
  readonly traceId: string;
  /** The span that asked for the session, the console's or a REST caller's; null when none did. */
  readonly callerSpanId: string | null;
  /** The parent of what the session leads to. */
  readonly spanId: string;
  /** Whether this trace is recorded. */
  readonly sampled: boolean;
}

/** The trace id of a session that nobody brought one for: its UUID without the dashes. */
export const traceOf = (sessionId: string): string => sessionId.replaceAll("-", "").toLowerCase();

/** A new session's trace; `span` is the server's own, where it records. */
export const newSessionTrace = (
  sessionId: string,
  caller: TraceContext | null,
  span: TraceContext | null,
): SessionTrace => ({
  traceId: caller?.traceId ?? traceOf(sessionId),
  callerSpanId: caller?.spanId ?? null,
  spanId: span?.spanId ?? caller?.spanId ?? traceOf(sessionId).slice(0, 16),
  sampled: span !== null,
});

interface Traced {
  readonly sessionId: string;
  readonly trace?: SessionTrace;
}

/** The trace id of a live or ended session. */
export const traceIdOf = ({ sessionId, trace }: Traced): string =>
  trace?.traceId ?? traceOf(sessionId);

/** The session's place in its trace, for children; null when nobody records it. */
export const recordedTrace = ({ trace }: Traced): TraceContext | null =>
  trace?.sampled === true ? { traceId: trace.traceId, spanId: trace.spanId, sampled: true } : null;

/** Envelope field of a message that opens the session further. */
export const traceHeader = ({ trace }: Traced): { readonly traceparent?: string } =>
  trace === undefined ? {} : { traceparent: formatTraceparent(trace) };

/** The trace id of one of a desktop's sessions, live or ended. */
export function traceIdIn(
  desktop: {
    readonly sessions: Readonly<Record<string, Traced>>;
    readonly ended: readonly Traced[];
  } | null,
  sessionId: string,
): string | null {
  const session = desktop?.sessions[sessionId] ??
    desktop?.ended.find((s) => s.sessionId === sessionId);
  return session === undefined ? null : traceIdOf(session);
}
