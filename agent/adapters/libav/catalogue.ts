/** The encoders that FFmpeg may bring, best first, and what each one needs to be told. */
import type { DesktopCaps } from "@farglass/protocol";
import type { VideoQuality } from "../../core/ports.ts";

export type EncoderCaps = DesktopCaps["encoders"][number];

/** How pictures reach an encoder: planes in memory, or surfaces of a device. */
export type EncoderInput = "yuv420p" | "nv12" | "vaapi";

export interface EncoderSpec {
  readonly caps: EncoderCaps;
  readonly input: EncoderInput;
  /** Follows a new rate on an open context; others are opened again, which costs a keyframe. */
  readonly liveRate: boolean;
  /** Pictures between keyframes; drivers differ in how they write "never". */
  readonly gop: number;
  /** Where it can work at all; without it, everywhere. */
  readonly needs?: {
    readonly os: readonly (typeof Deno.build.os)[];
    readonly device?: { readonly directory: string; readonly prefix: string };
  };
  /** FFmpeg's private options of this encoder. */
  options(quality: VideoQuality): Readonly<Record<string, string>>;
}

const HARDWARE = {
  codec: "h264",
  hardware: true,
  minBitrateKbps: 100,
  maxBitrateKbps: 50_000,
  defaultBitrateKbps: 12_000,
  maxFps: 60,
  defaultFps: 30,
} as const;
const SOFTWARE = { ...HARDWARE, hardware: false } as const;

const RENDER_NODE = { directory: "/dev/dri", prefix: "renderD" };

/** 24 h at 30 pictures a second, for drivers that have no word for "never". */
const PRACTICALLY_NEVER = 30 * 86_400;

/** Thin strokes get visible halos above 23; below 18 the bits buy nothing that is seen. */
const CRF: Readonly<Record<VideoQuality, number>> = { sharp: 18, balanced: 21, smooth: 26 };

/** Nothing waits for a later frame, and a decoder can start from every IDR. */
const libx264: EncoderSpec = {
  caps: { ...SOFTWARE, name: "libx264" },
  input: "yuv420p",
  liveRate: true,
  gop: -1,
  options: (quality) => ({
    preset: "ultrafast",
    tune: "zerolatency",
    profile: "baseline",
    crf: String(CRF[quality]),
    "forced-idr": "1",
    "x264-params": "keyint=infinite:scenecut=0:repeat-headers=1:sliced-threads=1:annexb=1",
  }),
};

const nvenc: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_nvenc" },
  needs: { os: ["linux", "windows"], device: { directory: "/dev", prefix: "nvidia" } },
  input: "yuv420p",
  liveRate: true,
  gop: -1,
  options: () => ({
    preset: "p4",
    tune: "ull",
    profile: "baseline",
    rc: "vbr",
    zerolatency: "1",
    delay: "0",
    "forced-idr": "1",
  }),
};

const qsv: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_qsv" },
  needs: { os: ["linux", "windows"], device: RENDER_NODE },
  input: "nv12",
  liveRate: true,
  gop: PRACTICALLY_NEVER,
  options: () => ({
    preset: "veryfast",
    profile: "baseline",
    async_depth: "1",
    forced_idr: "1",
    look_ahead: "0",
  }),
};

const vaapi: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_vaapi" },
  needs: { os: ["linux"], device: RENDER_NODE },
  input: "vaapi",
  liveRate: false,
  gop: PRACTICALLY_NEVER,
  options: () => ({ profile: "constrained_baseline", rc_mode: "VBR", async_depth: "1" }),
};

const amf: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_amf" },
  needs: { os: ["linux", "windows"], device: RENDER_NODE },
  input: "nv12",
  liveRate: false,
  gop: PRACTICALLY_NEVER,
  options: () => ({
    usage: "ultralowlatency",
    profile: "constrained_baseline",
    rc: "vbr_latency",
    forced_idr: "1",
  }),
};

const videotoolbox: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_videotoolbox" },
  needs: { os: ["darwin"] },
  input: "nv12",
  liveRate: false,
  gop: PRACTICALLY_NEVER,
  options: () => ({
    profile: "constrained_baseline",
    realtime: "1",
    prio_speed: "1",
    allow_sw: "0",
  }),
};

const mediaFoundation: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_mf" },
  needs: { os: ["windows"] },
  input: "nv12",
  liveRate: false,
  gop: PRACTICALLY_NEVER,
  options: () => ({ rate_control: "ld_vbr", scenario: "display_remoting", hw_encoding: "1" }),
};

const v4l2: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_v4l2m2m", maxBitrateKbps: 20_000 },
  needs: { os: ["linux"], device: { directory: "/dev", prefix: "video" } },
  input: "yuv420p",
  liveRate: false,
  gop: PRACTICALLY_NEVER,
  options: () => ({}),
};

/** Every encoder that can be asked for by name, the one that costs this machine least first. */
export const ENCODERS: readonly EncoderSpec[] = [
  nvenc,
  qsv,
  vaapi,
  amf,
  videotoolbox,
  mediaFoundation,
  v4l2,
  libx264,
];

export const findEncoder = (name: string): EncoderSpec | undefined =>
  ENCODERS.find(({ caps }) => caps.name === name);
