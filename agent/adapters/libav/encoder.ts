/** Video by any encoder of FFmpeg that the catalogue knows. */
import type { CodecContext, Packet } from "node-av/lib";
import { type CodedError, codedError, err, never, ok, type Result } from "@farglass/protocol";
import { evenSide } from "../../core/pixel_copy.ts";
import type {
  EncodedFrame,
  VideoEncoder,
  VideoEncoderOptions,
  VideoKnobs,
  VideoPicture,
  VideoRate,
} from "../../core/ports.ts";
import { BitstreamReader } from "./bitstream.ts";
import { type EncoderSpec, findEncoder } from "./catalogue.ts";
import { LibavPicture } from "./converter.ts";
import { type Feed, openFeed } from "./feed.ts";
import { type Libav, loadLibav, messageOf, threadCount } from "./load.ts";

/**
 * How much one picture may borrow from the rate (design section 5: one to one and a half
 * frames). Never less than a 30th of a second's worth: a keyframe needs it to keep text readable.
 */
const VBV_FRAMES = 1.5;
const VBV_REFERENCE_FPS = 30;
/** A constant rate's first keyframe takes so much of it, as later ones do by their own limit. */
const FIRST_KEYFRAME_S = 0.15;
/** RTP's clock for video (RFC 6184 section 8.2.1), used for pts as well. */
const CLOCK_HZ = 90_000;
/** A driver may need a moment for its packet; one that needs longer holds pictures back. */
const PACKET_POLL_MS = 1;
const PACKET_WAIT_MS = 100;
/** An encoder that cannot follow a rate is opened again only for so much, so often. */
const REOPEN_FACTOR = 1.25;
const REOPEN_INTERVAL_MS = 2_000;
/** Beyond this, the second that its buffer holds is too long or too short by the told clock. */
const CLOCK_FACTOR = 4;

/**
 * Opens the encoder `options.encoder` for pictures of one size. An odd width or height is encoded
 * one pixel larger, as the converter makes it.
 */
export async function openLibavEncoder(
  options: VideoEncoderOptions,
): Promise<Result<VideoEncoder, CodedError>> {
  const loaded = await loadLibav();
  if (!loaded.ok) return loaded;
  const spec = findEncoder(options.encoder);
  const refused = (why: string) => err(codedError("encoder-failed", why));
  if (spec === undefined) return refused(`there is no encoder "${options.encoder}"`);
  try {
    const parts = openParts(loaded.value, spec, options);
    return ok(new LibavEncoder(loaded.value, spec, options, parts));
  } catch (cause) {
    const { width, height } = options;
    return refused(`${spec.caps.name} does not open at ${width}x${height} (${messageOf(cause)})`);
  }
}

interface Parts extends Disposable {
  readonly context: CodecContext;
  readonly feed: Feed;
  readonly packet: Packet;
  readonly opened: VideoRate;
  readonly bitstream: BitstreamReader;
}

function openParts(lib: Libav, spec: EncoderSpec, options: VideoEncoderOptions): Parts {
  const { av, k } = lib;
  using stack = new DisposableStack();
  // deno-lint-ignore no-explicit-any -- node-av's type lists the names of one platform's build.
  const codec = av.Codec.findEncoderByName(spec.caps.name as any);
  if (codec === null) throw new Error("not in this FFmpeg build");
  const context = stack.use(new av.CodecContext());
  context.allocContext3(codec);
  context.width = evenSide(options.width);
  context.height = evenSide(options.height);
  context.timeBase = new av.Rational(1, CLOCK_HZ);
  const opened = spec.rate === "bucket" ? options.most ?? options : options;
  context.framerate = new av.Rational(opened.maxFps, 1);
  context.maxBFrames = 0;
  context.gopSize = spec.gop;
  context.threadCount = threadCount();
  if (spec.rate === "clock") setConstantRate(lib, context, opened);
  else applyRate(context, opened, opened.maxFps);
  const settings = spec.options(options.quality);
  // A quantizer instead of a mean rate; the bucket bounds it.
  if (spec.rate !== "clock" && settings.crf === undefined) context.bitRate = context.rcMaxRate;
  // Signalled in the SPS (VUI, H.264 section E.2.1), so that no decoder has to guess. The matrix is
  // BT.601's: Chromium's conversion of BT.709 saturates a coefficient, and blue is off by 12 of 255.
  context.colorSpace = k.AVCOL_SPC_SMPTE170M;
  context.colorPrimaries = k.AVCOL_PRI_BT709;
  context.colorTrc = k.AVCOL_TRC_BT709;
  context.colorRange = k.AVCOL_RANGE_MPEG;
  const feed = openFeed(lib, context, { input: spec.input, stack });
  // Not by open2's dictionary: FFmpeg frees it there, and node-av's wrapper frees it once more when
  // it is collected, which ends the process.
  for (const [name, value] of Object.entries(settings)) {
    const code = context.setOption(name, value, k.AV_OPT_TYPE_STRING, k.AV_OPT_SEARCH_CHILDREN);
    av.FFmpegError.throwIfError(code, `option ${name}`);
  }
  av.FFmpegError.throwIfError(context.open2Sync(codec, null), "avcodec_open2");
  const packet = stack.use(new av.Packet());
  packet.alloc();
  const owned = stack.move();
  return {
    context,
    feed,
    packet,
    opened,
    bitstream: new BitstreamReader(spec.caps.codec),
    [Symbol.dispose]: () => owned.dispose(),
  };
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

/**
 * libvpx: a constant rate (least, most and mean are the same) with the buffer of one second that
 * its rate control is made for. FFmpeg tells it no other rate later, but its share for a picture
 * goes by the time stamps: pictures that seem to come faster get fewer bits.
 */
function setConstantRate({ k }: Libav, context: CodecContext, { bitrateKbps }: VideoRate): void {
  const bitsPerSecond = bitrateKbps * 1000;
  context.bitRate = BigInt(bitsPerSecond);
  context.rcMinRate = BigInt(bitsPerSecond);
  context.rcMaxRate = BigInt(bitsPerSecond);
  context.rcBufferSize = bitsPerSecond;
  // Of which the first keyframe takes half.
  const first = String(Math.round(bitsPerSecond * FIRST_KEYFRAME_S * 2));
  context.setOption("rc_init_occupancy", first, k.AV_OPT_TYPE_STRING);
}

/** From one picture to the next by the clock of an encoder that was opened for `opened`. */
const ticksOf = (rate: VideoRate, opened: VideoRate): bigint =>
  BigInt(Math.max(
    1,
    Math.round(
      CLOCK_HZ / rate.maxFps * rate.bitrateKbps / opened.bitrateKbps,
    ),
  ));

class LibavEncoder implements VideoEncoder {
  readonly name: string;
  #parts: Parts;
  #options: VideoEncoderOptions;
  #busy = false;
  #closed = false;
  #lastPts = -1n;
  #firstCapturedAtMs: number | null = null;
  /** Set by the next encode: FFmpeg's thread reads the fields of the picture under way. */
  #newRate: VideoKnobs | null;
  /** Rate control by the clock: ticks from one picture to the next. */
  #stepTicks: bigint;
  #openedAtMs = performance.now();

  constructor(
    private readonly lib: Libav,
    private readonly spec: EncoderSpec,
    options: VideoEncoderOptions,
    parts: Parts,
  ) {
    this.name = spec.caps.name;
    this.#options = options;
    this.#parts = parts;
    this.#newRate = options.most === undefined ? null : options;
    this.#stepTicks = ticksOf(options, parts.opened);
  }

  async encode(picture: VideoPicture, keyframe: boolean): Promise<EncodedFrame> {
    if (this.#closed) throw new Error("The encoder is closed");
    if (this.#busy) throw new Error("The encoder takes one frame at a time");
    if (!(picture instanceof LibavPicture)) throw new Error("The picture is not of this adapter");
    const { width, height } = this.#options;
    if (picture.width !== width || picture.height !== height) {
      throw new Error(
        `Frame of ${picture.width}x${picture.height} for an encoder of ${width}x${height}`,
      );
    }
    this.#busy = true;
    try {
      this.#followRate();
      return await this.#encodeHeld(picture, keyframe);
    } finally {
      this.#busy = false;
      if (this.#closed) this.#parts[Symbol.dispose]();
    }
  }

  async #encodeHeld(picture: LibavPicture, keyframe: boolean): Promise<EncodedFrame> {
    const { context, feed, packet, bitstream } = this.#parts;
    const { av, k } = this.lib;
    const check = av.FFmpegError.throwIfError;
    const frame = await feed.take(picture.frame);
    try {
      frame.pts = this.#pts(picture.capturedAtMs);
      if (this.spec.rate === "clock") frame.duration = this.#stepTicks;
      frame.pictType = keyframe ? k.AV_PICTURE_TYPE_I : k.AV_PICTURE_TYPE_NONE;
      check(await context.sendFrame(frame), "avcodec_send_frame");
    } finally {
      feed.release();
    }
    await this.#receive(context, packet);
    const data = packet.data;
    if (data === null) throw new Error("The encoder gave an empty packet");
    // The packet is used again for the next picture.
    const encoded = bitstream.read(new Uint8Array(data));
    packet.unref();
    return { ...encoded, capturedAtMs: picture.capturedAtMs };
  }

  /** Software has its packet at once; a driver may take a moment. */
  async #receive(context: CodecContext, packet: Packet): Promise<void> {
    const { av, k } = this.lib;
    const endsAt = performance.now() + PACKET_WAIT_MS;
    for (;;) {
      const code = context.receivePacketSync(packet);
      if (code !== k.AVERROR_EAGAIN) {
        return av.FFmpegError.throwIfError(code, "avcodec_receive_packet");
      }
      if (performance.now() > endsAt) throw new Error("The encoder holds pictures back");
      await new Promise((resolve) => setTimeout(resolve, PACKET_POLL_MS));
    }
  }

  setRate(rate: VideoKnobs): void {
    this.#newRate = rate;
  }

  #followRate(): void {
    const rate = this.#newRate;
    if (rate === null) return;
    switch (this.spec.rate) {
      case "bucket":
        this.#newRate = null;
        this.#refill(rate);
        break;
      case "clock": {
        const { opened } = this.#parts;
        const factor = rate.bitrateKbps / opened.bitrateKbps;
        const far = factor > CLOCK_FACTOR || factor < 1 / CLOCK_FACTOR ||
          rate.quality !== this.#options.quality;
        if (!far) this.#newRate = null;
        else this.#reopen(rate);
        this.#stepTicks = ticksOf(rate, this.#parts.opened);
        break;
      }
      case "reopen": {
        const factor = rate.bitrateKbps / this.#options.bitrateKbps;
        if (factor >= REOPEN_FACTOR || factor <= 1 / REOPEN_FACTOR) this.#reopen(rate);
        break;
      }
      default:
        never(this.spec.rate);
    }
  }

  #refill(rate: VideoKnobs): void {
    const { context, opened } = this.#parts;
    applyRate(context, rate, opened.maxFps);
    if (this.spec.caps.hardware) context.bitRate = context.rcMaxRate;
    const { crf } = this.spec.options(rate.quality);
    if (crf === undefined) return;
    const { AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN } = this.lib.k;
    context.setOption("crf", crf, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN);
  }

  /** A new context, which begins with a keyframe; not too often. */
  #reopen(rate: VideoKnobs): void {
    if (performance.now() - this.#openedAtMs < REOPEN_INTERVAL_MS) return;
    this.#newRate = null;
    this.#options = { ...this.#options, ...rate };
    this.#parts[Symbol.dispose]();
    this.#parts = openParts(this.lib, this.spec, this.#options);
    this.#openedAtMs = performance.now();
  }

  /** Ticks of the 90 kHz clock since the first frame; always grows, as the encoder demands. */
  #pts(capturedAtMs: number): bigint {
    if (this.spec.rate === "clock") return this.#lastPts += this.#stepTicks;
    this.#firstCapturedAtMs ??= capturedAtMs;
    const ticks = BigInt(Math.round((capturedAtMs - this.#firstCapturedAtMs) * CLOCK_HZ / 1000));
    this.#lastPts = ticks > this.#lastPts ? ticks : this.#lastPts + 1n;
    return this.#lastPts;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A frame under way still uses the native parts; encode() frees them when it is done.
    if (!this.#busy) this.#parts[Symbol.dispose]();
  }
}
