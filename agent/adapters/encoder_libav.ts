/**
 * H.264 by FFmpeg's libx264 through node-av, the only file that imports it. node-av brings a
 * native part per platform, so it is loaded on first use: an agent without it still serves the
 * diff transports.
 */
import type { CodecContext, Frame as AvFrame, Packet, SoftwareScaleContext } from "node-av/lib";
import { availableParallelism } from "node:os";
import {
  type CodedError,
  codedError,
  type DesktopCaps,
  err,
  ok,
  type Result,
} from "@farglass/protocol";
import { hasIdr, splitAnnexB } from "../core/nal_units.ts";
import type {
  EncodedFrame,
  Frame,
  VideoEncoder,
  VideoEncoderOptions,
  VideoRate,
} from "../core/ports.ts";
import { copyPadded, evenSide } from "../core/pixel_copy.ts";

export type EncoderCaps = DesktopCaps["encoders"][number];

const LIBX264: EncoderCaps = {
  name: "libx264",
  codec: "h264",
  hardware: false,
  minBitrateKbps: 500,
  maxBitrateKbps: 50_000,
  defaultBitrateKbps: 12_000,
  maxFps: 60,
  defaultFps: 30,
};

/** Sharp text without needless bits: above 23 thin strokes get visible halos. */
const CRF = 21;
/**
 * How much one picture may borrow from the rate (design section 5: one to one and a half
 * frames). Never less than a 30th of a second's worth: a keyframe needs it to keep text readable.
 */
const VBV_FRAMES = 1.5;
const VBV_REFERENCE_FPS = 30;
/** More slices than this cost compression and gain no time. */
const MAX_THREADS = 4;
/** Options of libx264 in FFmpeg: nothing waits for a later frame, and every IDR can be started from. */
const X264_OPTIONS = {
  preset: "ultrafast",
  tune: "zerolatency",
  profile: "baseline",
  crf: String(CRF),
  "forced-idr": "1",
  "x264-params": "keyint=infinite:scenecut=0:repeat-headers=1:sliced-threads=1:annexb=1",
};
/** RTP's clock for video (RFC 6184 section 8.2.1), used for pts as well. */
const CLOCK_HZ = 90_000;

type Av = typeof import("node-av/lib");
type AvConstants = typeof import("node-av/constants");
let loading: Promise<Result<{ av: Av; k: AvConstants }, CodedError>> | undefined;

function load(): Promise<Result<{ av: Av; k: AvConstants }, CodedError>> {
  loading ??= (async () => {
    try {
      const [av, k] = await Promise.all([import("node-av/lib"), import("node-av/constants")]);
      av.Log.setLevel(k.AV_LOG_ERROR);
      return ok({ av, k });
    } catch {
      // The cause lists paths of this machine; what to do does not depend on it.
      return err(codedError(
        "encoder-failed",
        `no FFmpeg build for ${Deno.build.os}-${Deno.build.arch}; reinstall the agent's packages, or set diff only`,
      ));
    }
  })();
  return loading;
}

/** The encoders that have proved at start that they work here; empty when there is none. */
export async function probeEncoders(): Promise<readonly EncoderCaps[]> {
  const opened = await openLibavEncoder({ width: 64, height: 64, bitrateKbps: 1000, maxFps: 30 });
  if (!opened.ok) return [];
  const pixels = new Uint8Array(64 * 64 * 4);
  const frame = { sequence: 1, width: 64, height: 64, strideBytes: 256, pixels, damage: [] };
  try {
    const encoded = await opened.value.encode({ ...frame, capturedAtMs: 0 }, true);
    return encoded.keyframe ? [LIBX264] : [];
  } catch {
    // An encoder that fails its first picture is as good as none.
    return [];
  } finally {
    opened.value.close();
  }
}

/**
 * Opens libx264 for pictures of one size. An odd width or height is encoded one pixel larger,
 * with the last column or row repeated: 4:2:0 has no odd sizes.
 */
export async function openLibavEncoder(
  options: VideoEncoderOptions,
): Promise<Result<VideoEncoder, CodedError>> {
  const loaded = await load();
  if (!loaded.ok) return loaded;
  const { av, k } = loaded.value;
  const stack = new DisposableStack();
  try {
    const context = openContext(av, k, options, stack);
    const source = allocFrame(av, options, k.AV_PIX_FMT_BGR0, stack);
    source.colorSpace = k.AVCOL_SPC_RGB;
    source.colorRange = k.AVCOL_RANGE_JPEG;
    const picture = allocFrame(av, options, k.AV_PIX_FMT_YUV420P, stack);
    picture.colorSpace = k.AVCOL_SPC_SMPTE170M;
    picture.colorRange = k.AVCOL_RANGE_MPEG;
    const scaler = stack.use(new av.SoftwareScaleContext());
    scaler.allocContext();
    scaler.setOption("sws_flags", "bilinear");
    scaler.setOption("threads", String(threadCount()));
    const packet = stack.use(new av.Packet());
    packet.alloc();
    const parts = { context, source, picture, scaler, packet };
    return ok(new LibavEncoder(av, k, parts, options, stack.move()));
  } catch (cause) {
    stack.dispose();
    return err(codedError(
      "encoder-failed",
      `libx264 does not open at ${options.width}x${options.height} (${messageOf(cause)})`,
    ));
  }
}

const threadCount = (): number => Math.min(MAX_THREADS, availableParallelism());
const messageOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause);

function openContext(
  av: Av,
  k: AvConstants,
  options: VideoEncoderOptions,
  stack: DisposableStack,
): CodecContext {
  const codec = av.Codec.findEncoderByName(k.FF_ENCODER_LIBX264);
  if (codec === null) throw new Error("the FFmpeg build has no libx264");
  const context = stack.use(new av.CodecContext());
  context.allocContext3(codec);
  context.width = evenSide(options.width);
  context.height = evenSide(options.height);
  context.pixelFormat = k.AV_PIX_FMT_YUV420P;
  context.timeBase = new av.Rational(1, CLOCK_HZ);
  context.framerate = new av.Rational(options.maxFps, 1);
  context.maxBFrames = 0;
  context.gopSize = -1;
  context.threadCount = threadCount();
  applyRate(context, options, options.maxFps);
  // Signalled in the SPS (VUI, H.264 section E.2.1), so that no decoder has to guess. The matrix is
  // BT.601's: Chromium's conversion of BT.709 saturates a coefficient, and blue is off by 12 of 255.
  context.colorSpace = k.AVCOL_SPC_SMPTE170M;
  context.colorPrimaries = k.AVCOL_PRI_BT709;
  context.colorTrc = k.AVCOL_TRC_BT709;
  context.colorRange = k.AVCOL_RANGE_MPEG;
  // Not by open2's dictionary: FFmpeg frees it there, and node-av's wrapper frees it once more when
  // it is collected, which ends the process.
  for (const [name, value] of Object.entries(X264_OPTIONS)) {
    const code = context.setOption(name, value, k.AV_OPT_TYPE_STRING, k.AV_OPT_SEARCH_CHILDREN);
    av.FFmpegError.throwIfError(code, `option ${name}`);
  }
  av.FFmpegError.throwIfError(context.open2Sync(codec, null), "avcodec_open2");
  return context;
}

/**
 * Sets the rate control's leaky bucket; libx264 follows on an open context, too, and makes no IDR
 * for it. It fills the bucket by pictures of the frame rate it was opened with (zerolatency
 * ignores time stamps), so a lower rate of pictures gives each one a larger share.
 */
function applyRate(context: CodecContext, rate: VideoRate, openedFps: number): void {
  const bitsPerSecond = rate.bitrateKbps * 1000;
  context.rcMaxRate = BigInt(Math.round(bitsPerSecond * openedFps / rate.maxFps));
  const vbvFps = Math.min(rate.maxFps, VBV_REFERENCE_FPS);
  context.rcBufferSize = Math.round(bitsPerSecond * VBV_FRAMES / vbvFps);
}

function allocFrame(
  av: Av,
  options: VideoEncoderOptions,
  format: AvFrame["format"],
  stack: DisposableStack,
): AvFrame {
  const frame = stack.use(new av.Frame());
  frame.alloc();
  frame.format = format;
  frame.width = evenSide(options.width);
  frame.height = evenSide(options.height);
  av.FFmpegError.throwIfError(frame.getBuffer(), "av_frame_get_buffer");
  return frame;
}

interface Parts {
  readonly context: CodecContext;
  readonly source: AvFrame;
  readonly picture: AvFrame;
  readonly scaler: SoftwareScaleContext;
  readonly packet: Packet;
}

class LibavEncoder implements VideoEncoder {
  readonly name = LIBX264.name;
  #busy = false;
  #closed = false;
  #lastPts = -1n;
  #firstCapturedAtMs: number | null = null;
  /** Set by the next encode: FFmpeg's thread reads the fields of the picture under way. */
  #newRate: VideoRate | null = null;

  constructor(
    private readonly av: Av,
    private readonly k: AvConstants,
    private readonly parts: Parts,
    private readonly options: VideoEncoderOptions,
    private readonly resources: DisposableStack,
  ) {}

  async encode(frame: Frame, keyframe: boolean): Promise<EncodedFrame> {
    if (this.#closed) throw new Error("The encoder is closed");
    if (this.#busy) throw new Error("The encoder takes one frame at a time");
    const { width, height } = this.options;
    if (frame.width !== width || frame.height !== height) {
      throw new Error(
        `Frame of ${frame.width}x${frame.height} for an encoder of ${width}x${height}`,
      );
    }
    this.#busy = true;
    try {
      // The only reading of the live pixels, before anything suspends.
      const { source } = this.parts;
      const data = source.data;
      if (data === null) throw new Error("The frame has no buffer");
      copyPadded(frame, data[0], source.linesize[0]);
      return await this.#encodeCopied(frame.capturedAtMs, keyframe);
    } finally {
      this.#busy = false;
      if (this.#closed) this.resources.dispose();
    }
  }

  async #encodeCopied(capturedAtMs: number, keyframe: boolean): Promise<EncodedFrame> {
    const { context, source, picture, scaler, packet } = this.parts;
    const check = this.av.FFmpegError.throwIfError;
    check(picture.makeWritable(), "av_frame_make_writable");
    check(await scaler.scaleFrame(picture, source), "sws_scale_frame");
    picture.pts = this.#pts(capturedAtMs);
    if (this.#newRate !== null) applyRate(context, this.#newRate, this.options.maxFps);
    this.#newRate = null;
    picture.pictType = keyframe ? this.k.AV_PICTURE_TYPE_I : this.k.AV_PICTURE_TYPE_NONE;
    check(await context.sendFrame(picture), "avcodec_send_frame");
    // zerolatency: the picture's packet is there as soon as the frame is taken.
    check(context.receivePacketSync(packet), "avcodec_receive_packet");
    const data = packet.data;
    if (data === null) throw new Error("The encoder gave an empty packet");
    // The packet is used again for the next picture.
    const nals = splitAnnexB(new Uint8Array(data));
    packet.unref();
    return { nals, keyframe: hasIdr(nals), capturedAtMs };
  }

  setRate(rate: VideoRate): void {
    this.#newRate = rate;
  }

  /** Ticks of the 90 kHz clock since the first frame; always grows, as the encoder demands. */
  #pts(capturedAtMs: number): bigint {
    this.#firstCapturedAtMs ??= capturedAtMs;
    const ticks = BigInt(Math.round((capturedAtMs - this.#firstCapturedAtMs) * CLOCK_HZ / 1000));
    this.#lastPts = ticks > this.#lastPts ? ticks : this.#lastPts + 1n;
    return this.#lastPts;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A frame under way still uses the native parts; encode() frees them when it is done.
    if (!this.#busy) this.resources.dispose();
  }
}
