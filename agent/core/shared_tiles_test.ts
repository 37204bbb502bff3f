/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { Rect } from "@farglass/protocol";
import { damagedTiles } from "./damaged_tiles.ts";
import { SharedTiles } from "./shared_tiles.ts";
import type { Words } from "./tile_map.ts";

const WIDTH = 128;
const HEIGHT = 64;
const ALL: Rect = { x: 0, y: 0, width: WIDTH, height: HEIGHT };
const FIRST: Rect = { x: 0, y: 0, width: 64, height: 32 };

function start() {
  const now: Words = { words: new Uint32Array(WIDTH * HEIGHT), stride: WIDTH };
  const shared = new SharedTiles(WIDTH, HEIGHT);
  shared.refreshUnder([ALL], now);
  let colour = 0;
  /** Paints a rectangle in a new colour, and has it compared. */
  const paint = (rect: Rect) => {
    colour++;
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      now.words.fill(colour, y * WIDTH + rect.x, y * WIDTH + rect.x + rect.width);
    }
    shared.damage(damagedTiles([rect], shared));
    shared.refreshUnder([rect], now);
  };
  return { now, shared, paint };
}

const at = (x: number, y: number): Rect => ({ x, y, width: 2, height: 3 });

Deno.test("changedSince: nothing, the last change, or the bounds of the last few", () => {
  const { shared, paint } = start();
  const before = shared.versionOf(0);
  assert.equal(shared.changedSince(0, FIRST, before), null);
  paint(at(10, 5));
  const between = shared.versionOf(0);
  paint(at(30, 20));
  assert.deepEqual(shared.changedSince(0, FIRST, between), at(30, 20));
  const both = { x: 10, y: 5, width: 22, height: 18 };
  assert.deepEqual(shared.changedSince(0, FIRST, before), both);
  assert.equal(shared.changedSince(0, FIRST, shared.versionOf(0)), null);
  // Another tile knows nothing of it.
  assert.equal(shared.changedSince(1, { ...FIRST, x: 64 }, shared.versionOf(1)), null);
});

Deno.test("changedSince a version that is forgotten → the whole tile", () => {
  const { shared, paint } = start();
  const old = shared.versionOf(0);
  paint(at(1, 1));
  const kept = shared.versionOf(0);
  for (let i = 0; i < 4; i++) paint(at(10 + i * 2, 10));
  assert.deepEqual(shared.changedSince(0, FIRST, old), FIRST);
  assert.deepEqual(shared.changedSince(0, FIRST, kept - 1), FIRST);
  const newest = shared.versionOf(0) - 1;
  assert.deepEqual(shared.changedSince(0, FIRST, newest), at(16, 10));
});

Deno.test("damage without a change of colour → the same version", () => {
  const { now, shared } = start();
  const before = shared.version;
  now.words[5] |= 0xab000000;
  shared.damage(damagedTiles([ALL], shared));
  shared.refreshUnder([ALL], now);
  assert.equal(shared.version, before);
});

Deno.test("what nobody announced is found after a doubt, and only then", () => {
  const { now, shared } = start();
  const before = shared.versionOf(0);
  now.words[3 * WIDTH + 7] = 0x123456;
  shared.refreshUnder([ALL], now);
  assert.equal(shared.versionOf(0), before);
  shared.doubt();
  shared.refreshUnder([ALL], now);
  assert.deepEqual(shared.changedSince(0, FIRST, before), { x: 7, y: 3, width: 1, height: 1 });
  assert.equal(shared.reference[3 * WIDTH + 7], 0x123456);
});
