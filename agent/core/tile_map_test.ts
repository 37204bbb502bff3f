/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
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
    const reference = new Uint32Array(width * height).fill(0xf00001);
    const words = new Uint32Array(stride * height).map((_, i) =>
      0xf00001 | fourth[i % fourth.length] << 24
    );
    for (const [x, y, bits] of changes) words[y % height * stride + x % width] ^= bits;
    const map = new TileMap(width, height);
    map.damage({ x: 0, y: 0, width, height });
    const found: MutableRect[] = [];
    map.takeRow(0, { words, stride }, reference, found);
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
