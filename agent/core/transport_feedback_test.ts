/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { FEEDBACK_CASES, type FeedbackCase } from "../../tests/support/feedback_cases.ts";
import { FeedbackParser } from "./transport_feedback.ts";

/** A feedback with its RTCP header: base, count, reference, chunks, deltas. */
function feedback(base: number, count: number, reference: number, rest: readonly number[]) {
  const bytes = new Uint8Array(20 + rest.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x8f, 205]);
  view.setUint16(12, base);
  view.setUint16(14, count);
  view.setUint32(16, reference << 8);
  bytes.set(rest, 20);
  return bytes;
}

const CASES: readonly FeedbackCase[] = [
  ...FEEDBACK_CASES,
  { name: "deltas that are cut off", count: 3, rest: [0b0010_0000, 3, 4], times: [65] },
  { name: "chunks that are cut off", count: 3, rest: [0], times: [] },
  { name: "runs of nothing", count: 2, rest: [0b0010_0000, 0, 0b0010_0000, 0], times: [] },
];

for (const { name, count, rest, times } of CASES) {
  Deno.test(`FeedbackParser: ${name}`, () => {
    const read = new FeedbackParser().read(feedback(65_535, count, 1, rest));
    assert.deepEqual(read, { base: 65_535, receivedAtMs: times });
  });
}

Deno.test("FeedbackParser: the reference time goes on where its 24 bits wrap", () => {
  const parser = new FeedbackParser();
  const at = (reference: number) =>
    parser.read(feedback(0, 1, reference, [0b0010_0000, 1, 0]))!.receivedAtMs[0]!;
  const first = at(0xffffff);
  assert.equal(at(0) - first, 64);
  assert.equal(at(0xfffffe) - first, -64);
});

Deno.test("FeedbackParser: any bytes give at most as many packets as they tell of", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const read = new FeedbackParser().read(bytes);
    if (bytes.length < 20) return assert.equal(read, null);
    assert.ok(read !== null && read.receivedAtMs.length <= (bytes[14] << 8 | bytes[15]));
    assert.ok(read.receivedAtMs.every((ms) => ms === null || Number.isFinite(ms)));
  }));
});
