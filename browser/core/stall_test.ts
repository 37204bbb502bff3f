/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  newStall,
  stallDeadline,
  stallPong,
  type StallState,
  stallStats,
  stallVerdict,
} from "./stall.ts";
import type { VideoCounters } from "./stats.ts";

const video = (framesDecoded: number, framesReceived = framesDecoded): VideoCounters => ({
  framesReceived,
  framesDecoded,
  framesDropped: 0,
  keyFramesDecoded: 1,
  bytesReceived: framesReceived * 1000,
  packetsReceived: framesReceived,
  packetsLost: 0,
  totalDecodeTimeS: 0,
  jitterBufferDelayS: 0,
  jitterBufferEmittedCount: framesDecoded,
});

/**
 * Statistics at every full half second, heartbeats 200 ms later; returns the first verdict of each
 * kind and when it came.
 */
function watch(
  at: (ms: number) => { decoded: number; received?: number; captured: number; rtp: number },
  untilMs: number,
): Map<string, number> {
  let state: StallState = newStall(0);
  const verdicts = new Map<string, number>();
  for (let ms = 0; ms <= untilMs; ms += 100) {
    const facts = at(ms);
    if (ms % 500 === 0) state = stallStats(state, video(facts.decoded, facts.received), ms);
    if (ms % 500 === 200) {
      state = stallPong(state, { captured: facts.captured, rtpFrames: facts.rtp }, ms);
    }
    const verdict = stallVerdict(state, ms);
    const name = verdict.kind === "stalled" ? verdict.reason : verdict.kind;
    if (!verdicts.has(name)) verdicts.set(name, ms);
    if (verdict.kind === "nudge") state = { ...state, nudged: true };
  }
  return verdicts;
}

const stallNames = (verdicts: Map<string, number>) =>
  [...verdicts.keys()].filter((n) => n !== "fine");

Deno.test("stall: a moving desktop that is decoded is fine", () => {
  const frames = (ms: number) => Math.floor(ms / 33);
  const verdicts = watch((ms) => ({
    decoded: frames(ms),
    captured: frames(ms),
    rtp: frames(ms),
  }), 20_000);
  deepEqual(stallNames(verdicts), []);
});

Deno.test("stall: a still desktop is fine for ever", () => {
  const verdicts = watch(() => ({ decoded: 10, captured: 10, rtp: 10 }), 60_000);
  deepEqual(stallNames(verdicts), []);
});

for (const offset of [0, 100, 200, 300, 400]) {
  Deno.test(`stall: one change and then silence is fine (${offset} ms into the beat)`, () => {
    const verdicts = watch((ms) => {
      const n = ms >= 5000 + offset ? 11 : 10;
      return { decoded: n, captured: n, rtp: n };
    }, 30_000);
    deepEqual(stallNames(verdicts), []);
  });
}

Deno.test("stall: frames are sent and none is decoded → keyframe, then rtp-stalled in 2–3 s", () => {
  const cutMs = 5_000;
  const verdicts = watch((ms) => ({
    decoded: Math.floor(Math.min(ms, cutMs) / 33),
    captured: Math.floor(ms / 33),
    rtp: Math.floor(ms / 33),
  }), 12_000);
  deepEqual(stallNames(verdicts), ["nudge", "rtp-stalled"]);
  const nudge = verdicts.get("nudge") ?? 0;
  const stalled = verdicts.get("rtp-stalled") ?? 0;
  ok(nudge > cutMs + 500 && nudge < cutMs + 2_000, `${nudge}`);
  ok(stalled >= cutMs + 2_000 && stalled <= cutMs + 3_300, `${stalled}`);
});

Deno.test("stall: the agent captures and sends nothing → rtp-stalled", () => {
  const verdicts = watch((ms) => ({
    decoded: Math.floor(Math.min(ms, 3000) / 33),
    captured: Math.floor(ms / 33),
    rtp: Math.floor(Math.min(ms, 3000) / 33),
  }), 12_000);
  ok(verdicts.has("rtp-stalled"));
});

Deno.test("stall: whole frames arrive and none is decoded → decoder-error", () => {
  const verdicts = watch((ms) => ({
    decoded: Math.floor(Math.min(ms, 3000) / 33),
    received: Math.floor(ms / 33),
    captured: Math.floor(ms / 33),
    rtp: Math.floor(ms / 33),
  }), 12_000);
  ok(verdicts.has("decoder-error"));
});

Deno.test("stall: the lost last frame of a change stalls too", () => {
  const verdicts = watch((ms) => ({
    decoded: 10,
    captured: ms >= 5000 ? 11 : 10,
    rtp: ms >= 5000 ? 11 : 10,
  }), 12_000);
  ok(verdicts.has("nudge") && verdicts.has("rtp-stalled"));
});

Deno.test("stall: the evidence is numbers, and the deadline leads to the verdict", () => {
  let state = stallStats(newStall(0), video(5), 0);
  equal(stallDeadline(state), null);
  state = stallPong(state, { captured: 5, rtpFrames: 5 }, 400);
  state = stallPong(state, { captured: 9, rtpFrames: 8 }, 900);
  equal(stallDeadline(state), 1_700);
  equal(stallVerdict(state, 1_700).kind, "nudge");
  state = { ...state, nudged: true };
  const at = stallDeadline(state);
  equal(at, 2_400);
  const verdict = stallVerdict(state, 2_400);
  ok(verdict.kind === "stalled");
  equal(verdict.evidence.capturedSince, 4);
  equal(verdict.evidence.rtpFramesSince, 3);
  equal(verdict.evidence.stalledMs, 2_400);
  ok(Object.values(verdict.evidence).every(Number.isFinite));
});
