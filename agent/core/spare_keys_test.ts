/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  lend,
  lentKeycodes,
  revise,
  SPARE_REST_MS,
  type SpareKeys,
  spareKeys,
} from "./spare_keys.ts";

const none = new Set<number>();

Deno.test("lend: a new character takes a key, the same one finds it again", () => {
  const [first, one] = lend(spareKeys([93, 97]), 0x01003042, none, 0);
  assert.deepEqual(one, { kind: "lent", keycode: 93, changed: true });
  const [second, two] = lend(first, 0x01003042, none, 1);
  assert.deepEqual(two, { kind: "lent", keycode: 93, changed: false });
  const [third, three] = lend(second, 0x01003044, none, 2);
  assert.deepEqual(three, { kind: "lent", keycode: 97, changed: true });
  assert.deepEqual(lentKeycodes(third).toSorted(), [93, 97]);
});

Deno.test("lend: a key rests before it gets another character; the one unused longest is taken", () => {
  let state: SpareKeys = spareKeys([93, 97]);
  [state] = lend(state, 1, none, 0);
  [state] = lend(state, 2, none, 10);
  [state] = lend(state, 1, none, 20);
  const [same, loan] = lend(state, 3, none, 30);
  assert.deepEqual(loan, { kind: "wait", untilMs: 10 + SPARE_REST_MS });
  assert.equal(same, state);
  const [, later] = lend(state, 3, none, 10 + SPARE_REST_MS);
  assert.deepEqual(later, { kind: "lent", keycode: 97, changed: true });
});

Deno.test("lend: a key that is held is never given another character", () => {
  const [state] = lend(spareKeys([93]), 1, none, 0);
  assert.deepEqual(lend(state, 2, new Set([93]), 1e6)[1], { kind: "none" });
  assert.deepEqual(lend(spareKeys([]), 1, none, 0)[1], { kind: "none" });
});

Deno.test("revise: loans that are still in force stay, keys of the new map are added", () => {
  let state: SpareKeys = spareKeys([93, 97, 98]);
  [state] = lend(state, 1, none, 0);
  [state] = lend(state, 2, none, 5);
  // 97 makes something else now, 98 is no longer free, 99 is.
  const revised = revise(state, [99], (keycode) => (keycode === 93 ? 1 : 0x61));
  assert.deepEqual(revised.keys, [
    { keycode: 99, keysym: 0, usedAtMs: -Infinity },
    { keycode: 93, keysym: 1, usedAtMs: 0 },
  ]);
  // A key that was emptied by somebody else can be lent again.
  assert.deepEqual(revise(state, [93], () => 0).keys, [{ keycode: 93, keysym: 0, usedAtMs: 0 }]);
});
