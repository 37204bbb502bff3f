/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { encodeDiff } from "@farglass/protocol";
import { FrameLog } from "./frame_log.ts";
import type { Frame } from "./ports.ts";

const frame = (capturedAtMs: number, changedAtMs?: number): Frame => ({
  sequence: 1,
  width: 2,
  height: 2,
  strideBytes: 8,
  pixels: new Uint8Array(16),
  damage: [],
  capturedAtMs,
  ...(changedAtMs === undefined ? {} : { changedAtMs }),
});
const message = (of: { number: number; part: number; last: boolean; capturedAtMs: number }) =>
  encodeDiff({
    ...{ frame: of.number, part: of.part, last: of.last, capturedAtMs: of.capturedAtMs },
    ...{ width: 2, height: 2, hash: null, regions: null, deflated: false, runs: false, stream: 0 },
    patches: [{ x: 0, y: 0, width: 1, height: 1 }],
    body: new Uint8Array(4),
  });

Deno.test("FrameLog: a video frame with the times of its capture", () => {
  const log = new FrameLog();
  log.captured(frame(100.126, 98.5));
  log.captured(frame(116));
  log.video(100.126, 9_000, 107);
  log.video(116, 10_440, 120);
  assert.deepEqual(log.take(), [
    { path: "rtp", key: 9_000, changedAt: 98.5, capturedAt: 100.13, encodedAt: 107 },
    { path: "rtp", key: 10_440, changedAt: 116, capturedAt: 116, encodedAt: 120 },
  ]);
  assert.deepEqual(log.take(), []);
});

Deno.test("FrameLog: a diff frame of two messages counts from the first capture to the last message", () => {
  const log = new FrameLog();
  log.captured(frame(100, 99));
  log.captured(frame(110, 109));
  log.diff(message({ number: 7, part: 0, last: false, capturedAtMs: 100 }), 103);
  assert.deepEqual(log.take(), []);
  log.diff(message({ number: 7, part: 1, last: true, capturedAtMs: 110 }), 112);
  assert.deepEqual(log.take(), [
    { path: "diff", key: 7, changedAt: 99, capturedAt: 100, encodedAt: 112 },
  ]);
  // The rest of a frame whose beginning belonged to another viewer's stream.
  log.diff(message({ number: 9, part: 1, last: true, capturedAtMs: 110 }), 113);
  assert.deepEqual(log.take(), []);
});

Deno.test("FrameLog: keeps the newest few, and remembers so many captures", () => {
  const log = new FrameLog();
  for (let i = 0; i < 100; i++) log.captured(frame(i * 10, i * 10 - 2));
  log.video(100, 5, 2_000);
  assert.equal(log.take()[0].changedAt, 100);
  for (let i = 11; i < 100; i++) log.video(i * 10, i, i * 10 + 5);
  assert.deepEqual(log.take().map((f) => f.key), [92, 93, 94, 95, 96, 97, 98, 99]);
});

Deno.test("FrameLog: a still picture that is encoded again says nothing of its way", () => {
  const log = new FrameLog();
  // Read before this viewer came.
  log.video(50, 1, 900);
  log.captured(frame(1_000));
  log.video(50, 1, 1_001);
  log.video(1_000, 2, 1_010);
  log.video(1_000, 2, 1_250);
  log.diff(message({ number: 7, part: 0, last: true, capturedAtMs: 50 }), 1_300);
  assert.deepEqual(log.take(), [
    { path: "rtp", key: 2, changedAt: 1_000, capturedAt: 1_000, encodedAt: 1_010 },
  ]);
});
