/** Feeds a drawn picture through the encoder to peers, as the agent does. */
import type { VideoCodec } from "@farglass/protocol";
import type { EncodedFrame, Peer } from "../../agent/core/ports.ts";
import { openTestEncoder, type TestEncoder } from "./libav.ts";
import { blockedPeers } from "./peer_viewer.ts";
import { Picture } from "./pictures.ts";

/** Draws, encodes and sends at `fps` until it is disposed of. */
export class VideoPump implements AsyncDisposable {
  readonly encodeMs: number[] = [];
  frames = 0;
  keyframeWanted = true;
  #stopped = false;
  #running: Promise<void> | null = null;

  private constructor(
    private encoder: TestEncoder,
    private picture: Picture,
    private readonly draw: (picture: Picture, index: number) => void,
    private readonly send: (frame: EncodedFrame) => void,
    private readonly peers: readonly Peer[],
    private readonly fps: number,
    private readonly codec: VideoCodec,
  ) {}

  static async start(options: {
    width: number;
    height: number;
    draw: (picture: Picture, index: number) => void;
    peers: readonly Peer[];
    fps?: number;
    bitrateKbps?: number;
    /** What the peers have agreed on. */
    codec?: VideoCodec;
    send?: (frame: EncodedFrame) => void;
  }): Promise<VideoPump> {
    const { width, height, draw, peers, fps = 30, codec = "h264" } = options;
    const send = options.send ??
      ((frame) => peers.forEach((peer) => peer.sendVideo(frame)));
    const encoder = await openEncoder(width, height, { codec, bitrateKbps: options.bitrateKbps });
    const pump = new VideoPump(encoder, new Picture(width, height), draw, send, peers, fps, codec);
    pump.#running = pump.#run();
    return pump;
  }

  /** Goes on with pictures of another size: a new encoder, as after a resize of the screen. */
  async resize(width: number, height: number): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.encoder.close();
    this.encoder = await openEncoder(width, height, { codec: this.codec });
    this.picture = new Picture(width, height);
    this.#stopped = false;
    this.keyframeWanted = true;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const begun = performance.now();
    for (let i = 0; !this.#stopped; i++) {
      while (!this.#stopped && this.peers.some((peer) => blockedPeers.has(peer))) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      this.draw(this.picture, this.frames++);
      const at = performance.now();
      const keyframe = this.keyframeWanted;
      this.keyframeWanted = false;
      const frame = await this.encoder.encode(this.picture.frame(this.frames, at), keyframe);
      this.encodeMs.push(performance.now() - at);
      this.send(frame);
      const next = begun + (i + 1) * 1000 / this.fps;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.encoder.close();
  }
}

const ENCODER_OF: Readonly<Record<VideoCodec, string>> = {
  h264: "libx264",
  vp8: "libvpx",
  av1: "libsvtav1",
  h265: "libx265",
};

const openEncoder = (
  width: number,
  height: number,
  { codec, bitrateKbps = 12_000 }: { codec: VideoCodec; bitrateKbps?: number },
): Promise<TestEncoder> =>
  openTestEncoder({
    width,
    height,
    bitrateKbps,
    maxFps: 30,
    encoder: ENCODER_OF[codec],
  });
