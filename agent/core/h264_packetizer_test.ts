/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { depacketize } from "../../tests/support/h264_depacketizer.ts";
import { packetize } from "./h264_packetizer.ts";

const unit = (header: number, size: number) =>
  Uint8Array.from({ length: size }, (_, i) => i === 0 ? header : i & 0xff);
const kind = (payload: Uint8Array) => payload[0] & 0x1f;

/** Types and sizes of the payloads that units of these headers and sizes become, at most 100 bytes each. */
const CASES: readonly [name: string, nals: [number, number][], payloads: [number, number][]][] = [
  ["nothing", [], []],
  ["one small slice", [[0x41, 60]], [[1, 60]]],
  ["a slice of exactly the limit", [[0x41, 100]], [[1, 100]]],
  ["a slice one byte over", [[0x41, 101]], [[28, 52], [28, 52]]],
  ["a slice of three fragments", [[0x65, 250]], [[28, 85], [28, 85], [28, 85]]],
  ["SPS, PPS and SEI travel together", [[0x67, 20], [0x68, 5], [0x06, 10], [0x65, 90]], [
    [24, 1 + 22 + 7 + 12],
    [5, 90],
  ]],
  ["one parameter set alone is a single unit", [[0x67, 20], [0x65, 90]], [[7, 20], [5, 90]]],
  ["an aggregate of exactly the limit", [[0x67, 50], [0x68, 45]], [[24, 100]]],
  ["an aggregate one byte over", [[0x67, 50], [0x68, 46]], [[7, 50], [8, 46]]],
  ["a parameter set of exactly the limit", [[0x67, 100], [0x68, 5]], [[7, 100], [8, 5]]],
  ["a huge SEI is fragmented", [[0x06, 150], [0x65, 20]], [[28, 76], [28, 77], [5, 20]]],
  ["slices are not aggregated", [[0x41, 20], [0x41, 20]], [[1, 20], [1, 20]]],
  ["an empty unit is left out", [[0x41, 0], [0x41, 10]], [[1, 10]]],
];

for (const [name, nals, expected] of CASES) {
  Deno.test(`packetize: ${name}`, () => {
    const units = nals.map(([header, size]) => unit(header, size));
    const payloads = packetize(units, 100);
    assert.deepEqual(payloads.map((p) => [kind(p.payload), p.payload.length]), expected);
    assert.deepEqual(
      payloads.map((p) => p.marker),
      payloads.map((_, i) => i === expected.length - 1),
    );
    assert.deepEqual(depacketize(payloads), units.filter((u) => u.length > 0));
  });
}

Deno.test("packetize: FU-A carries F and NRI in the indicator and the type in the header", () => {
  const payloads = packetize([unit(0xe5, 300)], 150);
  assert.deepEqual(payloads.map((p) => [p.payload[0], p.payload[1]]), [
    [0x80 | 0x60 | 28, 0x80 | 5],
    [0x80 | 0x60 | 28, 5],
    [0x80 | 0x60 | 28, 0x40 | 5],
  ]);
});

Deno.test("packetize: STAP-A takes the largest NRI", () => {
  assert.equal(packetize([unit(0x06, 9), unit(0x67, 9)], 100)[0].payload[0], 0x60 | 24);
});

Deno.test("packetize refuses a limit without room for a fragment", () => {
  assert.throws(() => packetize([unit(0x41, 20)], 7), RangeError);
});

Deno.test("depacketize(packetize(x)) is x, within the limit", () => {
  const nal = fc.tuple(
    fc.constantFrom(0x67, 0x68, 0x06, 0x09, 0x65, 0x41, 0x01, 0x61),
    fc.nat(4000),
  )
    .map(([header, size]) => unit(header, size + 1));
  fc.assert(fc.property(
    fc.array(nal, { maxLength: 12 }),
    fc.integer({ min: 8, max: 1500 }),
    (nals, limit) => {
      const payloads = packetize(nals, limit);
      for (const { payload } of payloads) assert.ok(payload.length <= limit);
      assert.deepEqual(depacketize(payloads), nals);
    },
  ));
});
