/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  decodeDiff,
  type DiffAck,
  type DiffMessage,
  type Rect,
  type ViewerNetwork,
} from "@farglass/protocol";
import { DiffReceiver } from "../../tests/support/diff_receiver.ts";
import { DiffEngine } from "./diff_engine.ts";
import { HybridRegions } from "./hybrid_regions.ts";
import type { Picture } from "./picture.ts";

const WIDTH = 1280;
const HEIGHT = 720;
const FRAME_MS = 1000 / 30;
const FILM: Rect = { x: 320, y: 128, width: 640, height: 352 };
const CARET: Rect = { x: 40, y: 40, width: 8, height: 16 };
const CLOCK: Rect = { x: 0, y: 0, width: 640, height: 16 };

const NARROW: ViewerNetwork = {
  targetKbps: 1_000,
  reason: "queue-standing",
  rttMs: 40,
  queueMs: 20,
  loss: 0,
  goodputKbps: 900,
  droppedPictures: 0,
  decisions: {},
};

/** A screen, its viewer, and a console that answers at once and shows video when told to. */
class World {
  now = 1_000;
  readonly words = new Uint32Array(WIDTH * HEIGHT);
  readonly console = new DiffReceiver();
  readonly messages: DiffMessage[] = [];
  readonly engine: DiffEngine;
  readonly hybrid: HybridRegions;
  /** The console's answers come at once; else they wait, as on a link that is full. */
  answers = true;
  readonly #unanswered: DiffAck[] = [];
  #sequence = 1;
  #capturedAtMs = 1_000;
  #seed = 1;

  /**
   * `shows`: the console shows each version of the regions as soon as it is told. `narrow`: the
   * video was seen to fill the link.
   */
  constructor(public shows = true, narrow = false) {
    this.engine = new DiffEngine({
      deflate: (bytes) => bytes,
      observe: (...patch) => this.hybrid.sent(...patch),
    });
    this.hybrid = new HybridRegions({
      engine: this.engine,
      rtpTimeOf: (ms) => Math.round(ms * 90) >>> 0,
      network: () => narrow ? NARROW : null,
    });
    this.hybrid.begin();
    this.pump();
  }

  /** Draws noise, which does not compress, in each rectangle and captures it as one picture. */
  paint(...rects: readonly Rect[]): void {
    for (const r of rects) {
      for (let y = r.y; y < r.y + r.height; y++) {
        for (let x = r.x; x < r.x + r.width; x++) {
          this.#seed = Math.imul(this.#seed ^ x ^ y << 8, 0x9e3779b1) + 1 >>> 0;
          this.words[y * WIDTH + x] = this.#seed >>> 8;
        }
      }
    }
    this.#sequence++;
    this.#capturedAtMs = this.now;
    this.engine.damage(rects, this.now);
    this.hybrid.damage(rects, this.now);
    this.pump();
  }

  get picture(): Picture {
    return {
      sequence: this.#sequence,
      width: WIDTH,
      height: HEIGHT,
      strideBytes: WIDTH * 4,
      pixels: new Uint8Array(this.words.buffer),
      capturedAtMs: this.#capturedAtMs,
    };
  }

  pump(): void {
    for (let i = 0; i < 500; i++) {
      this.hybrid.plan(this.picture, this.now);
      this.engine.tick(this.now);
      const message = this.engine.pull(this.picture, this.now);
      if (message === null) return;
      const decoded = decodeDiff(message);
      assert.ok(decoded.ok);
      this.messages.push(decoded.value);
      const ack = this.console.receive(message);
      if (ack !== null) this.#unanswered.push(ack);
      if (this.answers) this.answer();
      if (this.shows && decoded.value.regions !== null) {
        this.hybrid.shown(decoded.value.regions.version);
      }
    }
    throw new Error("The pump does not end");
  }

  answer(): void {
    for (const ack of this.#unanswered.splice(0)) this.engine.ack(ack, this.now);
  }

  /** Time passes; deadlines are kept. */
  wait(ms: number): void {
    const end = this.now + ms;
    for (let i = 0; i < 1_000; i++) {
      const due = this.hybrid.nextDeadlineMs();
      if (due === null || due > end) break;
      this.now = Math.max(this.now, due);
      this.pump();
    }
    this.now = end;
    this.pump();
  }

  play(ms: number, ...rects: readonly Rect[]): void {
    for (let t = 0; t < ms; t += FRAME_MS) {
      this.wait(FRAME_MS);
      this.paint(...rects);
    }
  }

  exact(): boolean {
    return this.console.pixels.length === this.words.length &&
      this.words.every((word, i) => (word & 0xffffff) === this.console.pixels[i]);
  }

  /** Patches that touch `rect` since the last call of `forget`. */
  patchesIn(rect: Rect): Rect[] {
    return this.messages.flatMap((m) => m.patches).filter((p) =>
      p.x < rect.x + rect.width && rect.x < p.x + p.width &&
      p.y < rect.y + rect.height && rect.y < p.y + p.height
    );
  }
  forget(): void {
    this.messages.length = 0;
  }
}

/** A world whose first picture has been sent. */
function settled(): World {
  const world = new World();
  world.wait(1_000);
  assert.ok(world.exact());
  assert.deepEqual(world.hybrid.rects, []);
  world.forget();
  return world;
}

const area = (rects: readonly Rect[]) => rects.reduce((sum, r) => sum + r.width * r.height, 0);

Deno.test("begin → video shows the whole screen at once; what rests follows exactly, then no video", () => {
  const world = new World(false);
  const [first] = world.messages;
  assert.deepEqual(first.patches, []);
  assert.deepEqual(first.regions?.rects, [{ x: 0, y: 0, width: WIDTH, height: HEIGHT }]);
  assert.ok(world.hybrid.wantsVideo);
  world.wait(500);
  assert.equal(world.messages.length, 1, "nothing more before the console shows the video");
  world.shows = true;
  world.hybrid.shown(first.regions!.version);
  world.wait(300);
  assert.ok(world.exact());
  assert.equal(world.hybrid.wantsVideo, false);
});

Deno.test("a film becomes a region: patches until the console shows it, then none; typing goes on", () => {
  const world = settled();
  world.shows = false;
  world.play(600, FILM);
  const [region] = world.hybrid.rects;
  assert.ok(region !== undefined, "no region");
  assert.ok(area([region]) <= area([FILM]) * 1.3, JSON.stringify(region));
  assert.ok(world.exact(), "patches go on");
  const told = world.messages.at(-1)!.regions!;
  assert.deepEqual(told.rects, [region]);
  world.hybrid.shown(told.version);
  world.forget();
  world.play(300, FILM, CARET);
  assert.deepEqual(world.patchesIn(FILM), []);
  assert.ok(world.patchesIn(CARET).length >= 8);
  assert.ok(world.hybrid.wantsVideo);
});

Deno.test("a film whose patches cost much is a region after a fifth of a second already", () => {
  const world = settled();
  world.play(200, FILM);
  assert.equal(world.hybrid.rects.length, 1);
});

Deno.test("a film that stops is exact within 300 ms, and the console hears when the canvas is current", () => {
  const world = settled();
  world.play(800, FILM);
  assert.equal(world.hybrid.rects.length, 1);
  assert.equal(world.exact(), false);
  world.forget();
  world.wait(300);
  assert.ok(world.exact());
  assert.equal(world.hybrid.wantsVideo, false);
  const last = world.messages.at(-1)!;
  assert.ok(last.regions?.current);
  assert.deepEqual(last.regions?.rects, []);
});

Deno.test("while a region leaves, the time of each picture is told, even without a patch", () => {
  const world = settled();
  const other: Rect = { x: 0, y: 576, width: 1280, height: 128 };
  world.play(800, FILM, other);
  assert.equal(world.hybrid.rects.length, 2);
  world.shows = false;
  world.play(400, other);
  assert.equal(world.hybrid.rects.length, 1);
  world.forget();
  world.wait(FRAME_MS);
  world.paint(other);
  assert.deepEqual(world.messages.map((m) => [m.patches.length, m.regions?.current]), [[0, true]]);
});

for (
  const [name, rect] of [
    ["a caret", CARET],
    ["a clock", CLOCK],
    ["a spinner", { x: 500, y: 300, width: 96, height: 96 }],
  ] as const
) {
  Deno.test(`${name} that changes 30 times a second stays patches`, () => {
    const world = settled();
    world.play(2_000, rect);
    assert.deepEqual(world.hybrid.rects, []);
    assert.ok(world.exact());
    assert.equal(world.hybrid.wantsVideo, false);
  });
}

Deno.test("damage without change costs nothing and makes no region", () => {
  const world = settled();
  for (let i = 0; i < 60; i++) {
    world.wait(FRAME_MS);
    world.engine.damage([FILM], world.now);
    world.hybrid.damage([FILM], world.now);
    world.pump();
  }
  assert.deepEqual(world.hybrid.rects, []);
});

Deno.test("a region whose damage goes on without change comes to rest", () => {
  const world = settled();
  world.play(800, FILM);
  assert.equal(world.hybrid.rects.length, 1);
  for (let i = 0; i < 10; i++) {
    world.wait(FRAME_MS);
    world.engine.damage([FILM], world.now);
    world.hybrid.damage([FILM], world.now);
    world.pump();
  }
  assert.deepEqual(world.hybrid.rects, []);
  assert.ok(world.exact());
});

Deno.test("a region that stands still while a part of it moves gets smaller", () => {
  const world = settled();
  world.play(800, FILM);
  const [whole] = world.hybrid.rects;
  const part: Rect = { x: 320, y: 128, width: 320, height: 352 };
  world.play(1_500, part);
  const [smaller] = world.hybrid.rects;
  assert.ok(area([smaller]) < area([whole]) * 0.7, JSON.stringify([whole, smaller]));
});

Deno.test("a region that the console never shows is given up; patches have gone on", () => {
  const world = settled();
  world.shows = false;
  world.play(600, FILM);
  assert.equal(world.hybrid.rects.length, 1);
  world.wait(10_000);
  assert.deepEqual(world.hybrid.rects, []);
  assert.ok(world.exact());
});

Deno.test("a viewer that leaves hybrid mode gets everything by patches again, without regions", () => {
  const world = settled();
  world.play(800, FILM);
  world.hybrid.end();
  world.engine.reset(world.now);
  world.forget();
  world.paint(FILM);
  assert.ok(world.exact());
  assert.ok(world.messages.every((m) => m.regions === null));
});

Deno.test("an edge of a film that is seen to move later joins its region; typing beside it does not", () => {
  const world = settled();
  const edge: Rect = { ...FILM, y: FILM.y - 32, height: 32 };
  world.play(1_000, FILM);
  assert.deepEqual(world.hybrid.rects, [FILM]);
  const line: Rect = { ...edge, width: 6, height: 13 };
  for (let column = 0; column < 60; column++) {
    world.play(FRAME_MS, FILM, { ...line, x: line.x + column * 6 });
  }
  assert.deepEqual(world.hybrid.rects, [FILM]);
  world.play(1_000, FILM, { ...edge, y: edge.y + 16, height: 16 });
  assert.deepEqual(world.hybrid.rects, [{ ...FILM, y: edge.y, height: FILM.height + 32 }]);
});

Deno.test("on a narrow link patches of a region wait for its first picture, but not for ever", () => {
  const world = new World(true, true);
  world.wait(1_000);
  world.shows = false;
  for (let i = 0; i < 60 && world.hybrid.rects.length === 0; i++) world.play(FRAME_MS, FILM);
  assert.deepEqual(world.hybrid.rects, [FILM]);
  world.forget();
  world.play(900, FILM, CARET);
  assert.deepEqual(world.patchesIn(FILM), []);
  assert.ok(world.patchesIn(CARET).length > 10);
  world.play(500, FILM);
  assert.ok(world.patchesIn(FILM).length > 0, "the console did not show it in a second");
});

Deno.test("a film of which patches do not get through is video soon, and they stop while that comes", () => {
  const world = settled();
  world.answers = false;
  world.shows = false;
  world.play(200, FILM);
  assert.ok(area(world.hybrid.rects) >= area([FILM]), "its unsent parts, too");
  assert.ok(area(world.hybrid.rects) < area([FILM]) * 1.5);
  world.forget();
  world.answers = true;
  world.answer();
  world.play(200, FILM, CARET);
  assert.equal(world.patchesIn(FILM).length, 0);
  assert.ok(world.patchesIn(CARET).length > 0);
  world.shows = true;
  world.hybrid.shown(world.messages.at(-1)!.regions!.version);
  world.play(500, FILM);
  assert.equal(world.patchesIn(FILM).length, 0);
  world.wait(1_500);
  assert.deepEqual(world.hybrid.rects, []);
  assert.ok(world.exact());
});

Deno.test("patches go on when the video of such a film does not come", () => {
  const world = settled();
  world.answers = false;
  world.shows = false;
  world.play(200, FILM);
  assert.notDeepEqual(world.hybrid.rects, []);
  world.answers = true;
  world.answer();
  world.play(1_100, FILM);
  assert.ok(world.patchesIn(FILM).length > 0);
  world.wait(100);
  assert.ok(world.exact());
});

Deno.test("what is painted again and again without a change is no film, however late patches are", () => {
  const world = settled();
  world.answers = false;
  world.paint(FILM);
  for (let i = 0; i < 20; i++) {
    world.wait(FRAME_MS);
    world.engine.damage([FILM], world.now);
    world.hybrid.damage([FILM], world.now);
    world.pump();
  }
  assert.ok(world.engine.behindMs(world.now) > 500);
  assert.deepEqual(world.hybrid.rects, []);
});
