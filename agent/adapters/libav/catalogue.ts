/** The encoders that FFmpeg may bring, best first, and what each one needs to be told. */
import type { DesktopCaps } from "@farglass/protocol";
import type { VideoQuality } from "../../core/ports.ts";

export type EncoderCaps = DesktopCaps["encoders"][number];

/** How pictures reach an encoder: planes in memory, or surfaces of a device. */
export type EncoderInput = "yuv420p" | "nv12" | "vaapi";

/**
 * On an open context by its leaky bucket, or by the clock that its time stamps tell; opened again,
 * which costs a keyframe.
 */
export type RateControl = "bucket" | "clock" | "reopen";

export interface EncoderSpec {
  readonly caps: EncoderCaps;
  readonly input: EncoderInput;
  /** How it follows a new rate. */
  readonly rate: RateControl;
  /** Pictures between keyframes; drivers differ in how they write "never". */
  readonly gop: number;
  /** Only tried and used when the owner names it: it costs more than it gives. */
  readonly onlyPreferred?: true;
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

/**
 * Thin strokes get visible halos above 23; below 18 the bits buy nothing that is seen. With the
 * deblocking filter, which ultrafast leaves out, a film at 30 looks as at 26 without it for a third
 * fewer bits. What moves beside exact patches has 23: scrolled text is read while it scrolls.
 */
const CRF: Readonly<Record<VideoQuality, number>> = {
  sharp: 18,
  balanced: 21,
  moving: 23,
  smooth: 30,
};

/** The least quantizer (0 to 63) spends no bits on what nobody sees. */
const VP8_QMIN: Readonly<Record<VideoQuality, number>> = {
  sharp: 4,
  balanced: 8,
  moving: 12,
  smooth: 16,
};
const VP8_SPEED = "-12";
/** A keyframe may take so many pictures' share of the rate: text has to be readable at once. */
const VP8_INTRA_PERCENT = "450";

/** Nothing waits for a later frame, and a decoder can start from every IDR. */
const libx264: EncoderSpec = {
  caps: { ...SOFTWARE, name: "libx264" },
  input: "yuv420p",
  rate: "bucket",
  gop: -1,
  options: (quality) => ({
    preset: "ultrafast",
    tune: "zerolatency",
    profile: "baseline",
    crf: String(CRF[quality]),
    "forced-idr": "1",
    "x264-params":
      "keyint=infinite:scenecut=0:repeat-headers=1:sliced-threads=1:annexb=1:deblock=0,0",
  }),
};

/**
 * VP8 by libvpx, for browsers without H.264. A fixed speed, for the automatic one goes by the time
 * that a picture took, and so by what else the machine does. 1: "screen content", which compares
 * with the picture before and codes flat areas sharply.
 */
const libvpx: EncoderSpec = {
  caps: { ...SOFTWARE, name: "libvpx", codec: "vp8" },
  input: "yuv420p",
  rate: "clock",
  gop: PRACTICALLY_NEVER,
  options: (quality) => ({
    deadline: "realtime",
    "cpu-used": VP8_SPEED,
    "lag-in-frames": "0",
    "auto-alt-ref": "0",
    "error-resilient": "default",
    "screen-content-mode": "1",
    "static-thresh": "100",
    "noise-sensitivity": "0",
    "max-intra-rate": VP8_INTRA_PERCENT,
    qmin: String(VP8_QMIN[quality]),
    qmax: "63",
  }),
};

const nvenc: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_nvenc" },
  needs: { os: ["linux", "windows"], device: { directory: "/dev", prefix: "nvidia" } },
  input: "yuv420p",
  rate: "bucket",
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
  rate: "bucket",
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
  rate: "reopen",
  gop: PRACTICALLY_NEVER,
  options: () => ({ profile: "constrained_baseline", rc_mode: "VBR", async_depth: "1" }),
};

const amf: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_amf" },
  needs: { os: ["linux", "windows"], device: RENDER_NODE },
  input: "nv12",
  rate: "reopen",
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
  rate: "reopen",
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
  rate: "reopen",
  gop: PRACTICALLY_NEVER,
  options: () => ({ rate_control: "ld_vbr", scenario: "display_remoting", hw_encoding: "1" }),
};

const v4l2: EncoderSpec = {
  caps: { ...HARDWARE, name: "h264_v4l2m2m", maxBitrateKbps: 20_000 },
  needs: { os: ["linux"], device: { directory: "/dev", prefix: "video" } },
  input: "yuv420p",
  rate: "reopen",
  gop: PRACTICALLY_NEVER,
  options: () => ({}),
};

/** Another format by the same device: `codec`, and what its encoder is told instead. */
const like = (
  spec: EncoderSpec,
  name: string,
  codec: EncoderCaps["codec"],
  options: Readonly<Record<string, string>>,
): EncoderSpec => ({ ...spec, caps: { ...spec.caps, name, codec }, options: () => options });

const NVENC = { preset: "p4", tune: "ull", rc: "vbr", zerolatency: "1", delay: "0" };
const QSV = { preset: "veryfast", profile: "main", async_depth: "1", forced_idr: "1" };
const VAAPI = { profile: "main", rc_mode: "VBR", async_depth: "1" };
const AMF = { profile: "main", rc: "vbr_latency" };

/** AV1 and H.265 by hardware: for browsers whose decoder is hardware, too. */
const NEWER: readonly EncoderSpec[] = [
  like(nvenc, "av1_nvenc", "av1", { ...NVENC, "forced-idr": "1" }),
  like(qsv, "av1_qsv", "av1", QSV),
  like(vaapi, "av1_vaapi", "av1", VAAPI),
  like(amf, "av1_amf", "av1", { ...AMF, usage: "lowlatency", header_insertion_mode: "frame" }),
  like(nvenc, "hevc_nvenc", "h265", { ...NVENC, profile: "main", "forced-idr": "1" }),
  like(qsv, "hevc_qsv", "h265", QSV),
  like(vaapi, "hevc_vaapi", "h265", VAAPI),
  like(amf, "hevc_amf", "h265", {
    ...AMF,
    usage: "ultralowlatency",
    header_insertion_mode: "idr",
  }),
  like(videotoolbox, "hevc_videotoolbox", "h265", {
    profile: "main",
    realtime: "1",
    prio_speed: "1",
    allow_sw: "0",
  }),
  like(mediaFoundation, "hevc_mf", "h265", mediaFoundation.options("balanced")),
  like(v4l2, "hevc_v4l2m2m", "h265", {}),
];

/** As quick as it gets, each picture at once: its "real time" mode without a look ahead. */
const libsvtav1: EncoderSpec = {
  caps: { ...SOFTWARE, name: "libsvtav1", codec: "av1" },
  input: "yuv420p",
  rate: "reopen",
  gop: PRACTICALLY_NEVER,
  onlyPreferred: true,
  options: () => ({
    preset: "12",
    "svtav1-params": "rtc=1:pred-struct=1:rc=2:lookahead=0:scm=1:scd=0:lp=2",
  }),
};

/** As libx264 is told. */
const libx265: EncoderSpec = {
  caps: { ...SOFTWARE, name: "libx265", codec: "h265" },
  input: "yuv420p",
  rate: "reopen",
  gop: -1,
  onlyPreferred: true,
  options: (quality) => ({
    preset: "ultrafast",
    tune: "zerolatency",
    profile: "main",
    crf: String(CRF[quality]),
    "forced-idr": "1",
    "x265-params": "frame-threads=1:keyint=-1:scenecut=0:repeat-headers=1:annexb=1:log-level=none",
  }),
};

/**
 * Every encoder that can be asked for by name: what needs both ends' hardware first, then the one
 * that costs this machine least.
 */
export const ENCODERS: readonly EncoderSpec[] = [
  ...NEWER,
  nvenc,
  qsv,
  vaapi,
  amf,
  videotoolbox,
  mediaFoundation,
  v4l2,
  libx264,
  libvpx,
  libsvtav1,
  libx265,
];

export const findEncoder = (name: string): EncoderSpec | undefined =>
  ENCODERS.find(({ caps }) => caps.name === name);
