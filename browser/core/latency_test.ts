/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { AgentFrame } from "@farglass/protocol";
import { addPing, NO_CLOCK } from "./clock_offset.ts";
import { addFrames, latencyView, NO_LATENCY, type ShownFrame } from "./latency.ts";

/** The agent's clock is 1,000,000 ms behind, give or take 1 ms. */
const clock = addPing(NO_CLOCK, { sentAt: 1_000_000, agentAt: 1, receivedAt: 1_000_002 });
const around = { clock, now: 1_000_002 };
const told = (key: number, late = 0): AgentFrame => ({
  path: "rtp",
  key,
  changedAt: 10,
  capturedAt: 11,
  encodedAt: 16 + late,
});
const shown = (key: number, late = 0): ShownFrame => ({
  path: "rtp",
  key,
  receivedAt: 1_000_018 + late,
  decodeMs: 3,
  readyAt: 1_000_025 + late,
  shownAt: 1_000_031 + late,
});

Deno.test("latency: both sides joined in either order, the parts add up", () => {
  const expected = {
    ...{ capture: 1, encode: 5, network: 2, buffer: 4, decode: 3, paint: 6 },
    ...{ totalMs: 21, errorMs: 1, frames: 1 },
  };
  const one = addFrames(
    addFrames(NO_LATENCY, { shown: [shown(5)] }, around),
    { told: [told(5)] },
    around,
  );
  const other = addFrames(
    addFrames(NO_LATENCY, { told: [told(5)] }, around),
    { shown: [shown(5)] },
    around,
  );
  for (const state of [one, other]) {
    assert.deepEqual(latencyView(state, around), expected);
    assert.deepEqual(state.told, []);
  }
});

Deno.test("latency: strangers are not joined, stragglers count nothing, old readings are forgotten", () => {
  const diff = { ...told(5), path: "diff" as const };
  const none = addFrames(NO_LATENCY, { shown: [shown(5)], told: [diff, told(6)] }, around);
  assert.equal(latencyView(none, around), null);
  const late = [0, 0, 0, 0, 500];
  const many = addFrames(NO_LATENCY, {
    shown: late.map((ms, i) => shown(i, ms)),
    told: late.map((_, i) => told(i)),
  }, around);
  assert.deepEqual(latencyView(many, around)?.totalMs, 21);
  assert.equal(latencyView(many, around)?.frames, 5);
  // A person who types slowly still sees how long the last keys took.
  assert.equal(latencyView(many, { clock, now: 1_030_000 })?.totalMs, 21);
  assert.equal(latencyView(many, { clock, now: 1_061_000 }), null);
  // Without a clock nothing can be said, and it waits for one.
  const waiting = addFrames(NO_LATENCY, { shown: [shown(1)], told: [told(1)] }, {
    clock: NO_CLOCK,
    now: 1_000_002,
  });
  assert.equal(latencyView(waiting, { clock: NO_CLOCK, now: 1_000_002 }), null);
  assert.equal(latencyView(addFrames(waiting, {}, around), around)?.totalMs, 21);
});

Deno.test("latency: what is kept is bounded", () => {
  let state = NO_LATENCY;
  for (let i = 0; i < 1_000; i++) {
    state = addFrames(state, { shown: [shown(i)], told: [told(i + 5_000), told(i)] }, around);
  }
  assert.ok(state.shown.length <= 128 && state.told.length <= 32 && state.samples.length <= 64);
  const absurd = addFrames(NO_LATENCY, { shown: [shown(1, 60_000)], told: [told(1)] }, around);
  assert.deepEqual(absurd.samples, []);
});
