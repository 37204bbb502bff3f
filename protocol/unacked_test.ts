/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Unacked, UnackedLog } from "./unacked.ts";

const entry = (seq: number): Unacked => ({ seq, text: "x".repeat(seq % 7) });
const stepArbitrary = fc.record({
  /** Which of the values made so far goes on. */
  from: fc.nat(1_000),
  kind: fc.constantFrom("with", "with", "with", "after"),
  ack: fc.nat(40),
});

Deno.test("UnackedLog: whatever is made of a value, it stays what it was", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 80 }), (steps) => {
      const made: { readonly log: UnackedLog; readonly should: readonly Unacked[] }[] = [
        { log: UnackedLog.none, should: [] },
      ];
      let seq = 0;
      for (const { from, kind, ack } of steps) {
        const { log, should } = made[from % made.length];
        if (kind === "with") {
          seq++;
          made.push({ log: log.with(entry(seq)), should: [...should, entry(seq)] });
        } else made.push({ log: log.after(ack), should: should.filter((m) => m.seq > ack) });
      }
      for (const { log, should } of made) {
        assert.deepEqual([...log], should);
        assert.equal(log.length, should.length);
        assert.deepEqual([log.first, log.last], [should[0], should.at(-1)]);
        assert.equal(log.bytes, should.reduce((sum, { text }) => sum + text.length, 0));
        assert.deepEqual(UnackedLog.of(should), log);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("UnackedLog.after: the value itself when nothing is acknowledged", () => {
  const log = UnackedLog.of([entry(3), entry(4)]);
  assert.equal(log.after(2), log);
  assert.equal(log.after(4).length, 0);
});
