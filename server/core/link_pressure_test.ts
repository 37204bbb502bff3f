/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { heartbeatMs, slowest } from "./link_pressure.ts";

Deno.test("heartbeatMs: slower with many agents, never for consoles", () => {
  assert.equal(heartbeatMs("agent", 10_000), 1_500);
  assert.equal(heartbeatMs("agent", 10_000, 1_000), 10_000);
  assert.equal(heartbeatMs("agent", 100_000, 1_000), 20_000);
  assert.equal(heartbeatMs("console", 100_000, 1), 1_500);
});

Deno.test("slowest: the largest go first, and only as many as needed", () => {
  const waiting = [20_000, 90_000, 1_000, 50_000].map((bytes) => ({ bytes }));
  assert.deepEqual(slowest(waiting, 200_000), []);
  assert.deepEqual(slowest(waiting, 100_000).map((w) => w.bytes), [90_000]);
  assert.deepEqual(slowest(waiting, 500).map((w) => w.bytes), [90_000, 50_000, 20_000]);
});
