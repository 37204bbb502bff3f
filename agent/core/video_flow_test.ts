/// <reference lib="deno.ns" />
/** The whole flow over a simulated network: an encoder that fills its target, or a still desktop. */
import assert from "node:assert/strict";
import { type LinkConditions, LinkModel } from "../../tests/support/link_model.ts";
import { seededRandom } from "../../tests/support/random.ts";
import { VideoFlow, videoRate } from "./video_flow.ts";
import type { VideoTarget } from "./ports.ts";

const LIMITS = { minKbps: 150, startKbps: 4_000, maxKbps: 12_000 };
const PACKET_BYTES = 1_200;
const FEEDBACK_MS = 60;
const SEED = 5;

interface Wire {
  /** Null for patches, which the receiver does not report. */
  readonly sequence: number | null;
  readonly key: number | null;
}
type Media = { readonly bytes: number; readonly picture: number };

/** A sender with an ideal encoder, the network, and a receiver that reports as Chromium does. */
class Simulation {
  readonly down: LinkModel<Wire>;
  readonly up = new LinkModel<{ base: number; receivedAtMs: (number | null)[] }>(SEED + 1);
  readonly flow: VideoFlow<Media, Media>;
  now = 0;
  /** Part of its target that the encoder uses. */
  load = 1;
  /** How often the sender comes round to it. */
  stepMs = 1;
  /** What patches send beside it, and whether the flow is told. */
  patchKbps = 0;
  tells = true;
  #patchBytes = 0;
  keyframes = 0;
  /** Everything that arrived, with its time. */
  readonly arrived: { readonly atMs: number; readonly picture: number | null }[] = [];
  #target: VideoTarget = { bitrateKbps: LIMITS.startKbps, maxFps: 30, blocked: false };
  #sequence = 65_000;
  #received = new Map<number, number>();
  #base = 65_000;
  #newest = 64_999;
  #nextPictureMs = 0;
  #nextFeedbackMs = FEEDBACK_MS;
  #picture = 0;
  #wantsKeyframe = true;
  readonly #random = seededRandom(SEED);

  constructor(conditions: Partial<LinkConditions>) {
    this.down = new LinkModel(SEED, conditions);
    this.up.set({ delayMs: conditions.delayMs ?? 0 }, 0);
    this.flow = new VideoFlow({ limits: LIMITS, feedback: true }, {
      onKeyframeNeeded: () => this.#wantsKeyframe = true,
      onRate: (target) => this.#target = target,
    });
  }

  get target(): number {
    return this.flow.network.targetKbps;
  }

  /** What the encoder was told. */
  get rate(): number {
    return this.#target.bitrateKbps;
  }

  run(forMs: number, look: () => void = () => {}): void {
    const until = this.now + forMs;
    for (; this.now < until; this.now++) {
      for (const feedback of this.up.pull(this.now)) this.flow.onFeedback(feedback, this.now);
      if (this.now >= this.#nextPictureMs) this.#encode();
      this.#patch();
      if (this.now % this.stepMs === 0) {
        this.flow.tick(this.now);
        this.#send();
      }
      for (const packet of this.down.pull(this.now)) this.#receive(packet);
      if (this.now >= this.#nextFeedbackMs) this.#report();
      look();
    }
  }

  #encode(): void {
    const { bitrateKbps, maxFps, blocked } = this.#target;
    if (blocked || this.load === 0) return;
    const fps = Math.min(30, maxFps);
    this.#nextPictureMs = this.now + 1000 / fps;
    const keyframe = this.#wantsKeyframe;
    this.#wantsKeyframe = false;
    if (keyframe) this.keyframes++;
    const spread = 0.6 + 0.8 * this.#random();
    const bytes = bitrateKbps * this.load * spread * (keyframe ? 2 : 1) * 1000 / fps / 8;
    const count = Math.max(1, Math.round(bytes / PACKET_BYTES));
    const picture = ++this.#picture;
    this.flow.add(
      Array.from({ length: count }, () => ({ bytes: PACKET_BYTES, picture })),
      keyframe,
      this.now,
    );
  }

  #patch(): void {
    this.#patchBytes += this.patchKbps / 8;
    while (this.#patchBytes >= PACKET_BYTES) {
      this.#patchBytes -= PACKET_BYTES;
      if (this.tells) this.flow.onOther(PACKET_BYTES, this.now);
      this.down.push({ sequence: null, key: null }, PACKET_BYTES, this.now);
    }
  }

  #send(): void {
    for (const departure of this.flow.pull(this.now)) {
      const bytes = departure.kind === "padding" ? departure.bytes : departure.packet.bytes;
      const sequence = this.#sequence;
      this.#sequence = (sequence + 1) & 0xffff;
      const { probe } = departure;
      this.flow.onSent(sequence, bytes, { nowMs: this.now, probe, media: null });
      const key = departure.kind === "media" ? departure.packet.picture : null;
      this.down.push({ sequence, key }, bytes, this.now);
    }
  }

  #receive({ sequence, key }: Wire): void {
    if (sequence === null) return;
    this.#received.set(sequence, this.now);
    if (((sequence - this.#newest) & 0xffff) < 0x8000) this.#newest = sequence;
    this.arrived.push({ atMs: this.now, picture: key });
  }

  #report(): void {
    this.#nextFeedbackMs = this.now + FEEDBACK_MS;
    if (this.#received.size === 0) return;
    const count = ((this.#newest - this.#base) & 0xffff) + 1;
    const receivedAtMs = Array.from(
      { length: count },
      (_, i) => this.#received.get((this.#base + i) & 0xffff) ?? null,
    );
    this.up.push({ base: this.#base, receivedAtMs }, 100, this.now);
    this.#base = (this.#newest + 1) & 0xffff;
    this.#received.clear();
  }
}

/** Shares of the time in which the queue was at most `limitMs` deep. */
function queueShare(sim: Simulation, forMs: number, limitMs: number): number {
  let within = 0;
  sim.run(forMs, () => {
    if (sim.down.queueingMs(sim.now) <= limitMs) within++;
  });
  return within / forMs;
}

Deno.test("VideoFlow: without a bottleneck probes reach the limit in half a second", () => {
  const sim = new Simulation({ delayMs: 10 });
  sim.run(500);
  assert.equal(sim.target, 12_000);
});

for (const stepMs of [5, 8, 13]) {
  Deno.test(`VideoFlow: a sender that looks every ${stepMs} ms finds the limit by probes, and no other`, () => {
    const sim = new Simulation({ delayMs: 10 });
    sim.load = 0.02;
    sim.stepMs = stepMs;
    sim.run(5_000);
    assert.equal(sim.target, 12_000);
    assert.equal(sim.flow.network.decisions["queue-standing"], undefined);
  });
}

Deno.test("VideoFlow: a still desktop reaches the limit by probes and stays there", () => {
  const sim = new Simulation({ delayMs: 10 });
  sim.load = 0.02;
  sim.run(3_000);
  assert.equal(sim.target, 12_000);
  sim.run(20_000);
  assert.equal(sim.target, 12_000);
  assert.equal(sim.flow.network.reason, "ceiling");
});

for (const kbps of [500, 1_000, 2_000, 8_000]) {
  Deno.test(`VideoFlow: ${kbps} kb/s, filled: near the link's rate and without a long queue`, () => {
    const sim = new Simulation({ kbps, delayMs: 20 });
    sim.run(2_000);
    const from = sim.down.counters.passedBytes;
    const share = queueShare(sim, 20_000, 150);
    const used = (sim.down.counters.passedBytes - from) * 8 / 20_000 / kbps;
    assert.ok(share > 0.98, `the queue was below 150 ms for ${share} of the time`);
    assert.ok(used > 0.7, `${used} of the link was used`);
    assert.ok(sim.target <= 1.5 * kbps, `the target was ${sim.target} kb/s`);
  });
}

Deno.test("VideoFlow: 10 to 1 to 10 Mb/s: no queue after 2 s, nine tenths within 10 s", () => {
  const sim = new Simulation({ kbps: 10_000, delayMs: 20, queueMs: 1_000 });
  sim.run(5_000);
  sim.down.set({ kbps: 1_000 }, sim.now);
  sim.run(2_000);
  assert.ok(queueShare(sim, 8_000, 150) > 0.98);
  assert.ok(sim.target < 1_500, `${sim.target} kb/s on 1 Mb/s`);
  sim.down.set({ kbps: 10_000 }, sim.now);
  let recoveredMs: number | null = null;
  const from = sim.now;
  sim.run(10_000, () => {
    if (recoveredMs === null && sim.target >= 9_000) recoveredMs = sim.now - from;
  });
  assert.ok(recoveredMs !== null, `${sim.target} kb/s after 10 s`);
});

for (const loss of [0.05, 0.1, 0.2]) {
  Deno.test(`VideoFlow: ${loss * 100} % loss at any rate does not choke the video`, () => {
    const sim = new Simulation({ loss, delayMs: 20 });
    let least = Infinity;
    sim.run(20_000, () => {
      if (sim.now > 10_000) least = Math.min(least, sim.target);
    });
    assert.ok(least > 3_000, `the target fell to ${least} kb/s`);
  });
}

Deno.test("VideoFlow: jitter of 30 ms alone is no congestion", () => {
  const sim = new Simulation({ jitterMs: 30, delayMs: 30 });
  sim.run(5_000);
  let least = Infinity;
  sim.run(20_000, () => least = Math.min(least, sim.target));
  assert.ok(least > 6_000, `the target fell to ${least} kb/s`);
});

Deno.test("VideoFlow: 300 ms each way: it still adapts", () => {
  const sim = new Simulation({ kbps: 2_000, delayMs: 150, queueMs: 1_000 });
  sim.run(6_000);
  const share = queueShare(sim, 15_000, 150);
  assert.ok(share > 0.9, `the queue was below 150 ms for ${share} of the time`);
});

Deno.test("VideoFlow: after an outage of 3 s the newest picture comes first, by a keyframe", () => {
  const sim = new Simulation({ kbps: 4_000, delayMs: 20 });
  sim.run(4_000);
  sim.down.set({ outage: true }, sim.now);
  sim.run(3_000);
  assert.equal(sim.flow.network.reason, "path-silent");
  const { keyframes } = sim;
  const before = sim.arrived.length;
  const newest = sim.arrived.reduce((max, { picture }) => Math.max(max, picture ?? 0), 0);
  sim.down.set({ outage: false }, sim.now);
  const from = sim.now;
  sim.run(1_000);
  const pictures = sim.arrived.slice(before).filter(({ picture }) => picture !== null);
  assert.ok(
    pictures[0].atMs - from < 500,
    `the first one came after ${pictures[0].atMs - from} ms`,
  );
  assert.ok(sim.keyframes > keyframes, "a keyframe was asked for");
  assert.ok(pictures.every(({ picture }) => picture! > newest + 1), "nothing stale was sent");
});

Deno.test("VideoFlow: patches take their part first; when they end video has it back at once", () => {
  const videoKbps = (sim: Simulation, forMs: number) => {
    const from = sim.arrived.length;
    sim.run(forMs);
    return (sim.arrived.length - from) * PACKET_BYTES * 8 / forMs;
  };
  const run = (tells: boolean) => {
    const sim = new Simulation({ kbps: 2_000, delayMs: 20 });
    sim.tells = tells;
    sim.run(6_000);
    sim.patchKbps = 1_200;
    sim.run(1_000);
    const queued = 1 - queueShare(sim, 4_000, 150);
    const { reason } = sim.flow.network;
    const during = videoKbps(sim, 1_000);
    sim.patchKbps = 0;
    sim.run(600);
    return { queued, reason, during, after: videoKbps(sim, 1_500) };
  };
  const shared = run(true);
  const blind = run(false);
  const text = JSON.stringify({ shared, blind });
  assert.equal(shared.reason, "patches-first");
  assert.ok(shared.during > 300 && shared.during < 900, text);
  assert.ok(shared.queued < 0.02, text);
  assert.ok(shared.after > 1_400 && shared.after > 1.2 * blind.after, text);
});

Deno.test("VideoFlow: patches on a link that was never seen full take nothing from video", () => {
  const sim = new Simulation({ delayMs: 10 });
  sim.run(1_000);
  sim.patchKbps = 20_000;
  sim.run(2_000);
  assert.equal(sim.target, 12_000);
});

Deno.test("VideoFlow: what was repeated is taken off for a second, also when nothing follows", () => {
  const sim = new Simulation({ kbps: 6_000, delayMs: 5 });
  sim.run(4_000);
  sim.load = 0;
  sim.run(10_000);
  const before = sim.rate;
  for (let i = 0; i < 100; i++) sim.flow.addRepair({ bytes: 1_200, picture: 0 }, sim.now);
  sim.run(500);
  assert.ok(sim.rate < 0.9 * before, `${sim.rate} of ${before} kb/s with repetitions`);
  const due = sim.flow.deadlineMs(sim.now);
  assert.ok(due !== null && due <= sim.now + 1_000, `looks again at ${due}`);
  sim.run(1_500);
  assert.ok(sim.rate > 0.95 * before, `${sim.rate} of ${before} kb/s a second later`);
});

Deno.test("videoRate: rather fewer pictures than unreadable ones", () => {
  assert.deepEqual(videoRate(12_000, 30), { bitrateKbps: 12_000, maxFps: 30 });
  assert.deepEqual(videoRate(500, 30), { bitrateKbps: 500, maxFps: 10 });
  assert.deepEqual(videoRate(100, 30), { bitrateKbps: 100, maxFps: 5 });
});
