/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  addRepeat,
  endRepeats,
  MAX_REPEAT_KEYS,
  REPEAT_WINDOW_MS,
  type Repeats,
  repeatsDeadline,
} from "./repeats.ts";

const none: Repeats<string> = new Map();

Deno.test("addRepeat: the first is told at once, the others of its window as one", () => {
  let [repeats, told] = addRepeat(none, "a", "a1", 0);
  assert.deepEqual(told, [{ event: "a1", count: 1 }]);
  for (const [at, event] of [[1, "a2"], [2, "a3"]] as const) {
    [repeats, told] = addRepeat(repeats, "a", event, at);
    assert.deepEqual(told, []);
  }
  assert.equal(repeatsDeadline(repeats), REPEAT_WINDOW_MS);
  [repeats, told] = addRepeat(repeats, "b", "b1", 5);
  assert.deepEqual(told, [{ event: "b1", count: 1 }]);
  [repeats, told] = endRepeats(repeats, REPEAT_WINDOW_MS);
  assert.deepEqual(told, [{ event: "a3", count: 2 }]);
  [repeats, told] = endRepeats(repeats, REPEAT_WINDOW_MS + 5);
  assert.deepEqual(told, [], "b came only once");
  assert.equal(repeatsDeadline(repeats), null);
});

Deno.test("addRepeat: a late one closes the window before it and is told at once", () => {
  let [repeats] = addRepeat(none, "a", "a1", 0);
  [repeats] = addRepeat(repeats, "a", "a2", 1);
  const [, told] = addRepeat(repeats, "a", "a3", REPEAT_WINDOW_MS);
  assert.deepEqual(told, [{ event: "a2", count: 1 }, { event: "a3", count: 1 }]);
});

Deno.test("addRepeat: keys are bounded and no count is lost", () => {
  let repeats = none;
  let sum = 0;
  const offered = MAX_REPEAT_KEYS * 2 + 10;
  for (let i = 0; i < offered; i++) {
    const [next, told] = addRepeat(repeats, `k${i >> 1}`, "e", 0);
    repeats = next;
    for (const { count } of told) sum += count;
    assert.ok(repeats.size <= MAX_REPEAT_KEYS);
  }
  for (const { count } of endRepeats(repeats, Infinity)[1]) sum += count;
  assert.equal(sum, offered);
});
