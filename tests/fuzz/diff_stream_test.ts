/// <reference lib="dom" />
/**
 * The agent's diff engine and regions against the console's own canvas code, message by message:
 * whatever is drawn, lost, skipped or late, what is missing is known. So no proof of the picture
 * ever fails, and at rest it is proved.
 */
import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { decodeDiff, decodeDiffAck, type DiffAck, type Rect } from "@farglass/protocol";
import { DiffEngine } from "../../agent/core/diff_engine.ts";
import { HybridRegions } from "../../agent/core/hybrid_regions.ts";
import { PatchSource } from "../../agent/core/shared_patches.ts";
import { DiffCanvas } from "../../browser/adapters/diff_canvas.ts";
import { Screen } from "../support/diff_screen.ts";
import { seededRandom } from "../support/random.ts";
import { fuzzSeed, testScale } from "../support/seed.ts";

const SIZE = { width: 300, height: 200 };
const RUNS = 60;
const STEPS = 250;
const SOURCE = { via: "dc", peerId: 1 } as const;
const RTP_PER_MS = 90;

// The canvas is not attached, so nothing is painted: only the picture in memory counts.
globalThis.ImageData ??= class {} as unknown as typeof ImageData;

const deflate = (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes, { level: 1 }));
const rtpTimeOf = (ms: number) => Math.round(ms * RTP_PER_MS) >>> 0;

interface Desk {
  readonly screen: Screen;
  readonly source: PatchSource;
  readonly viewers: Viewer[];
  capturedAtMs: number;
}

/** One viewer at the agent, its console, and what is on its way between them. */
class Viewer {
  readonly engine: DiffEngine;
  readonly regions: HybridRegions;
  readonly canvas: DiffCanvas;
  readonly wire: Uint8Array[] = [];
  readonly answers: { ack: DiffAck | null; shown: number | null }[] = [];
  readonly faults: string[] = [];
  /** Times that a part of the screen became video. */
  byVideo = 0;

  constructor(readonly desk: Desk, hybrid: boolean) {
    this.engine = new DiffEngine({
      deflate,
      source: () => desk.source,
      observe: (...patch) => this.regions.sent(...patch),
    });
    this.regions = new HybridRegions({ engine: this.engine, rtpTimeOf });
    this.canvas = new DiffCanvas({
      onAck: (_source, bytes) => {
        const ack = decodeDiffAck(bytes);
        assert.ok(ack.ok);
        this.answers.push({ ack: ack.value, shown: null });
      },
      onRegions: (shown) => this.answers.push({ ack: null, shown }),
      onFault: (code) => this.faults.push(code),
      onPainted: () => {},
      onSize: () => {},
      onExact: () => {},
      onVideoNeeded: () => {},
      onVideoArea: () => {},
    }, { composes: true });
    this.canvas.accept(SOURCE, 1, { hybrid });
    if (hybrid) this.regions.begin();
    desk.viewers.push(this);
  }

  get picture() {
    return { ...this.desk.screen.picture(), capturedAtMs: this.desk.capturedAtMs };
  }

  pump(most: number, now: number): boolean {
    this.engine.tick(now);
    for (let i = 0; i < most; i++) {
      this.regions.plan(this.picture, now);
      const message = this.engine.pull(this.picture, now);
      if (message === null) return i > 0;
      this.wire.push(message);
    }
    return true;
  }

  deliver(fate: "arrive" | "drop" | "skip"): void {
    const message = this.wire.shift();
    if (message === undefined) return;
    if (fate === "arrive") this.canvas.message(SOURCE, message);
    if (fate !== "skip") return;
    const frame = frameOf(message);
    this.answers.push({ ack: { frame, outcome: "skipped" }, shown: null });
    // A relay skips the rest of the frame, too.
    const rest = this.wire.filter((one) => frameOf(one) !== frame);
    this.wire.splice(0, this.wire.length, ...rest);
  }

  answer(now: number): void {
    const next = this.answers.shift();
    if (next === undefined) return;
    if (next.ack !== null) this.engine.ack(next.ack, now);
    if (next.shown === null) return;
    this.regions.shown(next.shown);
    if (this.regions.rects.length > 0) this.byVideo++;
  }

  /** The video shows the newest picture. */
  video(): void {
    const { width, height } = this.desk.screen;
    if (!this.regions.wantsVideo) return;
    this.canvas.video({ rtpTime: rtpTimeOf(this.desk.capturedAtMs), width, height });
  }

  settle(from: number): void {
    let now = from;
    for (let i = 0; i < 5_000; i++) {
      this.pump(1_000, now);
      this.video();
      const busy = this.wire.length + this.answers.length > 0;
      while (this.wire.length > 0) this.deliver("arrive");
      while (this.answers.length > 0) this.answer(now);
      if (busy) continue;
      const due = [this.engine.nextDeadlineMs(), this.regions.nextDeadlineMs()]
        .filter((at) => at !== null);
      if (due.length === 0) return;
      now = Math.max(now + 1, Math.min(...due));
    }
    throw new Error("Did not settle");
  }
}

function frameOf(message: Uint8Array): number {
  const decoded = decodeDiff(message);
  assert.ok(decoded.ok);
  return decoded.value.frame;
}

/**
 * One desktop with three viewers, two of them in hybrid mode, through `STEPS` random steps; how
 * often anything became video or was lost.
 */
function run(seed: number): { readonly byVideo: number; readonly lost: number } {
  const random = seededRandom(seed);
  const upTo = (most: number) => Math.floor(random() * most);
  const desk: Desk = {
    screen: new Screen(SIZE.width, SIZE.height),
    source: new PatchSource(),
    viewers: [],
    capturedAtMs: 0,
  };
  const viewers = [new Viewer(desk, true), new Viewer(desk, false), new Viewer(desk, true)];
  let now = 0;
  const draw = (rect: Rect, noisy: boolean) => {
    const colour = Math.floor(random() * 0x1000000);
    const dot = (x: number, y: number) =>
      Math.imul(x * 73856093 ^ y * 19349663 ^ colour, 0x9e3779b1);
    const damage = [desk.screen.fill(rect, noisy ? dot : () => colour)];
    desk.capturedAtMs = now;
    desk.source.damage(damage);
    for (const { engine, regions } of viewers) {
      engine.damage(damage, now);
      regions.damage(damage, now);
    }
  };
  const anywhere = (): Rect => {
    const [x, y] = [upTo(SIZE.width), upTo(SIZE.height)];
    return { x, y, width: 1 + upTo(SIZE.width - x), height: 1 + upTo(SIZE.height - y) };
  };
  /** What moves again and again becomes video. */
  const film: Rect = { x: 64, y: 32, width: 160, height: 96 };
  for (let step = 0; step < STEPS; step++) {
    const viewer = viewers[upTo(viewers.length)];
    const what = random();
    now += 1 + upTo(12);
    if (what < 0.1) draw(anywhere(), random() < 0.5);
    else if (what < 0.35) draw(film, true);
    else if (what < 0.55) { for (const one of viewers) one.pump(1 + upTo(4), now); }
    else if (what < 0.75) viewer.deliver(pickFate(random()));
    else if (what < 0.85) { while (viewer.wire.length > 0) viewer.deliver("arrive"); }
    else if (what < 0.93) viewer.answer(now);
    else if (what < 0.96) { while (viewer.answers.length > 0) viewer.answer(now); }
    else if (what < 0.99) viewer.video();
    else now += upTo(3_000);
  }
  for (const viewer of viewers) {
    viewer.settle(now + 60_000);
    assert.deepEqual(viewer.faults, []);
    assert.equal(viewer.engine.proved, true, "proved at rest");
    assert.equal(viewer.engine.stats.mismatches, 0, "proofs that failed");
  }
  const sum = (of: (viewer: Viewer) => number) => viewers.reduce((all, one) => all + of(one), 0);
  return { byVideo: sum((one) => one.byVideo), lost: sum((one) => one.engine.stats.framesLost) };
}

const pickFate = (random: number) => random < 0.7 ? "arrive" : random < 0.85 ? "drop" : "skip";

Deno.test("diff stream: engine, regions and the console's canvas agree whatever gets lost", () => {
  const seed = fuzzSeed("diff stream");
  const runs = RUNS * testScale();
  let byVideo = 0;
  let lost = 0;
  for (let i = 0; i < runs; i++) {
    try {
      const done = run(seed + i);
      byVideo += done.byVideo;
      lost += done.lost;
    } catch (cause) {
      throw new Error(`FARGLASS_SEED=${seed + i}, first run`, { cause });
    }
  }
  assert.ok(byVideo > runs && lost > runs, `${byVideo} regions, ${lost} frames lost`);
});
