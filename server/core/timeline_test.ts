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

Deno.test("timelineOf: ICE and DTLS of each end, at the time they changed and not when told", () => {
  const d = new ControllerDriver().run(...SCRIPTS.answered);
  const start = d.now;
  d.now += 300;
  d.run(on.peer("console", "connecting", 1, [{ layer: "ice", state: "checking", agoMs: 280 }]));
  d.now += 100;
  d.run(on.peer("console", "connected", 1, [
    { layer: "ice", state: "connected", agoMs: 90.4 },
    { layer: "dtls", state: "connecting", agoMs: 90.4 },
    { layer: "dtls", state: "connected", agoMs: 10 },
  ]));
  // A repeat, one that began before the negotiation did, and one of an old generation.
  const layers = [{ layer: "ice", state: "checking", agoMs: 1e6 }] as const;
  d.run(
    on.peer("console", "connected", 1, [{ layer: "dtls", state: "connected", agoMs: 0 }]),
    on.peer("agent", "connected", 1, [...layers]),
    on.peer("agent", "closed", 0, [...layers]),
  );
  const session = d.desktop?.sessions[SESSION];
  assert.ok(session !== undefined);
  const timeline = timelineOf({ ...session, endedAtMs: null }, d.now + 50);
  const spans = (lane: string) =>
    timeline.lanes.find((l) => l.lane === lane)?.spans.map((s) =>
      `${s.label} ${s.from - start} ${s.to - s.from}`
    );
  assert.deepEqual(spans("ice-console"), ["checking 20 290", "connected 310 140"]);
  assert.deepEqual(spans("dtls-console"), ["connecting 310 80", "connected 390 60"]);
  assert.deepEqual(spans("ice-agent"), [
    `checking ${session.negotiation.startedAtMs - start} ${
      d.now + 50 - session.negotiation.startedAtMs
    }`,
  ]);
  assert.deepEqual(spans("dtls-agent"), []);
  const step = timeline.steps.find((s) => s.layer?.layer === "dtls");
  assert.deepEqual(step?.layer, { peer: "console", layer: "dtls", state: "connecting" });
  for (let i = 1; i < timeline.steps.length; i++) {
    assert.ok(timeline.steps[i].at >= timeline.steps[i - 1].at);
  }
});
