/** Viewers of several displays on fakes of capture and encoder; with real ones: tests/e2e/displays_test.ts. */
import assert from "node:assert/strict";
import { codedError, err, ok } from "@farglass/protocol";
import { Audience, type PipelineViewer } from "./audience.ts";
import type { Display } from "./core/displays.ts";
import type { EncodedFrame, Frame } from "./core/ports.ts";
import type { PlaceOnDisplay } from "./display_view.ts";

const display = (name: string, x: number, width = 100): Display => ({
  ...{ id: name, name, x, y: 0, width, height: 50 },
  ...{ primary: x === 0, rotation: 0 },
});
const [LEFT, RIGHT] = [display("LEFT", 0), display("RIGHT", 100)];
const SIZE = { width: 200, height: 50 };

class Viewer implements PipelineViewer {
  readonly heard: string[] = [];
  onFrame({ width, height, damage }: Frame): void {
    this.heard.push(`frame ${width}×${height} ${damage.map(({ x }) => x).join(",")}`);
  }
  onVideo(_frame: EncodedFrame): void {}
  onScreen(width: number, height: number): void {
    this.heard.push(`size ${width}×${height}`);
  }
  onMoved(removed: boolean): void {
    this.heard.push(removed ? "removed" : "moved");
  }
  onCursorShape(): void {}
  onCursorPosition({ x, y, away }: PlaceOnDisplay): void {
    this.heard.push(`cursor ${x},${y}${away ? " away" : ""}`);
  }
  onFault(): void {}
  onVideoAvailable(): void {}
  take(): string[] {
    return this.heard.splice(0);
  }
}

class World {
  now = 1_000;
  encoders = 0;
  frame: Frame = picture(SIZE, [{ x: 0, y: 0, ...SIZE }]);
  readonly audience: Audience;
  constructor(displays: readonly Display[], shared?: "all" | "primary" | readonly string[]) {
    this.audience = new Audience(
      {
        openEncoder: () => {
          this.encoders++;
          return Promise.resolve(err(codedError("encoder-failed")));
        },
        openConverter: ({ width, height }) =>
          Promise.resolve(ok({
            size: { width, height },
            damage() {},
            convert: ({ capturedAtMs }) => Promise.resolve({ width, height, capturedAtMs }),
            close() {},
          })),
        encoders: () => [],
        now: () => this.now,
        log() {},
      },
      { bitrateKbps: 1_000, maxFps: 30, displays: shared },
      { ...SIZE, displays },
      () => this.frame,
    );
  }
  viewer(wanted?: string): Viewer {
    const viewer = new Viewer();
    this.audience.enter(viewer);
    if (wanted !== undefined) assert.ok(this.audience.setDisplay(viewer, wanted));
    return viewer;
  }
  change(x: number): void {
    this.frame = picture(this.frame, [{ x, y: 0, width: 10, height: 10 }], this.now);
    this.audience.show(this.frame);
  }
}

function picture(
  { width, height }: { readonly width: number; readonly height: number },
  damage: Frame["damage"],
  capturedAtMs = 0,
): Frame {
  const pixels = new Uint8Array(width * height * 4);
  // Each pixel's column is its colour.
  new Uint32Array(pixels.buffer).forEach((_, i, words) => words[i] = i % width);
  return { sequence: 1, width, height, strideBytes: width * 4, pixels, damage, capturedAtMs };
}

Deno.test("two viewers of two displays: each hears of changes on its own only", async () => {
  const world = new World([LEFT, RIGHT]);
  const [left, right, all] = [world.viewer("LEFT"), world.viewer("RIGHT"), world.viewer()];
  world.change(120);
  assert.deepEqual(left.take(), []);
  assert.deepEqual(right.take(), ["frame 100×50 20"]);
  assert.deepEqual(all.take(), ["frame 200×50 120"]);
  assert.deepEqual([left, right, all].map((v) => world.audience.captured(v)), [0, 1, 1]);
  assert.equal(world.audience.picture(right)?.pixels[0], 100);
  assert.deepEqual(world.audience.shown(right).id, "RIGHT");
  await world.audience.close();
});

Deno.test("the same display has one hash, another one its own", async () => {
  const world = new World([LEFT, RIGHT]);
  const [left, right] = [world.viewer("LEFT"), world.viewer("RIGHT")];
  const hashes = [left, right].map((v) =>
    world.audience.hash(v, world.audience.picture(v) ?? world.frame)
  );
  assert.notEqual(hashes[0], hashes[1]);
  await world.audience.close();
});

Deno.test("after a switch pictures are at least as young as the switch", async () => {
  const world = new World([LEFT, RIGHT]);
  const viewer = world.viewer("LEFT");
  assert.equal(world.audience.picture(viewer)?.capturedAtMs, 1_000);
  world.now = 2_000;
  assert.ok(world.audience.setDisplay(viewer, "RIGHT"));
  assert.equal(world.audience.picture(viewer)?.capturedAtMs, 2_000);
  assert.equal(world.audience.shown(viewer).sinceMs, 2_000);
  assert.equal(world.audience.setDisplay(viewer, "NONE"), false);
  assert.equal(world.audience.shown(viewer).id, "RIGHT");
  await world.audience.close();
});

Deno.test("a display is removed: its viewers are moved to what is left, others stay", async () => {
  const world = new World([LEFT, RIGHT, display("THIRD", 200)]);
  world.audience.setScreen({
    width: 300,
    height: 50,
    displays: [LEFT, RIGHT, display("THIRD", 200)],
  });
  const [left, right] = [world.viewer("LEFT"), world.viewer("RIGHT")];
  world.audience.setScreen({ width: 300, height: 50, displays: [LEFT, display("THIRD", 200)] });
  assert.deepEqual([left.take(), right.take()], [[], ["removed"]]);
  assert.equal(world.audience.shown(right).id, "all");
  // The last but one goes, too: an only display is the whole screen.
  world.audience.setScreen({ width: 100, height: 50, displays: [LEFT] });
  assert.deepEqual([left.take(), right.take()], [[], ["moved"]]);
  assert.equal(world.audience.shown(right).id, "LEFT");
  // It comes back: who did not choose sees everything again.
  world.audience.setScreen({ ...SIZE, displays: [LEFT, RIGHT] });
  assert.deepEqual([left.take(), right.take()], [[], ["moved"]]);
  await world.audience.close();
});

Deno.test("an only display that gets another name looks the same", async () => {
  const world = new World([]);
  const viewer = world.viewer();
  assert.equal(world.audience.shown(viewer).id, "0");
  world.audience.setScreen({ ...SIZE, displays: [LEFT] });
  assert.equal(world.audience.shown(viewer).id, "LEFT");
  assert.deepEqual(viewer.take(), []);
  await world.audience.close();
});

Deno.test("a display that moves or turns stays watched and is shown as a whole", async () => {
  const world = new World([LEFT, RIGHT]);
  const viewer = world.viewer("RIGHT");
  world.change(0);
  assert.deepEqual(viewer.take(), []);
  const changed = world.audience.setScreen({
    ...SIZE,
    displays: [display("LEFT", 0, 50), { ...RIGHT, x: 50, width: 50, height: 40, rotation: 90 }],
  });
  assert.ok(changed);
  assert.deepEqual(viewer.take(), ["size 50×40"]);
  world.audience.show({ ...world.frame, damage: [] });
  assert.deepEqual(viewer.take(), ["frame 50×40 0"]);
  assert.equal(world.audience.setScreen(world.audience.screen), false);
  await world.audience.close();
});

Deno.test("what is not shared is never shown, whatever is asked for or unplugged", async () => {
  const world = new World([LEFT, RIGHT], ["RIGHT"]);
  const viewer = world.viewer();
  assert.equal(world.audience.shown(viewer).id, "RIGHT");
  for (const wanted of ["LEFT", "all"]) {
    assert.equal(world.audience.setDisplay(viewer, wanted), false);
  }
  world.change(0);
  assert.deepEqual(viewer.take(), []);
  world.audience.setScreen({ width: 100, height: 50, displays: [LEFT] });
  assert.deepEqual(viewer.take(), ["moved"]);
  assert.equal(world.audience.shown(viewer).id, null);
  world.change(0);
  assert.deepEqual(viewer.take(), []);
  assert.equal(world.audience.picture(viewer), null);
  world.audience.setScreen({ ...SIZE, displays: [LEFT, RIGHT] });
  assert.deepEqual(viewer.take(), ["moved"]);
  assert.equal(world.audience.picture(viewer)?.pixels[0], 100);
  await world.audience.close();
});

Deno.test("the cursor is told where it is on the viewer's display, or that it is away", async () => {
  const world = new World([LEFT, RIGHT]);
  const [left, right] = [world.viewer("LEFT"), world.viewer("RIGHT")];
  world.audience.cursorAt(130, 7);
  assert.deepEqual(left.take(), ["cursor 99,7 away"]);
  assert.deepEqual(right.take(), ["cursor 30,7"]);
  await world.audience.close();
});
