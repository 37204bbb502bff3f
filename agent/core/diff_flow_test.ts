/// <reference lib="deno.ns" />
/** The flow of patches over a simulated link: how deep its queue gets, and how much it carries. */
import assert from "node:assert/strict";
import { type LinkConditions, LinkModel } from "../../tests/support/link_model.ts";
import { DiffFlow, type FlowMark } from "./diff_flow.ts";

const SEED = 3;
const PACKET_BYTES = 1_200;
/** What the console needs to paint a frame and to answer. */
const PAINT_MS = 4;

interface Frame {
  bytes: number;
  sentAtMs: number;
  readonly mark: FlowMark;
}

/** A screen that changes more than the link carries, or now and then a little. */
class Simulation {
  readonly down: LinkModel<Frame | null>;
  readonly flow = new DiffFlow();
  now = 0;
  /** Bytes that wait to be sent; endless by default. */
  supply = Infinity;
  #underWay: Frame[] = [];
  #answers: { readonly frame: Frame; readonly atMs: number }[] = [];

  constructor(private readonly conditions: Partial<LinkConditions>) {
    this.down = new LinkModel(SEED, conditions);
  }

  get bytes(): number {
    return this.#underWay.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  run(forMs: number, look: () => void = () => {}): void {
    for (const until = this.now + forMs; this.now < until; this.now++) {
      while (this.supply > 0 && this.#send());
      for (const frame of this.down.pull(this.now)) {
        if (frame === null) continue;
        const atMs = this.now + PAINT_MS + (this.conditions.delayMs ?? 0);
        this.#answers.push({ frame, atMs });
      }
      while (this.#answers.length > 0 && this.#answers[0].atMs <= this.now) {
        const { frame } = this.#answers.shift()!;
        this.#underWay = this.#underWay.filter((other) => other !== frame);
        this.flow.painted(frame.mark, frame, this.now);
      }
      look();
    }
  }

  /** One frame as large as it may be; false when none may leave. */
  #send(): boolean {
    const oldestMs = this.#underWay[0]?.sentAtMs ?? null;
    const others = this.bytes;
    const way = { frames: this.#underWay.length, bytes: others, oldestMs };
    const refusal = this.flow.refusal(way, this.now);
    this.flow.decide(refusal);
    if (refusal !== null) {
      for (const { mark } of this.#underWay) mark.limited = true;
      return false;
    }
    const mark = this.flow.begin(others, this.now);
    const most = this.flow.frameBytes(others, this.now);
    const bytes = Math.min(this.supply, Math.max(2_048, most));
    mark.limited = bytes < this.supply;
    this.supply -= bytes;
    const frame = { bytes, sentAtMs: this.now, mark };
    this.#underWay.push(frame);
    for (let left = bytes; left > 0; left -= PACKET_BYTES) {
      const last = left <= PACKET_BYTES;
      this.down.push(last ? frame : null, Math.min(left, PACKET_BYTES), this.now);
    }
    return true;
  }
}

/** Share of the time in which the queue was at most `limitMs` deep. */
function share(sim: Simulation, forMs: number, limitMs: number): number {
  let within = 0;
  sim.run(forMs, () => {
    if (sim.down.queueingMs(sim.now) <= limitMs) within++;
  });
  return within / forMs;
}

const LINKS = [
  { kbps: 500, delayMs: 10, use: 0.8 },
  { kbps: 2_000, delayMs: 10, use: 0.8 },
  { kbps: 2_000, delayMs: 50, use: 0.8 },
  { kbps: 10_000, delayMs: 10, use: 0.8 },
  { kbps: 10_000, delayMs: 150, use: 0.5 },
];

for (const { kbps, delayMs, use } of LINKS) {
  Deno.test(`DiffFlow: ${kbps} kb/s, ${delayMs} ms each way: used, without a long queue`, () => {
    // Deep enough that nothing is lost, which a reliable channel would repeat.
    const sim = new Simulation({ kbps, delayMs, queueMs: 3_000 });
    sim.run(4_000);
    const from = sim.down.counters.passedBytes;
    const within = share(sim, 30_000, 150);
    const used = (sim.down.counters.passedBytes - from) * 8 / 30_000 / kbps;
    assert.ok(within > 0.98, `the queue was below 150 ms for ${within} of the time`);
    assert.ok(used > use, `${used} of the link was used`);
    const told = (sim.flow.facts.linkKbps ?? 0) / kbps;
    assert.ok(told > use && told < 1.25, `it is told as ${told} of what it is`);
  });
}

Deno.test("DiffFlow: 10 to 1 to 10 Mb/s: no long queue after 2 s, and back within 10 s", () => {
  const sim = new Simulation({ kbps: 10_000, delayMs: 20, queueMs: 3_000 });
  sim.run(5_000);
  sim.down.set({ kbps: 1_000 }, sim.now);
  sim.run(2_000);
  const within = share(sim, 8_000, 150);
  assert.ok(within > 0.98, `the queue was below 150 ms for ${within} of the time`);
  sim.down.set({ kbps: 10_000 }, sim.now);
  sim.run(9_000);
  const from = sim.down.counters.passedBytes;
  sim.run(1_000);
  const kbps = (sim.down.counters.passedBytes - from) * 8 / 1_000;
  assert.ok(kbps > 8_900, `${kbps} kb/s after 10 s`);
});

Deno.test("DiffFlow: small changes lower nothing, and a large one after them goes at once", () => {
  const sim = new Simulation({ delayMs: 5 });
  for (let i = 0; i < 100; i++) {
    sim.supply = 300;
    sim.run(33);
  }
  assert.ok(sim.flow.windowBytes(sim.now) >= 16 * 1024);
  assert.equal(sim.flow.facts.linkKbps, null);
  sim.supply = 500_000;
  sim.run(100);
  assert.equal(sim.supply, 0);
  assert.equal(
    sim.flow.facts.linkKbps,
    null,
    "a first window says nothing of a link without a queue",
  );
});

Deno.test("DiffFlow: what a full link carried holds for ten seconds, and is measured again when it is full", () => {
  const sim = new Simulation({ kbps: 2_000, delayMs: 10, queueMs: 3_000 });
  sim.run(4_000);
  const small = (seconds: number) => {
    for (let i = 0; i < 30 * seconds; i++) {
      sim.supply = 100;
      sim.run(33);
    }
  };
  sim.supply = 0;
  sim.run(500);
  small(5);
  assert.ok(sim.flow.facts.linkKbps !== null);
  // The link has become a quick one; where motion goes by video, patches would never find out.
  sim.down.set({ kbps: 50_000 }, sim.now);
  small(6);
  assert.equal(sim.flow.facts.linkKbps, null);
  sim.supply = Infinity;
  sim.run(1_000);
  assert.ok((sim.flow.facts.linkKbps ?? 0) > 10_000, `${sim.flow.facts.linkKbps} kb/s`);
});

Deno.test("DiffFlow: what is late is waited for, and newer changes take its place", () => {
  const sim = new Simulation({ delayMs: 5 });
  sim.supply = 300;
  sim.run(50);
  sim.down.set({ delayMs: 2_000 }, sim.now);
  sim.supply = 300;
  sim.run(90);
  sim.supply = 300;
  sim.run(1);
  assert.equal(sim.supply, 0, "a fresh frame does not stop another");
  sim.run(60);
  sim.supply = 300;
  sim.run(1);
  assert.equal(sim.supply, 300);
  assert.equal(sim.flow.facts.reason, "patches-old");
});

Deno.test("DiffFlow: until patches have filled the link, the video's measurement bounds them", () => {
  const flow = new DiffFlow();
  assert.equal(flow.windowBytes(0), 16 * 1024);
  flow.hint(5_000);
  assert.equal(flow.windowBytes(0), 64 * 1024);
  flow.hint(500);
  assert.equal(flow.windowBytes(0), 500 * 150 / 8);
  flow.hint(50);
  assert.equal(flow.windowBytes(0), 6 * 1024);
});
