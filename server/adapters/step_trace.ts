/** The trace around one step of the controller: its own span, and the waits that the step ends. */
import { formatTraceparent, type TraceContext } from "@farglass/protocol";
import type { ControllerEvent, Effect } from "../core/events.ts";
import type { DesktopState } from "../core/state.ts";
import type { OpenSpan, Tracer } from "../core/telemetry/ports.ts";
import { finishedSpans, spanOfMessage } from "../core/telemetry/step_spans.ts";
import { newSessionTrace, traceOf } from "../core/trace.ts";

export interface StepTraceOptions {
  /** The span that asks for a session. */
  readonly caller: TraceContext | null;
  /** Unix ms. */
  readonly startMs: number;
}

/** Lives for one step; without a tracer it only gives a new session its trace id. */
export class StepTrace {
  readonly #tracer: Tracer | null;
  readonly #options: StepTraceOptions;
  #event: ControllerEvent;
  #span: OpenSpan | null = null;
  #entered = false;

  constructor(tracer: Tracer | null, event: ControllerEvent, options: StepTraceOptions) {
    this.#tracer = tracer;
    this.#event = event;
    this.#options = options;
  }

  /** The event for the step. A step that is decided again keeps its span. */
  enter(desktop: DesktopState | null): ControllerEvent {
    if (this.#entered) return this.#event;
    this.#entered = true;
    if (this.#event.kind === "request") this.#enterRequest(this.#event);
    else if (this.#tracer !== null) {
      const plan = spanOfMessage(this.#event, desktop);
      if (plan !== null) this.#span = this.#start(this.#tracer, plan.name, plan.parent);
    }
    return this.#event;
  }

  #enterRequest(event: Extract<ControllerEvent, { kind: "request" }>): void {
    const { caller } = this.#options;
    // Whoever asks may want to be left out of the traces.
    if (this.#tracer !== null && caller?.sampled !== false) {
      this.#span = this.#start(this.#tracer, "session.request", caller, event.sessionId);
    }
    const trace = newSessionTrace(event.sessionId, caller, this.#span?.context ?? null);
    this.#event = { ...event, trace };
  }

  #start(tracer: Tracer, name: string, parent: TraceContext | null, sessionId = ""): OpenSpan {
    const { startMs } = this.#options;
    return tracer.start({ name, traceId: parent?.traceId ?? traceOf(sessionId), parent, startMs });
  }

  /** A description that goes on in this step is a child of the step's span. */
  outgoing(effect: Effect): Effect {
    if (this.#span === null || effect.kind !== "send") return effect;
    const { draft } = effect;
    if (draft.type !== "DESKTOP_WEBRTC_SIGNAL" || draft.traceparent === undefined) return effect;
    return { ...effect, draft: { ...draft, traceparent: formatTraceparent(this.#span.context) } };
  }

  /** The step is stored. */
  end(done: {
    readonly before: DesktopState | null;
    readonly after: DesktopState | null;
    readonly effects: readonly Effect[];
    readonly endMs: number;
    /** How far that clock is ahead of the one that the sessions' times come from. */
    readonly aheadMs?: number;
  }): void {
    if (this.#tracer === null) return;
    const { before, after, effects, endMs, aheadMs = 0 } = done;
    const refused = effects.find((e) => e.kind === "reject");
    this.#span?.end(
      endMs,
      refused === undefined ? {} : { ok: false, attributes: { code: refused.error.code } },
    );
    for (const { name, parent, startMs, ...more } of finishedSpans(before, after, effects)) {
      const { traceId } = parent;
      const span = this.#tracer.start({ name, traceId, parent, startMs: startMs + aheadMs });
      span.end(more.endMs + aheadMs, more);
    }
  }
}
