/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { Rect } from "@farglass/protocol";
import fc from "fast-check";
import { clip, tidyDamage, union } from "./region.ts";

const rect = (x: number, y: number, width: number, height: number): Rect => ({
  x,
  y,
  width,
  height,
});

Deno.test("clip: keeps what is inside the screen", () => {
  const rows: readonly (readonly [Rect, Rect | null])[] = [
    [rect(1, 2, 3, 4), rect(1, 2, 3, 4)],
    [rect(-5, -5, 10, 10), rect(0, 0, 5, 5)],
    [rect(95, 45, 10, 10), rect(95, 45, 5, 5)],
    [rect(100, 0, 5, 5), null],
    [rect(-5, 0, 5, 5), null],
    [rect(5, 5, 0, 5), null],
  ];
  for (const [given, expected] of rows) assert.deepEqual(clip(given, 100, 50), expected);
});

Deno.test("union: the smallest rectangle around both", () => {
  assert.deepEqual(union(rect(0, 0, 2, 2), rect(5, 7, 1, 1)), rect(0, 0, 6, 8));
});

Deno.test("tidyDamage: inside the screen, not too many, nothing uncovered", () => {
  const screen = { width: 64, height: 48 };
  const any = fc.tuple(
    fc.integer({ min: -20, max: 80 }),
    fc.integer({ min: -20, max: 60 }),
    fc.nat(30),
    fc.nat(30),
  ).map(([x, y, w, h]) => rect(x, y, w, h));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (
      rects,
      max,
    ) => {
      const tidy = tidyDamage(rects, screen, max);
      assert.ok(tidy.length <= max);
      for (const one of tidy) assert.deepEqual(clip(one, screen.width, screen.height), one);
      const covers = (list: readonly Rect[], x: number, y: number) =>
        list.some((r) => x >= r.x && y >= r.y && x < r.x + r.width && y < r.y + r.height);
      for (let y = 0; y < screen.height; y++) {
        for (let x = 0; x < screen.width; x++) {
          if (covers(rects, x, y)) assert.ok(covers(tidy, x, y));
        }
      }
    }),
    { numRuns: 50 },
  );
});
