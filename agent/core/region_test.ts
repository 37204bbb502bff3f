/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { Rect } from "@farglass/protocol";
import fc from "fast-check";
import { clip, rowBands, tidyDamage, union } from "./region.ts";

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

Deno.test("rowBands: near rectangles share a band, far ones do not", () => {
  const at = (y: number, height: number) => rect(5, y, 10, height);
  assert.deepEqual(rowBands([], 1080), []);
  assert.deepEqual(rowBands([at(0, 16)], 1080), [{ y: 0, height: 16 }]);
  assert.deepEqual(rowBands([at(500, 20), at(0, 16), at(60, 5), at(490, 5)], 1080), [
    { y: 0, height: 65 },
    { y: 490, height: 30 },
  ]);
  assert.deepEqual(rowBands([at(0, 700), at(100, 5), at(690, 20)], 1080), [{ y: 0, height: 710 }]);
});

Deno.test("rowBands: too many bands are the whole screen", () => {
  const rects = [0, 200, 400, 600, 800].map((y) => ({ x: 0, y, width: 1, height: 1 }));
  assert.equal(rowBands(rects.slice(0, 4), 1080).length, 4);
  assert.deepEqual(rowBands(rects, 1080), [{ y: 0, height: 1080 }]);
});

Deno.test("rowBands cover every rectangle", () => {
  const span = fc.record({ y: fc.nat(999), height: fc.integer({ min: 1, max: 80 }) });
  fc.assert(fc.property(fc.array(span, { maxLength: 20 }), (spans) => {
    const bands = rowBands(spans.map(({ y, height }) => rect(0, y, 1, height)), 1080);
    for (const { y, height } of spans) {
      assert.ok(bands.some((band) => band.y <= y && y + height <= band.y + band.height));
    }
  }));
});
