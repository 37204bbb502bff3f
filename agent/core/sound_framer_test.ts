/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { SOUND_FRAME_BYTES } from "./ports.ts";
import { SilenceGate, SoundFramer } from "./sound_framer.ts";

const FRAME_MS = 10;

interface Seen {
  readonly position: number;
  readonly capturedAtMs: number;
  readonly first: number;
}

/** Pushes pieces of so many bytes at those times; returns the frames. */
function frames(
  framer: SoundFramer,
  pieces: readonly (readonly [bytes: number, nowMs: number])[],
  latencyMs = 0,
): Seen[] {
  const seen: Seen[] = [];
  let counter = 0;
  for (const [bytes, nowMs] of pieces) {
    const piece = Uint8Array.from({ length: bytes }, () => counter++ & 0xff);
    framer.push(piece, { nowMs, latencyMs }, ({ pcm, position, capturedAtMs }) => {
      assert.equal(pcm.length, SOUND_FRAME_BYTES);
      seen.push({ position, capturedAtMs: Math.round(capturedAtMs), first: pcm[0] });
    });
  }
  return seen;
}

Deno.test("SoundFramer cuts pieces of any size into frames, none lost, none twice", () => {
  const seen = frames(new SoundFramer(), [[1000, 0], [1000, 5], [3000, 20], [760, 24]]);
  assert.deepEqual(seen.map(({ position }) => position), [0, 480, 960]);
  assert.deepEqual(
    seen.map(({ first }) => first),
    [0, 1, 2].map((i) => i * SOUND_FRAME_BYTES & 0xff),
  );
});

Deno.test("SoundFramer goes by the earliest arrivals: what comes late was captured in time", () => {
  const punctual = Array.from({ length: 5 }, (_, i) => [SOUND_FRAME_BYTES, 10 * (i + 1)] as const);
  const late = [[SOUND_FRAME_BYTES, 100], [SOUND_FRAME_BYTES, 100]] as const;
  const seen = frames(new SoundFramer(), [...punctual, ...late], 3);
  assert.deepEqual(seen.map((one) => one.capturedAtMs), [-3, 7, 17, 27, 37, 47, 57]);
});

Deno.test("SoundFramer follows a clock that runs slow", () => {
  const framer = new SoundFramer();
  // 400 ppm for 20 s: 8 ms in all.
  const pieces = Array.from(
    { length: 2_000 },
    (_, i) => [SOUND_FRAME_BYTES, (i + 1) * FRAME_MS * 1.0004] as const,
  );
  const last = frames(framer, pieces).at(-1);
  assert.ok(Math.abs((last?.capturedAtMs ?? 0) - 19_990 * 1.0004) < 2, JSON.stringify(last));
});

Deno.test("SoundFramer: after a pause, told or seen, the numbers go on with the time", () => {
  for (const told of [true, false]) {
    const framer = new SoundFramer();
    frames(framer, [[SOUND_FRAME_BYTES, 10]]);
    if (told) framer.pause();
    const [after] = frames(framer, [[SOUND_FRAME_BYTES, 3010]]);
    assert.equal(after.capturedAtMs, 3000);
    // Time and numbers agree to a frame.
    assert.ok(Math.abs(after.position - 48 * 3000) <= 480, `${told} ${after.position}`);
    assert.equal(after.position % 480, 0);
  }
});

Deno.test("SoundFramer leaves out what comes long before its time, and goes on in time", () => {
  const framer = new SoundFramer();
  const burst = Array.from({ length: 200 }, () => [SOUND_FRAME_BYTES, 1_000] as const);
  assert.equal(frames(framer, burst).length, 11);
  const later = Array.from({ length: 3 }, (_, i) => [SOUND_FRAME_BYTES, 3_000 + i * 10] as const);
  const seen = frames(framer, later);
  assert.deepEqual(seen.map((one) => one.capturedAtMs), [2_990, 3_000, 3_010]);
  assert.ok(Math.abs(seen[0].position / 48 - 2_000) < 200, `${seen[0].position}`);
});

Deno.test("SilenceGate lets silence out for a third of a second, and sound at once", () => {
  const gate = new SilenceGate();
  const quiet = new Uint8Array(SOUND_FRAME_BYTES);
  const dither = new Uint8Array(new Int16Array(SOUND_FRAME_BYTES / 2).fill(-1).buffer);
  const loud = new Uint8Array(new Int16Array(SOUND_FRAME_BYTES / 2).fill(2).buffer);
  assert.equal(gate.passes(quiet), false, "nothing was heard yet");
  assert.equal(gate.passes(loud), true);
  const passed = Array.from({ length: 100 }, (_, i) => gate.passes(i % 2 === 0 ? quiet : dither));
  assert.equal(passed.filter(Boolean).length, 30);
  assert.equal(passed.lastIndexOf(true), 29);
  assert.equal(gate.passes(loud), true);
});
