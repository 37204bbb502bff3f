/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { depacketizeVp8 } from "../../tests/support/vp8_depacketizer.ts";
import { isVp8Keyframe, packetizeVp8, stampPictureId } from "./vp8_packetizer.ts";

/** A frame whose tag says so (RFC 6386 section 9.1). */
function frame(
  sizeBytes: number,
  { keyframe = false, firstPartitionBytes = 0 } = {},
): Uint8Array {
  const out = Uint8Array.from({ length: sizeBytes }, (_, i) => i & 0xff);
  const tag = (keyframe ? 0 : 1) | 1 << 4 | firstPartitionBytes << 5;
  out.set([tag & 0xff, tag >> 8 & 0xff, tag >> 16 & 0xff].slice(0, sizeBytes));
  return out;
}

/** First bytes and sizes of the payloads, at most 100 bytes each. */
const CASES: readonly [
  name: string,
  made: Uint8Array,
  payloads: readonly (readonly [number, number])[],
][] = [
  ["nothing", new Uint8Array(), []],
  ["a frame of exactly the limit", frame(96, { firstPartitionBytes: 50 }), [[0x90, 100]]],
  ["one byte over: two halves", frame(97, { firstPartitionBytes: 90 }), [[0x90, 52], [0x80, 53]]],
  ["coefficients begin inside the second", frame(200, { firstPartitionBytes: 80 }), [
    [0x90, 70],
    [0x80, 71],
    [0x81, 71],
  ]],
  ["coefficients begin with the second", frame(192, { firstPartitionBytes: 93 }), [
    [0x90, 100],
    [0x91, 100],
  ]],
  [
    "a keyframe's header is longer",
    frame(192, { keyframe: true, firstPartitionBytes: 86 }),
    [[0x90, 100], [0x91, 100]],
  ],
  ["a frame without a whole tag", Uint8Array.of(1), [[0x90, 5]]],
];
for (const [name, made, expected] of CASES) {
  Deno.test(`packetizeVp8: ${name}`, () => {
    const payloads = packetizeVp8(made, 100);
    assert.deepEqual(payloads.map(({ payload }) => [payload[0], payload.length]), expected);
    if (made.length > 0) assert.deepEqual(depacketizeVp8(payloads).frame, made);
  });
}

Deno.test("packetizeVp8 refuses a limit without room for a byte", () => {
  assert.throws(() => packetizeVp8(frame(20), 4), RangeError);
});

Deno.test("isVp8Keyframe reads the inverted bit of the tag", () => {
  assert.equal(isVp8Keyframe(frame(10, { keyframe: true })), true);
  assert.equal(isVp8Keyframe(frame(10)), false);
  assert.equal(isVp8Keyframe(Uint8Array.of(0)), false);
});

Deno.test("stampPictureId: fifteen bits, wherever the payload stands in its packet", () => {
  for (const [id, bytes] of [[0, [0x80, 0]], [0x1234, [0x92, 0x34]], [0x7fff, [0xff, 0xff]]]) {
    const [{ payload }] = packetizeVp8(frame(20), 100);
    const packet = new Uint8Array(7 + payload.length);
    packet.set(payload, 7);
    stampPictureId(packet, 7, id as number);
    assert.deepEqual([...packet.subarray(9, 11)], bytes);
    assert.deepEqual(packet.subarray(11), payload.subarray(4));
  }
});

Deno.test("depacketizeVp8(packetizeVp8(x)) is x, within the limit", () => {
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 6000 }),
    fc.integer({ min: 5, max: 1500 }),
    fc.nat(0x7fff),
    (bytes, limit, id) => {
      const payloads = packetizeVp8(bytes, limit);
      for (const { payload } of payloads) {
        assert.ok(payload.length <= limit);
        stampPictureId(payload, 0, id);
      }
      assert.deepEqual(depacketizeVp8(payloads), { frame: bytes, pictureId: id });
    },
  ));
});
