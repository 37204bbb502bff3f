/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { DecisionTally } from "./decision_tally.ts";

Deno.test("DecisionTally reports each decision once, of all sources together", () => {
  const tally = new DecisionTally();
  const [peer, next] = [{}, {}];
  assert.equal(tally.take(), null);
  tally.add(peer, { probe: 2, loss: 1 });
  tally.add(peer, { probe: 3, loss: 1 });
  assert.deepEqual(tally.take(), { probe: 3, loss: 1 });
  tally.add(peer, { probe: 3, loss: 1 });
  assert.equal(tally.take(), null);
  // Another peer counts from nothing again.
  tally.add(next, { probe: 1 });
  tally.add(peer, { probe: 4, loss: 1 });
  assert.deepEqual(tally.take(), { probe: 2 });
});
