/** X11: what cannot be opened says why in one sentence; what was opened leaves nothing behind. */
import assert from "node:assert/strict";
import { openConverter } from "../../agent/adapters/libav/converter.ts";
import { loadX11Libraries } from "../../agent/adapters/x11/libraries.ts";
import { openX11 } from "../../agent/adapters/x11/open_x11.ts";
import { startPainter } from "../support/stack.ts";
import { watchDesktop } from "../support/x11_desktop.ts";
import { startXvfb } from "../support/xvfb.ts";

/** The error of an attempt that must fail. */
async function refusal(display: string | undefined): Promise<{ code: string; message: string }> {
  const opened = await openX11({ display, maxFps: 30 });
  assert.ok(!opened.ok);
  return opened.error;
}

Deno.test("openX11: without a display, or with one that nobody serves", async () => {
  for (const display of [undefined, ""]) {
    const error = await refusal(display);
    assert.equal(error.code, "no-display");
    assert.match(error.message, /^Set DISPLAY .* "synthetic"/);
  }
  for (const display of [":987", "nonsense"]) {
    const error = await refusal(display);
    assert.equal(error.code, "no-display");
    assert.ok(error.message.includes(`"${display}"`), error.message);
  }
});

Deno.test("openX11: a missing extension is named", async () => {
  for (const extension of ["XTEST", "MIT-SHM", "DAMAGE"]) {
    await using xvfb = await startXvfb({
      width: 320,
      height: 240,
      extra: ["-extension", extension],
    });
    const error = await refusal(xvfb.display);
    assert.equal(error.code, "extension-missing");
    assert.equal(error.message, `Switch on these extensions of the X server: ${extension}`);
  }
});

Deno.test("openX11: a screen of few colours is refused", async () => {
  await using xvfb = await startXvfb({ extra: ["-screen", "0", "320x240x16"] });
  assert.deepEqual(await refusal(xvfb.display), {
    code: "screen-unsupported",
    message: "Set the X screen to 24-bit colour: its depth is 16",
  });
});

Deno.test("loadX11Libraries: missing libraries are named with their packages", () => {
  const loaded = loadX11Libraries({
    x: ["libX11.so.6", "libx11-6"],
    ext: ["libXext.so.6", "libxext6"],
    damage: ["libNoSuchDamage.so.1", "libxdamage1"],
    fixes: ["libXfixes.so.3", "libxfixes3"],
    test: ["libNoSuchTest.so.6", "libxtst6"],
    xi: ["libXi.so.6", "libxi6"],
    c: ["libc.so.6", "libc6"],
  });
  assert.ok(!loaded.ok);
  assert.deepEqual(loaded.error, {
    code: "library-missing",
    message: "Install the missing X11 libraries (libNoSuchDamage.so.1, libNoSuchTest.so.6): " +
      "apt-get install libxdamage1 libxtst6",
  });
});

Deno.test("X11: the server's death is one fault; the process and its other calls live on", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using watched = await watchDesktop(xvfb.display);
  const { capture, input } = watched.desktop;
  input.play({ kind: "key", usage: 0x04, keysym: 0x61, down: true });
  Deno.kill(xvfb.pid, "SIGKILL");
  await watched.until(() => watched.faults.length > 0, "fault");
  assert.match(watched.faults[0].message, /^The X server/);
  assert.equal(capture.current(), null);
  input.play({ kind: "move", seq: 1, x: 5, y: 5 });
  input.play({ kind: "key", usage: 0x04, keysym: 0x61, down: false });
  input.play({ kind: "text", codePoints: [0x3042] });
  input.releaseAll();
  input.close();
  await capture.close();
  await capture.close();
  assert.equal(watched.faults.length, 1);
});

Deno.test("X11: input notices the server's death by itself", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  const opened = await openX11({ display: xvfb.display, maxFps: 30 });
  assert.ok(opened.ok);
  const { capture, input } = opened.value;
  Deno.kill(xvfb.pid, "SIGKILL");
  await xvfb.stop();
  for (let i = 0; i < 3; i++) input.play({ kind: "text", codePoints: [0x61, 0x3042] });
  input.close();
  await capture.close();
});

const descriptors = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
/** Segments of shared memory (System V) that this process made: the fifth column is the maker. */
const segments = (): number =>
  Deno.readTextFileSync("/proc/sysvipc/shm").split("\n")
    .filter((line) => Number(line.trim().split(/\s+/)[4]) === Deno.pid).length;
/** Segments that this process has mapped. */
const mappings = (): number =>
  Deno.readTextFileSync("/proc/self/maps").split("\n").filter((line) => line.includes("SYSV"))
    .length;

Deno.test("X11: opened and closed twenty times, nothing is left", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using painter = await startPainter("solid", { display: xvfb.display });
  const once = async (): Promise<void> => {
    await using watched = await watchDesktop(xvfb.display);
    await painter.ask("rect 1 1 5 5 ffffff", /"done"/);
    await painter.ask("rect 1 1 5 5 000000", /"done"/);
    watched.desktop.input.play({ kind: "text", codePoints: [0x61, 0x3042] });
    assert.equal(mappings(), 1);
    assert.equal(segments(), 1);
  };
  await once();
  const before = { descriptors: descriptors(), segments: segments(), mappings: mappings() };
  for (let i = 0; i < 20; i++) await once();
  assert.deepEqual(
    { descriptors: descriptors(), segments: segments(), mappings: mappings() },
    { ...before, segments: 0, mappings: 0 },
  );
});

Deno.test("X11: two captures of one screen, closed one after the other", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  await using painter = await startPainter("solid", { display: xvfb.display });
  const first = await watchDesktop(xvfb.display);
  await using second = await watchDesktop(xvfb.display);
  await first[Symbol.asyncDispose]();
  const seen = second.frames.length;
  await painter.ask("rect 1 1 5 5 ffffff", /"done"/);
  await second.until(() => second.frames.length > seen, "frame after the other was closed");
});

Deno.test("X11: the memory is given back only when nobody reads it any more", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  const watched = await watchDesktop(xvfb.display);
  const frame = watched.desktop.capture.current();
  assert.ok(frame?.hold !== undefined);
  const release = frame.hold();
  const closing = watched[Symbol.asyncDispose]();
  // Time enough: another capture is opened and closed meanwhile.
  await (await watchDesktop(xvfb.display))[Symbol.asyncDispose]();
  assert.equal(mappings(), 1);
  assert.equal(frame.pixels.length, frame.strideBytes * 480);
  release();
  await closing;
  assert.equal(mappings(), 0);
});

Deno.test("X11: a converter that reads by vectors finds memory past the last pixel", async () => {
  // 1032 pages exactly, and a last column of cells that is 8 pixels wide.
  const size = { width: 1032, height: 1024 };
  await using xvfb = await startXvfb(size);
  await using watched = await watchDesktop(xvfb.display);
  const mapped = Deno.readTextFileSync("/proc/self/maps").split("\n")
    .find((line) => line.includes("SYSV"));
  const [from, to] = (mapped ?? "").split(" ")[0].split("-").map((hex) => parseInt(hex, 16));
  assert.equal(to - from, size.width * size.height * 4 + 4096);
  const converter = await openConverter(size);
  assert.ok(converter.ok);
  const frame = watched.desktop.capture.current();
  assert.ok(frame !== null);
  await converter.value.convert(frame);
  converter.value.damage([{ x: 1024, y: 992, width: 8, height: 32 }]);
  await converter.value.convert(frame);
  converter.value.close();
});

Deno.test("X11: closed from inside its own events, or without ever being started", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  const opened = await openX11({ display: xvfb.display, maxFps: 30 });
  assert.ok(opened.ok);
  const { capture, input } = opened.value;
  let closed: Promise<void> | null = null;
  let frames = 0;
  const done = new Promise<void>((resolve) => {
    capture.start({
      onFrame() {
        frames++;
        closed = capture.close();
        resolve();
      },
      onDisplays() {},
      onCursorShape() {},
      onCursorPosition() {},
      onFault: (error) => assert.fail(error),
    });
  });
  await done;
  await closed;
  input.close();
  assert.equal(frames, 1);
  const again = await openX11({ display: xvfb.display, maxFps: 30 });
  assert.ok(again.ok);
  await again.value.capture.close();
  again.value.input.close();
});
