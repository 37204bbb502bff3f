/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { regionLimits, UNKNOWN_WAY, type WayFacts } from "./region_choice.ts";

const ROWS: readonly (readonly [string, Partial<WayFacts>, string, number])[] = [
  ["nothing is known", {}, "choice-plenty", 300_000],
  ["a quick network", { patchKbps: 200_000, rttMs: 1 }, "choice-plenty", 300_000],
  ["2 Mb/s, as patches found", { patchKbps: 2_000, rttMs: 20 }, "choice-narrow", 62_500],
  ["2 Mb/s, as video found", { videoKbps: 2_000, rttMs: 20 }, "choice-narrow", 62_500],
  ["the lesser one counts", { patchKbps: 4_000, videoKbps: 2_000 }, "choice-narrow", 62_500],
  ["200 kb/s: never all to video", { patchKbps: 200 }, "choice-narrow", 25_000],
  // 1.5 to 2.4 Mb/s were measured on data channels at 50 ms and 1 %.
  ["1 % loss at 50 ms", { loss: 0.01, rttMs: 50 }, "choice-lossy", 70_150],
  ["1 % loss next door", { loss: 0.01, rttMs: 5 }, "choice-plenty", 300_000],
  ["20 % loss", { loss: 0.2, rttMs: 100, patchKbps: 9_000 }, "choice-lossy", 25_000],
  ["a little loss is noise", { loss: 0.001, rttMs: 300 }, "choice-plenty", 300_000],
  ["patches wait", { behindMs: 110, rttMs: 10 }, "choice-behind", 300_000],
  ["on a long way that is little", { behindMs: 110, rttMs: 300 }, "choice-plenty", 300_000],
  ["but not for ever", { behindMs: 200, rttMs: 900 }, "choice-behind", 300_000],
];

for (const [name, way, reason, bytesPerS] of ROWS) {
  Deno.test(`regionLimits: ${name} → ${reason}`, () => {
    assert.deepEqual(regionLimits({ ...UNKNOWN_WAY, ...way }), {
      ...{ reason, bytesPerS, behind: reason === "choice-behind" },
    });
  });
}
