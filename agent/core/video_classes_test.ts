/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  CLASS_FACTOR,
  classDeadline,
  firstClass,
  groupViewers,
  nextClass,
  type VideoClass,
} from "./video_classes.ts";

const MOST = 16_000;
const at = (bitrateKbps: number, maxFps = 30) => ({ bitrateKbps, maxFps });
const after = (state: VideoClass, kbps: number, now: number) =>
  nextClass(state, at(kbps), { mostKbps: MOST, now });

Deno.test("firstClass: the best class whose rate the network carries", () => {
  const cases = [[16_000, 0], [20_000, 0], [15_999, 1], [10_000, 1], [9_999, 2], [100, 11]];
  for (const [kbps, rateClass] of cases) {
    assert.equal(firstClass(at(kbps), MOST).rateClass, rateClass, `${kbps}`);
    assert.ok(MOST / CLASS_FACTOR ** rateClass <= kbps + 1e-6);
  }
});

Deno.test("a target just below its class stays; further below leaves at once", () => {
  const best = firstClass(at(MOST), MOST);
  assert.equal(after(best, MOST * 0.91, 0).rateClass, 0);
  assert.equal(after(best, MOST * 0.89, 0).rateClass, 1);
  assert.equal(after(best, 1_000, 0).rateClass, 6);
});

Deno.test("rises only after 3 s above the better class, and a dip begins anew", () => {
  const low = firstClass(at(5_000), MOST);
  assert.equal(low.rateClass, 3);
  const one = after(low, 9_000, 1_000);
  assert.equal(one.rateClass, 3);
  assert.equal(classDeadline(one), 4_000);
  assert.equal(after(one, 9_000, 3_999).rateClass, 3);
  assert.equal(after(one, 9_000, 4_000).rateClass, 2);
  const dip = after(one, 5_000, 3_000);
  assert.equal(classDeadline(dip), null);
  assert.equal(after(dip, 9_000, 4_000).rateClass, 3);
});

Deno.test("the limit itself is enough for the best class; elsewhere a tenth more is needed", () => {
  const second = firstClass(at(10_000), MOST);
  assert.notEqual(after(second, MOST, 0).risingSinceMs, null);
  const third = firstClass(at(6_300), MOST);
  assert.equal(after(third, 10_500, 0).risingSinceMs, null);
  assert.notEqual(after(third, 11_100, 0).risingSinceMs, null);
});

Deno.test("groupViewers: one group for one class and codec; other rates, fps and codecs apart", () => {
  const one = (kbps: number, fps: number, codec: string) => ({
    ...firstClass(at(kbps, fps), MOST),
    codec,
  });
  const viewers = new Map([
    ["a", one(16_000, 30, "h264")],
    ["b", one(16_000, 30, "h264")],
    ["c", one(1_000, 30, "h264")],
    ["d", one(16_000, 15, "h264")],
    ["e", one(16_000, 30, "vp8")],
  ]);
  const keys = groupViewers(viewers, 9);
  assert.equal(keys.get("a"), keys.get("b"));
  assert.equal(new Set(keys.values()).size, 4);
});

Deno.test("groupViewers: more than the bound → the closest are joined, to the lower rate", () => {
  const viewers = new Map([16_000, 9_000, 6_000, 400].map((kbps, i) => [
    i,
    { ...firstClass(at(kbps), MOST), codec: "h264" },
  ]));
  const keys = groupViewers(viewers, 3);
  assert.equal(new Set(keys.values()).size, 3);
  assert.equal(keys.get(1), keys.get(2));
  assert.equal(keys.get(2), "h264 3 2");
  assert.equal(new Set(groupViewers(viewers, 1).values()).size, 1);
});
