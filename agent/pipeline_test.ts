/**
 * The pipeline with fakes of capture and encoder: real ones cannot be made to fail, to hang or to
 * change their size at the very moment that these tests are about.
 */
import assert from "node:assert/strict";
import { codedError, err, ok } from "@farglass/protocol";
import type {
  Capture,
  CaptureEvents,
  EncodedFrame,
  Frame,
  InputSink,
  PictureConverter,
  VideoEncoder,
  VideoKnobs,
  VideoPicture,
} from "./core/ports.ts";
import { type OpenedDesktop, Pipeline, type PipelineViewer } from "./pipeline.ts";

class FakeDesktop implements Capture, InputSink {
  readonly name = "synthetic";
  readonly pointer = true;
  readonly keyboard = true;
  events: CaptureEvents | null = null;
  readonly displays = [];
  closed = 0;
  released = 0;
  #frame: Frame | null = null;
  #sequence = 0;
  constructor(public width = 64, public height = 32) {}
  start(events: CaptureEvents): void {
    this.events = events;
    this.change();
  }
  change(width = this.width, height = this.height): void {
    this.width = width;
    this.height = height;
    this.#frame = {
      sequence: ++this.#sequence,
      width,
      height,
      strideBytes: width * 4,
      pixels: new Uint8Array(width * height * 4),
      damage: [{ x: 0, y: 0, width, height }],
      capturedAtMs: 0,
    };
    this.events?.onFrame(this.#frame);
  }
  current(): Frame | null {
    return this.#frame;
  }
  cursor(): null {
    return null;
  }
  play(): void {}
  releaseAll(): void {
    this.released++;
  }
  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** An encoder whose pictures are finished when the test says so. */
class FakeEncoder implements VideoEncoder {
  readonly name = "fake";
  closed = false;
  readonly rates: string[] = [];
  readonly asked: { keyframe: boolean; width: number; finish: (fails?: Error) => void }[] = [];
  constructor(readonly onAsked: () => void) {}
  encode(picture: VideoPicture, keyframe: boolean): Promise<EncodedFrame> {
    const { promise, resolve, reject } = Promise.withResolvers<EncodedFrame>();
    this.asked.push({
      keyframe,
      width: picture.width,
      finish: (fails) =>
        fails === undefined
          ? resolve({ codec: "h264", units: [new Uint8Array(10)], keyframe, capturedAtMs: 0 })
          : reject(fails),
    });
    this.onAsked();
    return promise;
  }
  setRate({ bitrateKbps, maxFps }: VideoKnobs): void {
    this.rates.push(`${bitrateKbps}/${maxFps}`);
  }
  close(): void {
    this.closed = true;
  }
}

/** Takes the picture as it is. */
class FakeConverter implements PictureConverter {
  constructor(readonly size: { readonly width: number; readonly height: number }) {}
  damage(): void {}
  convert({ width, height, capturedAtMs }: Frame): Promise<VideoPicture> {
    return Promise.resolve({ width, height, capturedAtMs });
  }
  close(): void {}
}

class FakeViewer implements PipelineViewer {
  readonly heard: string[] = [];
  constructor(readonly onHeard: () => void) {}
  #note(text: string): void {
    this.heard.push(text);
    this.onHeard();
  }
  onFrame(): void {
    this.#note("frame");
  }
  onVideo(frame: EncodedFrame): void {
    this.#note(frame.keyframe ? "I" : "P");
  }
  onScreen(width: number, height: number): void {
    this.#note(`${width}×${height}`);
  }
  onMoved(): void {
    this.#note("moved");
  }
  onCursorShape(): void {}
  onCursorPosition(): void {}
  onFault(code: string): void {
    this.#note(code);
  }
  onVideoAvailable(available: boolean): void {
    this.#note(available ? "video" : "no video");
  }
}

/** A pipeline on fakes; `until` waits for something to happen in them. */
class World implements AsyncDisposable {
  now = 0;
  readonly desktops: FakeDesktop[] = [];
  readonly encoders: FakeEncoder[] = [];
  readonly logs: string[] = [];
  broken: string | null = null;
  size: [number, number] = [64, 32];
  noEncoder = false;
  #wake = Promise.withResolvers<void>();
  readonly pipeline = new Pipeline(
    {
      openDesktop: () => {
        this.#stir();
        if (this.broken !== null) return Promise.resolve(err({ message: this.broken }));
        const desktop = new FakeDesktop(...this.size);
        this.desktops.push(desktop);
        const opened: OpenedDesktop = { capture: desktop, input: inputOf(desktop) };
        return Promise.resolve(ok(opened));
      },
      openEncoder: () => {
        if (this.noEncoder) return Promise.resolve(err(codedError("encoder-failed")));
        const encoder = new FakeEncoder(() => this.#stir());
        this.encoders.push(encoder);
        return Promise.resolve(ok(encoder));
      },
      openConverter: (size) => Promise.resolve(ok(new FakeConverter(size))),
      encoders: () => [{ name: "fake", codec: "h264" }, { name: "other", codec: "vp8" }],
      now: () => this.now,
      random: () => 0,
      log: (_level, text) => this.logs.push(text),
    },
    { bitrateKbps: 1_000, maxFps: 30 },
    { width: 64, height: 32 },
  );
  #stir(): void {
    this.#wake.resolve();
  }
  viewer(): FakeViewer {
    const viewer = new FakeViewer(() => this.#stir());
    this.pipeline.attach(viewer);
    return viewer;
  }
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const encoder of this.encoders) for (const one of encoder.asked) one.finish();
    await this.pipeline.close();
  }
}

const inputOf = (desktop: FakeDesktop): InputSink => ({
  pointer: true,
  keyboard: true,
  play: () => desktop.play(),
  releaseAll: () => desktop.releaseAll(),
  close: () => {},
});

Deno.test("nothing is captured until the first viewer comes", async () => {
  await using world = new World();
  assert.equal(world.desktops.length, 0);
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  world.viewer();
  assert.equal(world.desktops.length, 1);
  assert.equal(world.pipeline.captured, 1);
});

Deno.test("refreshScreen: while nobody looks the screen is read and closed, and a viewer waits for it", async () => {
  await using world = new World();
  const told: string[] = [];
  world.pipeline.onScreen = (width, height) => told.push(`${width}×${height}`);
  world.broken = "gone";
  await world.pipeline.refreshScreen();
  world.broken = null;
  world.size = [128, 64];
  const refreshed = world.pipeline.refreshScreen();
  const viewer = world.viewer();
  await refreshed;
  assert.deepEqual([told, world.pipeline.screen], [["128×64"], { width: 128, height: 64 }]);
  assert.deepEqual([world.desktops[0].events, world.desktops[0].closed], [null, 1]);
  await world.until(() => viewer.heard.includes("frame"));
  assert.equal(world.desktops.length, 2);
});

Deno.test("close: capture, input and encoder are given back", async () => {
  const world = new World();
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  world.pipeline.setVideo(viewer, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  world.encoders[0].asked[0].finish();
  await world[Symbol.asyncDispose]();
  assert.equal(world.desktops[0].closed, 1);
  assert.ok(world.desktops[0].released >= 1);
  assert.equal(world.encoders[0].closed, true);
});

Deno.test("one encoder for all viewers: each picture is encoded once and reaches those who want it", async () => {
  await using world = new World();
  const [first, second, third] = [world.viewer(), world.viewer(), world.viewer()];
  await world.until(() => third.heard.includes("frame"));
  world.pipeline.setVideo(first, true);
  world.pipeline.setVideo(second, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  world.encoders[0].asked[0].finish();
  await world.until(() => second.heard.includes("I"));
  assert.deepEqual(first.heard, ["frame", "I"]);
  assert.deepEqual(second.heard, ["frame", "I"]);
  assert.deepEqual(third.heard, ["frame"]);
  assert.equal(world.encoders.length, 1);
});

Deno.test("while the encoder is busy, the other viewers still get every frame", async () => {
  await using world = new World();
  const [video, diff] = [world.viewer(), world.viewer()];
  await world.until(() => diff.heard.includes("frame"));
  world.pipeline.setVideo(video, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  for (let i = 0; i < 5; i++) world.desktops[0].change();
  assert.equal(diff.heard.length, 6);
  assert.equal(world.encoders[0].asked.length, 1);
});

Deno.test("resize: viewers hear of it, and a new encoder begins with a keyframe", async () => {
  await using world = new World();
  const sizes: string[] = [];
  world.pipeline.onScreen = (width, height) => sizes.push(`${width}×${height}`);
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  world.pipeline.setVideo(viewer, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  world.encoders[0].asked[0].finish();
  await world.until(() => viewer.heard.includes("I"));
  world.now = 100;
  world.desktops[0].change(32, 16);
  await world.until(() => world.encoders[1]?.asked.length === 1);
  assert.equal(world.encoders[0].closed, true);
  assert.equal(world.encoders[1].asked[0].width, 32);
  assert.deepEqual(sizes, ["32×16"]);
  assert.ok(viewer.heard.includes("32×16"));
  assert.deepEqual(world.pipeline.screen, { width: 32, height: 16 });
});

Deno.test("an encoder that fails once is replaced; twice in a row → no video for a while", async () => {
  await using world = new World();
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  world.pipeline.setVideo(viewer, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  world.now = 100;
  world.encoders[0].asked[0].finish(new Error("first"));
  await world.until(() => world.encoders[1]?.asked.length === 1);
  assert.equal(world.encoders[0].closed, true);
  assert.equal(world.pipeline.videoAvailable(viewer), true);
  world.encoders[1].asked[0].finish(new Error("second"));
  await world.until(() => viewer.heard.includes("no video"));
  assert.equal(world.pipeline.videoAvailable(viewer), false);
});

Deno.test("no encoder at all → viewers are told, the capture goes on", async () => {
  await using world = new World();
  world.noEncoder = true;
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  world.pipeline.setVideo(viewer, true);
  world.now = 100;
  world.desktops[0].change();
  await world.until(() => viewer.heard.includes("no video"));
  world.desktops[0].change();
  assert.equal(viewer.heard.at(-1), "frame");
});

Deno.test("the screen goes away: viewers hear of it, it is opened again, and they get frames", async () => {
  await using world = new World();
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  world.desktops[0].events!.onFault(new Error("The X server went away"));
  assert.equal(viewer.heard.at(-1), "capture-failed");
  assert.equal(world.pipeline.current(), null);
  assert.equal(world.pipeline.captureFailed, true);
  await world.until(() => world.desktops.length === 2);
  await world.until(() => viewer.heard.at(-1) === "frame");
  assert.equal(world.pipeline.captureFailed, false);
  assert.ok(world.logs.some((line) => line.startsWith("The X server went away; trying again")));
});

Deno.test("a screen that cannot be opened is tried again while somebody wants to see it", async () => {
  await using world = new World();
  world.broken = "Check that an X server runs";
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("capture-failed"));
  world.broken = null;
  await world.until(() => viewer.heard.includes("frame"));
});

/** Two viewers of one encoder, with their keyframe. */
async function twoViewers(world: World): Promise<readonly [FakeViewer, FakeViewer, FakeEncoder]> {
  const [slow, quick] = [world.viewer(), world.viewer()];
  await world.until(() => quick.heard.includes("frame"));
  world.pipeline.setVideo(slow, true);
  world.pipeline.setVideo(quick, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  world.encoders[0].asked[0].finish();
  await world.until(() => quick.heard.includes("I"));
  return [slow, quick, world.encoders[0]];
}

Deno.test("setVideoTarget: small differences → one encoder at the least rate, without a keyframe", async () => {
  await using world = new World();
  const [slow, quick, encoder] = await twoViewers(world);
  world.pipeline.setVideoTarget(slow, { bitrateKbps: 950, maxFps: 20, blocked: false });
  world.pipeline.setVideoTarget(quick, { bitrateKbps: 99_000, maxFps: 90, blocked: false });
  world.pipeline.setVideo(slow, false);
  assert.deepEqual(encoder.rates, ["1000/30", "950/20", "1000/30"]);
  world.now = 500;
  world.desktops[0].change();
  await world.until(() => encoder.asked.length === 2);
  assert.equal(encoder.asked[1].keyframe, false);
  assert.equal(world.encoders.length, 1);
});

Deno.test("setVideoTarget: an only viewer's encoder follows any rate, without a keyframe", async () => {
  await using world = new World();
  const [slow, quick, encoder] = await twoViewers(world);
  world.pipeline.setVideo(quick, false);
  for (const bitrateKbps of [400, 90, 1_000]) {
    world.pipeline.setVideoTarget(slow, { bitrateKbps, maxFps: 30, blocked: false });
  }
  assert.deepEqual(encoder.rates, ["1000/30", "400/30", "100/30", "1000/30"]);
  assert.equal(world.encoders.length, 1);
});

Deno.test("a viewer whose network falls gets its own encoder; the others go on, even while it is stuck", async () => {
  await using world = new World();
  const [slow, quick, shared] = await twoViewers(world);
  world.now = 2_000;
  world.pipeline.setVideoTarget(slow, { bitrateKbps: 300, maxFps: 30, blocked: false });
  await world.until(() => world.encoders[1]?.asked.length === 1);
  const own = world.encoders[1];
  assert.equal(own.asked[0].keyframe, true);
  // Until its first picture is ready, the old one serves on.
  world.desktops[0].change();
  await world.until(() => shared.asked.length === 2);
  shared.asked[1].finish();
  await world.until(() => quick.heard.at(-1) === "P");
  assert.equal(slow.heard.at(-1), "P");
  own.asked[0].finish();
  await world.until(() => slow.heard.at(-1) === "I");
  assert.equal(quick.heard.filter((what) => what === "I").length, 1);
  // Its encoder hangs now: neither the capture nor the other encoder waits.
  for (let i = 0; i < 5; i++) {
    world.now += 100;
    world.desktops[0].change();
    await world.until(() => shared.asked.length === 3 + i);
    shared.asked[2 + i].finish();
    await world.until(() => quick.heard.filter((what) => what === "P").length === 2 + i);
  }
  assert.equal(own.asked.length, 2);
  assert.equal(shared.asked.filter(({ keyframe }) => keyframe).length, 1);
});

Deno.test("a viewer whose network recovers comes back after 3 s, with one keyframe", async () => {
  await using world = new World();
  const [slow, _quick, shared] = await twoViewers(world);
  world.now = 2_000;
  world.pipeline.setVideoTarget(slow, { bitrateKbps: 300, maxFps: 30, blocked: false });
  await world.until(() => world.encoders[1]?.asked.length === 1);
  world.encoders[1].asked[0].finish();
  await world.until(() => slow.heard.filter((what) => what === "I").length === 2);
  world.now = 3_000;
  world.pipeline.setVideoTarget(slow, { bitrateKbps: 1_000, maxFps: 30, blocked: false });
  assert.equal(shared.asked.length, 1);
  world.now = 6_000;
  world.pipeline.setVideoTarget(slow, { bitrateKbps: 1_000, maxFps: 30, blocked: false });
  await world.until(() => shared.asked.length === 2);
  assert.equal(shared.asked[1].keyframe, true);
  shared.asked[1].finish();
  await world.until(() => slow.heard.filter((what) => what === "I").length === 3);
  assert.deepEqual(world.pipeline.videoStatus.encoders.map(({ viewers }) => viewers), [2]);
});

Deno.test("each codec has its encoder; a peer that agreed on another one moves, and a failure is its own", async () => {
  await using world = new World();
  const [usual, other, shared] = await twoViewers(world);
  world.now = 2_000;
  const open = { bitrateKbps: Infinity, maxFps: Infinity, blocked: false };
  world.pipeline.setVideoTarget(other, { ...open, codecs: ["vp8"] });
  await world.until(() => world.encoders[1]?.asked.length === 1);
  world.encoders[1].asked[0].finish();
  await world.until(() => other.heard.filter((what) => what === "I").length === 2);
  assert.deepEqual(
    world.pipeline.videoStatus.encoders.map(({ codec, viewers }) => `${codec} ${viewers}`),
    ["h264 1", "vp8 1"],
  );
  // Another rate, as often as it changes, leaves the codec as it is.
  world.pipeline.setVideoTarget(other, { ...open, bitrateKbps: 900 });
  world.noEncoder = true;
  world.now = 3_000;
  world.desktops[0].change();
  await world.until(() => world.encoders[1].asked.length === 2);
  world.now = 4_000;
  world.encoders[1].asked[1].finish(new Error("broken"));
  await world.until(() => other.heard.includes("no video"));
  assert.ok(!usual.heard.includes("no video"));
  assert.equal(shared.asked.length, 2);
});

/** A viewer by VP8 whose peer can do with H.264, too; its first picture is there. */
async function spareViewer(world: World): Promise<FakeViewer> {
  const viewer = world.viewer();
  await world.until(() => viewer.heard.includes("frame"));
  const open = { bitrateKbps: Infinity, maxFps: Infinity, blocked: false };
  world.pipeline.setVideoTarget(viewer, { ...open, codecs: ["vp8", "h264"] });
  world.pipeline.setVideo(viewer, true);
  await world.until(() => world.encoders[0]?.asked.length === 1);
  world.encoders[0].asked[0].finish();
  await world.until(() => viewer.heard.includes("I"));
  world.now = 2_000;
  world.desktops[0].change();
  await world.until(() => world.encoders[0].asked.length === 2);
  return viewer;
}

const codecs = ({ pipeline }: World) => pipeline.videoStatus.encoders.map(({ codec }) => codec);

Deno.test("the only encoder of a format fails → the next format that the peer has, by a keyframe, for good", async () => {
  await using world = new World();
  const viewer = await spareViewer(world);
  assert.deepEqual(codecs(world), ["vp8"]);
  assert.deepEqual(world.pipeline.videoFormat(viewer)?.reason, "format-best");
  world.encoders[0].asked[1].finish(new Error("broken"));
  await world.until(() => world.encoders[1]?.asked.length === 1);
  assert.equal(world.encoders[1].asked[0].keyframe, true);
  world.encoders[1].asked[0].finish();
  await world.until(() => viewer.heard.filter((what) => what === "I").length === 2);
  assert.deepEqual(codecs(world), ["h264"]);
  assert.ok(!viewer.heard.includes("no video"), viewer.heard.join());
  const decided = { codec: "h264", reason: "format-failed", decisions: { "format-failed": 1 } };
  assert.deepEqual(world.pipeline.videoFormat(viewer), decided);
  // The next peer of the session agrees on both again.
  const open = { bitrateKbps: Infinity, maxFps: Infinity, blocked: false };
  world.pipeline.setVideoTarget(viewer, { ...open, codecs: ["vp8", "h264"] });
  assert.deepEqual(world.pipeline.videoFormat(viewer), decided);
});

Deno.test("an only encoder that hangs is not waited for where another format takes over", async () => {
  await using world = new World();
  await spareViewer(world);
  await world.until(() => world.encoders[1]?.asked.length === 1);
  assert.ok(world.logs.some((line) => line.includes("silent for 700 ms")), world.logs.join());
});

Deno.test("keyframes are counted by their reason", async () => {
  await using world = new World();
  const [slow, _quick, encoder] = await twoViewers(world);
  world.now = 2_000;
  world.pipeline.requestKeyframe(slow, "pli");
  await world.until(() => encoder.asked.length === 2);
  encoder.asked[1].finish();
  await world.until(() => slow.heard.filter((what) => what === "I").length === 2);
  assert.deepEqual(world.pipeline.videoStatus.keyframes, { start: 1, pli: 1 });
});
