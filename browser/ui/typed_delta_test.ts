/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { typedDelta } from "./typed_delta.ts";

const CASES: readonly [before: string, after: string, erase: number, insert: string][] = [
  ["", "", 0, ""],
  ["__", "__a", 0, "a"],
  ["__a", "__", 1, ""],
  ["__teh", "__the", 2, "he"],
  ["__a", "__a\n", 0, "\n"],
  ["__", "__😀", 0, "😀"],
  ["__😀", "__😁", 1, "😁"],
];

for (const [before, after, erase, insert] of CASES) {
  Deno.test(`typedDelta: ${JSON.stringify(before)} → ${JSON.stringify(after)}`, () => {
    assert.deepEqual(typedDelta(before, after), { erase, insert });
  });
}

Deno.test("typedDelta: erasing and inserting turns the old text into the new", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 20 });
  fc.assert(fc.property(text, text, (before, after) => {
    const { erase, insert } = typedDelta(before, after);
    const kept = [...before].slice(0, [...before].length - erase).join("");
    assert.equal(kept + insert, after);
  }));
});
