/**
 * One desktop's pixels: a capture that runs while somebody looks, its video, and the hash and
 * input that all viewers share.
 */
import type { CodedError, InputMessage, Result, VideoCodec, VideoPreset } from "@farglass/protocol";
import { backoffDelayMs } from "./core/backoff.ts";
import { hashPicture, type Picture } from "./core/picture.ts";
import type {
  Capture,
  CursorShape,
  EncodedFrame,
  Frame,
  InputSink,
  PictureConverter,
  VideoEncoder,
  VideoEncoderOptions,
  VideoRate,
  VideoTarget,
} from "./core/ports.ts";
import { presetKnobs, softer } from "./core/video_presets.ts";
import type { EncoderChoice } from "./core/encoder_chain.ts";
import type { KeyframeReason } from "./core/video_pacer.ts";
import { VideoPool, type VideoStatus, type VideoWish } from "./video_pool.ts";

export interface OpenedDesktop {
  readonly capture: Capture;
  readonly input: InputSink;
}

/** What the pipeline asks of the machine. */
export interface PipelinePorts {
  openDesktop(): Promise<Result<OpenedDesktop, { readonly message: string }>>;
  openEncoder(options: VideoEncoderOptions): Promise<Result<VideoEncoder, CodedError>>;
  openConverter(
    size: { readonly width: number; readonly height: number },
  ): Promise<Result<PictureConverter, CodedError>>;
  /** The encoders that have proved to work here, the best first. */
  encoders(): readonly EncoderChoice[];
  now(): number;
  random(): number;
  log(level: "info" | "warn", text: string): void;
}

/** Bounds of every viewer's video, and what it is made for until its operator chooses. */
export interface PipelineSettings extends VideoRate {
  readonly preset?: VideoPreset;
}

/** One viewer, as the pipeline sees it. No call may throw. */
export interface PipelineViewer {
  onFrame(frame: Frame): void;
  onVideo(frame: EncodedFrame): void;
  onScreen(width: number, height: number): void;
  onCursorShape(shape: CursorShape): void;
  onCursorPosition(x: number, y: number): void;
  onFault(code: "capture-failed"): void;
  onVideoAvailable(available: boolean): void;
}

/** The capture stays open for so long after the last viewer, so that a reload is quick. */
const LINGER_MS = 3_000;
const REOPEN_BACKOFF = { minMs: 500, maxMs: 10_000 };

/** What one viewer's network carries, and what its peer has agreed on. */
export interface ViewerVideo extends VideoTarget {
  readonly codec?: VideoCodec | null;
}

interface ViewerEntry {
  video: boolean;
  /** What its network carries. */
  target: VideoTarget;
  /** What its peer has agreed on. */
  codec: VideoCodec;
  preset: VideoPreset;
  /** Its video is seen only where the screen moves. */
  motionOnly: boolean;
}

/** What every browser but a few takes. */
const USUAL_CODEC: VideoCodec = "h264";

type TimerName = "linger" | "reopen";

type DesktopState =
  | { readonly kind: "closed" }
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly desktop: OpenedDesktop }
  | { readonly kind: "failed" };

/** Pixels and input of one desktop. */
export class Pipeline {
  readonly #ports: PipelinePorts;
  readonly #settings: PipelineSettings;
  readonly #viewers = new Map<PipelineViewer, ViewerEntry>();
  #desktop: DesktopState = { kind: "closed" };
  #closing: Promise<void> = Promise.resolve();
  #reopenAttempts = 0;
  #timers = new Map<TimerName, ReturnType<typeof setTimeout>>();
  readonly #video: VideoPool;
  #captured = 0;
  #screen: { width: number; height: number };
  #hash: { picture: number; value: number } | null = null;
  #closed = false;
  /** Called when the size of the screen changed. */
  onScreen: (width: number, height: number) => void = () => {};

  constructor(
    ports: PipelinePorts,
    settings: PipelineSettings,
    screen: { readonly width: number; readonly height: number },
  ) {
    this.#ports = ports;
    this.#settings = settings;
    this.#screen = { ...screen };
    this.#video = new VideoPool({
      openEncoder: (options) => ports.openEncoder(options),
      openConverter: (size) => ports.openConverter(size),
      encoders: () => ports.encoders(),
      current: () => this.current(),
      now: () => ports.now(),
      log: (level, text) => ports.log(level, text),
      onAvailable: (codec, available) => {
        for (const [viewer, entry] of this.#viewers) {
          if (entry.codec === codec) viewer.onVideoAvailable(available);
        }
      },
    }, settings);
  }

  get settings(): PipelineSettings {
    return this.#settings;
  }
  get screen(): { readonly width: number; readonly height: number } {
    return this.#screen;
  }
  /** Frames in which the desktop changed, since the agent started. */
  get captured(): number {
    return this.#captured;
  }
  /** The screen cannot be read at the moment; it is tried again and again. */
  get captureFailed(): boolean {
    return this.#desktop.kind === "failed";
  }
  /** The settings' bound for every viewer's video. */
  get maxBitrateKbps(): number {
    return this.#settings.bitrateKbps;
  }
  get videoStatus(): VideoStatus {
    return this.#video.status();
  }
  /** For a viewer that has not agreed on a codec yet. */
  get videoAvailable(): boolean {
    return this.#video.available(USUAL_CODEC);
  }

  current(): Frame | null {
    return this.#desktop.kind === "open" ? this.#desktop.desktop.capture.current() : null;
  }
  cursor(): ReturnType<Capture["cursor"]> {
    return this.#desktop.kind === "open" ? this.#desktop.desktop.capture.cursor() : null;
  }

  /** Hash of the current picture, computed once for all viewers. */
  hash(picture: Picture): number {
    if (this.#hash?.picture !== this.#captured) {
      this.#hash = { picture: this.#captured, value: hashPicture(picture) };
    }
    return this.#hash.value;
  }

  /** Shows the desktop to `viewer` from now on; the first viewer starts the capture. */
  attach(viewer: PipelineViewer): void {
    this.#viewers.set(viewer, {
      video: false,
      target: { ...this.#settings, blocked: false },
      codec: USUAL_CODEC,
      preset: this.#settings.preset ?? "balanced",
      motionOnly: false,
    });
    this.#cancel("linger");
    if (this.#desktop.kind === "closed") this.#open();
  }

  detach(viewer: PipelineViewer): void {
    this.setVideo(viewer, false);
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0 || this.#closed) return;
    this.#cancel("reopen");
    if (this.#desktop.kind === "failed") this.#desktop = { kind: "closed" };
    this.#arm("linger", LINGER_MS, () => {
      this.#closing = this.#closeDesktop();
    });
  }

  /**
   * Whether `viewer` wants the video track's pictures; `motionOnly` while it sees them only where
   * the screen moves, and patches make exact what rests.
   */
  setVideo(viewer: PipelineViewer, video: boolean, motionOnly = false): void {
    const entry = this.#viewers.get(viewer);
    if (entry === undefined) return;
    if (video && entry.motionOnly !== motionOnly) {
      entry.motionOnly = motionOnly;
      this.#video.setWish(viewer, wishOf(entry));
    }
    if (entry.video === video) return;
    entry.video = video;
    if (video) this.#video.join(viewer, wishOf(entry));
    else this.#video.leave(viewer);
  }

  /**
   * What `viewer`'s network can carry, from now on; the settings stay the upper bound. Call it as
   * often as the estimate changes: no keyframe is made for it.
   */
  setVideoTarget(viewer: PipelineViewer, { codec, ...target }: ViewerVideo): void {
    const entry = this.#viewers.get(viewer);
    if (entry === undefined) return;
    entry.target = target;
    if (codec != null && codec !== entry.codec) {
      const before = this.#video.available(entry.codec);
      entry.codec = codec;
      const available = this.#video.available(codec);
      if (available !== before) viewer.onVideoAvailable(available);
    }
    this.#video.setWish(viewer, wishOf(entry));
  }

  /** The operator's choice for `viewer`, in force at once; returns what it comes to here. */
  setPreset(viewer: PipelineViewer, preset: VideoPreset): VideoRate {
    const entry = this.#viewers.get(viewer);
    if (entry !== undefined) {
      entry.preset = preset;
      this.#video.setWish(viewer, wishOf(entry));
    }
    return presetKnobs(preset, this.#settings);
  }

  requestKeyframe(viewer: PipelineViewer, reason: KeyframeReason): void {
    this.#video.requestKeyframe(viewer, reason);
  }

  play(input: InputMessage): void {
    if (this.#desktop.kind === "open") this.#desktop.desktop.input.play(input);
  }

  /** Nobody is left who could hold anything. */
  releaseAll(): void {
    if (this.#desktop.kind === "open") this.#desktop.desktop.input.releaseAll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#viewers.clear();
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    await this.#closing;
    await this.#closeDesktop();
    await this.#video.close();
  }

  // --- capture ------------------------------------------------------------------------------

  async #open(): Promise<void> {
    this.#desktop = { kind: "opening" };
    await this.#closing;
    const opened = await this.#ports.openDesktop();
    if (this.#closed || this.#viewers.size === 0) {
      if (opened.ok) await closeOpened(opened.value);
      this.#desktop = { kind: "closed" };
      if (!this.#closed && this.#viewers.size > 0) this.#open();
      return;
    }
    if (!opened.ok) {
      this.#onCaptureLost(opened.error.message);
      return;
    }
    this.#desktop = { kind: "open", desktop: opened.value };
    const { capture } = opened.value;
    const live = () => this.#desktop.kind === "open" && this.#desktop.desktop === opened.value;
    capture.start({
      onFrame: (frame) => live() && this.#onFrame(frame),
      onCursorShape: (shape) => live() && this.#each((v) => v.onCursorShape(shape)),
      onCursorPosition: (x, y) => live() && this.#each((v) => v.onCursorPosition(x, y)),
      onFault: (error) => {
        if (!live()) return;
        opened.value.input.close();
        this.#onCaptureLost(error.message);
      },
    });
  }

  #onFrame(frame: Frame): void {
    this.#captured++;
    this.#reopenAttempts = 0;
    if (frame.width !== this.#screen.width || frame.height !== this.#screen.height) {
      this.#screen = { width: frame.width, height: frame.height };
      this.#each((v) => v.onScreen(frame.width, frame.height));
      this.onScreen(frame.width, frame.height);
    }
    // The encoder reads the pixels before anything else can run.
    this.#video.frame(frame);
    this.#each((v) => v.onFrame(frame));
  }

  #onCaptureLost(why: string): void {
    this.#desktop = { kind: "failed" };
    this.#each((v) => v.onFault("capture-failed"));
    const delayMs = backoffDelayMs(this.#reopenAttempts++, this.#ports.random(), REOPEN_BACKOFF);
    this.#ports.log("warn", `${why}; trying again in ${(delayMs / 1000).toFixed(1)} s`);
    this.#arm("reopen", delayMs, () => this.#open());
  }

  async #closeDesktop(): Promise<void> {
    const state = this.#desktop;
    this.#desktop = { kind: "closed" };
    if (state.kind === "open") await closeOpened(state.desktop);
    // A viewer may have come while the capture was closing.
    if (!this.#closed && this.#viewers.size > 0 && this.#desktop.kind === "closed") this.#open();
  }

  #each(call: (viewer: PipelineViewer) => void): void {
    for (const viewer of this.#viewers.keys()) call(viewer);
  }

  // --- timers -------------------------------------------------------------------------------

  #arm(name: TimerName, delayMs: number, run: () => void): void {
    this.#cancel(name);
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      run();
    }, delayMs);
    this.#timers.set(name, timer);
  }

  #cancel(name: TimerName): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

function wishOf({ target, preset, motionOnly, codec }: ViewerEntry): VideoWish {
  const knobs = presetKnobs(preset, target);
  const quality = motionOnly ? softer(knobs.quality) : knobs.quality;
  return { ...knobs, quality, blocked: target.blocked, codec };
}

async function closeOpened({ capture, input }: OpenedDesktop): Promise<void> {
  input.releaseAll();
  input.close();
  await capture.close();
}
