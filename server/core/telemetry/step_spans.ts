/** What of the controller's steps belongs into a session's trace. Pure. */
import { parseTraceparent, type TraceContext } from "@farglass/protocol";
import type { ControllerEvent, Effect } from "../events.ts";
import type { DesktopState, SessionEvent, SessionState } from "../state.ts";
import { recordedTrace } from "../trace.ts";
import type { SpanAttributes } from "./ports.ts";

/** A span of the server: the handling of a message, or a wait that a step has ended. */
export type ServerSpanName =
  | "session.request"
  | "session.decision"
  | "session.failed"
  | "signal.offer"
  | "signal.answer"
  | "negotiation";

export interface SpanPlan {
  readonly name: ServerSpanName;
  readonly parent: TraceContext;
}

/** The span around the handling of a message, below its sender's; null for all that is not one. */
export function spanOfMessage(
  event: ControllerEvent,
  desktop: DesktopState | null,
): SpanPlan | null {
  if (event.kind !== "message" || event.message.type !== "DESKTOP_WEBRTC_SIGNAL") return null;
  const { payload: { kind }, sessionId, traceparent } = event.message;
  if (kind !== "offer" && kind !== "answer") return null;
  const session = desktop?.sessions[sessionId];
  const own = session === undefined ? null : recordedTrace(session);
  if (own === null) return null;
  const told = traceparent === undefined ? null : parseTraceparent(traceparent);
  // Only the session's own trace: a sender cannot write into another one.
  const parent = told?.traceId === own.traceId ? { ...told, sampled: true } : own;
  return { name: kind === "offer" ? "signal.offer" : "signal.answer", parent };
}

export interface FinishedSpan extends SpanPlan {
  readonly startMs: number;
  readonly endMs: number;
  readonly ok: boolean;
  readonly attributes: SpanAttributes;
}

/** Waits that this step has ended. */
export function finishedSpans(
  before: DesktopState | null,
  after: DesktopState | null,
  effects: readonly Effect[],
): readonly FinishedSpan[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== "event") return [];
    const { sessionId, event } = effect;
    const session = after?.sessions[sessionId] ?? before?.sessions[sessionId];
    if (session === undefined) return [];
    const parent = recordedTrace(session);
    return parent === null ? [] : finished(session, event, parent);
  });
}

function finished(
  session: SessionState,
  event: SessionEvent,
  parent: TraceContext,
): readonly FinishedSpan[] {
  const endMs = event.at;
  switch (event.type) {
    case "SESSION_DECISION": {
      const { decision, by, reason } = event;
      return [{
        name: "session.decision",
        parent,
        startMs: session.createdAtMs,
        endMs,
        ok: decision === "accept",
        attributes: { decision, by, reason },
      }];
    }
    case "DESKTOP_WEBRTC_STATE": {
      const { stage, previous, elapsedMs, retries } = event;
      if (stage !== "connected" || (previous !== "answered" && previous !== "connecting")) {
        return [];
      }
      const startMs = endMs - elapsedMs;
      return [{
        name: "negotiation",
        parent,
        startMs,
        endMs,
        ok: true,
        attributes: { retries, ...pairOf(event) },
      }];
    }
    case "SESSION_ENDED":
      // Afterwards the end is an event of its own, long after what the trace is about.
      if (session.transport !== "none") return [];
      return [{
        name: "session.failed",
        parent,
        startMs: session.createdAtMs,
        endMs,
        ok: false,
        attributes: { reason: event.reason, by: event.by },
      }];
    default:
      return [];
  }
}

function pairOf(
  { candidatePair: pair }: Extract<SessionEvent, { type: "DESKTOP_WEBRTC_STATE" }>,
): SpanAttributes {
  if (pair === null) return {};
  return { localCandidate: pair.local, remoteCandidate: pair.remote };
}
