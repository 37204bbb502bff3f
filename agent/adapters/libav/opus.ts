/** Sound as Opus (RFC 6716) by libopus: 10 ms, stereo, with the least delay it has. */
import type { CodecContext, Frame, Packet } from "node-av/lib";
import { type CodedError, codedError, err, ok, type Result } from "@farglass/protocol";
import { OPUS_CLOCK_HZ } from "../../core/opus_rtp.ts";
import { SOUND_CHANNELS, SOUND_FRAME_SAMPLES, type SoundEncoder } from "../../core/ports.ts";
import { type Libav, loadLibav, messageOf } from "./load.ts";

const OPTIONS = {
  /** 2.5 ms of look-ahead instead of 6.5, and no SILK, which is for speech alone. */
  application: "lowdelay",
  frame_duration: String(SOUND_FRAME_SAMPLES * 1000 / OPUS_CLOCK_HZ),
  vbr: "on",
} as const;
/** Front left and front right. */
const STEREO_MASK = 3n;

/** Opens the encoder; it works at once, so that no thread is needed for its 0.05 ms a frame. */
export async function openOpusEncoder(
  { bitrateKbps }: { readonly bitrateKbps: number },
): Promise<Result<SoundEncoder, CodedError>> {
  const loaded = await loadLibav();
  if (!loaded.ok) return loaded;
  try {
    return ok(new OpusEncoder(loaded.value, bitrateKbps));
  } catch (cause) {
    return err(codedError("encoder-failed", `libopus does not open (${messageOf(cause)})`));
  }
}

class OpusEncoder implements SoundEncoder {
  readonly #context: CodecContext;
  readonly #frame: Frame;
  readonly #packet: Packet;
  readonly #owned: DisposableStack;
  #pts = 0n;

  constructor(private readonly lib: Libav, bitrateKbps: number) {
    const { av, k } = lib;
    using stack = new DisposableStack();
    const stereo = {
      nbChannels: SOUND_CHANNELS,
      order: k.AV_CHANNEL_ORDER_NATIVE,
      mask: STEREO_MASK,
    };
    // deno-lint-ignore no-explicit-any -- node-av's type lists the names of one platform's build.
    const codec = av.Codec.findEncoderByName("libopus" as any);
    if (codec === null) throw new Error("not in this FFmpeg build");
    this.#context = stack.use(new av.CodecContext());
    this.#context.allocContext3(codec);
    this.#context.sampleRate = OPUS_CLOCK_HZ;
    this.#context.sampleFormat = k.AV_SAMPLE_FMT_S16;
    this.#context.channelLayout = stereo;
    this.#context.bitRate = BigInt(bitrateKbps * 1000);
    this.#context.timeBase = new av.Rational(1, OPUS_CLOCK_HZ);
    for (const [name, value] of Object.entries(OPTIONS)) {
      const code = this.#context.setOption(
        name,
        value,
        k.AV_OPT_TYPE_STRING,
        k.AV_OPT_SEARCH_CHILDREN,
      );
      av.FFmpegError.throwIfError(code, `option ${name}`);
    }
    av.FFmpegError.throwIfError(this.#context.open2Sync(codec, null), "avcodec_open2");
    this.#frame = stack.use(new av.Frame());
    this.#frame.alloc();
    this.#frame.format = k.AV_SAMPLE_FMT_S16;
    this.#frame.nbSamples = SOUND_FRAME_SAMPLES;
    this.#frame.sampleRate = OPUS_CLOCK_HZ;
    this.#frame.channelLayout = stereo;
    av.FFmpegError.throwIfError(this.#frame.getBuffer(), "av_frame_get_buffer");
    this.#packet = stack.use(new av.Packet());
    this.#packet.alloc();
    this.#owned = stack.move();
  }

  encode(pcm: Uint8Array): Uint8Array {
    const { av } = this.lib;
    const check = av.FFmpegError.throwIfError;
    check(this.#frame.makeWritable(), "av_frame_make_writable");
    this.#frame.data?.[0].set(pcm);
    this.#frame.pts = this.#pts;
    this.#pts += BigInt(SOUND_FRAME_SAMPLES);
    check(this.#context.sendFrameSync(this.#frame), "avcodec_send_frame");
    check(this.#context.receivePacketSync(this.#packet), "avcodec_receive_packet");
    const { data } = this.#packet;
    if (data === null) throw new Error("The encoder gave an empty packet");
    // The packet is used again for the next frame.
    const bytes = new Uint8Array(data);
    this.#packet.unref();
    return bytes;
  }

  close(): void {
    this.#owned.dispose();
  }
}
