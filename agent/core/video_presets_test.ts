/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { presetKnobs, softer } from "./video_presets.ts";

const DESKTOP = { bitrateKbps: 12_000, maxFps: 60 };

Deno.test("presetKnobs: the least of preset, desktop and network holds, for rate and frames apart", () => {
  assert.deepEqual(presetKnobs("motion", DESKTOP), {
    bitrateKbps: 12_000,
    maxFps: 60,
    quality: "smooth",
  });
  assert.deepEqual(presetKnobs("text", DESKTOP, { bitrateKbps: 700, maxFps: 30 }), {
    bitrateKbps: 700,
    maxFps: 20,
    quality: "sharp",
  });
  assert.equal(presetKnobs("low-bandwidth", DESKTOP).bitrateKbps, 1_000);
  assert.equal(presetKnobs("balanced", DESKTOP).maxFps, 30);
});

Deno.test("softer: one step, and no further than there is", () => {
  const all = ["sharp", "balanced", "moving", "smooth"] as const;
  assert.deepEqual(all.map(softer), ["balanced", "moving", "smooth", "smooth"]);
});
