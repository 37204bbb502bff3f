/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { SentLog } from "./sent_log.ts";

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), by: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), back: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("upTo" as const), back: fc.nat(20) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("many" as const), count: fc.nat(1_500) }),
    },
    fc.record({ kind: fc.constant("clear" as const) }),
  ),
  { maxLength: 80 },
);

Deno.test("SentLog: as a map whose keys count up", () => {
  fc.assert(fc.property(fc.nat(70_000), steps, (first, list) => {
    const log = new SentLog<{ readonly number: number }>();
    const model = new Map<number, { readonly number: number }>();
    let newest = first;
    const add = (number: number) => {
      newest = number;
      const entry = { number };
      log.add(number, entry);
      model.set(number, entry);
    };
    for (const step of list) {
      switch (step.kind) {
        case "add":
          add(newest + 1 + step.by);
          break;
        case "many":
          for (let i = 0; i < step.count; i++) add(newest + 1);
          break;
        case "take": {
          const number = newest - step.back;
          assert.equal(log.has(number), model.has(number));
          assert.equal(log.take(number), model.get(number));
          model.delete(number);
          break;
        }
        case "upTo": {
          const taken: number[] = [];
          log.takeUpTo(newest - step.back, ({ number }) => taken.push(number));
          const expected = [...model.keys()].filter((number) => number <= newest - step.back);
          for (const number of expected) model.delete(number);
          assert.deepEqual(taken, expected);
          break;
        }
        case "clear":
          log.clear();
          model.clear();
          break;
      }
      assert.equal(log.size, model.size);
      assert.equal(log.oldest, [...model.values()][0]);
    }
  }));
});
