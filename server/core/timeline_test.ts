/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { ControllerDriver, on, SCRIPTS, SESSION } from "../testing/controller_driver.ts";
import { timelineOf } from "./timeline.ts";

/** Runs events a tenth of a second apart. */
function history() {
  const d = new ControllerDriver();
  const events = [
    ...SCRIPTS.connected,
    on.restored("none", "rtp", "transport-selected"),
    on.fallback("rtp", "diff-ws"),
    on.restored("diff-ws", "rtp"),
  ];
  for (const event of events) {
    d.now += 100;
    d.run(event);
  }
  return d;
}

Deno.test("timelineOf: each transition with cause, duration and evidence", () => {
  const d = history();
  const session = d.desktop?.sessions[SESSION];
  assert.ok(session !== undefined);
  const timeline = timelineOf({ ...session, endedAtMs: null }, d.now + 50);
  const fallback = timeline.steps.find((s) => s.type === "DESKTOP_TRANSPORT_FALLBACK");
  assert.deepEqual([fallback?.cause, fallback?.evidence, fallback?.transport], [
    "rtp-stalled",
    { ms: 1 },
    "diff-ws",
  ]);
  assert.equal(timeline.steps.at(-1)?.durationMs, 50);
  assert.deepEqual([timeline.connectedMs, timeline.firstFrameMs], [500, 600]);
  const spans = (lane: string) =>
    timeline.lanes.find((l) => l.lane === lane)?.spans.map((s) => `${s.label} ${s.to - s.from}`);
  assert.deepEqual(spans("signalling"), ["requested 100", "approved 100", "offered 100"]);
  assert.deepEqual(spans("connection"), [
    "answered 100",
    "connecting 100",
    "connected 200",
    "fallback 100",
    "connected 50",
  ]);
  assert.deepEqual(spans("first-frame"), ["first frame 600"]);
  assert.equal(spans("transport")?.map((s) => s.split(" ")[0]).join(), "rtp,diff-ws,rtp");
});

Deno.test("timelineOf: an ended session is closed at its end", () => {
  const d = history();
  d.run(on.kill());
  const ended = d.desktop?.ended.at(-1);
  assert.ok(ended !== undefined);
  const timeline = timelineOf(ended, d.now + 1_000_000);
  assert.equal(timeline.endedAt, d.now);
  const last = timeline.steps.findLast((s) => s.type === "SESSION_ENDED");
  assert.deepEqual([last?.cause, last?.durationMs], ["killed", null]);
  for (const { spans } of timeline.lanes) {
    for (const { from, to } of spans) assert.ok(from <= to && to <= d.now);
  }
});
