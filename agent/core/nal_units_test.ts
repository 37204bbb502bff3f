/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { hasIdr, joinAnnexB, nalType, splitAnnexB, withParameterSets } from "./nal_units.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

const CASES: readonly [name: string, stream: number[], nals: number[][]][] = [
  ["empty stream", [], []],
  ["no start code", [0x67, 1, 2, 3], []],
  ["one unit after a four-byte code", [0, 0, 0, 1, 0x67, 5], [[0x67, 5]]],
  ["one unit after a three-byte code", [0, 0, 1, 0x67, 5], [[0x67, 5]]],
  ["mixed codes", [0, 0, 1, 0x67, 5, 0, 0, 0, 1, 0x68, 6, 0, 0, 1, 0x65, 7], [
    [0x67, 5],
    [0x68, 6],
    [0x65, 7],
  ]],
  ["padding after a unit", [0, 0, 1, 0x67, 5, 0, 0, 0, 0, 0, 1, 0x68, 0, 0], [[0x67, 5], [0x68]]],
  ["bytes before the first code", [9, 9, 0, 0, 1, 0x67], [[0x67]]],
  ["empty unit", [0, 0, 1, 0, 0, 1, 0x67], [[0x67]]],
  ["emulation prevention stays", [0, 0, 1, 0x65, 0, 0, 3, 1], [[0x65, 0, 0, 3, 1]]],
  ["code cut at the end", [0, 0, 1, 0x65, 1, 0, 0], [[0x65, 1]]],
];

for (const [name, stream, nals] of CASES) {
  Deno.test(`splitAnnexB: ${name}`, () => {
    assert.deepEqual(splitAnnexB(bytes(...stream)).map((n) => [...n]), nals);
  });
}

Deno.test("splitAnnexB(joinAnnexB(x)) is x", () => {
  // Units as an encoder makes them: no start code inside, no zero byte at the end.
  const unit = fc.uint8Array({ minLength: 0, maxLength: 40 }).map((body) =>
    Uint8Array.from([0x65, ...[...body].map((b) => b < 2 ? b + 2 : b)])
  );
  fc.assert(fc.property(fc.array(unit, { maxLength: 8 }), (nals) => {
    assert.deepEqual(splitAnnexB(joinAnnexB(nals)).map((n) => [...n]), nals.map((n) => [...n]));
  }));
});

Deno.test("splitAnnexB agrees with a plain scan on any bytes", () => {
  const few = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 0x65), { maxLength: 60 });
  fc.assert(fc.property(few, (values) => {
    const stream = bytes(...values);
    const expected: number[][] = [];
    let current: number[] | null = null;
    for (let i = 0; i < values.length; i++) {
      if (values[i] === 0 && values[i + 1] === 0 && values[i + 2] === 1) {
        if (current !== null) expected.push(current);
        current = [];
        i += 2;
      } else current?.push(values[i]);
    }
    if (current !== null) expected.push(current);
    const trimmed = expected.map((nal) => {
      while (nal.at(-1) === 0) nal.pop();
      return nal;
    }).filter((nal) => nal.length > 0);
    assert.deepEqual(splitAnnexB(stream).map((n) => [...n]), trimmed);
  }));
});

Deno.test("nalType and hasIdr read the low five bits", () => {
  assert.equal(nalType(bytes(0x67)), 7);
  assert.equal(nalType(bytes(0x41)), 1);
  assert.equal(hasIdr([bytes(0x67), bytes(0x65)]), true);
  assert.equal(hasIdr([bytes(0x41)]), false);
});

Deno.test("withParameterSets: a keyframe without its own gets the last ones; others stay as they are", () => {
  const [sps, pps, idr, slice] = [bytes(0x67, 1), bytes(0x68, 2), bytes(0x65, 3), bytes(0x41, 4)];
  const first = withParameterSets([sps, pps, idr], []);
  assert.deepEqual(first, { nals: [sps, pps, idr], parameterSets: [sps, pps] });
  assert.deepEqual(withParameterSets([slice], first.parameterSets).nals, [slice]);
  assert.deepEqual(withParameterSets([idr], first.parameterSets).nals, [sps, pps, idr]);
});
