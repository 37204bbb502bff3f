/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { damagedTiles } from "./damaged_tiles.ts";
import { SharedTiles } from "./shared_tiles.ts";
import { type MutableRect, TILE_HEIGHT_PX, TileMap } from "./tile_map.ts";

/** Fourth bytes that make two pixels a number, none, an endless one, or minus nought. */
const FOURTH_BYTES = [0, 0x7f, 0x80, 0xff];

const screens = fc.record({
  width: fc.integer({ min: 1, max: 150 }),
  height: fc.integer({ min: 1, max: TILE_HEIGHT_PX }),
  padding: fc.integer({ min: 0, max: 3 }),
  fourth: fc.array(fc.constantFrom(...FOURTH_BYTES), { minLength: 1, maxLength: 7 }),
  changes: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom(1, 0xf00000)), { maxLength: 6 }),
});

Deno.test("TileMap: every changed colour is inside a rectangle, and no rectangle without one", () => {
  fc.assert(fc.property(screens, ({ width, height, padding, fourth, changes }) => {
    const stride = width + padding;
    const shared = new SharedTiles(width, height);
    const before = { words: new Uint32Array(stride * height).fill(0xf00001), stride };
    const all = { x: 0, y: 0, width, height };
    shared.refreshUnder([all], before);
    const reference = shared.reference.slice();
    const words = new Uint32Array(stride * height).map((_, i) =>
      0xf00001 | fourth[i % fourth.length] << 24
    );
    for (const [x, y, bits] of changes) words[y % height * stride + x % width] ^= bits;
    const map = new TileMap(width, height);
    map.lose(all);
    map.takeRow(0, { now: before, shared }, []);
    const damaged = damagedTiles([all], shared);
    map.change(damaged, 0);
    shared.damage(damaged);
    const found: MutableRect[] = [];
    map.takeRow(0, { now: { words, stride }, shared }, found);
    const differs = (x: number, y: number) =>
      ((words[y * stride + x] ^ reference[y * width + x]) & 0xffffff) !== 0;
    const inside = ({ x, y, width, height }: MutableRect, px: number, py: number) =>
      px >= x && px < x + width && py >= y && py < y + height;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (differs(x, y)) assert.ok(found.some((rect) => inside(rect, x, y)), `${x},${y}`);
      }
    }
    for (const rect of found) {
      let changed = false;
      for (let y = rect.y; y < rect.y + rect.height; y++) {
        for (let x = rect.x; x < rect.x + rect.width; x++) changed ||= differs(x, y);
      }
      assert.ok(changed, JSON.stringify(rect));
    }
  }));
});

/** A picture of one row of tiles, and a viewer of it. */
function oneRow() {
  const now = { words: new Uint32Array(64 * 32), stride: 64 };
  const shared = new SharedTiles(64, 32);
  const map = new TileMap(64, 32);
  /** Changes one pixel of the first row. */
  const paint = (x: number) => {
    now.words[x]++;
    const damaged = damagedTiles([{ x, y: 0, width: 1, height: 1 }], shared);
    shared.damage(damaged);
    map.change(damaged, 0);
  };
  const take = () => {
    const found: MutableRect[] = [];
    map.takeRow(0, { now, shared }, found);
    return found;
  };
  return { now, shared, map, paint, take };
}

Deno.test("TileMap.sent: what changed beside the patch before it left is still to be sent", () => {
  const { now, shared, map, paint, take } = oneRow();
  const all = { x: 0, y: 0, width: 64, height: 32 };
  shared.refreshUnder([all], now);
  map.lose(all);
  assert.deepEqual(take(), [all]);
  paint(5);
  const [patch] = take();
  paint(9);
  shared.refreshUnder([patch], now);
  map.sent(patch, shared);
  assert.deepEqual(take(), [{ x: 9, y: 0, width: 1, height: 1 }]);
  // A patch that holds all that changed leaves nothing.
  paint(9);
  shared.refreshUnder([all], now);
  map.sent(all, shared);
  assert.deepEqual(take(), []);
});

Deno.test("TileMap.giveBack: what was taken and not sent is taken again, with what came since", () => {
  const { map, paint, take } = oneRow();
  paint(3);
  const first = take();
  paint(7);
  const second = take();
  for (const rect of [...first, ...second]) map.giveBack(rect);
  map.settle();
  assert.deepEqual(take(), [{ x: 3, y: 0, width: 5, height: 1 }]);
});

Deno.test("TileMap.giveBack: what was lost while it was taken is taken whole again", () => {
  const { now, shared, map, paint, take } = oneRow();
  const all = { x: 0, y: 0, width: 64, height: 32 };
  shared.refreshUnder([all], now);
  map.lose(all);
  take();
  map.settle();
  // Sent, and still under way when the next change is taken.
  paint(3);
  const [sent] = take();
  map.settle();
  paint(40);
  const first = take();
  map.lose(sent);
  const second = take();
  for (const rect of [...first, ...second]) map.giveBack(rect);
  map.settle();
  assert.deepEqual(take(), [all]);
});
