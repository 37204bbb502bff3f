/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { VideoNeed } from "./video_need.ts";

Deno.test("VideoNeed: on a still desktop all but slow networks are enough", () => {
  const need = new VideoNeed();
  assert.equal(need.kbps(0), 0);
  assert.equal(need.enough(2_000, 0), true);
  assert.equal(need.enough(1_999, 0), false);
});

Deno.test("VideoNeed: the busiest second of the last ten counts, with a quarter of it to spare", () => {
  const need = new VideoNeed();
  for (let i = 0; i < 30; i++) need.add(10_000, 5_000 + i * 33);
  need.add(1_000, 6_000);
  assert.equal(need.kbps(6_500), 2_400);
  assert.equal(need.enough(3_000, 6_500), true);
  assert.equal(need.enough(2_999, 6_500), false);
  assert.equal(need.kbps(14_999), 2_400);
  assert.equal(need.kbps(15_000), 8);
});
