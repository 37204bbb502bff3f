/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Rect } from "@farglass/protocol";
import { damagedTiles } from "./damaged_tiles.ts";
import { MotionMap, REST_MS } from "./motion_map.ts";
import { eachTile, SMALL_PX } from "./tile_map.ts";
import { TileSamples } from "./tile_samples.ts";

const WIDTH = 300;
const HEIGHT = 150;

const rects: fc.Arbitrary<Rect> = fc.record({
  x: fc.integer({ min: 0, max: WIDTH - 1 }),
  y: fc.integer({ min: 0, max: HEIGHT - 1 }),
  width: fc.integer({ min: 1, max: WIDTH }),
  height: fc.integer({ min: 1, max: HEIGHT }),
}).map((rect) => ({
  ...rect,
  width: Math.min(rect.width, WIDTH - rect.x),
  height: Math.min(rect.height, HEIGHT - rect.y),
}));

const viewer = fc.integer({ min: 0, max: 2 });
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("paint" as const), rects: fc.array(rects, { maxLength: 5 }) }),
    // Damage without a change of colour.
    fc.record({ kind: fc.constant("touch" as const), rects: fc.array(rects, { maxLength: 5 }) }),
    fc.record({ kind: fc.constant("look" as const), viewer, late: fc.boolean() }),
    fc.record({ kind: fc.constant("own" as const), viewer, tiles: fc.nat() }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(2, 16, 33, 130) }),
  ),
  { maxLength: 60 },
);

Deno.test("MotionMap: viewers who share their samples see the same move as each by itself", () => {
  fc.assert(fc.property(steps, (list) => {
    const words = new Uint32Array(WIDTH * HEIGHT);
    const now = { words, stride: WIDTH };
    const common = new TileSamples(WIDTH, HEIGHT);
    const viewers = Array.from({ length: 3 }, () => ({
      sharing: new MotionMap(WIDTH, HEIGHT),
      alone: new MotionMap(WIDTH, HEIGHT),
      samples: new TileSamples(WIDTH, HEIGHT),
    }));
    let nowMs = 1_000;
    let colour = 0;
    for (const step of list) {
      switch (step.kind) {
        case "paint":
        case "touch":
          if (step.kind === "paint") {
            for (const { x, y, width, height } of step.rects) {
              colour++;
              for (let row = y; row < y + height; row++) {
                words.fill(colour, row * WIDTH + x, row * WIDTH + x + width);
              }
            }
          }
          common.damage(damagedTiles(step.rects, viewers[0].sharing));
          for (const { sharing, alone, samples } of viewers) {
            sharing.damage(damagedTiles(step.rects, sharing), nowMs);
            // Another list, and so worked out anew.
            const own = damagedTiles([...step.rects], alone);
            alone.damage(own, nowMs);
            samples.damage(own);
          }
          break;
        case "look": {
          const { sharing, alone, samples } = viewers[step.viewer];
          sharing.look({ now, samples: common }, step.late);
          alone.look({ now, samples }, step.late);
          break;
        }
        case "own": {
          const { sharing, alone } = viewers[step.viewer];
          const owned = (col: number, row: number) =>
            (step.tiles >> (row * 5 + col) % 31 & 1) === 1;
          sharing.own(owned, nowMs);
          alone.own(owned, nowMs);
          break;
        }
        case "wait":
          nowMs += step.ms;
          break;
      }
      for (const { sharing, alone } of viewers) {
        for (let row = 0; row < sharing.rows; row++) {
          for (let col = 0; col < sharing.cols; col++) {
            const said = (map: MotionMap) => [
              map.moves(col, row, nowMs, REST_MS),
              map.changes(col, row),
            ];
            assert.deepEqual(said(sharing), said(alone), `${col},${row}`);
          }
        }
      }
    }
  }));
});

Deno.test("TileSamples: a tile has another sample once its pixels were damaged and differ, and only then", () => {
  const words = new Uint32Array(WIDTH * HEIGHT);
  const now = { words, stride: WIDTH };
  const grid = new MotionMap(WIDTH, HEIGHT);
  const samples = new TileSamples(WIDTH, HEIGHT);
  const before = samples.of(6, now);
  const changed: Rect = { x: 64, y: 32, width: 64, height: 32 };
  const damaged = damagedTiles([changed], grid);
  samples.damage(damaged);
  assert.equal(samples.of(6, now), before);
  samples.damage(damaged);
  for (let y = 32; y < 64; y++) words.fill(0x112233, y * WIDTH + 64, y * WIDTH + 128);
  const after = samples.of(6, now);
  assert.notEqual(after, before);
  // The fourth byte is no colour.
  for (let y = 32; y < 64; y++) words.fill(0xff112233, y * WIDTH + 64, y * WIDTH + 128);
  samples.damage(damaged);
  assert.equal(samples.of(6, now), after);
  assert.equal(samples.of(0, now), before);
});

Deno.test("damagedTiles: each tile under any rectangle once, small where any of them is small", () => {
  fc.assert(fc.property(fc.array(rects, { maxLength: 20 }), (list) => {
    const grid = { cols: 5, rows: 5 };
    const expected = new Map<number, number>();
    for (const rect of list) {
      const small = rect.width * rect.height <= SMALL_PX ? 1 : 0;
      eachTile(grid, rect, (at) => expected.set(at, (expected.get(at) ?? 0) | small));
    }
    const { at, small } = damagedTiles(list, grid);
    assert.equal(new Set(at).size, at.length);
    assert.deepEqual(new Map([...at].map((tile, i) => [tile, small[i]])), expected);
    assert.equal(damagedTiles(list, grid).at, at);
    assert.equal(damagedTiles(list, { cols: 2, rows: 5 }).at.every((tile) => tile < 10), true);
  }));
});
