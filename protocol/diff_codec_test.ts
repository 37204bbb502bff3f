/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  ACK_CASES,
  BAD_ACKS,
  BAD_DIFF,
  bytesOf,
  DIFF_CASES,
} from "../tests/support/codec_cases.ts";
import { testCodec } from "../tests/support/codec_checks.ts";
import {
  decodeDiff,
  decodeDiffAck,
  encodeDiff,
  encodeDiffAck,
  hashPixels,
  patchPixels,
} from "./diff_codec.ts";

testCodec({ name: "diff", encode: encodeDiff, decode: decodeDiff }, DIFF_CASES, BAD_DIFF);
testCodec({ name: "ack", encode: encodeDiffAck, decode: decodeDiffAck }, ACK_CASES, BAD_ACKS);

Deno.test("decodeDiff gives the body as a view, not a copy", () => {
  const bytes = bytesOf(DIFF_CASES[1].hex);
  const decoded = decodeDiff(bytes);
  assert.ok(decoded.ok);
  assert.equal(decoded.value.body.buffer, bytes.buffer);
});

Deno.test("patchPixels adds areas", () => {
  assert.equal(patchPixels([]), 0);
  const patches = [{ x: 9, y: 9, width: 3, height: 4 }, { x: 0, y: 0, width: 1, height: 1 }];
  assert.equal(patchPixels(patches), 13);
});

Deno.test("hashPixels: known answers", () => {
  assert.equal(hashPixels(new Uint32Array(0)), (0x811c9dc5 ^ 0x9e3779b9) >>> 0);
  // From a separate implementation (Python).
  assert.equal(hashPixels(new Uint32Array([0])), 0xa64f81df);
  assert.equal(hashPixels(new Uint32Array([0x010203, 0xfffefd, 0xff123456])), 0xd8389c29);
});

Deno.test("hashPixels ignores the fourth byte", () => {
  const colours = [0x00010203, 0x00fffefd, 0];
  const opaque = colours.map((colour) => (colour | 0xff000000) >>> 0);
  assert.equal(hashPixels(new Uint32Array(colours)), hashPixels(new Uint32Array(opaque)));
});

Deno.test("hashPixels notices one bit anywhere, an exchange and a shift", () => {
  const pixels = Uint32Array.from({ length: 64 }, (_, i) => Math.imul(i, 0x10f37) & 0xffffff);
  const hash = hashPixels(pixels);
  for (let at = 0; at < pixels.length; at++) {
    for (let bit = 0; bit < 24; bit++) {
      const changed = pixels.slice();
      changed[at] ^= 1 << bit;
      assert.notEqual(hashPixels(changed), hash, `pixel ${at} bit ${bit}`);
    }
  }
  const exchanged = pixels.slice();
  [exchanged[3], exchanged[4]] = [exchanged[4], exchanged[3]];
  assert.notEqual(hashPixels(exchanged), hash);
  assert.notEqual(hashPixels(Uint32Array.from([...pixels.slice(1), pixels[0]])), hash);
});
