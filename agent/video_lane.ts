/**
 * One video encoder and the viewers it serves. Shell: what is encoded when is decided by
 * core/video_pacer.ts, which encoder by core/encoder_chain.ts.
 */
import type { CodedError, Result, VideoCodec } from "@farglass/protocol";
import {
  type EncodedFrame,
  VIDEO_QUALITIES,
  type VideoEncoder,
  type VideoEncoderOptions,
  type VideoKnobs,
  type VideoPicture,
  type VideoRate,
} from "./core/ports.ts";
import {
  type KeyframeReason,
  newVideoPacer,
  stepVideo,
  videoDeadline,
  type VideoPacerEvent,
} from "./core/video_pacer.ts";
import { VideoNeed } from "./core/video_need.ts";

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** What a lane asks of its pool. */
export interface VideoLanePorts {
  openEncoder(options: VideoEncoderOptions): Promise<Result<VideoEncoder, CodedError>>;
  /** Size of the picture that the next `encode` will bring; null while there is none. */
  size(): PictureSize | null;
  /** Calls `encode` with the newest picture, or `nothing`. */
  want(lane: VideoLane): void;
  pickEncoder(size: PictureSize): string | null;
  /** Whether another encoder would take over from this one. */
  hasSuccessor(name: string, size: PictureSize): boolean;
  onEncoderWorked(name: string): void;
  onEncoderFailed(name: string, size: PictureSize, why: string): void;
  /** No encoder is left for these viewers. */
  onUnavailable(lane: VideoLane): void;
  onKeyframe(reason: KeyframeReason): void;
  /** A picture that is no keyframe was encoded. */
  onPicture(lane: VideoLane, bytes: number): void;
  now(): number;
}

/** One who is sent the encoded pictures. No call may throw. */
export interface VideoReceiver {
  onVideo(frame: EncodedFrame): void;
}

/** Knobs of one viewer, and whether its last picture still waits to leave. */
export type MemberKnobs = VideoKnobs & { readonly blocked: boolean };

interface Member {
  knobs: MemberKnobs;
  /** Has had a keyframe of this lane, and so can go on. */
  live: boolean;
  readonly onLive: () => void;
}

/**
 * A picture takes some 10 ms; an encoder that says nothing for so long has hung. An only encoder
 * is given more time: on a machine that is far too busy, another try would not be quicker.
 */
const HANG_MS = 700;
const ONLY_HANG_MS = 10_000;

/** One encoder, opened when its first picture is due. */
export class VideoLane {
  readonly #ports: VideoLanePorts;
  readonly #most: VideoRate;
  readonly #members = new Map<VideoReceiver, Member>();
  /** What its pictures take. */
  readonly need = new VideoNeed();
  #pacer: ReturnType<typeof newVideoPacer>;
  #knobs: VideoKnobs;
  #encoder: VideoEncoder | null = null;
  /** Under which name it was chosen. */
  #name = "";
  #size: PictureSize = { width: 0, height: 0 };
  /** Why the picture under way is a keyframe. */
  #keyframe: KeyframeReason | null = null;
  #work: Promise<void> = Promise.resolve();
  #tick: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    /** Names the class that its viewers have in common. */
    public key: string,
    readonly codec: VideoCodec,
    ports: VideoLanePorts,
    most: VideoRate,
  ) {
    this.#ports = ports;
    this.#most = most;
    this.#knobs = { ...most, quality: "balanced" };
    this.#pacer = newVideoPacer(most);
  }

  get members(): ReadonlyMap<VideoReceiver, { readonly live: boolean }> {
    return this.#members;
  }
  get knobs(): VideoKnobs {
    return this.#knobs;
  }
  get encoderName(): string | null {
    return this.#encoder === null ? null : this.#name;
  }

  /** Sends pictures to `receiver` from the next keyframe on, which is asked for. */
  add(
    receiver: VideoReceiver,
    knobs: MemberKnobs,
    { reason, onLive }: { readonly reason: KeyframeReason; readonly onLive: () => void },
  ): void {
    if (this.#members.has(receiver)) return;
    this.#members.set(receiver, { knobs, live: false, onLive });
    this.#setKnobs();
    this.#step({ kind: "viewer-joined", reason });
    this.#setBlocked();
  }

  remove(receiver: VideoReceiver): void {
    if (!this.#members.delete(receiver)) return;
    this.#setKnobs();
    this.#step({ kind: "viewer-left" });
    this.#setBlocked();
  }

  /** What a member's network and preset allow from now on. */
  setMember(receiver: VideoReceiver, knobs: MemberKnobs): void {
    const member = this.#members.get(receiver);
    if (member === undefined) return;
    member.knobs = knobs;
    this.#setKnobs();
    this.#setBlocked();
  }

  /** What is encoded while nobody's last picture has left would only be older later. */
  #setBlocked(): void {
    const members = [...this.#members.values()];
    const blocked = members.length > 0 && members.every(({ knobs }) => knobs.blocked);
    if (blocked !== this.#pacer.blocked) this.#step({ kind: "blocked", blocked });
  }

  /** The desktop changed. */
  frame(): void {
    this.#step({ kind: "frame" });
  }

  /** The next picture needs a new encoder. */
  restart(reason: KeyframeReason): void {
    this.#step({ kind: "restart", reason });
  }

  requestKeyframe(reason: KeyframeReason): void {
    this.#step({ kind: "keyframe-request", reason });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#tick);
    this.#members.clear();
    this.#encoder?.close();
    this.#encoder = null;
    await this.#work;
  }

  #step(event: VideoPacerEvent): void {
    if (this.#closed) return;
    const [next, effects] = stepVideo(this.#pacer, event, this.#ports.now());
    this.#pacer = next;
    for (const { keyframe } of effects) {
      this.#keyframe = keyframe;
      this.#prepare();
    }
    const due = videoDeadline(this.#pacer);
    clearTimeout(this.#tick);
    if (due === null || this.#closed) return;
    const waitMs = Math.max(0, due - this.#ports.now());
    this.#tick = setTimeout(() => this.#step({ kind: "tick" }), waitMs);
  }

  /** The encoder fits the viewer with the least, and looks as the most demanding one likes it. */
  #setKnobs(): void {
    const all = [...this.#members.values()].map(({ knobs }) => knobs);
    if (all.length === 0) return;
    const bitrateKbps = Math.min(...all.map((one) => one.bitrateKbps));
    const maxFps = Math.min(...all.map((one) => one.maxFps));
    const quality = VIDEO_QUALITIES.find((one) => all.some((k) => k.quality === one)) ?? "balanced";
    const before = this.#knobs;
    if (
      bitrateKbps === before.bitrateKbps && maxFps === before.maxFps && quality === before.quality
    ) return;
    this.#knobs = { bitrateKbps, maxFps, quality };
    this.#encoder?.setRate(this.#knobs);
    this.#step({ kind: "rate", rate: this.#knobs });
  }

  // --- one picture --------------------------------------------------------------------------

  /** Asks for the picture once an encoder of its size is there. */
  #prepare(): void {
    const size = this.#ports.size();
    if (size === null || this.#fits(size)) this.#ports.want(this);
    else this.#work = this.#open(size);
  }

  #fits(size: PictureSize): boolean {
    return this.#encoder !== null && this.#size.width === size.width &&
      this.#size.height === size.height;
  }

  async #open(size: PictureSize): Promise<void> {
    this.#encoder?.close();
    this.#encoder = null;
    const encoder = this.#ports.pickEncoder(size);
    if (encoder === null) {
      this.#step({ kind: "encode-failed" });
      this.#ports.onUnavailable(this);
      return;
    }
    const { width, height } = size;
    const options = { encoder, width, height, ...this.#knobs, most: this.#most };
    const opened = await this.#ports.openEncoder(options);
    if (this.#closed) {
      if (opened.ok) opened.value.close();
      return;
    }
    if (!opened.ok) return this.#onFailed(encoder, size, opened.error.message);
    this.#encoder = opened.value;
    this.#name = encoder;
    this.#encoder.setRate(this.#knobs);
    this.#size = size;
    // The screen may have changed its size meanwhile.
    this.#prepare();
  }

  /** There is no picture at the moment. */
  nothing(): void {
    this.#step({ kind: "encode-failed" });
  }

  /** The picture that was wanted; it is held before this returns. */
  encode(picture: VideoPicture): void {
    if (this.#closed) return;
    if (this.#fits(picture) && this.#encoder !== null) {
      this.#work = this.#encode(this.#encoder, picture);
    } else this.#prepare();
  }

  async #encode(encoder: VideoEncoder, picture: VideoPicture): Promise<void> {
    const size = this.#size;
    const keyframe = this.#keyframe;
    const name = this.#name;
    const limitMs = this.#ports.hasSuccessor(name, size) ? HANG_MS : ONLY_HANG_MS;
    let hung: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_resolve, reject) => {
      hung = setTimeout(() => reject(new Error(`silent for ${limitMs} ms`)), limitMs);
    });
    try {
      const frame = await Promise.race([encoder.encode(picture, keyframe !== null), limit]);
      if (!this.#closed) this.#deliver(name, frame);
    } catch (error) {
      encoder.close();
      if (this.#encoder === encoder) this.#encoder = null;
      if (this.#closed) return;
      this.#onFailed(name, size, error instanceof Error ? error.message : "unknown");
    } finally {
      clearTimeout(hung);
    }
  }

  #deliver(name: string, frame: EncodedFrame): void {
    this.#ports.onEncoderWorked(name);
    if (frame.keyframe) this.#ports.onKeyframe(this.#keyframe ?? "encoder");
    for (const [receiver, member] of [...this.#members]) {
      if (!member.live && !frame.keyframe) continue;
      if (!member.live) {
        member.live = true;
        member.onLive();
      }
      receiver.onVideo(frame);
    }
    const bytes = frame.units.reduce((sum, unit) => sum + unit.length, 0);
    if (!frame.keyframe) this.#ports.onPicture(this, bytes);
    this.#step({ kind: "encoded", bytes, keyframe: frame.keyframe });
  }

  #onFailed(name: string, size: PictureSize, why: string): void {
    this.#ports.onEncoderFailed(name, size, why);
    this.#step({ kind: "encode-failed" });
    if (this.#ports.pickEncoder(size) === null) this.#ports.onUnavailable(this);
    else this.restart("fail-over");
  }
}
