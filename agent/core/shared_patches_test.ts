/// <reference lib="deno.ns" />
/** Many viewers of the same pictures: each exact, none held up, and the work done once. */
import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { decodeDiff, type DiffAck, type Rect } from "@farglass/protocol";
import { DiffReceiver } from "../../tests/support/diff_receiver.ts";
import { Screen } from "../../tests/support/diff_screen.ts";
import { DiffEngine } from "./diff_engine.ts";
import { PatchSource } from "./shared_patches.ts";

const plainDeflate = (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes, { level: 1 }));

const noise = (seed: number) => (x: number, y: number) =>
  Math.imul(x * 73856093 ^ y * 19349663 ^ seed, 0x9e3779b1);

/** A display with those who look at it. */
class Display {
  readonly source = new PatchSource();
  readonly viewers = new Set<Viewer>();
  constructor(readonly screen: Screen) {}

  draw(rect: Rect, colour: (x: number, y: number) => number, now: number): void {
    const damage = [this.screen.fill(rect, colour)];
    this.source.damage(damage);
    for (const { engine } of this.viewers) engine.damage(damage, now);
  }

  get bounds(): Rect {
    return { x: 0, y: 0, width: this.screen.width, height: this.screen.height };
  }
}

class Viewer {
  readonly engine: DiffEngine;
  readonly canvas = new DiffReceiver();
  readonly wire: Uint8Array[] = [];
  readonly answers: DiffAck[] = [];

  constructor(public display: Display, deflate = plainDeflate) {
    this.engine = new DiffEngine({ deflate, source: () => this.display.source });
    display.viewers.add(this);
  }

  look(display: Display, now: number): void {
    this.display.viewers.delete(this);
    this.display = display;
    display.viewers.add(this);
    this.engine.begin(now);
  }

  pull(most: number, now: number): number {
    for (let i = 0; i < most; i++) {
      const message = this.engine.pull(this.display.screen.picture(), now);
      if (message === null) return i;
      this.wire.push(message);
    }
    return most;
  }

  deliver(fate: "arrive" | "drop" | "skip"): void {
    const message = this.wire.shift();
    if (message === undefined) return;
    if (fate === "arrive") {
      const answer = this.canvas.receive(message);
      if (answer !== null) this.answers.push(answer);
    } else if (fate === "skip") {
      const frame = frameOf(message);
      this.answers.push({ frame, outcome: "skipped" });
      // A relay skips the rest of the frame, too: half a frame is never confirmed.
      const rest = this.wire.filter((one) => frameOf(one) !== frame);
      this.wire.splice(0, this.wire.length, ...rest);
    }
  }

  answer(newestFirst: boolean, now: number): void {
    const answer = newestFirst ? this.answers.pop() : this.answers.shift();
    if (answer !== undefined) this.engine.ack(answer, now);
  }

  /** Everything arrives and is answered until nothing is owed. */
  settle(from: number): number {
    let now = from;
    for (let i = 0; i < 2_000; i++) {
      this.pull(10_000, now);
      const busy = this.wire.length + this.answers.length > 0;
      while (this.wire.length > 0) this.deliver("arrive");
      while (this.answers.length > 0) this.answer(false, now);
      if (busy) continue;
      const due = this.engine.nextDeadlineMs();
      if (due === null) return now;
      now = Math.max(now + 1, due);
      this.engine.tick(now);
    }
    throw new Error("Did not settle");
  }

  assertExact(): void {
    const wanted = this.display.screen.packed();
    assert.equal(this.canvas.pixels.length, wanted.length);
    // Not deepEqual: it would take minutes to say how two pictures differ.
    const wrong = wanted.findIndex((colour, i) => colour !== this.canvas.pixels[i]);
    assert.equal(wrong, -1, `pixel ${wrong} of ${this.display.screen.width} a row`);
  }
}

function frameOf(message: Uint8Array): number {
  const decoded = decodeDiff(message);
  assert.ok(decoded.ok);
  return decoded.value.frame;
}

Deno.test("ten viewers in step → one packing for all", () => {
  let packed = 0;
  const deflate = (bytes: Uint8Array) => {
    packed++;
    return plainDeflate(bytes);
  };
  const display = new Display(new Screen(640, 480));
  const viewers = Array.from({ length: 10 }, () => new Viewer(display, deflate));
  let now = 0;
  for (const viewer of viewers) now = viewer.settle(now);
  const text = (seed: number) => (x: number, y: number) =>
    noise(seed)(x, y) % 5 === 0 ? 0xffffff : 0x101010;
  for (let i = 0; i < 20; i++) {
    now += 33;
    const before = packed;
    display.draw({ x: 20 + i, y: 30, width: 300, height: 200 }, text(i), now);
    for (const viewer of viewers) {
      assert.equal(viewer.pull(100, now), 1);
      viewer.deliver("arrive");
      viewer.answer(false, now + 5);
    }
    assert.equal(packed - before, 1, `picture ${i}`);
  }
  for (const viewer of viewers) viewer.assertExact();
});

Deno.test("a viewer that answers nothing holds nobody up, and gets the newest pixels later", () => {
  const display = new Display(new Screen(320, 200));
  const [quick, slow] = [new Viewer(display), new Viewer(display)];
  let now = Math.max(quick.settle(0), slow.settle(0));
  const sent = slow.engine.stats.framesSent;
  for (let i = 0; i < 60; i++) {
    now += 33;
    display.draw({ x: i, y: i, width: 100, height: 40 }, noise(i), now);
    slow.pull(100, now);
    for (let round = 0; quick.pull(100, now) > 0; round++) {
      assert.ok(round < 10, `picture ${i} takes ${round} round trips`);
      while (quick.wire.length > 0) quick.deliver("arrive");
      while (quick.answers.length > 0) quick.answer(false, now + 2);
    }
    quick.assertExact();
  }
  assert.ok(slow.engine.stats.framesSent - sent <= 3);
  slow.settle(now);
  slow.assertExact();
  assert.equal(slow.engine.stats.mismatches, 0);
});

type Step =
  | { readonly do: "draw"; readonly rect: Rect; readonly seed: number; readonly kind: number }
  | { readonly do: "sneak"; readonly rect: Rect; readonly seed: number }
  | { readonly do: "pull"; readonly who: number; readonly most: number }
  | { readonly do: "pull-all" }
  | { readonly do: "deliver"; readonly who: number; readonly fate: "arrive" | "drop" | "skip" }
  | { readonly do: "answer"; readonly who: number; readonly newestFirst: boolean }
  | { readonly do: "hold"; readonly who: number; readonly every: number }
  | { readonly do: "look"; readonly who: number; readonly display: number }
  | { readonly do: "refresh" | "slow"; readonly who: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "resize"; readonly width: number; readonly height: number };

const VIEWERS = 4;
/** Noise all over takes many frames. */
const SIZE = { width: 280, height: 200 };
const who = fc.nat({ max: VIEWERS - 1 });
const rect = fc.record({
  x: fc.nat({ max: SIZE.width - 1 }),
  y: fc.nat({ max: SIZE.height - 1 }),
  width: fc.integer({ min: 1, max: SIZE.width }),
  height: fc.integer({ min: 1, max: SIZE.height }),
});
const step = <T extends Step["do"]>(name: T, rest: object) =>
  fc.record({ do: fc.constant(name), ...rest }) as unknown as fc.Arbitrary<Step>;
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: step("draw", { rect, seed: fc.nat(), kind: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: step("sneak", { rect, seed: fc.nat() }) },
  { weight: 6, arbitrary: step("pull", { who, most: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: step("pull-all", {}) },
  {
    weight: 10,
    arbitrary: step("deliver", {
      who,
      fate: fc.constantFrom("arrive", "arrive", "arrive", "drop", "skip"),
    }),
  },
  { weight: 8, arbitrary: step("answer", { who, newestFirst: fc.boolean() }) },
  { weight: 2, arbitrary: step("hold", { who, every: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: step("look", { who, display: fc.nat({ max: 1 }) }) },
  { weight: 1, arbitrary: step("refresh", { who }) },
  { weight: 1, arbitrary: step("slow", { who }) },
  { weight: 2, arbitrary: step("wait", { ms: fc.integer({ min: 1, max: 3_000 }) }) },
  {
    weight: 1,
    arbitrary: step("resize", {
      width: fc.integer({ min: 1, max: SIZE.width }),
      height: fc.integer({ min: 1, max: SIZE.height }),
    }),
  },
);

const COLOURS = [
  (seed: number) => () => seed,
  (seed: number) => noise(seed % 5),
  (seed: number) => (x: number, y: number) => noise(seed % 3)(x, y) & 0x100 ? 0xffffff : 0,
  // A few colours that come back: what was there before is drawn again.
  (seed: number) => () => [0xff0000, 0x00ff00, 0][seed % 3],
];

const PIXEL: Rect = { x: 0, y: 0, width: 1, height: 1 };

const clip = (rect: Rect, { width, height }: Rect): Rect | null =>
  rect.x >= width || rect.y >= height ? null : {
    ...rect,
    width: Math.min(rect.width, width - rect.x),
    height: Math.min(rect.height, height - rect.y),
  };

/** Holds every n-th tile back, as hybrid mode does; 0 for none. */
function hold({ engine }: Viewer, every: number): void {
  const shared = { version: 1, sinceRtpTime: 0, rects: [], rtpTimeOf: () => 0, pending: false };
  if (every === 0) engine.share(null, () => false);
  else engine.share(shared, (col, row) => (col + row) % every === 0);
}

/** Carries the steps out, and proves that every viewer is exact at rest. */
function run(steps: readonly Step[]): readonly Viewer[] {
  const displays = [
    new Display(new Screen(SIZE.width, SIZE.height)),
    new Display(new Screen(SIZE.width, SIZE.height)),
  ];
  const viewers = Array.from({ length: VIEWERS }, (_, i) => new Viewer(displays[i === 3 ? 1 : 0]));
  let now = 0;
  for (const step of steps) {
    now++;
    const viewer = "who" in step ? viewers[step.who] : viewers[0];
    switch (step.do) {
      case "draw":
      case "sneak": {
        const display = displays[step.seed % 4 === 3 ? 1 : 0];
        const rect = clip(step.rect, display.bounds);
        if (rect === null) break;
        if (step.do === "sneak") display.screen.fill(rect, () => step.seed);
        else display.draw(rect, COLOURS[step.kind](step.seed), now);
        break;
      }
      case "pull":
        viewer.pull(step.most, now);
        break;
      case "pull-all":
        for (const one of viewers) one.pull(1, now);
        break;
      case "deliver":
        viewer.deliver(step.fate);
        break;
      case "answer":
        viewer.answer(step.newestFirst, now);
        break;
      case "hold":
        hold(viewer, step.every);
        break;
      case "look":
        viewer.look(displays[step.display], now);
        break;
      case "refresh":
        viewer.engine.reset(now);
        break;
      case "slow":
        viewer.engine.slowDown(now);
        viewer.engine.hint(100);
        break;
      case "wait":
        now += step.ms;
        for (const { engine } of viewers) engine.tick(now);
        break;
      case "resize": {
        const [display] = displays;
        display.screen.resize(step.width, step.height);
        display.draw(display.bounds, () => now, now);
        break;
      }
    }
  }
  // What nobody announced is looked for after the next change only.
  for (const display of displays) display.draw(PIXEL, () => 1, now);
  for (const viewer of viewers) {
    hold(viewer, 0);
    viewer.settle(now + 60_000);
    viewer.assertExact();
    assert.equal(viewer.engine.proved, true);
  }
  return viewers;
}

const stepsArb = fc.array(stepArb, { minLength: 20, maxLength: 150, size: "max" });
/** Shrinking goes on for no longer, so that a failure is told before whoever waits gives up. */
const LIMITS = { interruptAfterTimeLimit: 30_000, markInterruptAsFailure: true };

Deno.test("property: viewers of two displays, held tiles, slow links, resizes → never a wrong pixel", () => {
  // Nothing gets lost or is given up, and nothing changes unnoticed: no proof ever fails.
  const reliable = stepsArb.map((steps) =>
    steps.filter((step) => step.do !== "sneak" && step.do !== "wait")
      .map((step) => {
        if (step.do === "deliver") return { ...step, fate: "arrive" as const };
        return step.do === "answer" ? { ...step, newestFirst: false } : step;
      })
  );
  const property = fc.property(reliable, (steps) => {
    for (const { engine } of run(steps)) assert.equal(engine.stats.mismatches, 0);
  });
  fc.assert(property, { numRuns: 200, ...LIMITS });
});

Deno.test("property: the same with drops, skips and late answers → what is missing is known, so no proof fails", () => {
  const announced = stepsArb.map((steps) => steps.filter((step) => step.do !== "sneak"));
  const property = fc.property(announced, (steps) => {
    for (const { engine } of run(steps)) assert.equal(engine.stats.mismatches, 0);
  });
  fc.assert(property, { numRuns: 200, ...LIMITS });
});

Deno.test("property: the same with unannounced changes → exact in the end", () => {
  fc.assert(fc.property(stepsArb, (steps) => void run(steps)), { numRuns: 150, ...LIMITS });
});
