/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  backoffMs,
  type Delivery,
  deliveryDeadline,
  type DeliveryEffect,
  type DeliveryEvent,
  type DeliveryLimits,
  deliveryStep,
  newDelivery,
} from "./delivery.ts";

const LIMITS: DeliveryLimits = {
  maxWaiting: 5,
  maxWaitingBytes: 100,
  maxBatch: 3,
  lingerMs: 10,
  minBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  reportMs: 10_000,
};

class Driver {
  state: Delivery = newDelivery(0, 0, 0);
  now = 0;
  run(event: DeliveryEvent, limits = LIMITS): readonly DeliveryEffect[] {
    const [state, effects] = deliveryStep(this.state, event, { now: this.now, limits });
    this.state = state;
    return effects;
  }
  kinds(event: DeliveryEvent): string[] {
    return this.run(event).map((e) => e.kind === "send" ? `send ${e.count}` : e.kind);
  }
}

const offer = (bytes = 10, report = false): DeliveryEvent => ({ kind: "offer", bytes, report });
const delivered = (bytes: number): DeliveryEvent => ({ kind: "delivered", bytes });
const tick: DeliveryEvent = { kind: "tick" };

Deno.test("deliveryStep: a batch goes when it is full or when it has waited", () => {
  const d = new Driver();
  assert.deepEqual(d.kinds(offer()), ["keep"]);
  assert.equal(deliveryDeadline(d.state), 10);
  assert.deepEqual(d.kinds(offer()), ["keep"]);
  assert.deepEqual(d.kinds(offer()), ["keep", "send 3"]);
  assert.equal(deliveryDeadline(d.state), null, "nothing to wait for but the writer");
  assert.deepEqual(d.kinds(offer()), ["keep"]);
  assert.deepEqual(d.kinds(delivered(30)), []);
  d.now = 10;
  assert.equal(deliveryDeadline(d.state), 10);
  assert.deepEqual(d.kinds(tick), ["send 1"]);
  assert.deepEqual(d.kinds(delivered(10)), []);
  assert.equal(deliveryDeadline(d.state), null);
});

Deno.test("deliveryStep: after a failure the same events wait for the backoff, then go again", () => {
  const d = new Driver();
  d.state = newDelivery(4, 40, 0);
  assert.deepEqual(d.kinds(tick), ["send 3"]);
  assert.deepEqual(d.kinds({ kind: "failed", random: 1 }), []);
  assert.equal(deliveryDeadline(d.state), 1_000);
  assert.deepEqual(d.kinds(offer()), ["keep"], "nothing is sent in between");
  d.now = 1_000;
  assert.deepEqual(d.kinds(tick), ["send 3"]);
  d.run({ kind: "failed", random: 1 });
  assert.equal(deliveryDeadline(d.state), 3_000);
  d.now = 3_000;
  d.run(tick);
  assert.deepEqual(d.kinds(delivered(30)), []);
  assert.equal(d.state.failures, 0);
  assert.equal(d.state.waiting, 2);
});

Deno.test("deliveryStep: what does not fit is counted and told, at once and then now and then", () => {
  const d = new Driver();
  for (let i = 0; i < 5; i++) d.run(offer());
  assert.deepEqual(d.run(offer()), [{ kind: "report", count: 1, total: 1 }]);
  assert.deepEqual(d.run(offer()), []);
  assert.deepEqual(d.run(offer()), []);
  assert.deepEqual(d.run(offer(10, true)), [], "its own report is not counted");
  assert.equal(deliveryDeadline(d.state), 10_000);
  d.now = 10_000;
  assert.deepEqual(d.run(tick), [{ kind: "report", count: 2, total: 3 }]);
  assert.deepEqual(d.run(delivered(30)), [
    { kind: "report", count: 0, total: 3 },
  ], "and once more when there is room for it");
  d.now = 20_000;
  assert.deepEqual(d.run(tick), [{ kind: "send", count: 2 }]);
  assert.equal(deliveryDeadline(d.state), null, "a quiet while ends the reports");
});

Deno.test("deliveryStep: bytes are a limit, too", () => {
  const d = new Driver();
  assert.deepEqual(d.kinds(offer(90)), ["keep"]);
  assert.deepEqual(d.kinds(offer(11)), ["report"]);
  assert.deepEqual(d.kinds(offer(10)), ["keep"]);
});

Deno.test("backoffMs: doubles up to its limit, each wait between half and the whole", () => {
  assert.deepEqual([0, 1, 2, 5, 6, 100].map((n) => backoffMs(n, 1, LIMITS)), [
    1_000,
    2_000,
    4_000,
    32_000,
    60_000,
    60_000,
  ]);
  assert.equal(backoffMs(3, 0, LIMITS), 4_000);
});

Deno.test("deliveryStep: whatever happens, events are delivered or told to be dropped", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("offer"), bytes: fc.nat(40) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("answer"), good: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.nat(70_000) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const d = new Driver();
      const waiting: number[] = [];
      const seen = { offered: 0, delivered: 0, told: 0, flying: 0 };
      const perform = (effects: readonly DeliveryEffect[], bytes = 0) => {
        for (const effect of effects) {
          if (effect.kind === "keep") waiting.push(bytes);
          if (effect.kind === "report") seen.told += effect.count;
          if (effect.kind === "send") {
            assert.equal(seen.flying, 0, "one batch at a time");
            assert.ok(effect.count > 0 && effect.count <= LIMITS.maxBatch);
            assert.ok(effect.count <= waiting.length);
            seen.flying = effect.count;
          }
        }
      };
      const answer = (good: boolean) => {
        if (seen.flying === 0) return;
        const { flying } = seen;
        seen.flying = 0;
        if (!good) return perform(d.run({ kind: "failed", random: 0.5 }));
        const bytes = waiting.splice(0, flying).reduce((sum, b) => sum + b, 0);
        seen.delivered += flying;
        perform(d.run(delivered(bytes)));
      };
      for (const s of steps) {
        if ("bytes" in s) {
          seen.offered++;
          perform(d.run(offer(s.bytes)), s.bytes);
        } else if ("good" in s) answer(s.good);
        else {
          d.now += s.ms;
          perform(d.run(tick));
        }
        assert.equal(d.state.waiting, waiting.length);
        assert.equal(d.state.waitingBytes, waiting.reduce((sum, b) => sum + b, 0));
        assert.ok(d.state.waiting <= LIMITS.maxWaiting);
      }
      for (let i = 0; i < 50 && (waiting.length > 0 || d.state.dropped > 0); i++) {
        answer(true);
        d.now += 100_000;
        perform(d.run(tick));
      }
      assert.equal(waiting.length, 0, "all is delivered in the end");
      assert.equal(seen.delivered + seen.told, seen.offered);
    }),
  );
});
