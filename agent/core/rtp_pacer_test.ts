/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Departure, type PaceLimits, PACER_STEP_MS, RtpPacer } from "./rtp_pacer.ts";

interface Packet {
  readonly id: number;
  readonly bytes: number;
}
const packets = (count: number, from = 0): Packet[] =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, bytes: 1_200 }));
const limits = (paceKbps: number, roomBytes = Infinity): PaceLimits => ({ paceKbps, roomBytes });
const shown = (out: readonly Departure<Packet, Packet>[]) =>
  out.map((d) => d.kind === "padding" ? "pad" : `${d.kind[0]}${d.packet.id}`).join(" ");

Deno.test("RtpPacer lets a step's worth go at once and the rest at its pace", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.addPicture(packets(20), true, 0);
  // 9.6 Mb/s are 6,000 bytes each 5 ms; a packet that goes beyond the budget is paid for later.
  const sizes: number[] = [];
  for (let now = 0; pacer.waitingBytes > 0; now += PACER_STEP_MS) {
    sizes.push(pacer.pull(now, limits(9_600)).length);
  }
  assert.deepEqual(sizes, [5, 5, 5, 5]);
  assert.equal(pacer.stepMs, null);
});

Deno.test("RtpPacer: a pause earns no more than a step's worth", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.pull(0, limits(9_600));
  pacer.addPicture(packets(50), false, 10_000);
  assert.equal(pacer.pull(10_000, limits(9_600)).length, 5);
});

Deno.test("RtpPacer: repetitions go first and take half while pictures wait", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.addPicture(packets(40), false, 0);
  for (const packet of packets(40, 100)) assert.ok(pacer.addRepair(packet, 0));
  const out = [0, 5, 10, 15].flatMap((now) => pacer.pull(now, limits(9_600)));
  const repairs = out.filter((d) => d.kind === "repair").length;
  assert.equal(out[0].kind, "repair");
  assert.ok(repairs >= 9 && repairs <= 11, `${repairs} of ${out.length} were repetitions`);
});

Deno.test("RtpPacer: repetitions that wait too long are given up", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  assert.ok(pacer.addRepair(packets(1)[0], 0));
  assert.ok(pacer.addRepair(packets(1)[0], 250));
  assert.equal(pacer.addRepair(packets(1)[0], 251), false);
  assert.equal(pacer.waitingBytes, 0);
});

Deno.test("RtpPacer: nothing leaves beyond the room in flight", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.addPicture(packets(5), false, 0);
  assert.equal(shown(pacer.pull(0, limits(9_600, 1_500))), "m0 m1");
  assert.equal(shown(pacer.pull(5, limits(9_600, 0))), "");
});

Deno.test("RtpPacer: a probe sends what waits, then padding, at its own rate", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.pull(0, limits(1_000));
  pacer.addPicture(packets(2), false, 0);
  pacer.startProbe(7, 9_600, 6_000);
  const out = [2, 4, 6, 8, 10].map((now) => pacer.pull(now, limits(1_000)));
  assert.equal(shown(out.flat()), "m0 m1 pad pad pad");
  assert.ok(out.flat().every((d) => d.probe === 7));
  // 9.6 Mb/s: 2,400 bytes each 2 ms.
  assert.deepEqual(out.map((step) => step.length), [2, 2, 1, 0, 0]);
});

Deno.test("RtpPacer: pictures that need 250 ms beside a keyframe come too late", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.addPicture(packets(25), true, 0);
  assert.equal(pacer.stale(0, 500), false);
  // 15,600 bytes at 500 kb/s take 250 ms.
  pacer.addPicture(packets(13), false, 0);
  assert.equal(pacer.stale(0, 500), false);
  pacer.addPicture(packets(1), false, 0);
  assert.equal(pacer.stale(0, 500), true);
  assert.equal(pacer.stale(1_000, 50_000), false);
  assert.equal(pacer.stale(1_001, 50_000), true);
  pacer.clear();
  assert.equal(pacer.stale(10_000, 500), false);
});

Deno.test("RtpPacer: packets that waited while the program was busy make up for 20 ms", () => {
  const pacer = new RtpPacer<Packet, Packet>();
  pacer.addPicture(packets(60), false, 0);
  assert.equal(pacer.pull(0, limits(9_600)).length, 5);
  assert.equal(pacer.pull(500, limits(9_600)).length, 20);
});

Deno.test("property: RtpPacer never exceeds its pace by more than a burst, and keeps the order", () => {
  const step = fc.record({ waitMs: fc.integer({ min: 0, max: 40 }), add: fc.nat(12) });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 200, max: 50_000 }), (
    steps,
    paceKbps,
  ) => {
    const pacer = new RtpPacer<Packet, Packet>();
    let now = 0;
    let id = 0;
    let sent = 0;
    let last = -1;
    for (const { waitMs, add } of steps) {
      now += waitMs;
      pacer.addPicture(packets(add, id), false, now);
      id += add;
      for (const departure of pacer.pull(now, limits(paceKbps))) {
        assert.ok(departure.kind === "media" && departure.packet.id === ++last);
        sent += departure.packet.bytes;
      }
      const burst = Math.max(2_400, paceKbps * 20 / 8);
      assert.ok(sent <= now * paceKbps / 8 + burst + 1_200, `${sent} bytes by ${now} ms`);
    }
  }));
});
