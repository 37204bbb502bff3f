import assert from "node:assert/strict";
import type { DesktopCaps } from "@farglass/protocol";
import { limited } from "./encoder_bounds.ts";

const CAPS: DesktopCaps["encoders"][number] = {
  name: "libx264",
  codec: "h264",
  hardware: false,
  minBitrateKbps: 150,
  defaultBitrateKbps: 8_000,
  maxBitrateKbps: 50_000,
  maxFps: 60,
  defaultFps: 30,
};

const knobs = (bounds: Parameters<typeof limited>[1]) => {
  const one = limited(CAPS, bounds);
  return [one.minBitrateKbps, one.defaultBitrateKbps, one.maxBitrateKbps].join(" ") +
    ` at ${one.defaultFps} of ${one.maxFps}`;
};

Deno.test("limited: what is told of an encoder is what its desktop allows", () => {
  assert.equal(knobs({ bitrateKbps: 50_000, maxFps: 60 }), "150 20000 50000 at 30 of 60");
  assert.equal(knobs({ bitrateKbps: 6_000, maxFps: 25 }), "150 6000 6000 at 25 of 25");
  const low = { bitrateKbps: 6_000, maxFps: 60, preset: "low-bandwidth" } as const;
  assert.equal(knobs(low), "150 1000 6000 at 12 of 60");
  assert.equal(knobs({ bitrateKbps: 100, maxFps: 5 }), "100 100 100 at 5 of 5");
});
