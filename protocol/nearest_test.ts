/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { distance, nearest } from "./nearest.ts";

Deno.test("distance: Levenshtein", () => {
  const rows = [["", "", 0], ["port", "prot", 2], ["a", "", 1], ["kitten", "sitting", 3]] as const;
  for (const [a, b, n] of rows) assert.equal(distance(a, b), n);
});

Deno.test("nearest: case aside, and the first of equals", () => {
  assert.equal(nearest("PROT", ["host", "port", "part"]), "port");
  assert.equal(nearest("x", ["ab", "cd"]), "ab");
  assert.equal(nearest("anything", []), "");
});
