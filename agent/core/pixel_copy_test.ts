/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { copyPadded, evenSide } from "./pixel_copy.ts";

Deno.test("evenSide rounds up to even", () => {
  assert.deepEqual([1, 2, 3, 1366, 1367].map(evenSide), [2, 2, 4, 1366, 1368]);
});

Deno.test("copyPadded: every pixel arrives, and padding repeats the edge", () => {
  const side = fc.integer({ min: 1, max: 9 });
  const pad = fc.nat(5);
  fc.assert(fc.property(side, side, pad, pad, (width, height, sourcePad, targetPad) => {
    const strideBytes = (width + sourcePad) * 4;
    // The last row may end without its padding, as shared memory of X11 does.
    const pixels = Uint8Array.from(
      { length: strideBytes * (height - 1) + width * 4 },
      (_, i) => i * 7 % 251,
    );
    const targetStride = (evenSide(width) + targetPad) * 4;
    const target = new Uint8Array(targetStride * evenSide(height));
    const whole = { x: 0, y: 0, width: evenSide(width), height: evenSide(height) };
    // In two parts, as damage comes.
    const half = evenSide(whole.height >> 1);
    for (
      const rect of [{ ...whole, height: half }, { ...whole, y: half, height: whole.height - half }]
    ) {
      if (rect.height > 0) {
        copyPadded({ width, height, strideBytes, pixels }, rect, {
          bytes: target,
          strideBytes: targetStride,
        });
      }
    }
    for (let y = 0; y < evenSide(height); y++) {
      for (let x = 0; x < evenSide(width); x++) {
        const from = Math.min(y, height - 1) * strideBytes + Math.min(x, width - 1) * 4;
        const to = y * targetStride + x * 4;
        assert.deepEqual([...target.subarray(to, to + 4)], [...pixels.subarray(from, from + 4)]);
      }
    }
  }));
});
