/** What an operator can choose for the video, and what the desktop's limits leave of it. Pure. */
import type { VideoPreset } from "@farglass/protocol";
import { VIDEO_QUALITIES, type VideoKnobs, type VideoQuality, type VideoRate } from "./ports.ts";

/** Sharp text needs few pictures; motion needs many, and hides what each one lacks. */
const PRESETS: Readonly<Record<VideoPreset, VideoKnobs>> = {
  text: { bitrateKbps: 10_000, maxFps: 20, quality: "sharp" },
  balanced: { bitrateKbps: 20_000, maxFps: 30, quality: "balanced" },
  motion: { bitrateKbps: 30_000, maxFps: 60, quality: "smooth" },
  "low-bandwidth": { bitrateKbps: 1_000, maxFps: 12, quality: "smooth" },
};

/** One step less: where only motion is seen, that hides it, and what rests comes exactly. */
export const softer = (quality: VideoQuality): VideoQuality =>
  VIDEO_QUALITIES[VIDEO_QUALITIES.indexOf(quality) + 1] ?? quality;

/** A preset within what the desktop allows and the network carries. */
export function presetKnobs(preset: VideoPreset, ...bounds: readonly VideoRate[]): VideoKnobs {
  const { quality, ...own } = PRESETS[preset];
  return {
    bitrateKbps: Math.min(own.bitrateKbps, ...bounds.map((one) => one.bitrateKbps)),
    maxFps: Math.min(own.maxFps, ...bounds.map((one) => one.maxFps)),
    quality,
  };
}
