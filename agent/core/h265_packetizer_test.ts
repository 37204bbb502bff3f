/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { depacketizeH265 } from "../../tests/support/h265_depacketizer.ts";
import {
  AP,
  FU,
  isH265Keyframe,
  NAL265,
  nal265Type,
  packetizeH265,
  withH265ParameterSets,
} from "./h265_packetizer.ts";

const IDR = 19;
const TRAIL = 1;

function nal(type: number, sizeBytes: number, { layer = 0, temporal = 1 } = {}): Uint8Array {
  const out = Uint8Array.from({ length: sizeBytes }, (_, i) => i & 0xff);
  out[0] = type << 1 | layer >> 5;
  out[1] = (layer & 0x1f) << 3 | temporal;
  return out;
}

/** Types and sizes of the payloads, at most 100 bytes each. */
const CASES: readonly [
  name: string,
  nals: readonly Uint8Array[],
  payloads: readonly (readonly [number, number])[],
][] = [
  ["nothing", [], []],
  ["a slice of exactly the limit", [nal(TRAIL, 100)], [[TRAIL, 100]]],
  ["one byte over: two halves", [nal(TRAIL, 101)], [[FU, 52], [FU, 53]]],
  [
    "a keyframe's parameter sets travel together",
    [nal(NAL265.vps, 20), nal(NAL265.sps, 30), nal(NAL265.pps, 8), nal(IDR, 150)],
    [[AP, 66], [FU, 77], [FU, 77]],
  ],
  [
    "what does not fit into one aggregation",
    [nal(NAL265.vps, 50), nal(NAL265.sps, 60), nal(NAL265.pps, 8), nal(IDR, 40)],
    [[NAL265.vps, 50], [AP, 74], [IDR, 40]],
  ],
  ["one leading unit goes alone", [nal(NAL265.prefixSei, 10), nal(TRAIL, 20)], [
    [NAL265.prefixSei, 10],
    [TRAIL, 20],
  ]],
  ["a parameter set beyond the limit", [nal(NAL265.sps, 120)], [[FU, 62], [FU, 62]]],
  ["a unit without its header is left out", [Uint8Array.of(1)], []],
];
for (const [name, nals, expected] of CASES) {
  Deno.test(`packetizeH265: ${name}`, () => {
    const payloads = packetizeH265(nals, 100);
    assert.deepEqual(
      payloads.map(({ payload }) => [nal265Type(payload), payload.length]),
      expected,
    );
    assert.deepEqual(depacketizeH265(payloads), nals.filter(({ length }) => length >= 2));
  });
}

Deno.test("packetizeH265: an aggregation bears the least layer and temporal id of its units", () => {
  const [{ payload }] = packetizeH265([
    nal(NAL265.vps, 10, { layer: 40, temporal: 3 }),
    nal(NAL265.sps, 10, { layer: 33, temporal: 2 }),
  ], 100);
  assert.deepEqual([...payload.subarray(0, 2)], [AP << 1 | 1, (33 & 0x1f) << 3 | 2]);
});

Deno.test("packetizeH265 refuses a limit without room for a fragment", () => {
  assert.throws(() => packetizeH265([nal(TRAIL, 20)], 7), RangeError);
});

Deno.test("packetizeH265: whatever the sizes, the units come back", () => {
  const units = fc.array(
    fc.tuple(
      fc.constantFrom(TRAIL, IDR, NAL265.vps, NAL265.sps, NAL265.pps, NAL265.prefixSei),
      fc.integer({ min: 3, max: 4_000 }),
    ),
    { maxLength: 8 },
  );
  fc.assert(fc.property(units, fc.integer({ min: 8, max: 1_200 }), (list, limit) => {
    const nals = list.map(([type, size]) => nal(type, size));
    const payloads = packetizeH265(nals, limit);
    assert.ok(payloads.every(({ payload }) => payload.length <= limit));
    assert.deepEqual(depacketizeH265(payloads), nals);
  }));
});

Deno.test("withH265ParameterSets: a keyframe without its own gets those that came before", () => {
  const sets = [nal(NAL265.vps, 9), nal(NAL265.sps, 9), nal(NAL265.pps, 9)];
  const first = withH265ParameterSets([...sets, nal(IDR, 20)], []);
  assert.equal(first.nals.length, 4);
  const delta = withH265ParameterSets([nal(TRAIL, 20)], first.parameterSets);
  assert.deepEqual(delta.nals.map(nal265Type), [TRAIL]);
  const second = withH265ParameterSets([nal(IDR, 20)], delta.parameterSets);
  assert.deepEqual(second.nals.map(nal265Type), [NAL265.vps, NAL265.sps, NAL265.pps, IDR]);
});

Deno.test("isH265Keyframe: IDR, CRA and BLA, nothing else", () => {
  for (
    const [type, key] of [[TRAIL, false], [16, true], [IDR, true], [21, true], [32, false]] as const
  ) {
    assert.equal(isH265Keyframe([nal(NAL265.prefixSei, 4), nal(type, 4)]), key);
  }
});
