/// <reference lib="deno.ns" />
import { equal, match, notEqual, ok } from "node:assert/strict";
import { newRng, nextUnit, nextUuid } from "./random.ts";

Deno.test("nextUuid makes different version 4 UUIDs, the same for the same seed", () => {
  const seen = new Set<string>();
  let rng = newRng([1, 2, 3, 4]);
  for (let i = 0; i < 1000; i++) {
    const [next, uuid] = nextUuid(rng);
    rng = next;
    match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    seen.add(uuid);
  }
  equal(seen.size, 1000);
  equal(nextUuid(newRng([1, 2, 3, 4]))[1], nextUuid(newRng([1, 2, 3, 4]))[1]);
  notEqual(nextUuid(newRng([0, 0, 0, 0]))[1], nextUuid(newRng([0, 0, 0, 1]))[1].replace("4", "5"));
});

Deno.test("nextUnit stays in [0, 1) and spreads", () => {
  let rng = newRng([9, 8, 7, 6]);
  let sum = 0;
  for (let i = 0; i < 4000; i++) {
    const [next, value] = nextUnit(rng);
    rng = next;
    ok(value >= 0 && value < 1);
    sum += value;
  }
  ok(Math.abs(sum / 4000 - 0.5) < 0.03);
});
