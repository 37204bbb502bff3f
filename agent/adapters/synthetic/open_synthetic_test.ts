import assert from "node:assert/strict";
import type { Frame } from "../../core/ports.ts";
import { syntheticLayout } from "../../core/synthetic_layout.ts";
import { openSynthetic } from "./open_synthetic.ts";

/** Starts the desktop and hands out its frames one by one. */
function watch(maxFps: number) {
  const { capture, input } = openSynthetic({ width: 800, height: 600, maxFps });
  const waiting: ((frame: Frame) => void)[] = [];
  const frames: Frame[] = [];
  const positions: [number, number][] = [];
  let shapes = 0;
  capture.start({
    onFrame(frame) {
      frames.push(frame);
      waiting.shift()?.(frame);
    },
    onDisplays: () => {},
    onCursorShape: () => void shapes++,
    onCursorPosition: (x, y) => void positions.push([x, y]),
    onFault: (error) => assert.fail(error),
  });
  const nextFrame = () => new Promise<Frame>((resolve) => waiting.push(resolve));
  return { capture, input, frames, positions, nextFrame, shapes: () => shapes };
}

const click = (x: number, y: number) =>
  [true, false].map((down) => ({ kind: "button" as const, seq: 0, x, y, button: 1, down }));

Deno.test("openSynthetic: a whole first frame, then what changed, until it is closed", async () => {
  const desktop = watch(60);
  assert.equal(desktop.capture.current(), null);
  const first = await desktop.nextFrame();
  assert.deepEqual(first.damage, [{ x: 0, y: 0, width: 800, height: 600 }]);
  assert.equal(first.sequence, 1);
  assert.equal(desktop.shapes(), 1);
  const second = await desktop.nextFrame();
  assert.equal(second.sequence, 2);
  assert.equal(second.damage.length, 2);
  assert.deepEqual(desktop.capture.current()?.damage, []);
  await desktop.capture.close();
  assert.equal(desktop.capture.current(), null);
});

Deno.test("openSynthetic: still once the object is switched off; input shows at once", async () => {
  const desktop = watch(60);
  await desktop.nextFrame();
  const { checkbox, field } = syntheticLayout(800, 600);
  for (const input of click(checkbox.x + 2, checkbox.y + 2)) desktop.input.play(input);
  await desktop.nextFrame();
  assert.deepEqual(desktop.positions.at(-1), [checkbox.x + 2, checkbox.y + 2]);
  const before = desktop.frames.length;
  desktop.input.play({ kind: "text", codePoints: [0x41] });
  const typed = await desktop.nextFrame();
  assert.equal(desktop.frames.length, before + 1);
  assert.equal(typed.damage.length, 1);
  assert.ok(typed.damage[0].y >= field.y && typed.damage[0].y < field.y + field.height);
  // Nothing is left to wait for: the test's sanitizer would see a timer.
});

Deno.test("openSynthetic: a size outside the limits throws", () => {
  assert.throws(() => openSynthetic({ width: 799, maxFps: 30 }), RangeError);
  assert.throws(() => openSynthetic({ height: 1081, maxFps: 30 }), RangeError);
});
