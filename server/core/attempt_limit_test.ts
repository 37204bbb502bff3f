/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  attemptFailed,
  type AttemptState,
  attemptWaitMs,
  MAX_ATTEMPT_ADDRESSES,
  newAttempts,
} from "./attempt_limit.ts";

const rates = { each: { perSecond: 0.5, burst: 3 }, all: { perSecond: 10, burst: 8 } };
const fail = (state: AttemptState, address: string, now: number) =>
  attemptFailed(state, address, { rates, now });
const wait = (state: AttemptState, address: string, now: number) =>
  attemptWaitMs(state, address, { rates, now });

Deno.test("attempts: an address that failed too often waits, others do not", () => {
  let state = newAttempts(rates, 0);
  for (let i = 0; i < 3; i++) {
    assert.equal(wait(state, "192.0.2.1", 0), 0);
    state = fail(state, "192.0.2.1", 0);
  }
  assert.equal(wait(state, "192.0.2.1", 0), 2_000);
  assert.equal(wait(state, "192.0.2.2", 0), 0);
  assert.equal(wait(state, "192.0.2.1", 2_000), 0);
});

Deno.test("attempts: many addresses together have a limit, too", () => {
  let state = newAttempts(rates, 0);
  for (let i = 0; i < 8; i++) state = fail(state, `192.0.2.${i}`, 0);
  assert.equal(wait(state, "192.0.2.99", 0), 100);
  assert.equal(wait(state, "192.0.2.99", 100), 0);
});

Deno.test("attempts: a network of IPv6 is one address, whatever its spelling", () => {
  let state = newAttempts(rates, 0);
  for (const address of ["2001:db8::1", "2001:DB8:0:0:1::2", "2001:0db8:0::ffff"]) {
    state = fail(state, address, 0);
  }
  assert.equal(wait(state, "2001:db8::9", 0), 2_000);
  assert.equal(wait(state, "2001:db8:0:1::9", 0), 0);
  assert.equal(wait(state, "::ffff:192.0.2.1", 0), 0);
});

Deno.test("attempts: only so many addresses are remembered", () => {
  const wide = { ...rates, all: { perSecond: 1e6, burst: 1e6 } };
  let state = newAttempts(wide, 0);
  for (let i = 0; i < MAX_ATTEMPT_ADDRESSES + 50; i++) {
    state = attemptFailed(state, `a${i}`, { rates: wide, now: 0 });
  }
  assert.equal(state.each.size, MAX_ATTEMPT_ADDRESSES);
  assert.ok(!state.each.has("a0") && state.each.has(`a${MAX_ATTEMPT_ADDRESSES + 49}`));
});
