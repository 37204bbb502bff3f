import assert from "node:assert/strict";
import { SharedTimeout } from "./shared_timeout.ts";

Deno.test("SharedTimeout: tells what is late in order, and nothing that has ended", async () => {
  const told: string[] = [];
  const all = Promise.withResolvers<void>();
  const timeout = new SharedTimeout(10);
  const now = performance.now();
  const begin = (name: string, at = now) =>
    timeout.begin(at, () => {
      told.push(`${name} ${performance.now() >= at + 10 ? "late" : "early"}`);
      if (name === "last") all.resolve();
    });
  begin("first");
  const ended = begin("ended");
  begin("second");
  begin("last", now + 15);
  timeout.end(ended);
  await all.promise;
  assert.deepEqual(told, ["first late", "second late", "last late"]);
  begin("after a rest", performance.now());
  timeout.close();
  // A timer now would be found by the test's own check for what is left open.
  begin("after the end", performance.now());
  assert.equal(told.length, 3);
});
