/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { pictureBox } from "./picture_box.ts";

const side = fc.integer({ min: 1, max: 8192 });
const area = fc.integer({ min: 0, max: 4000 });
const space = fc.record({
  areaWidth: area,
  areaHeight: area,
  screenWidth: side,
  screenHeight: side,
  devicePixelRatio: fc.constantFrom(1, 1.25, 1.5, 2, 3),
});

Deno.test("pictureBox: fit never leaves the area and keeps the aspect ratio to one device pixel", () => {
  fc.assert(fc.property(space, (given) => {
    const box = pictureBox("fit", given);
    const pixel = 1 / given.devicePixelRatio;
    assert.ok(box.width <= Math.max(given.areaWidth, pixel) + 1e-9);
    assert.ok(box.height <= Math.max(given.areaHeight, pixel) + 1e-9);
    const scale = Math.min(
      given.areaWidth / given.screenWidth,
      given.areaHeight / given.screenHeight,
    );
    assert.ok(Math.abs(box.width - given.screenWidth * scale) <= pixel + 1e-6);
    assert.ok(Math.abs(box.height - given.screenHeight * scale) <= pixel + 1e-6);
  }));
});

Deno.test("pictureBox: an area of the screen's own size shows it unscaled", () => {
  const given = { areaWidth: 1920, areaHeight: 1080, screenWidth: 1920, screenHeight: 1080 };
  assert.deepEqual(pictureBox("fit", { ...given, devicePixelRatio: 1 }), {
    width: 1920,
    height: 1080,
  });
});

Deno.test("pictureBox: 1:1 is one remote pixel on one device pixel", () => {
  const given = { areaWidth: 300, areaHeight: 300, screenWidth: 1920, screenHeight: 1080 };
  assert.deepEqual(pictureBox("one-to-one", { ...given, devicePixelRatio: 2 }), {
    width: 960,
    height: 540,
  });
});

Deno.test("pictureBox: a screen of unknown size gets a 16:9 box in both scalings", () => {
  const given = { areaWidth: 1600, areaHeight: 1600, screenWidth: 0, screenHeight: 0 };
  for (const scaling of ["fit", "one-to-one"] as const) {
    assert.deepEqual(pictureBox(scaling, { ...given, devicePixelRatio: 1 }), {
      width: 1600,
      height: 900,
    });
  }
});
