/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { SlidingMinimum } from "./sliding_minimum.ts";

Deno.test("SlidingMinimum: the least of the values whose second is not too long ago", () => {
  const values = fc.array(fc.record({ afterMs: fc.nat(3_000), value: fc.integer() }));
  fc.assert(fc.property(values, (list) => {
    const least = new SlidingMinimum(3);
    assert.equal(least.least, Infinity);
    const all: { readonly second: number; readonly value: number }[] = [];
    let nowMs = 10_000;
    for (const { afterMs, value } of list) {
      nowMs += afterMs;
      least.add(value, nowMs);
      const second = Math.floor(nowMs / 1_000);
      all.push({ second, value });
      const kept = all.filter((one) => one.second > second - 3);
      assert.equal(least.least, Math.min(...kept.map((one) => one.value)));
    }
    least.clear();
    assert.equal(least.least, Infinity);
  }));
});
