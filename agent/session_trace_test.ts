import assert from "node:assert/strict";
import { type Draft, type Message, parseTraceparent } from "@farglass/protocol";
import type { Tracer } from "./core/trace.ts";
import { SessionTraces } from "./session_trace.ts";

const DESKTOP = "11111111-1111-4111-8111-111111111111";
const SESSION = "22222222-2222-4222-8222-222222222222";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const IDS = { desktopId: DESKTOP, sessionId: SESSION };
const HEADER = { ...IDS, seq: 1, ack: 0, ts: 0 };

/** Numbers its spans; time is what the test says. */
function world() {
  const told: (readonly [name: string, parent: string, start: number, end: number, ok: boolean])[] =
    [];
  const clock = { now: 0 };
  let last = 0;
  const tracer: Tracer = {
    start(name, parent, startMs) {
      const spanId = String(++last).padStart(16, "0");
      return {
        context: { traceId: parent.traceId, spanId, sampled: true },
        end: (endMs, { ok = true } = {}) =>
          void told.push([name, parent.spanId, startMs, endMs, ok]),
      };
    },
  };
  return { told, clock, traces: new SessionTraces(tracer, () => clock.now) };
}

const request = (spanId: string, flags = "01", sessionId = SESSION): Message => ({
  type: "SESSION_REQUEST",
  ...HEADER,
  sessionId,
  traceparent: `00-${TRACE}-${spanId}-${flags}`,
  payload: { requestId: DESKTOP },
});
const signal = (kind: "offer" | "answer", traceparent?: string) => ({
  type: "DESKTOP_WEBRTC_SIGNAL" as const,
  ...HEADER,
  traceparent,
  payload: { kind, generation: 1, sdp: "v=0" },
});
const decision = (decision: "accept" | "deny"): Draft => ({
  type: "SESSION_DECISION",
  ...IDS,
  payload: { decision, by: "policy", reason: "approved-by-policy", viewOnly: false },
});
const spanOf = (draft: Draft) => parseTraceparent(draft.traceparent ?? "")?.spanId;
const id = (n: number) => String(n).padStart(16, "0");

Deno.test("SessionTraces: decision, answer, connection and first frame, each below its cause", () => {
  const { told, clock, traces } = world();
  traces.onMessage(request("a".repeat(16)));
  clock.now = 10;
  assert.equal(spanOf(traces.outgoing(decision("accept"))), id(1));
  const viewer = traces.viewer(SESSION);
  assert.ok(viewer !== null);
  clock.now = 20;
  viewer.captured();
  viewer.captured();
  traces.onMessage(signal("offer", `00-${TRACE}-${"b".repeat(16)}-01`));
  clock.now = 30;
  const answer = traces.outgoing(signal("answer"));
  assert.equal(spanOf(answer), id(3));
  clock.now = 40;
  traces.onPeerState(SESSION, 1, "connecting");
  traces.onPeerState(SESSION, 1, "connected");
  traces.onPeerState(SESSION, 1, "disconnected");
  viewer.encoded();
  viewer.selected("rtp");
  clock.now = 50;
  viewer.encoded();
  clock.now = 51;
  viewer.encoded();
  viewer.sent();
  assert.deepEqual(told, [
    ["session.decision", "a".repeat(16), 0, 10, true],
    ["capture.open", "a".repeat(16), 10, 20, true],
    ["negotiation.answer", "b".repeat(16), 20, 30, true],
    ["peer.connect", id(3), 30, 40, true],
    ["encode.first", "a".repeat(16), 40, 50, true],
    ["frame.send", "a".repeat(16), 50, 51, true],
  ]);
});

Deno.test("SessionTraces: a refusal is a failed decision, and the session is forgotten", () => {
  const { told, traces } = world();
  traces.onMessage(request("a".repeat(16)));
  traces.outgoing(decision("deny"));
  assert.deepEqual(told.map(([name, , , , ok]) => [name, ok]), [["session.decision", false]]);
  assert.equal(traces.viewer(SESSION), null);
});

Deno.test("SessionTraces: what is not sampled, malformed or without a trace leaves no span", () => {
  for (const message of [request("a".repeat(16), "00"), request("0".repeat(16))]) {
    const { told, traces } = world();
    traces.onMessage(message);
    traces.onMessage(signal("offer", message.traceparent));
    const draft = decision("accept");
    assert.equal(traces.outgoing(draft), draft);
    assert.equal(traces.viewer(SESSION), null);
    assert.deepEqual(told, []);
  }
});

Deno.test("SessionTraces: requests that nobody decides are forgotten in the end", () => {
  const { traces } = world();
  const sessionId = (n: number) => `22222222-2222-4222-8222-${String(n).padStart(12, "0")}`;
  for (let n = 0; n < 100; n++) traces.onMessage(request("a".repeat(16), "01", sessionId(n)));
  const kept = Array.from({ length: 100 }, (_, n) => traces.viewer(sessionId(n)) !== null);
  assert.deepEqual([kept.filter(Boolean).length, kept[35], kept[36]], [64, false, true]);
});
