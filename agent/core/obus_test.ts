/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  hasKeyFrame,
  joinObus,
  leb128Bytes,
  OBU,
  readLeb128,
  splitObus,
  withSequenceHeader,
  writeLeb128,
} from "./obus.ts";

const frame = (first: number) => Uint8Array.of(OBU.frame << 3, first, 1, 2);
const SEQUENCE = Uint8Array.of(OBU.sequenceHeader << 3, 0, 0, 0);

Deno.test("leb128: what is written is read, in as many bytes as said", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (value) => {
    const bytes = new Uint8Array(8);
    const end = writeLeb128(bytes, 1, value);
    assert.equal(end, 1 + leb128Bytes(value));
    assert.deepEqual(readLeb128(bytes, 1), { value, end });
    assert.equal(readLeb128(bytes.subarray(0, end - 1), 1), null);
  }));
});

Deno.test("splitObus leaves delimiters, tile lists, padding and sizes out; joinObus puts sizes back", () => {
  const unit = Uint8Array.of(
    ...[0x12, 0x00],
    ...[0x0a, 0x03, 9, 8, 7],
    ...[0x42, 0x01, 5],
    // With an extension header: temporal layer 1.
    ...[0x36, 0x20, 0x02, 0x10, 4],
    ...[0x7a, 0x01, 0x80],
  );
  const obus = splitObus(unit);
  assert.deepEqual(obus.map((obu) => [...obu]), [[0x08, 9, 8, 7], [0x34, 0x20, 0x10, 4]]);
  const joined = joinObus(obus);
  assert.deepEqual([...joined.subarray(0, 7)], [0x12, 0x00, 0x0a, 0x03, 9, 8, 7]);
  assert.deepEqual(splitObus(joined), obus);
});

Deno.test("splitObus: an OBU without a size goes to the end, and one that is cut off throws", () => {
  assert.deepEqual(splitObus(Uint8Array.of(0x30, 1, 2)), [Uint8Array.of(0x30, 1, 2)]);
  for (const cut of [[0x32], [0x32, 0x05, 1], [0x36], [0x32, 0x80]]) {
    assert.throws(() => splitObus(Uint8Array.from(cut)), /cut off/);
  }
});

const KINDS: readonly [name: string, first: number, key: boolean][] = [
  ["a key frame", 0x10, true],
  ["a key frame that is not shown", 0x00, true],
  ["an inter frame", 0x30, false],
  ["an intra-only frame", 0x50, false],
  ["a frame shown once more", 0x80, false],
];
for (const [name, first, key] of KINDS) {
  Deno.test(`hasKeyFrame: ${name}`, () => {
    assert.equal(hasKeyFrame([SEQUENCE, frame(first)]), key);
  });
}

Deno.test("withSequenceHeader: a keyframe without one gets the one that came before", () => {
  const first = withSequenceHeader([SEQUENCE, frame(0x10)], null);
  assert.equal(first.sequenceHeader, SEQUENCE);
  const delta = withSequenceHeader([frame(0x30)], first.sequenceHeader);
  assert.equal(delta.obus.length, 1);
  const second = withSequenceHeader([frame(0x10)], delta.sequenceHeader);
  assert.deepEqual(second.obus, [SEQUENCE, frame(0x10)]);
  assert.equal(withSequenceHeader([frame(0x10)], null).obus.length, 1);
});
