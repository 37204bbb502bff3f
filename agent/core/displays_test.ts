/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  ALL_DISPLAYS,
  areaOf,
  cropFrame,
  type Display,
  displayLayout,
  hasDisplay,
  readSharedDisplays,
  resolveDisplay,
  sameLayout,
} from "./displays.ts";

const display = (name: string, x: number, y: number, more: Partial<Display> = {}): Display => ({
  id: name,
  name,
  x,
  y,
  width: 100,
  height: 50,
  primary: false,
  rotation: 0,
  ...more,
});
const SCREEN = { width: 300, height: 100 };
const THREE = [
  display("B", 100, 0),
  display("C", 200, 20),
  display("A", 0, 0, { primary: true }),
];
const ids = (layout: { readonly displays: readonly Display[] }) =>
  layout.displays.map(({ id }) => id).join(" ");

Deno.test("displayLayout: the primary display first, then by place; all of them are the whole screen", () => {
  const layout = displayLayout(THREE, SCREEN, "all");
  assert.equal(ids(layout), "A B C");
  assert.deepEqual(areaOf(layout, ALL_DISPLAYS), { x: 0, y: 0, ...SCREEN });
  assert.deepEqual(areaOf(layout, "C"), { x: 200, y: 20, width: 100, height: 50 });
  assert.equal(areaOf(layout, "D"), null);
});

Deno.test("displayLayout: without any display, or with one, that is the whole screen", () => {
  for (const found of [[], [display("A", 0, 0)], [display("A", 0, 0), display("gone", 300, 0)]]) {
    const layout = displayLayout(found, SCREEN, "all");
    assert.equal(layout.displays.length, 1);
    assert.equal(layout.all, null);
    const only = resolveDisplay(layout, null);
    assert.deepEqual(areaOf(layout, only ?? ""), { x: 0, y: 0, ...SCREEN });
  }
});

Deno.test("displayLayout: mirrors are one display, names come twice, none is called all", () => {
  const layout = displayLayout(
    [
      ...[display("A", 0, 0), display("mirror", 0, 0)],
      ...[display("A", 100, 0), display("all", 200, 0)],
    ],
    SCREEN,
    "all",
  );
  assert.equal(ids(layout), "A A-2 all-2");
});

Deno.test("displayLayout: what is not shared is in no choice, and in no picture of all", () => {
  const primary = displayLayout(THREE, SCREEN, "primary");
  assert.equal(ids(primary), "A");
  assert.equal(resolveDisplay(primary, ALL_DISPLAYS), "A");
  assert.equal(resolveDisplay(primary, "B"), "A");
  const neighbours = displayLayout(THREE, SCREEN, ["B", "C"]);
  assert.deepEqual(neighbours.all, { x: 100, y: 0, width: 200, height: 70 });
  // B lies between them.
  const around = displayLayout(THREE, SCREEN, ["A", "C"]);
  assert.equal(around.all, null);
  assert.equal(hasDisplay(around, ALL_DISPLAYS), false);
  assert.equal(resolveDisplay(around, ALL_DISPLAYS), "A");
  const none = displayLayout(THREE, SCREEN, ["D"]);
  assert.equal(resolveDisplay(none, "A"), null);
});

Deno.test("displayLayout: an only display that is not shared shows nothing", () => {
  const layout = displayLayout([display("A", 0, 0)], SCREEN, ["B"]);
  assert.equal(resolveDisplay(layout, null), null);
});

Deno.test("resolveDisplay: who has not chosen sees everything, as it comes and goes", () => {
  const two = displayLayout(THREE.slice(0, 2), SCREEN, "all");
  assert.equal(resolveDisplay(two, null), ALL_DISPLAYS);
  assert.equal(resolveDisplay(two, "C"), "C");
  assert.equal(resolveDisplay(displayLayout(THREE.slice(0, 1), SCREEN, "all"), "C"), "B");
});

Deno.test("sameLayout: a rotation or another primary display is a change", () => {
  const layout = displayLayout(THREE, SCREEN, "all");
  assert.ok(sameLayout(layout, displayLayout([...THREE].reverse(), SCREEN, "all")));
  const turned = THREE.map((one) => ({ ...one, rotation: 90 as const }));
  assert.ok(!sameLayout(layout, displayLayout(turned, SCREEN, "all")));
  assert.ok(!sameLayout(layout, displayLayout(THREE.slice(1), SCREEN, "all")));
});

Deno.test("cropFrame: a view of the same pixels, its damage moved and cut", () => {
  const [width, height] = [8, 4];
  const pixels = new Uint8Array(width * height * 4).map((_, i) => i >> 2);
  const frame = {
    ...{ sequence: 1, width, height, strideBytes: width * 4, pixels, capturedAtMs: 1 },
    damage: [
      { x: 0, y: 0, width: 2, height: 4 },
      { x: 1, y: 2, width: 6, height: 2 },
    ],
  };
  const cropped = cropFrame(frame, { x: 3, y: 1, width: 4, height: 2 });
  assert.ok(cropped !== null);
  assert.deepEqual(cropped.damage, [{ x: 0, y: 1, width: 4, height: 1 }]);
  assert.deepEqual([cropped.width, cropped.height, cropped.strideBytes], [4, 2, 32]);
  assert.equal(cropped.pixels.buffer, pixels.buffer);
  assert.equal(cropped.pixels[0], 8 + 3);
  assert.equal(cropped.pixels[cropped.strideBytes + 3 * 4], 2 * 8 + 6);
  assert.equal(cropFrame(frame, { x: 8, y: 0, width: 4, height: 2 }), null);
  assert.equal(cropFrame(frame, { x: 0, y: 0, width, height }), frame);
});

Deno.test("readSharedDisplays", () => {
  assert.equal(readSharedDisplays("all"), "all");
  assert.equal(readSharedDisplays(""), "all");
  assert.equal(readSharedDisplays("primary"), "primary");
  assert.deepEqual(readSharedDisplays(" DP-1, HDMI-1 ,"), ["DP-1", "HDMI-1"]);
  assert.deepEqual(readSharedDisplays("DP-1"), ["DP-1"]);
});
