/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { newPacer, PACER_BURST_PACKETS, PACER_STEP_MS, release } from "./rtp_pacer.ts";

Deno.test("release: a burst at once, the rest in steps, and no debt or credit beyond a burst", () => {
  let state = newPacer(0);
  const sent: number[] = [];
  let waiting = 200;
  for (let now = 0; waiting > 0; now += PACER_STEP_MS) {
    const [next, count] = release(state, waiting, now);
    state = next;
    waiting -= count;
    sent.push(count);
  }
  assert.deepEqual(sent, [64, 64, 64, 8]);
  assert.equal(release(state, 1000, 10_000)[1], PACER_BURST_PACKETS);
});

Deno.test("release: a clock that jumps back gives nothing extra", () => {
  const [state] = release(newPacer(100), 64, 100);
  assert.equal(release(state, 10, 50)[1], 0);
  assert.equal(release(state, 100, 100 + PACER_STEP_MS / 2)[1], 32);
});
