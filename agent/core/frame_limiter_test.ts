/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { frameLimiter, taken, waitMs } from "./frame_limiter.ts";

/** Times at which frames are taken when changes come at `changes` and are taken as soon as allowed. */
function takenAt(maxFps: number, changes: readonly number[]): number[] {
  let limiter = frameLimiter(maxFps);
  const times: number[] = [];
  for (const change of changes) {
    const last = times.at(-1) ?? -Infinity;
    const now = Math.max(change, last) + waitMs(limiter, Math.max(change, last));
    limiter = taken(limiter, now);
    times.push(now);
  }
  return times;
}

Deno.test("frameLimiter: the first change after a still moment is taken at once", () => {
  assert.deepEqual(takenAt(50, [1000, 5000]), [1000, 5000]);
});

Deno.test("frameLimiter: many changes are taken at the limit's rate", () => {
  const times = takenAt(50, Array.from({ length: 101 }, () => 0));
  const [first, last] = [times[0], times[100]];
  assert.equal(first, 0);
  assert.ok(last - first >= 100 * 20 - 20 && last - first <= 100 * 20, `${last - first}`);
});

Deno.test("frameLimiter: a source at the limit's rate is not delayed by its jitter", () => {
  const changes = Array.from({ length: 50 }, (_, i) => i * 20 + (i % 3 === 1 ? 17 : 0));
  assert.deepEqual(takenAt(50, changes), changes);
});
