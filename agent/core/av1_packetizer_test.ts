/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { depacketizeAv1 } from "../../tests/support/av1_depacketizer.ts";
import { packetizeAv1 } from "./av1_packetizer.ts";
import { OBU } from "./obus.ts";

/** First payload byte of a frame (AV1 section 5.9.2): key frame, inter frame. */
const KEY = 0x10;
const INTER = 0x30;

function obu(type: number, sizeBytes: number, first = INTER): Uint8Array {
  const out = Uint8Array.from({ length: sizeBytes }, (_, i) => i & 0xff);
  out.set([type << 3, first].slice(0, sizeBytes));
  return out;
}

/** Aggregation headers and sizes of the payloads, at most 100 bytes each. */
const CASES: readonly [
  name: string,
  obus: readonly Uint8Array[],
  payloads: readonly (readonly [number, number])[],
][] = [
  ["nothing", [], []],
  ["an inter frame: one element without a length", [obu(OBU.frame, 60)], [[0x10, 61]]],
  [
    "a keyframe begins a sequence, and the header's length is told",
    [obu(OBU.sequenceHeader, 11), obu(OBU.frame, 60, KEY)],
    [[0x28, 73]],
  ],
  ["a keyframe without its header begins none", [obu(OBU.frame, 60, KEY)], [[0x10, 61]]],
  ["a long frame in two pieces", [obu(OBU.frame, 160)], [[0x50, 87], [0x90, 75]]],
  [
    "N on the first packet only",
    [obu(OBU.sequenceHeader, 11), obu(OBU.frame, 150, KEY)],
    [[0x68, 88], [0x90, 76]],
  ],
  [
    "more than three elements: each has its length",
    [obu(5, 5), obu(5, 5), obu(OBU.frameHeader, 5), obu(4, 5)],
    [[0x00, 25]],
  ],
];
for (const [name, obus, expected] of CASES) {
  Deno.test(`packetizeAv1: ${name}`, () => {
    const payloads = packetizeAv1(obus, 100);
    assert.deepEqual(payloads.map(({ payload }) => [payload[0], payload.length]), expected);
    if (obus.length > 0) assert.deepEqual(depacketizeAv1(payloads).obus, obus);
  });
}

Deno.test("packetizeAv1: no packet but the first begins with an OBU, wherever one ends", () => {
  for (let first = 80; first <= 120; first++) {
    const obus = [obu(OBU.frameHeader, first), obu(4, 150)];
    const payloads = packetizeAv1(obus, 100);
    assert.deepEqual(depacketizeAv1(payloads).obus, obus);
    assert.ok(payloads.every(({ payload }) => payload.length <= 100));
  }
});

Deno.test("packetizeAv1 refuses a limit without room for a fragment", () => {
  assert.throws(() => packetizeAv1([obu(OBU.frame, 20)], 7), RangeError);
});

Deno.test("packetizeAv1: whatever the sizes, the OBUs come back", () => {
  const units = fc.array(
    fc.tuple(fc.constantFrom(OBU.frame, OBU.frameHeader, 4, 5), fc.integer({ min: 2, max: 4_000 })),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(fc.property(units, fc.integer({ min: 8, max: 1_200 }), (list, limit) => {
    const obus = list.map(([type, size]) => obu(type, size));
    const payloads = packetizeAv1(obus, limit);
    assert.ok(payloads.every(({ payload }) => payload.length <= limit));
    const { obus: back, newSequence } = depacketizeAv1(payloads);
    assert.deepEqual(back, obus);
    assert.equal(newSequence, false);
  }));
});
