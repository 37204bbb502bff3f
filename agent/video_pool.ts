/**
 * A desktop's video: pictures are converted once for all encoders, and viewers whose networks
 * carry about the same share one (core/video_classes.ts). A slow or broken encoder holds up
 * nobody but its own viewers. Shell.
 */
import type { CodedError, Result, VideoCodec } from "@farglass/protocol";
import { EncoderChain, type EncoderChoice } from "./core/encoder_chain.ts";
import type {
  Frame,
  PictureConverter,
  VideoEncoder,
  VideoEncoderOptions,
  VideoKnobs,
  VideoRate,
} from "./core/ports.ts";
import {
  classDeadline,
  firstClass,
  groupViewers,
  nextClass,
  type VideoClass,
} from "./core/video_classes.ts";
import type { KeyframeReason } from "./core/video_pacer.ts";
import { PictureSource } from "./picture_source.ts";
import { type PictureSize, VideoLane, type VideoReceiver } from "./video_lane.ts";

/** What the pool asks of the machine and of the desktop. */
export interface VideoPoolPorts {
  openEncoder(options: VideoEncoderOptions): Promise<Result<VideoEncoder, CodedError>>;
  openConverter(size: PictureSize): Promise<Result<PictureConverter, CodedError>>;
  /** What may be opened, the best first; asked for each time. */
  encoders(): readonly EncoderChoice[];
  /** The desktop's last picture; null while it cannot be read. */
  current(): Frame | null;
  now(): number;
  log(level: "info" | "warn", text: string): void;
  /** Another format has no encoder that works for a while, or one may be tried again. */
  onAvailable(): void;
}

/** What a viewer's video shall be. */
export interface VideoWish extends VideoKnobs {
  /** Its last picture has not left yet; while that is so for all, an encoder waits. */
  readonly blocked: boolean;
  readonly codec: VideoCodec;
  /** Another format would do as well: nobody waits long for this one. */
  readonly spare: boolean;
}

/** What `status` shows of the video. */
export interface VideoStatus {
  readonly encoders: readonly {
    readonly name: string | null;
    readonly codec: VideoCodec;
    readonly viewers: number;
    readonly bitrateKbps: number;
    readonly maxFps: number;
  }[];
  readonly keyframes: Readonly<Partial<Record<KeyframeReason, number>>>;
}

/** An encoder without viewers is kept for so long: a reload comes back to it. */
const IDLE_LANE_MS = 1_000;
/** What failed with no encoder to blame is tried again after so long. */
const PAUSE_MS = 1_000;

interface Viewer {
  wish: VideoWish;
  place: VideoClass;
  /** Where its pictures come from. */
  lane: VideoLane;
  /** Where they will come from as soon as that has made a keyframe. */
  next: VideoLane | null;
}

/** All encoders of one desktop. */
export class VideoPool {
  readonly #ports: VideoPoolPorts;
  readonly #most: VideoRate;
  readonly #chain: EncoderChain;
  readonly #viewers = new Map<VideoReceiver, Viewer>();
  readonly #lanes = new Map<string, VideoLane>();
  readonly #idle = new Map<VideoLane, ReturnType<typeof setTimeout>>();
  readonly #closing = new Set<Promise<void>>();
  readonly #keyframes: Partial<Record<KeyframeReason, number>> = {};
  readonly #pictures: PictureSource<VideoLane>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Codecs without an encoder that works, until one may be tried again; `all` of them at times. */
  readonly #rests = new Map<VideoCodec | "all", ReturnType<typeof setTimeout>>();
  #closed = false;

  /** `most` bounds every viewer's rate. */
  constructor(ports: VideoPoolPorts, most: VideoRate) {
    this.#ports = ports;
    this.#most = most;
    this.#chain = new EncoderChain(() => ports.encoders());
    this.#pictures = new PictureSource({
      openConverter: (size) => ports.openConverter(size),
      current: () => ports.current(),
      onFailed: (why) => {
        ports.log("warn", `The video cannot be converted: ${why}`);
        this.#rest("all", PAUSE_MS);
      },
    });
  }

  /** Whether an encoder of `codec` works, as far as is known. */
  available(codec: VideoCodec): boolean {
    return !this.#rests.has(codec) && !this.#rests.has("all");
  }

  status(): VideoStatus {
    const lanes = [...this.#lanes.values()].filter(({ members }) => members.size > 0);
    return {
      encoders: lanes.map(({ encoderName, codec, members, knobs }) => ({
        name: encoderName,
        codec,
        viewers: members.size,
        bitrateKbps: knobs.bitrateKbps,
        maxFps: knobs.maxFps,
      })),
      keyframes: { ...this.#keyframes },
    };
  }

  /** Sends video to `receiver` from now on, a keyframe first. */
  join(receiver: VideoReceiver, wish: VideoWish): void {
    if (this.#closed || this.#viewers.has(receiver)) return;
    const clamped = { ...wish, ...clampRate(wish, this.#most) };
    const place = firstClass(this.#wanted(clamped), this.#most.bitrateKbps);
    const keys = groupViewers(this.#places([receiver, { ...place, codec: wish.codec }]));
    const lane = this.#laneFor(keys.get(receiver) ?? "", wish.codec);
    this.#viewers.set(receiver, { wish: clamped, place, lane, next: null });
    lane.add(receiver, clamped, { reason: "viewer-joined", onLive: () => {} });
    this.#regroup();
  }

  leave(receiver: VideoReceiver): void {
    const viewer = this.#viewers.get(receiver);
    if (viewer === undefined) return;
    this.#viewers.delete(receiver);
    this.#drop(receiver, viewer.lane);
    if (viewer.next !== null) this.#drop(receiver, viewer.next);
    this.#regroup();
  }

  /** What `receiver`'s network and preset allow from now on; no keyframe unless it has to move. */
  setWish(receiver: VideoReceiver, wish: VideoWish): void {
    const viewer = this.#viewers.get(receiver);
    if (viewer === undefined) return;
    viewer.wish = { ...wish, ...clampRate(wish, this.#most) };
    this.#regroup();
  }

  /** The desktop changed; the pixels are read before anything else can run, or later anew. */
  frame(frame: Frame): void {
    if (!this.#pictures.damage(frame)) {
      for (const lane of this.#lanes.values()) lane.restart("resize");
      return;
    }
    for (const lane of this.#lanes.values()) lane.frame();
  }

  requestKeyframe(receiver: VideoReceiver, reason: KeyframeReason): void {
    const viewer = this.#viewers.get(receiver);
    (viewer?.next ?? viewer?.lane)?.requestKeyframe(reason);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const timer of this.#rests.values()) clearTimeout(timer);
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#viewers.clear();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
    await Promise.all(this.#closing);
    await this.#pictures.close();
  }

  // --- who shares with whom -----------------------------------------------------------------

  #places(
    extra?: readonly [VideoReceiver, VideoClass & { readonly codec: string }],
  ): Map<VideoReceiver, VideoClass & { readonly codec: string }> {
    const places = new Map<VideoReceiver, VideoClass & { readonly codec: string }>();
    for (const [receiver, { place, wish }] of this.#viewers) {
      places.set(receiver, { ...place, codec: wish.codec });
    }
    if (extra !== undefined) places.set(extra[0], extra[1]);
    return places;
  }

  /** A network that never holds this desktop's video back is as good as the best. */
  #wanted(wish: VideoRate): VideoRate {
    const now = this.#ports.now();
    const lanes = [...this.#lanes.values()];
    const enough = lanes.every(({ need }) => need.enough(wish.bitrateKbps, now));
    return enough ? { ...wish, bitrateKbps: this.#most.bitrateKbps } : wish;
  }

  /** More motion than a shared encoder may show is a reason to part. */
  #onPicture({ need }: VideoLane, bytes: number): void {
    const now = this.#ports.now();
    const before = need.kbps(now);
    need.add(bytes, now);
    if (need.kbps(now) > before && this.#viewers.size > 1) this.#regroup();
  }

  /** Brings every viewer to the encoder of its class. */
  #regroup(): void {
    if (this.#closed) return;
    const now = this.#ports.now();
    const mostKbps = this.#most.bitrateKbps;
    for (const viewer of this.#viewers.values()) {
      viewer.place = nextClass(viewer.place, this.#wanted(viewer.wish), { mostKbps, now });
    }
    const keys = groupViewers(this.#places());
    this.#renameLanes(keys);
    for (const [receiver, viewer] of this.#viewers) {
      const key = keys.get(receiver) ?? viewer.lane.key;
      if (key === (viewer.next ?? viewer.lane).key) {
        (viewer.next ?? viewer.lane).setMember(receiver, viewer.wish);
      } else this.#move(receiver, viewer, key);
    }
    clearTimeout(this.#timer);
    const due = [...this.#viewers.values()].flatMap(({ place }) => classDeadline(place) ?? []);
    if (due.length === 0) return;
    const waitMs = Math.max(1, Math.min(...due) - now);
    this.#timer = setTimeout(() => this.#regroup(), waitMs);
  }

  /** An encoder whose viewers all go to the same empty class goes with them: no keyframe. */
  #renameLanes(keys: ReadonlyMap<VideoReceiver, string>): void {
    for (const lane of [...this.#lanes.values()]) {
      const wanted = new Set([...lane.members.keys()].map((member) => keys.get(member)));
      const [key] = wanted;
      if (wanted.size !== 1 || key === undefined || key === lane.key) continue;
      const there = this.#lanes.get(key);
      if (there !== undefined && there.members.size > 0) continue;
      if (!key.startsWith(`${lane.codec} `)) continue;
      if (there !== undefined) this.#closeLane(there);
      this.#lanes.delete(lane.key);
      lane.key = key;
      this.#lanes.set(key, lane);
    }
  }

  /** The old encoder serves on until the new one has made a keyframe. */
  #move(receiver: VideoReceiver, viewer: Viewer, key: string): void {
    if (viewer.next !== null) {
      this.#drop(receiver, viewer.next);
      viewer.next = null;
    }
    if (viewer.lane.key === key) {
      viewer.lane.setMember(receiver, viewer.wish);
      return;
    }
    const next = this.#laneFor(key, viewer.wish.codec);
    viewer.next = next;
    next.add(receiver, viewer.wish, {
      reason: "viewer-moved",
      onLive: () => {
        if (viewer.next !== next) return;
        const { lane } = viewer;
        viewer.lane = next;
        viewer.next = null;
        this.#drop(receiver, lane);
      },
    });
  }

  #laneFor(key: string, codec: VideoCodec): VideoLane {
    const found = this.#lanes.get(key);
    if (found !== undefined) {
      clearTimeout(this.#idle.get(found));
      this.#idle.delete(found);
      return found;
    }
    const wanted = (size: PictureSize) => ({ codec, ...pick(size), spare: this.#canSpare(lane) });
    const lane: VideoLane = new VideoLane(key, codec, {
      openEncoder: (options) => this.#ports.openEncoder(options),
      size: () => this.#ports.current(),
      want: (lane) => this.#pictures.want(lane),
      pickEncoder: (size) => this.#chain.pick(wanted(size), this.#ports.now()),
      hasSuccessor: (name, size) => this.#chain.hasSuccessor(name, wanted(size), this.#ports.now()),
      onEncoderWorked: (name) => this.#chain.worked(name),
      onEncoderFailed: (name, size, why) => {
        this.#ports.log("warn", `The video encoder failed: ${name}: ${why}`);
        this.#chain.failed(name, wanted(size), this.#ports.now());
      },
      onUnavailable: () => this.#onUnavailable(codec),
      onPicture: (from, bytes) => this.#onPicture(from, bytes),
      onKeyframe: (reason) => {
        this.#keyframes[reason] = (this.#keyframes[reason] ?? 0) + 1;
      },
      now: () => this.#ports.now(),
    }, this.#most);
    this.#lanes.set(key, lane);
    return lane;
  }

  /** Whether every viewer of an encoder could do with another format. */
  #canSpare({ members }: VideoLane): boolean {
    return members.size > 0 &&
      [...members.keys()].every((one) => this.#viewers.get(one)?.wish.spare === true);
  }

  #drop(receiver: VideoReceiver, lane: VideoLane): void {
    lane.remove(receiver);
    if (lane.members.size > 0 || this.#idle.has(lane)) return;
    this.#idle.set(lane, setTimeout(() => this.#closeLane(lane), IDLE_LANE_MS));
  }

  #closeLane(lane: VideoLane): void {
    clearTimeout(this.#idle.get(lane));
    this.#idle.delete(lane);
    if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
    this.#pictures.forget(lane);
    const closed = lane.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
    if (this.#lanes.size === 0) this.#pictures.rest();
  }

  #onUnavailable(codec: VideoCodec): void {
    const now = this.#ports.now();
    this.#rest(codec, (this.#chain.nextMs(now) ?? now + PAUSE_MS) - now);
  }

  #rest(what: VideoCodec | "all", waitMs: number): void {
    // A viewer that is on its way to another format may still ask.
    if (this.#closed || this.#rests.has(what)) return;
    const over = () => {
      this.#rests.delete(what);
      this.#ports.onAvailable();
    };
    this.#rests.set(what, setTimeout(over, Math.max(1, waitMs)));
    this.#ports.onAvailable();
  }
}

const pick = ({ width, height }: PictureSize): PictureSize => ({ width, height });

/** Below this, text cannot be read any more and motion does not get better. */
const MIN_BITRATE_KBPS = 100;

function clampRate(rate: VideoRate, most: VideoRate): VideoRate {
  const least = Math.min(MIN_BITRATE_KBPS, most.bitrateKbps);
  return {
    bitrateKbps: Math.round(Math.max(least, Math.min(rate.bitrateKbps, most.bitrateKbps))),
    maxFps: Math.max(1, Math.min(rate.maxFps, most.maxFps)),
  };
}
