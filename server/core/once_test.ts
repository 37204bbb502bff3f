/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { MAX_ONCE_ENTRIES, noOnce, onceAdd, type OnceState, onceTake } from "./once.ts";

const add = (state: OnceState, token: string, expiresAtMs: number, now = 0) =>
  onceAdd(state, { token, value: `${token}'s`, expiresAtMs }, now);

Deno.test("once: a token is good once and not after its time", () => {
  const one = add(noOnce, "a", 100);
  assert.ok(one !== null);
  const first = onceTake(one, "a", 99);
  assert.equal(first.value, "a's");
  assert.equal(onceTake(first.state, "a", 99).value, null);
  const late = onceTake(one, "a", 100);
  assert.equal(late.value, null);
  assert.equal(late.state.entries.size, 0);
  assert.equal(onceTake(one, "b", 0).value, null);
});

Deno.test("once: bounded; what has expired makes room", () => {
  let state: OnceState = noOnce;
  for (let i = 0; i < MAX_ONCE_ENTRIES; i++) {
    const next = add(state, `t${i}`, i === 0 ? 10 : 1000);
    assert.ok(next !== null);
    state = next;
  }
  assert.equal(add(state, "more", 1000), null);
  assert.ok(add(state, "more", 1000, 10) !== null);
});
