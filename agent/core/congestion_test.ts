/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { CongestionReason } from "@farglass/protocol";
import {
  congestionDeadline,
  type CongestionEvent,
  type CongestionState,
  newCongestion,
  paceKbps,
  stepCongestion,
} from "./congestion.ts";
import type { Measurement } from "./link_meter.ts";

const LIMITS = { minKbps: 150, startKbps: 4_000, maxKbps: 12_000 };
const CALM: Measurement = {
  sentKbps: 4_000,
  ackedKbps: 4_000,
  linkKbps: null,
  queueMs: 0,
  trend: "normal",
  loss: 0,
  reported: 100,
  rttMs: 20,
  probe: null,
};
const STEADY: CongestionState = {
  ...newCongestion(LIMITS),
  lastStepMs: 900,
  probeAtMs: Infinity,
};
const measured = (change: Partial<Measurement>): CongestionEvent => ({
  kind: "measured",
  measurement: { ...CALM, ...change },
});

/** From a steady 4 Mb/s, one feedback 100 ms after the last: the target and why. */
const CASES: readonly {
  readonly name: string;
  readonly state?: Partial<CongestionState>;
  readonly event: CongestionEvent;
  readonly target: number;
  readonly reason: CongestionReason;
}[] = [
  {
    name: "filled and calm → a little more",
    event: measured({}),
    target: 4_060,
    reason: "ramp-up",
  },
  {
    name: "filled, near the knee → very little more",
    state: { kneeKbps: 4_100 },
    event: measured({}),
    target: 4_012,
    reason: "ramp-up",
  },
  {
    name: "a still desktop → as it was",
    event: measured({ sentKbps: 40, ackedKbps: 40 }),
    target: 4_000,
    reason: "application-limited",
  },
  {
    name: "a standing queue → what the link passed, less what drains it",
    event: measured({ queueMs: 200, ackedKbps: 2_000 }),
    target: 900,
    reason: "queue-standing",
  },
  {
    name: "a growing queue, link measured by waiting packets → nine tenths of it",
    event: measured({ queueMs: 20, trend: "growing", ackedKbps: 1_000, linkKbps: 2_000 }),
    target: 1_620,
    reason: "queue-growing",
  },
  {
    name: "a growing delay while the desktop sends little → nobody's fault here",
    event: measured({ queueMs: 20, trend: "growing", sentKbps: 100, ackedKbps: 100 }),
    target: 4_000,
    reason: "application-limited",
  },
  {
    name: "jitter that looks like growth without a standing queue → nothing",
    event: measured({ queueMs: 4, trend: "growing" }),
    target: 4_000,
    reason: "start",
  },
  {
    name: "a second standing queue right after a decrease → waits for the first one's effect",
    state: { lastDecreaseMs: 900, draining: true },
    event: measured({ queueMs: 200, ackedKbps: 2_000 }),
    target: 2_000,
    reason: "start",
  },
  {
    name: "the queue is gone → the estimate again",
    state: { draining: true, targetKbps: 1_200 },
    event: measured({ queueMs: 3 }),
    target: 4_000,
    reason: "drained",
  },
  {
    name: "a fifth lost → less by half of that",
    event: measured({ loss: 0.2 }),
    target: 3_600,
    reason: "loss",
  },
  {
    name: "a fifth lost of a few packets → luck",
    event: measured({ loss: 0.2, reported: 10 }),
    target: 4_000,
    reason: "start",
  },
  {
    name: "as much lost after less was sent → the link's nature, and back",
    state: { estimateKbps: 3_600, lossTrial: { loss: 0.2, kbps: 4_000, atMs: -1_000 } },
    event: measured({ loss: 0.19 }),
    target: 4_000,
    reason: "loss-inherent",
  },
  {
    name: "REMB below what arrives, link filled → nine tenths of it",
    state: { remb: { kbps: 2_000, atMs: 0 } },
    event: measured({}),
    target: 1_800,
    reason: "remb",
  },
  {
    name: "REMB while the desktop sends little → not believed",
    state: { remb: { kbps: 30, atMs: 0 } },
    event: measured({ sentKbps: 40, ackedKbps: 40 }),
    target: 4_000,
    reason: "application-limited",
  },
  {
    name: "REMB of six seconds ago → not believed",
    state: { remb: { kbps: 2_000, atMs: -5_001 } },
    event: measured({}),
    target: 4_060,
    reason: "ramp-up",
  },
  {
    name: "REMB alone, link filled → nine tenths of it",
    event: { kind: "remb", kbps: 2_000, sentKbps: 3_500 },
    target: 1_800,
    reason: "remb",
  },
  {
    name: "REMB alone while the desktop sends little → not believed",
    event: { kind: "remb", kbps: 200, sentKbps: 100 },
    target: 4_000,
    reason: "application-limited",
  },
  {
    name: "REMB alone above the target → believed, however little is sent",
    event: { kind: "remb", kbps: 6_000, sentKbps: 100 },
    target: 5_400,
    reason: "remb",
  },
  {
    name: "REMB alone above the maximum → the maximum",
    event: { kind: "remb", kbps: 90_000, sentKbps: 4_000 },
    target: 12_000,
    reason: "ceiling",
  },
  {
    name: "a probe that came through → its rate",
    state: { probe: { id: 3, kbps: 8_000, sentMs: 950 } },
    event: measured({ probe: { id: 3, kbps: 7_900, saturated: false }, sentKbps: 40 }),
    target: 7_900,
    reason: "application-limited",
  },
  {
    name: "a probe that came through at half its rate → less than what came",
    state: { probe: { id: 3, kbps: 10_000, sentMs: 950 } },
    event: measured({ probe: { id: 3, kbps: 5_000, saturated: true }, sentKbps: 40 }),
    target: 4_500,
    reason: "application-limited",
  },
  {
    name: "a probe that the sender was too slow for → its rate, and no limit of the link",
    state: { probe: { id: 3, kbps: 10_000, sentMs: 950 } },
    event: measured({ probe: { id: 3, kbps: 5_000, saturated: false }, sentKbps: 40 }),
    target: 5_000,
    reason: "application-limited",
  },
  {
    name: "a probe slower than the estimate → nothing follows",
    state: { probe: { id: 3, kbps: 8_000, sentMs: 950 } },
    event: measured({ probe: { id: 3, kbps: 1_000, saturated: true }, sentKbps: 40 }),
    target: 4_000,
    reason: "application-limited",
  },
];

for (const { name, state, event, target, reason } of CASES) {
  Deno.test(`congestion: ${name}`, () => {
    const [next] = stepCongestion({ ...STEADY, ...state }, event, 1_000);
    assert.equal(Math.round(next.targetKbps), target);
    assert.equal(next.reason, reason);
  });
}

Deno.test("congestion: probes double until one finds the limit, and no decision is uncounted", () => {
  let state = newCongestion(LIMITS);
  const rates: number[] = [];
  for (let now = 0; now < 1_000; now += 100) {
    const { probe } = state;
    const found = probe === null ? null : {
      id: probe.id,
      kbps: Math.min(9_000, probe.kbps),
      saturated: probe.kbps > 9_000,
    };
    const [next, effects] = stepCongestion(state, measured({ sentKbps: 50, probe: found }), now);
    state = next;
    for (const effect of effects) if (effect.kind === "probe") rates.push(effect.kbps);
  }
  assert.deepEqual(rates, [8_000, 16_000]);
  assert.equal(Math.round(state.targetKbps), 8_100);
  assert.equal(state.decisions.probe, 2);
});

Deno.test("congestion: silence → beacons until something is reported, then a fresh start", () => {
  const due = congestionDeadline(STEADY, 1_000, 20);
  assert.equal(due, 1_840);
  const tick = { kind: "tick", waitingSinceMs: 1_000, rttMs: 20 } as const;
  assert.deepEqual(stepCongestion(STEADY, tick, 1_839), [STEADY, []]);
  const [silent, effects] = stepCongestion(STEADY, tick, 1_840);
  assert.deepEqual(effects.map(({ kind }) => kind), ["silent", "beacon"]);
  assert.equal(silent.reason, "path-silent");
  assert.equal(silent.targetKbps, 4_000);
  assert.equal(congestionDeadline(silent, null, 20), 1_940);
  const [, beacon] = stepCongestion(silent, { ...tick, waitingSinceMs: null }, 1_940);
  assert.deepEqual(beacon, [{ kind: "beacon" }]);
  const [back, resumed] = stepCongestion(silent, measured({}), 2_000);
  assert.deepEqual(resumed, [{ kind: "resumed" }]);
  assert.equal(back.targetKbps, 3_000);
  assert.equal(back.reason, "path-back");
});

Deno.test("congestion: at rest probes go on, three in vain at most", () => {
  const tick = { kind: "tick", waitingSinceMs: null, rttMs: 20 } as const;
  const until = (from: CongestionState, startMs: number, endMs: number) => {
    let state = from;
    let now = startMs;
    const probes: number[] = [];
    for (let steps = 0; steps < 100; steps++) {
      const due = congestionDeadline(state, null, 20);
      if (due === null || due > endMs) return { state, probes };
      now = Math.max(now, due);
      const [next, effects] = stepCongestion(state, tick, now);
      state = next;
      for (const effect of effects) if (effect.kind === "probe") probes.push(now);
    }
    assert.fail("more than a hundred steps at rest");
  };
  const rest = { ...STEADY, probeAtMs: 1_000, draining: true, targetKbps: 1_200 };
  const first = until(rest, 900, 60_000);
  assert.equal(first.state.targetKbps, 4_000);
  // 1.5 s for each answer, then 1.5, 2.5 and 4 s of waiting.
  assert.deepEqual(first.probes, [1_000, 4_000, 8_000]);
});

Deno.test("paceKbps: what the link passes once it was full, else a multiple or what is proved", () => {
  assert.equal(paceKbps(STEADY), 10_000);
  assert.equal(paceKbps({ ...STEADY, provenKbps: 50_000 }), 45_000);
  assert.equal(paceKbps({ ...STEADY, provenKbps: 50_000, kneeKbps: 4_200 }), 4_400);
  assert.equal(paceKbps({ ...STEADY, kneeKbps: 6_000 }), 6_000);
  assert.equal(paceKbps({ ...STEADY, kneeKbps: 60_000 }), 10_000);
});
