/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { buttonOf, newWheel, toDesktop, toWindow, type WheelState, wheelTurn } from "./pointer.ts";

const rect = (left: number, top: number, width: number, height: number) => ({
  left,
  top,
  width,
  height,
});
const full = { width: 1920, height: 1080 };

const CASES: readonly (readonly [
  name: string,
  point: readonly [number, number],
  box: ReturnType<typeof rect>,
  screen: typeof full,
  expected: readonly [x: number, y: number, inside: boolean],
])[] = [
  ["fills its box", [480, 270], rect(0, 0, 960, 540), full, [960, 540, true]],
  ["first pixel", [10, 20], rect(10, 20, 960, 540), full, [0, 0, true]],
  ["last pixel", [969.9, 559.9], rect(10, 20, 960, 540), full, [1919, 1079, true]],
  ["just outside", [970, 300], rect(10, 20, 960, 540), full, [1919, 560, false]],
  ["bars above and below", [500, 250], rect(0, 0, 1000, 1000), full, [960, 59, true]],
  ["on the bar above", [500, 100], rect(0, 0, 1000, 1000), full, [960, 0, false]],
  ["bars left and right", [100, 50], rect(0, 0, 400, 100), { width: 100, height: 100 }, [
    0,
    50,
    false,
  ]],
  ["bars left and right, inside", [151, 50], rect(0, 0, 400, 100), { width: 100, height: 100 }, [
    1,
    50,
    true,
  ]],
  ["1:1, scrolled", [5, 5], rect(-300, -200, 1920, 1080), full, [305, 205, true]],
  ["1:1 on a display of twice the density", [10, 10], rect(0, 0, 960, 540), full, [20, 20, true]],
];
for (const [name, [x, y], box, screen, [dx, dy, inside]] of CASES) {
  Deno.test(`toDesktop: ${name}`, () => {
    deepEqual(toDesktop({ x, y }, box, screen), { x: dx, y: dy, inside });
  });
}

Deno.test("toDesktop knows nothing before there is a size", () => {
  equal(toDesktop({ x: 1, y: 1 }, rect(0, 0, 10, 10), { width: 0, height: 0 }), null);
  equal(toDesktop({ x: 1, y: 1 }, rect(0, 0, 0, 10), full), null);
});

Deno.test("toWindow leads back to the same desktop pixel", () => {
  const side = fc.integer({ min: 1, max: 4000 });
  const corner = fc.integer({ min: -500, max: 500 });
  fc.assert(fc.property(side, side, side, side, corner, corner, (w, h, bw, bh, left, top) => {
    const box = rect(left, top, bw, bh);
    const screen = { width: w, height: h };
    const pixel = { x: Math.floor(w / 3), y: Math.floor(h / 2) };
    const at = toWindow(pixel, box, screen);
    ok(at !== null);
    const back = toDesktop({ x: at.x + at.scale / 2, y: at.y + at.scale / 2 }, box, screen);
    deepEqual(back, { ...pixel, inside: true });
  }));
});

Deno.test("buttonOf", () => {
  deepEqual([0, 1, 2, 3, 4, 5, -1, 0.5].map(buttonOf), [1, 2, 3, 4, 5, null, null, null]);
});

/** Turns a series of events and lists what was sent. */
function turn(events: readonly (readonly [dx: number, dy: number, mode: number])[]) {
  let state: WheelState = newWheel;
  return events.map(([deltaX, deltaY, deltaMode]) => {
    const [next, out] = wheelTurn(state, { deltaX, deltaY, deltaMode });
    state = next;
    return out;
  });
}

Deno.test("wheelTurn: one notch is 120, by pixels, lines or pages", () => {
  deepEqual(turn([[0, 100, 0]]), [{ dx: 0, dy: 120 }]);
  deepEqual(turn([[0, -3, 1]]), [{ dx: 0, dy: -120 }]);
  deepEqual(turn([[1, 0, 2]]), [{ dx: 120, dy: 0 }]);
});

Deno.test("wheelTurn: small parts of a touchpad add up", () => {
  const sent = turn(Array.from({ length: 1000 }, () => [0, 0.1, 0] as const));
  equal(sent.reduce((sum, out) => sum + (out?.dy ?? 0), 0), 120);
  deepEqual(turn([[0, 0.4, 0]]), [null]);
});

Deno.test("wheelTurn: huge and impossible values stay in range", () => {
  deepEqual(turn([[1e9, -1e9, 0], [NaN, Infinity, 0]]), [{ dx: 32767, dy: -32767 }, null]);
});
