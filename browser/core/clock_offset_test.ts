/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { addPing, clockOffset, type ClockState, NO_CLOCK } from "./clock_offset.ts";

Deno.test("clock offset: the truth lies within the error, however uneven the two ways are", () => {
  const way = fc.double({ min: 0, max: 200, noNaN: true });
  const pings = fc.array(fc.tuple(way, way), { minLength: 1, maxLength: 80 });
  const truth = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(truth, pings, (truthMs, ways) => {
      let state: ClockState = NO_CLOCK;
      let now = 1e12;
      for (const [there, back] of ways) {
        now += 500;
        const agentAt = now + there - truthMs;
        state = addPing(state, { sentAt: now, agentAt, receivedAt: now + there + back });
        const known = clockOffset(state, now + there + back);
        assert.ok(known !== null);
        assert.ok(Math.abs(known.offsetMs - truthMs) <= known.errorMs + 1e-3);
        assert.ok(known.errorMs <= (there + back) / 2 + 1e-3);
      }
    }),
  );
});

Deno.test("clock offset: the quickest ping counts until clocks may have drifted, a jump at once", () => {
  let state = addPing(NO_CLOCK, { sentAt: 0, agentAt: 1, receivedAt: 2 });
  state = addPing(state, { sentAt: 500, agentAt: 540, receivedAt: 550 });
  assert.deepEqual(clockOffset(state, 550), { offsetMs: 0, errorMs: 1 + 548e-4 });
  assert.equal(clockOffset(NO_CLOCK, 0), null);
  // A minute later it is forgotten.
  state = addPing(state, { sentAt: 61_000, agentAt: 61_005, receivedAt: 61_010 });
  assert.equal(clockOffset(state, 61_010)?.errorMs, 5);
  // The agent's clock starts anew.
  state = addPing(state, { sentAt: 62_000, agentAt: 100, receivedAt: 62_004 });
  assert.deepEqual(clockOffset(state, 62_004), { offsetMs: 61_902, errorMs: 2 });
  const same = addPing(state, { sentAt: 5, agentAt: 0, receivedAt: 4 });
  assert.equal(same, state);
});
