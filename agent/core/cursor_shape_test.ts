/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { ARROW_CURSOR } from "./arrow_cursor.ts";
import { cursorShape, HIDDEN_CURSOR } from "./cursor_shape.ts";

const cursor = (width: number, height: number, pixels: readonly number[]) => ({
  width,
  height,
  hotX: width - 1,
  hotY: 0,
  argb: Uint32Array.from(pixels),
});

Deno.test("cursorShape: premultiplied ARGB becomes straight RGBA", () => {
  const shape = cursorShape(cursor(2, 1, [0xff102030, 0x80400000]), 96);
  assert.deepEqual([...shape.rgba], [0x10, 0x20, 0x30, 0xff, 0x80, 0, 0, 0x80]);
  assert.deepEqual([shape.width, shape.height, shape.hotX, shape.hotY], [2, 1, 1, 0]);
});

Deno.test("cursorShape: no visible pixel is the hidden cursor", () => {
  assert.equal(cursorShape(cursor(2, 1, [0, 0x00ffffff]), 96), HIDDEN_CURSOR);
  assert.equal(cursorShape(cursor(0, 0, []), 96), HIDDEN_CURSOR);
});

Deno.test("cursorShape: a large cursor is shrunk with its hot spot", () => {
  const side = 200;
  const shape = cursorShape(
    { ...cursor(side, side / 2, Array(side * side / 2).fill(0xff00ff00)), hotX: 100, hotY: 50 },
    96,
  );
  assert.deepEqual([shape.width, shape.height, shape.hotX, shape.hotY], [96, 48, 48, 24]);
  assert.deepEqual([...shape.rgba.subarray(0, 4)], [0, 255, 0, 255]);
  assert.equal(shape.rgba.length, 96 * 48 * 4);
});

Deno.test("ARROW_CURSOR: as many bytes as its size says", () => {
  assert.equal(ARROW_CURSOR.rgba.length, ARROW_CURSOR.width * ARROW_CURSOR.height * 4);
});
