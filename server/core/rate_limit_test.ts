/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { fullBucket, takeToken } from "./rate_limit.ts";

const rate = { perSecond: 10, burst: 3 };

Deno.test("takeToken: a burst, then the rate, never more than the burst", () => {
  let bucket = fullBucket(rate, 0);
  const take = (now: number) => {
    const taken = takeToken(bucket, rate, now);
    bucket = taken.bucket;
    return taken.ok;
  };
  assert.deepEqual([0, 0, 0, 0].map(take), [true, true, true, false]);
  assert.deepEqual([99, 100, 101].map(take), [false, true, false]);
  assert.deepEqual([60_000, 60_000, 60_000, 60_000].map(take), [true, true, true, false]);
});

Deno.test("takeToken: a clock that steps back takes nothing away", () => {
  const { ok, bucket } = takeToken(fullBucket(rate, 1_000), rate, 0);
  assert.ok(ok);
  assert.equal(bucket.tokens, 2);
});
