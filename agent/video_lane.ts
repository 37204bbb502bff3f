/**
 * One video encoder and the viewers it serves. Shell: what is encoded when is decided by
 * core/video_pacer.ts.
 */
import { type CodedError, never, type Result } from "@farglass/protocol";
import type {
  EncodedFrame,
  Frame,
  VideoEncoder,
  VideoEncoderOptions,
  VideoRate,
} from "./core/ports.ts";
import {
  newVideoPacer,
  stepVideo,
  videoDeadline,
  type VideoPacerEvent,
} from "./core/video_pacer.ts";

/** What a lane asks of the machine and of the desktop. */
export interface VideoLanePorts {
  openEncoder(options: VideoEncoderOptions): Promise<Result<VideoEncoder, CodedError>>;
  /** The desktop's last picture; null while it cannot be read. */
  current(): Frame | null;
  now(): number;
  log(level: "info" | "warn", text: string): void;
  /** The encoder failed for good, or may be tried again. */
  onAvailable(available: boolean): void;
}

/** One who is sent the encoded pictures. No call may throw. */
export interface VideoReceiver {
  onVideo(frame: EncodedFrame): void;
}

/** An encoder that failed twice in a row gets another chance after so long. */
const ENCODER_REST_MS = 30_000;
/** Below this, text cannot be read any more and motion does not get better. */
const MIN_BITRATE_KBPS = 100;

type EncodeResult =
  | { readonly kind: "encoded"; readonly frame: EncodedFrame }
  | { readonly kind: "nothing" }
  | { readonly kind: "failed"; readonly why: string };

/** One encoder, opened when somebody wants its pictures. */
export class VideoLane {
  readonly #ports: VideoLanePorts;
  readonly #most: VideoRate;
  readonly #receivers = new Map<VideoReceiver, VideoRate>();
  #pacer: ReturnType<typeof newVideoPacer>;
  #rate: VideoRate;
  #encoder: VideoEncoder | null = null;
  #size = { width: 0, height: 0 };
  #failures = 0;
  #encodeDone: Promise<void> = Promise.resolve();
  #tick: ReturnType<typeof setTimeout> | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(ports: VideoLanePorts, most: VideoRate) {
    this.#ports = ports;
    this.#most = most;
    this.#rate = most;
    this.#pacer = newVideoPacer(most);
  }

  get available(): boolean {
    return this.#rest === undefined;
  }

  /** Sends pictures to `receiver` from now on, a keyframe first. */
  add(receiver: VideoReceiver, target: VideoRate): void {
    if (this.#receivers.has(receiver)) return;
    this.#receivers.set(receiver, clampRate(target, this.#most));
    this.#setRate();
    this.#step({ kind: "viewer-joined" });
  }

  remove(receiver: VideoReceiver): void {
    if (!this.#receivers.delete(receiver)) return;
    this.#setRate();
    this.#step({ kind: "viewer-left" });
    if (this.#pacer.viewers === 0) this.#encodeDone.then(() => this.#dropIdleEncoder());
  }

  setTarget(receiver: VideoReceiver, target: VideoRate): void {
    if (!this.#receivers.has(receiver)) return;
    this.#receivers.set(receiver, clampRate(target, this.#most));
    this.#setRate();
  }

  /** The desktop changed. The pixels are read before anything else can run, or not at all. */
  frame(): void {
    this.#step({ kind: "frame" });
  }

  requestKeyframe(): void {
    this.#step({ kind: "keyframe-request" });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#tick);
    clearTimeout(this.#rest);
    this.#receivers.clear();
    await this.#encodeDone;
    this.#encoder?.close();
    this.#encoder = null;
  }

  #step(event: VideoPacerEvent): void {
    const [next, effects] = stepVideo(this.#pacer, event, this.#ports.now());
    this.#pacer = next;
    for (const effect of effects) this.#encodeDone = this.#encode(effect.keyframe);
    const due = videoDeadline(this.#pacer);
    clearTimeout(this.#tick);
    if (due === null || this.#closed) return;
    const waitMs = Math.max(0, due - this.#ports.now());
    this.#tick = setTimeout(() => this.#step({ kind: "tick" }), waitMs);
  }

  /** The encoder fits the viewer with the least. */
  #setRate(): void {
    const targets = [...this.#receivers.values()];
    if (targets.length === 0) return;
    const bitrateKbps = Math.min(...targets.map((target) => target.bitrateKbps));
    const maxFps = Math.min(...targets.map((target) => target.maxFps));
    if (bitrateKbps === this.#rate.bitrateKbps && maxFps === this.#rate.maxFps) return;
    this.#rate = { bitrateKbps, maxFps };
    this.#encoder?.setRate(this.#rate);
    this.#step({ kind: "rate", rate: this.#rate });
  }

  async #encode(keyframe: boolean): Promise<void> {
    const result = await this.#encodeOnce(keyframe);
    if (this.#closed) return;
    switch (result.kind) {
      case "encoded":
        this.#failures = 0;
        for (const receiver of this.#receivers.keys()) receiver.onVideo(result.frame);
        this.#step({
          kind: "encoded",
          bytes: result.frame.nals.reduce((sum, nal) => sum + nal.length, 0),
          keyframe: result.frame.keyframe,
        });
        break;
      case "nothing":
        this.#step({ kind: "encode-failed" });
        break;
      case "failed":
        this.#onFailed(result.why);
        break;
      default:
        never(result);
    }
  }

  async #encodeOnce(keyframe: boolean): Promise<EncodeResult> {
    let frame = this.#ports.current();
    while (frame !== null && !this.#fits(frame)) {
      const failure = await this.#open(frame.width, frame.height);
      if (failure !== null) return { kind: "failed", why: failure };
      // The screen may have changed its size meanwhile.
      frame = this.#ports.current();
    }
    if (frame === null || this.#encoder === null) return { kind: "nothing" };
    try {
      return { kind: "encoded", frame: await this.#encoder.encode(frame, keyframe) };
    } catch (error) {
      this.#encoder?.close();
      this.#encoder = null;
      return { kind: "failed", why: error instanceof Error ? error.message : "unknown" };
    }
  }

  #fits(frame: Frame): boolean {
    return this.#encoder !== null && this.#size.width === frame.width &&
      this.#size.height === frame.height;
  }

  async #open(width: number, height: number): Promise<string | null> {
    this.#encoder?.close();
    this.#encoder = null;
    const opened = await this.#ports.openEncoder({ width, height, ...this.#most });
    if (!opened.ok) return opened.error.message;
    this.#encoder = opened.value;
    this.#encoder.setRate(this.#rate);
    this.#size = { width, height };
    return null;
  }

  #onFailed(why: string): void {
    this.#ports.log("warn", `The video encoder failed: ${why}`);
    this.#step({ kind: "encode-failed" });
    // Once may be chance: the next picture gets a new encoder.
    if (++this.#failures < 2) {
      this.#step({ kind: "frame" });
      return;
    }
    this.#failures = 0;
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      this.#ports.onAvailable(true);
    }, ENCODER_REST_MS);
    this.#ports.onAvailable(false);
  }

  #dropIdleEncoder(): void {
    if (this.#pacer.viewers > 0 || this.#pacer.encoding) return;
    this.#encoder?.close();
    this.#encoder = null;
  }
}

function clampRate(rate: VideoRate, most: VideoRate): VideoRate {
  const least = Math.min(MIN_BITRATE_KBPS, most.bitrateKbps);
  return {
    bitrateKbps: Math.round(Math.max(least, Math.min(rate.bitrateKbps, most.bitrateKbps))),
    maxFps: Math.max(1, Math.min(rate.maxFps, most.maxFps)),
  };
}
