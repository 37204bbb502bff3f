/** What a desktop's settings leave of an encoder. */
import type { DesktopCaps } from "@farglass/protocol";
import { presetKnobs } from "./core/video_presets.ts";
import type { PipelineSettings } from "./pipeline.ts";

type EncoderCaps = DesktopCaps["encoders"][number];

/** An encoder's knobs within the desktop's own bounds. */
export function limited(
  caps: EncoderCaps,
  bounds: PipelineSettings,
): EncoderCaps {
  const knobs = presetKnobs(bounds.preset ?? "balanced", bounds);
  const maxBitrateKbps = Math.min(caps.maxBitrateKbps, bounds.bitrateKbps);
  const maxFps = Math.min(caps.maxFps, bounds.maxFps);
  return {
    ...caps,
    minBitrateKbps: Math.min(caps.minBitrateKbps, maxBitrateKbps),
    maxBitrateKbps,
    maxFps,
    defaultBitrateKbps: Math.min(knobs.bitrateKbps, maxBitrateKbps),
    defaultFps: Math.min(knobs.maxFps, maxFps),
  };
}
