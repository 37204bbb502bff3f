import assert from "node:assert/strict";
import { theilSenSlope } from "./slope.ts";

/** Forty quarters of a minute, from 190. */
const line = (slope: number): [number, number][] =>
  Array.from({ length: 40 }, (_, i) => [i / 4, 190 + slope * i / 4]);

const close = (actual: number | null, expected: number): void =>
  assert.ok(actual !== null && Math.abs(actual - expected) < 1e-9, `${actual}, not ${expected}`);

Deno.test("theilSenSlope: a steady growth is found as it is", () => {
  close(theilSenSlope(line(1.5)), 1.5);
});

Deno.test("theilSenSlope: a few points far off, at the end too, hide no growth and make none", () => {
  const disturbed = (slope: number) =>
    line(slope).map(([x, y], i): [number, number] => [x, [30, 31, 39].includes(i) ? y + 25 : y]);
  close(theilSenSlope(disturbed(0)), 0);
  close(theilSenSlope(disturbed(1)), 1);
});

Deno.test("theilSenSlope: an even number of slopes has the mean of the middle two", () => {
  // Between these four points: 0, 1, 3/2, 5/3, 2 and 3.
  close(theilSenSlope([[0, 0], [1, 2], [2, 2], [3, 5]]), (3 / 2 + 5 / 3) / 2);
});

Deno.test("theilSenSlope: no slope where there are no two moments", () => {
  assert.equal(theilSenSlope([]), null);
  assert.equal(theilSenSlope([[1, 5], [1, 9]]), null);
});
