/**
 * Whether an encoder works on this machine: it encodes a few pictures, FFmpeg's own decoder reads
 * them, and the colours have to come back. A driver may be there and still make rubbish.
 */
import type { CodecContext, Frame as AvFrame, Packet } from "node-av/lib";
import { Buffer } from "node:buffer";
import { detailOf, type VideoCodec } from "@farglass/protocol";
import type { EncodedFrame, Frame } from "../../core/ports.ts";
import { joinUnits } from "./bitstream.ts";
import { type EncoderCaps, ENCODERS, type EncoderSpec } from "./catalogue.ts";
import { openConverter } from "./converter.ts";
import { openLibavEncoder } from "./encoder.ts";
import { type Libav, loadLibav, messageOf } from "./load.ts";

/** What became of one encoder's probe. */
export type ProbeResult =
  | { readonly name: string; readonly works: true; readonly caps: EncoderCaps }
  | { readonly name: string; readonly works: false; readonly reason: string };

/** Large enough for every driver's least size (VAAPI and AMF refuse 64×64). */
const SIZE = { width: 320, height: 240 };
/** Grey levels of the pictures; each has to come back within the tolerance. */
const LEVELS = [60, 190, 120, 30];
const LEVEL_TOLERANCE = 12;
const BYTES_PER_PIXEL = 4;
const KBPS = 2_000;

/** The encoders without a driver: they can be tried in this process. */
export async function probeSoftware(preferred = "auto"): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = [];
  for (const spec of ENCODERS) {
    const { caps, onlyPreferred = false } = spec;
    if (caps.hardware || onlyPreferred && caps.name !== preferred) continue;
    results.push(await probeEncoder(spec));
  }
  return results;
}

/** Tries one encoder; never rejects, but a driver may end the process. */
export async function probeEncoder(spec: EncoderSpec): Promise<ProbeResult> {
  const { name } = spec.caps;
  try {
    await tryEncoder(spec);
    return { name, works: true, caps: spec.caps };
  } catch (cause) {
    return { name, works: false, reason: messageOf(cause) };
  }
}

async function tryEncoder({ caps }: EncoderSpec): Promise<void> {
  const loaded = await loadLibav();
  if (!loaded.ok) throw new Error(detailOf(loaded.error));
  using stack = new DisposableStack();
  const opened = await openLibavEncoder({
    encoder: caps.name,
    ...SIZE,
    bitrateKbps: KBPS,
    maxFps: 30,
    quality: "balanced",
  });
  if (!opened.ok) throw new Error(detailOf(opened.error));
  stack.defer(() => opened.value.close());
  const converter = await openConverter(SIZE);
  if (!converter.ok) throw new Error(detailOf(converter.error));
  stack.defer(() => converter.value.close());
  const decoder = openDecoder(loaded.value, { codec: caps.codec, stack });
  for (const [i, level] of LEVELS.entries()) {
    const frame = plain(level, i);
    converter.value.damage(frame.damage);
    const picture = await converter.value.convert(frame);
    // The third one, because some drivers honour only their own idea of a keyframe's place.
    const wantsKeyframe = i === 0 || i === 2;
    const encoded = await opened.value.encode(picture, wantsKeyframe);
    if (wantsKeyframe && !encoded.keyframe) {
      throw new Error("makes no keyframe when it is asked to");
    }
    const luma = await decoder.luma(encoded);
    // BGRX 0..255 became 16..235 (ITU-R BT.601).
    const expected = 16 + level * 219 / 255;
    if (Math.abs(luma - expected) > LEVEL_TOLERANCE) {
      throw new Error(
        `makes another picture: luma ${Math.round(luma)}, not ${Math.round(expected)}`,
      );
    }
  }
}

function plain(level: number, index: number): Frame {
  const { width, height } = SIZE;
  return {
    sequence: index + 1,
    width,
    height,
    strideBytes: width * BYTES_PER_PIXEL,
    pixels: new Uint8Array(width * height * BYTES_PER_PIXEL).fill(level),
    damage: [{ x: 0, y: 0, width, height }],
    capturedAtMs: index * 33,
  };
}

interface Decoder {
  /** Mean luma of the picture that `encoded` becomes. */
  luma(encoded: EncodedFrame): Promise<number>;
}

function openDecoder(
  { av, k }: Libav,
  options: { readonly codec: VideoCodec; readonly stack: DisposableStack },
): Decoder {
  const { stack } = options;
  const check = av.FFmpegError.throwIfError;
  const ids = {
    h264: k.AV_CODEC_ID_H264,
    vp8: k.AV_CODEC_ID_VP8,
    h265: k.AV_CODEC_ID_HEVC,
    av1: k.AV_CODEC_ID_AV1,
  } as const;
  const codec = av.Codec.findDecoder(ids[options.codec]);
  if (codec === null) throw new Error(`this FFmpeg build cannot decode ${options.codec}`);
  const context: CodecContext = stack.use(new av.CodecContext());
  context.allocContext3(codec);
  context.threadCount = 1;
  context.setFlags(k.AV_CODEC_FLAG_LOW_DELAY);
  check(context.open2Sync(codec, null), "avcodec_open2");
  const packet: Packet = stack.use(new av.Packet());
  packet.alloc();
  const frame: AvFrame = stack.use(new av.Frame());
  frame.alloc();
  return {
    async luma(encoded) {
      packet.data = Buffer.from(joinUnits(encoded));
      check(await context.sendPacket(packet), "avcodec_send_packet");
      packet.unref();
      check(await context.receiveFrame(frame), "avcodec_receive_frame");
      const [plane] = frame.data ?? [];
      const stride = frame.linesize[0];
      let sum = 0;
      let count = 0;
      for (let y = 8; y < SIZE.height; y += 16) {
        for (let x = 8; x < SIZE.width; x += 16, count++) sum += plane[y * stride + x];
      }
      frame.unref();
      return sum / count;
    },
  };
}
