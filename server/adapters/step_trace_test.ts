import assert from "node:assert/strict";
import { parseTraceparent, type TraceContext } from "@farglass/protocol";
import { step } from "../core/controller.ts";
import type { ControllerEvent, Effect } from "../core/events.ts";
import { DEFAULT_POLICY } from "../core/policy.ts";
import type { DesktopState } from "../core/state.ts";
import type { Tracer } from "../core/telemetry/ports.ts";
import { AGENT_LINK, CONSOLE_LINK, on, SESSION, START } from "../testing/controller_driver.ts";
import { StepTrace } from "./step_trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLICK: TraceContext = { traceId: TRACE, spanId: "aaaaaaaaaaaaaaaa", sampled: true };

interface Told {
  readonly name: string;
  readonly traceId: string;
  readonly parent: string | null;
  readonly spanId: string;
  readonly times: readonly [number, number];
  readonly ok: boolean;
}

/** Numbers its spans: 1, 2, 3… */
function recorder() {
  const told: Told[] = [];
  let last = 0;
  const tracer: Tracer = {
    start({ name, traceId, parent, startMs }) {
      const spanId = String(++last).padStart(16, "0");
      return {
        context: { traceId, spanId, sampled: true },
        end(endMs, { ok = true } = {}) {
          const times = [startMs - START, endMs - START] as const;
          told.push({ name, traceId, parent: parent?.spanId ?? null, spanId, times, ok });
        },
      };
    },
    forward() {},
  };
  return { told, tracer };
}

/** Runs steps ten milliseconds apart, each taking one. */
function run(
  tracer: Tracer | null,
  events: readonly ControllerEvent[],
  caller: TraceContext | null = CLICK,
) {
  let desktop: DesktopState | null = null;
  const sent: Effect[] = [];
  events.forEach((event, i) => {
    const startMs = START + i * 10;
    const trace = new StepTrace(tracer, event, { caller, startMs });
    const before: DesktopState | null = desktop;
    const [after, effects] = step(before, trace.enter(before), startMs, DEFAULT_POLICY);
    sent.push(...effects.map((e) => trace.outgoing(e)));
    trace.end({ before, after, effects, endMs: startMs + 1 });
    desktop = after;
  });
  const contexts = (linkId: string) =>
    sent.flatMap((e) =>
      e.kind === "send" && e.linkId === linkId && e.draft.traceparent !== undefined
        ? [parseTraceparent(e.draft.traceparent)]
        : []
    );
  return { desktop: desktop as DesktopState | null, contexts };
}

const withTrace = (event: ControllerEvent, spanId: string, traceId = TRACE): ControllerEvent =>
  event.kind === "message"
    ? { ...event, message: { ...event.message, traceparent: `00-${traceId}-${spanId}-01` } }
    : event;

const OPENING = [
  on.caps(),
  on.request(),
  on.decision("accept"),
  withTrace(on.offer(1), "bbbbbbbbbbbbbbbb"),
  withTrace(on.answer(1), "cccccccccccccccc"),
  on.candidate("console", 1),
  on.peer("agent", "connecting"),
  on.peer("console", "connected"),
];

const span = (n: number) => String(n).padStart(16, "0");

Deno.test("StepTrace: request, decision, offer, answer and connection, each below its cause", () => {
  const { told, tracer } = recorder();
  const { contexts } = run(tracer, OPENING);
  assert.deepEqual(
    told.map(({ name, parent, times, ok }) => [name, parent, ...times, ok]),
    [
      ["session.request", CLICK.spanId, 10, 11, true],
      ["session.decision", span(1), 10, 20, true],
      ["signal.offer", "bbbbbbbbbbbbbbbb", 30, 31, true],
      ["signal.answer", "cccccccccccccccc", 40, 41, true],
      ["negotiation", span(1), 30, 70, true],
    ],
  );
  assert.deepEqual(new Set(told.map((s) => s.traceId)), new Set([TRACE]));
  const sampled = (spanId: string) => ({ traceId: TRACE, spanId, sampled: true });
  // The request by the server's own span, the offer by the span that handled it.
  assert.deepEqual(contexts(AGENT_LINK), [sampled(span(1)), sampled(span(3))]);
  assert.deepEqual(contexts(CONSOLE_LINK), [sampled(span(1)), sampled(span(4))]);
});

Deno.test("StepTrace: a context of another trace is not followed", () => {
  const { told, tracer } = recorder();
  const foreign = withTrace(on.offer(1), "bbbbbbbbbbbbbbbb", "f".repeat(32));
  run(tracer, [...OPENING.slice(0, 3), foreign]);
  const offer = told.find((s) => s.name === "signal.offer");
  assert.deepEqual([offer?.traceId, offer?.parent], [TRACE, span(1)]);
});

Deno.test("StepTrace: a refused offer and a refused session are errors", () => {
  const { told, tracer } = recorder();
  run(tracer, [...OPENING.slice(0, 3), on.offer(1, "nonsense"), on.kill()]);
  const failed = told.filter((s) => !s.ok).map((s) => s.name);
  assert.deepEqual(failed, ["signal.offer", "session.failed"]);
  const denied = recorder();
  run(denied.tracer, [on.caps(), on.request(), on.decision("deny")]);
  const names = denied.told.filter((s) => !s.ok).map((s) => s.name);
  assert.deepEqual(names, ["session.decision", "session.failed"]);
});

Deno.test("StepTrace: nobody brought a trace → the server begins one", () => {
  const { told, tracer } = recorder();
  const { desktop } = run(tracer, [on.caps(), on.restRequest()], null);
  const traceId = SESSION.replaceAll("-", "");
  assert.deepEqual([told[0].name, told[0].parent, told[0].traceId], [
    "session.request",
    null,
    traceId,
  ]);
  assert.deepEqual(desktop?.sessions[SESSION].trace, {
    traceId,
    callerSpanId: null,
    spanId: span(1),
    sampled: true,
  });
});

for (
  const [name, tracer, caller] of [
    ["nobody collects", null, CLICK],
    ["the caller does not want it", recorder().tracer, { ...CLICK, sampled: false }],
  ] as const
) {
  Deno.test(`StepTrace: ${name} → the id goes on, unsampled, and no span is made`, () => {
    const { desktop, contexts } = run(tracer, OPENING, caller);
    const passed = { traceId: TRACE, spanId: CLICK.spanId, sampled: false };
    assert.deepEqual(contexts(AGENT_LINK), [passed, passed]);
    assert.equal(desktop?.sessions[SESSION].trace?.sampled, false);
  });
}
