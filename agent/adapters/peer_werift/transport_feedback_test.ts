import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtcpHeader, TransportWideCC } from "werift";
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

const CASES: readonly {
  readonly name: string;
  readonly count: number;
  readonly rest: readonly number[];
  readonly times: readonly (number | null)[];
}[] = [
  {
    name: "a run of small deltas",
    count: 3,
    rest: [0b0010_0000, 3, 4, 4, 8],
    times: [65, 66, 68],
  },
  {
    name: "a run of lost packets, then received ones",
    count: 4,
    rest: [0, 2, 0b0010_0000, 2, 0, 4],
    times: [null, null, 64, 65],
  },
  {
    name: "a vector of single bits, longer than what is reported",
    count: 5,
    rest: [0b1010_1100, 0, 4, 4, 4],
    times: [65, null, 66, 67, null],
  },
  {
    name: "a vector of two bits with a delta backwards in time",
    count: 3,
    rest: [0b1101_0010, 0, 40, 0xff, 0xf0],
    times: [74, null, 70],
  },
];

for (const { name, count, rest, times } of CASES) {
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
