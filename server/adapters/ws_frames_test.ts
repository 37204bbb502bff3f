import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { asciiFrames } from "./ws_frames.ts";

/** RFC 6455, sections 5.2 and 5.7. */
const HEADERS: readonly (readonly [bytes: number, header: readonly number[]])[] = [
  [0, [0x81, 0]],
  [5, [0x81, 5]],
  [125, [0x81, 125]],
  [126, [0x81, 126, 0, 126]],
  [256, [0x81, 126, 1, 0]],
  [65_535, [0x81, 126, 0xff, 0xff]],
  [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
];

for (const [bytes, header] of HEADERS) {
  Deno.test(`asciiFrames: a text of ${bytes} bytes`, () => {
    const text = "a".repeat(bytes);
    const frame = Buffer.from(asciiFrames([text]) ?? "", "latin1");
    assert.deepEqual([...frame.subarray(0, header.length)], header);
    assert.equal(frame.subarray(header.length).toString(), text);
  });
}

Deno.test("asciiFrames: several texts follow one another", () => {
  assert.equal(asciiFrames(["Hello", "{}"]), "\x81\x05Hello\x81\x02{}");
});

Deno.test("asciiFrames: what is more than a byte each in UTF-8 is left to the library", () => {
  for (const text of ["é", "日本", "a\u0080", "\ud83d\ude00"]) {
    assert.equal(asciiFrames(["plain", text]), null);
  }
});
