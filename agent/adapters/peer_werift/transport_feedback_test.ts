import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtcpHeader, TransportWideCC } from "werift";
import { FEEDBACK_CASES } from "../../../tests/support/feedback_cases.ts";
import { FeedbackReader } from "./transport_feedback.ts";

const header = new RtcpHeader({ type: 205, count: 15, version: 2 });

/** A feedback's bytes after the RTCP header: base, count, reference, chunks, deltas. */
function feedback(base: number, count: number, reference: number, rest: readonly number[]) {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(base, 8);
  bytes.writeUInt16BE(count, 10);
  bytes.writeUIntBE(reference, 12, 3);
  return TransportWideCC.deSerialize(Buffer.concat([bytes, Buffer.from(rest)]), header);
}

for (const { name, count, rest, times } of FEEDBACK_CASES) {
  Deno.test(`FeedbackReader: ${name}`, () => {
    const read = new FeedbackReader().read(feedback(65_535, count, 1, rest));
    assert.deepEqual(read, { base: 65_535, receivedAtMs: times });
  });
}

Deno.test("FeedbackReader: the reference time goes on where its 24 bits wrap", () => {
  const reader = new FeedbackReader();
  const at = (reference: number) =>
    reader.read(feedback(0, 1, reference, [0b0010_0000, 1, 0])).receivedAtMs[0]!;
  const first = at(0xffffff);
  assert.equal(at(0) - first, 64);
  assert.equal(at(0xffffff) - first, 0);
});
