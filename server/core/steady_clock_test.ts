/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_SLEW, steadyFrom, steadyNow, steadyTowards } from "./steady_clock.ts";

Deno.test("steady clock: goes with the monotonic clock", () => {
  const time = steadyFrom(1_000_000, 50);
  assert.equal(steadyNow(time, 50), 1_000_000);
  assert.equal(steadyNow(time, 1_050), 1_001_000);
  assert.equal(steadyNow(time, 0), 1_000_000, "never back");
});

Deno.test("steady clock: a second's correction is made up in twenty, and no more", () => {
  const ahead = steadyTowards(steadyFrom(0, 0), 1_000, 0);
  assert.equal(steadyNow(ahead, 10_000), 10_500);
  assert.equal(steadyNow(ahead, 20_000), 21_000);
  assert.equal(steadyNow(ahead, 40_000), 41_000);
  const back = steadyTowards(steadyFrom(0, 0), -1_000, 0);
  assert.equal(steadyNow(back, 10_000), 9_500);
  assert.equal(steadyNow(back, 40_000), 39_000);
});

Deno.test("steady clock: whatever the reference does, time passes at almost its own pace", () => {
  const step = fc.record({
    passedMs: fc.integer({ min: 0, max: 60_000 }),
    referenceMs: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    let time = steadyFrom(0, 0);
    let monotonicMs = 0;
    for (const { passedMs, referenceMs } of steps) {
      const before = steadyNow(time, monotonicMs);
      monotonicMs += passedMs;
      const passed = steadyNow(time, monotonicMs) - before;
      // 1 µs for what floating point loses in numbers of this size.
      assert.ok(Math.abs(passed - passedMs) <= passedMs * MAX_SLEW + 1e-3, `${passed}`);
      time = steadyTowards(time, referenceMs, monotonicMs);
    }
  }));
});
