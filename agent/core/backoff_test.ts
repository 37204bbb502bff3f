/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { backoffDelayMs } from "./backoff.ts";

const bounds = { minMs: 250, maxMs: 10_000 };

Deno.test("backoffDelayMs doubles up to the maximum, half of it chance", () => {
  const rows: [number, number, number][] = [
    [0, 0, 125],
    [0, 0.999_999, 250],
    [1, 0.999_999, 500],
    [5, 0, 4_000],
    [6, 0, 5_000],
    [6, 0.999_999, 10_000],
    [10_000, 0.999_999, 10_000],
  ];
  for (const [attempt, random, expected] of rows) {
    assert.equal(backoffDelayMs(attempt, random, bounds), expected, `${attempt} ${random}`);
  }
});
