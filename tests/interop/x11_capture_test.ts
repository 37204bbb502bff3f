/** X11 capture against a real X server: the picture and its damage are right, and only then. */
import assert from "node:assert/strict";
import { MAX_CURSOR_SIDE_PX } from "@farglass/protocol";
import { startPainter } from "../support/stack.ts";
import { openX } from "../support/x11.ts";
import { pixelAt, watchDesktop } from "../support/x11_desktop.ts";
import { firstDifference, readXScreen } from "../support/xshot.ts";
import { startXvfb } from "../support/xvfb.ts";

Deno.test("X11 capture: the first frame is the whole screen", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using painter = await startPainter("solid", {
    display: xvfb.display,
    args: ["--colour", "204060"],
  });
  await painter.ask("rect 10 20 30 40 ff8000", /"done"/);
  await using watched = await watchDesktop(xvfb.display);
  const [first] = watched.frames;
  assert.deepEqual(first.damage, [{ x: 0, y: 0, width: 640, height: 480 }]);
  assert.deepEqual([first.sequence, first.width, first.height], [1, 640, 480]);
  assert.equal(pixelAt(watched.shadow(), 0, 0), 0x204060);
  assert.equal(pixelAt(watched.shadow(), 39, 59), 0xff8000);
  assert.equal(firstDifference(watched.shadow(), readXScreen(xvfb.display)), null);
  const current = watched.desktop.capture.current();
  assert.deepEqual(current?.damage, []);
  assert.equal(current?.pixels.length, current?.strideBytes! * 480);
});

Deno.test("X11 capture: a change comes with exactly its rectangle; a still screen sends nothing", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using painter = await startPainter("solid", { display: xvfb.display });
  await using watched = await watchDesktop(xvfb.display);
  const start = watched.frames.length;
  const rects = [[100, 50, 7, 9], [0, 0, 1, 1], [639, 479, 1, 1], [3, 200, 600, 2]];
  for (const [i, [x, y, width, height]] of rects.entries()) {
    await painter.ask(`rect ${x} ${y} ${width} ${height} 00ff0${i}`, /"done"/);
    await watched.until(() => watched.frames.length > start + i, "frame of the change");
    const frame = watched.frames[start + i];
    assert.deepEqual(frame.damage, [{ x, y, width, height }]);
    assert.equal(frame.sequence, start + i + 1);
    assert.equal(pixelAt(watched.shadow(), x, y), 0x00ff00 + i);
  }
  // Each change made one frame, and nothing else did.
  assert.equal(watched.frames.length, start + rects.length);
});

Deno.test("X11 capture: pixels that are held stay, and what changed meanwhile comes after", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using painter = await startPainter("solid", { display: xvfb.display });
  await painter.ask("rect 0 0 640 480 112233", /"done"/);
  await using watched = await watchDesktop(xvfb.display);
  const { capture, input } = watched.desktop;
  const frame = capture.current();
  assert.ok(frame?.hold !== undefined);
  const [first, second] = [frame.hold(), frame.hold()];
  const seen = watched.frames.length;
  await painter.ask("rect 100 50 7 9 00ff00", /"done"/);
  // The capture is at work meanwhile: each move is told after the change was.
  for (const x of [30, 60]) {
    input.play({ kind: "move", seq: x, x, y: 20 });
    await watched.until(() => watched.positions.at(-1)?.[0] === x, "pointer's move");
    first();
    first();
  }
  assert.equal(watched.frames.length, seen);
  const at = 50 * frame.strideBytes + 100 * 4;
  assert.deepEqual([...frame.pixels.subarray(at, at + 3)], [0x33, 0x22, 0x11]);
  second();
  await watched.until(() => watched.frames.length > seen, "frame of the change");
  assert.deepEqual(watched.frames[seen].damage, [{ x: 100, y: 50, width: 7, height: 9 }]);
  assert.equal(pixelAt(watched.shadow(), 100, 50), 0x00ff00);
});

Deno.test("X11 capture: a resize waits for pixels that are held", async () => {
  await using xvfb = await startXvfb({ width: 1024, height: 768 });
  await using watched = await watchDesktop(xvfb.display);
  const { capture, input } = watched.desktop;
  const frame = capture.current();
  assert.ok(frame?.hold !== undefined);
  const release = frame.hold();
  await xrandr(xvfb.display, ..."--newmode 800x500 0 800 0 0 800 500 0 0 500".split(" "));
  await xrandr(xvfb.display, "--addmode", "screen", MODE);
  await xrandr(xvfb.display, "--output", "screen", "--mode", MODE);
  input.play({ kind: "move", seq: 1, x: 30, y: 20 });
  await watched.until(() => watched.positions.at(-1)?.[0] === 30, "pointer's move");
  assert.equal(capture.width, 1024);
  // Memory that was given back would have no bytes.
  assert.equal(frame.pixels.length, frame.strideBytes * 768);
  release();
  await watched.until(() => watched.frames.at(-1)?.width === 800, "frame of the new size");
});

Deno.test("X11 capture: after random drawing the damage alone has made the whole picture", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  await using watched = await watchDesktop(xvfb.display, { maxFps: 120 });
  const seed = 7;
  await using painter = await startPainter("random", {
    display: xvfb.display,
    args: ["--seed", `${seed}`, "--count", "1500", "--batch", "40"],
  });
  await painter.waitForLine(/"done"/);
  // One more change marks the end: the frame that shows it shows everything before it.
  await painter.ask("rect 799 599 1 1 123456", /"done"/);
  await watched.until(
    () => pixelAt(watched.shadow(), 799, 599) === 0x123456,
    `last frame (seed ${seed})`,
  );
  assert.equal(firstDifference(watched.shadow(), readXScreen(xvfb.display)), null, `seed ${seed}`);
  assert.ok(watched.frames.length > 3);
});

Deno.test("X11 capture: frames stay under the limit while everything changes", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using watched = await watchDesktop(xvfb.display, { maxFps: 20 });
  await using _painter = await startPainter("clock", {
    display: xvfb.display,
    args: ["--hz", "100"],
  });
  await watched.until(() => watched.frames.length >= 22, "22 frames");
  const times = watched.frames.slice(1).map((frame) => frame.capturedAtMs);
  // 20 intervals of 50 ms, less the one that a frame may come early (frame_limiter.ts) and one for
  // the copying of the first frame, which is over when its time is taken.
  assert.ok(times[20] - times[0] >= 18 * 50, `${times[20] - times[0]} ms`);
});

const MODE = "800x500";

/** Switches Xvfb's only output to another mode, as an operator would with xrandr. */
async function xrandr(display: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("xrandr", {
    args: ["--display", display, ...args],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("X11 capture: a resize by xrandr brings a whole frame of the new size, both ways", async () => {
  await using xvfb = await startXvfb({ width: 1024, height: 768 });
  await using painter = await startPainter("solid", { display: xvfb.display });
  await using watched = await watchDesktop(xvfb.display);
  const old = watched.desktop.capture.current();
  await xrandr(xvfb.display, ..."--newmode 800x500 0 800 0 0 800 500 0 0 500".split(" "));
  await xrandr(xvfb.display, "--addmode", "screen", MODE);
  await xrandr(xvfb.display, "--output", "screen", "--mode", MODE);
  await watched.until(() => watched.desktop.capture.width === 800, "smaller screen");
  await watched.until(() => watched.frames.at(-1)?.width === 800, "smaller frame");
  assert.equal(old?.pixels.length, 0, "the old picture must not point to unmapped memory");
  await painter.ask("solid 445566", /"done"/);
  await painter.ask("rect 799 499 1 1 abcdef", /"done"/);
  await watched.until(() => pixelAt(watched.shadow(), 799, 499) === 0xabcdef, "last pixel");
  assert.equal(firstDifference(watched.shadow(), readXScreen(xvfb.display)), null);
  await xrandr(xvfb.display, "--output", "screen", "--mode", "1024x768");
  await watched.until(() => watched.frames.at(-1)?.width === 1024, "larger frame");
  await painter.ask("rect 1023 767 1 1 abcdef", /"done"/);
  await watched.until(() => pixelAt(watched.shadow(), 1023, 767) === 0xabcdef, "last pixel");
  assert.equal(watched.desktop.capture.height, 768);
  assert.deepEqual(watched.faults, []);
});

const CURSOR_SYMBOLS = {
  XDefineCursor: { parameters: ["pointer", "u64", "u64"], result: "i32" },
  XCreateBitmapFromData: { parameters: ["pointer", "u64", "buffer", "u32", "u32"], result: "u64" },
  XCreatePixmapCursor: {
    parameters: ["pointer", "u64", "u64", "buffer", "buffer", "u32", "u32"],
    result: "u64",
  },
  XWarpPointer: {
    parameters: ["pointer", "u64", "u64", "i32", "i32", "u32", "u32", "i32", "i32"],
    result: "i32",
  },
} as const;

Deno.test("X11 capture: the cursor's shape and position arrive, and stay out of the picture", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using painter = await startPainter("solid", { display: xvfb.display });
  const library = Deno.dlopen("libX11.so.6", CURSOR_SYMBOLS);
  try {
    using client = openX(xvfb.display);
    const { XCreateBitmapFromData, XCreatePixmapCursor, XDefineCursor } = library.symbols;
    await using watched = await watchDesktop(xvfb.display);
    const { display, root } = client;
    // 8×2 pixels: the upper row red, the lower one blue at its right half only.
    const source = XCreateBitmapFromData(display, root, new Uint8Array([0xff, 0x00]), 8, 2);
    const mask = XCreateBitmapFromData(display, root, new Uint8Array([0xff, 0xf0]), 8, 2);
    const color = (red: number, blue: number) => {
      const out = new DataView(new ArrayBuffer(16));
      out.setUint16(8, red, true);
      out.setUint16(12, blue, true);
      return new Uint8Array(out.buffer);
    };
    const shapes = watched.shapes.length;
    const own = XCreatePixmapCursor(
      display,
      source,
      mask,
      color(0xffff, 0),
      color(0, 0xffff),
      5,
      1,
    );
    XDefineCursor(display, root, own);
    client.x.XSync(display, 0);
    await watched.until(() => watched.shapes.length > shapes, "cursor shape");
    const shape = watched.shapes.at(-1)!;
    assert.deepEqual([shape.width, shape.height, shape.hotX, shape.hotY], [8, 2, 5, 1]);
    assert.deepEqual([...shape.rgba.subarray(0, 4)], [255, 0, 0, 255]);
    assert.deepEqual([...shape.rgba.subarray(8 * 4, 8 * 4 + 4)], [0, 0, 0, 0]);
    assert.deepEqual([...shape.rgba.subarray(15 * 4)], [0, 0, 255, 255]);
    assert.ok(watched.shapes.every((s) => s.width <= MAX_CURSOR_SIDE_PX));

    watched.desktop.input.play({ kind: "move", seq: 1, x: 200, y: 100 });
    const at = (x: number, y: number) => () => {
      const [seenX, seenY] = watched.positions.at(-1) ?? [];
      return seenX === x && seenY === y;
    };
    await watched.until(at(200, 100), "position after a motion");
    const { shape: last, x, y } = watched.desktop.capture.cursor()!;
    assert.deepEqual([last, x, y], [shape, 200, 100]);
    // A warp is no motion; it is noticed with the next change of the screen.
    library.symbols.XWarpPointer(display, 0n, root, 0, 0, 0, 0, 31, 47);
    client.x.XSync(display, 0);
    await painter.ask("solid 101010", /"done"/);
    await watched.until(at(31, 47), "position after a warp");
    assert.equal(pixelAt(watched.shadow(), 31, 47), 0x101010);
    assert.equal(firstDifference(watched.shadow(), readXScreen(xvfb.display)), null);
  } finally {
    library.close();
  }
});
