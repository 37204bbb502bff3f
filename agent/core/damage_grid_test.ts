/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Rect } from "@farglass/protocol";
import { CELL_HEIGHT_PX, CELL_WIDTH_PX, DamageGrid } from "./damage_grid.ts";

const all: Rect = { x: 0, y: 0, width: 1280, height: 720 };

Deno.test("a new grid is damaged all over, as one rectangle, and then not at all", () => {
  const grid = new DamageGrid(1280, 720);
  assert.equal(grid.share, 1);
  assert.deepEqual(grid.take(), [all]);
  assert.equal(grid.share, 0);
  assert.deepEqual(grid.take(), []);
});

Deno.test("a small change → the cell it lies in; equal runs of neighbouring rows are one rectangle", () => {
  const grid = new DamageGrid(1280, 720);
  grid.take();
  grid.add([{ x: 300, y: 40, width: 5, height: 5 }]);
  assert.deepEqual(grid.take(), [{ x: 256, y: 32, width: 256, height: 32 }]);
  grid.add([{ x: 250, y: 40, width: 10, height: 60 }]);
  assert.deepEqual(grid.take(), [{ x: 0, y: 32, width: 512, height: 96 }]);
});

Deno.test("cells at the right and lower edge end with the picture; outside there is nothing", () => {
  const grid = new DamageGrid(1000, 500);
  grid.take();
  grid.add([{ x: 999, y: 499, width: 50, height: 50 }, { x: 2000, y: -90, width: 9, height: 9 }]);
  assert.deepEqual(grid.take(), [{ x: 768, y: 480, width: 232, height: 20 }]);
});

Deno.test("property: all damage is covered, rectangles are even, aligned, inside and apart", () => {
  const rect = fc.record({
    x: fc.integer({ min: -50, max: 1300 }),
    y: fc.integer({ min: -50, max: 800 }),
    width: fc.integer({ min: 1, max: 600 }),
    height: fc.integer({ min: 1, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(rect, { maxLength: 8 }), (rects) => {
      const [width, height] = [1278, 718];
      const grid = new DamageGrid(width, height);
      grid.take();
      grid.add(rects);
      const share = grid.share;
      const covered = new Uint8Array(width * height);
      let cells = 0;
      for (const { x, y, width: w, height: h } of grid.take()) {
        assert.equal(x % CELL_WIDTH_PX + y % CELL_HEIGHT_PX + w % 2 + h % 2, 0);
        assert.ok(x + w <= width && y + h <= height);
        cells += Math.ceil(w / CELL_WIDTH_PX) * Math.ceil(h / CELL_HEIGHT_PX);
        for (let row = y; row < y + h; row++) {
          for (let at = row * width + x; at < row * width + x + w; at++) {
            assert.equal(covered[at], 0);
            covered[at] = 1;
          }
        }
      }
      const all = Math.ceil(width / CELL_WIDTH_PX) * Math.ceil(height / CELL_HEIGHT_PX);
      assert.equal(cells / all, share);
      for (const r of rects) {
        for (let y = Math.max(0, r.y); y < Math.min(height, r.y + r.height); y++) {
          for (let x = Math.max(0, r.x); x < Math.min(width, r.x + r.width); x++) {
            assert.equal(covered[y * width + x], 1);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});
