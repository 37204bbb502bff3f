/**
 * One desktop's pixels: a capture that runs while somebody looks, one video encoder shared by all
 * viewers of the track, and the hash and input that all viewers share. Shell: the decisions are
 * made by core/video_pacer.ts.
 */
import { type CodedError, type InputMessage, never, type Result } from "@farglass/protocol";
import { backoffDelayMs } from "./core/backoff.ts";
import { hashPicture, type Picture } from "./core/picture.ts";
import type {
  Capture,
  CursorShape,
  EncodedFrame,
  Frame,
  InputSink,
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

export interface OpenedDesktop {
  readonly capture: Capture;
  readonly input: InputSink;
}

/** What the pipeline asks of the machine. */
export interface PipelinePorts {
  openDesktop(): Promise<Result<OpenedDesktop, { readonly message: string }>>;
  openEncoder(options: VideoEncoderOptions): Promise<Result<VideoEncoder, CodedError>>;
  now(): number;
  random(): number;
  log(level: "info" | "warn", text: string): void;
}

/** Bounds of every viewer's video. */
export type PipelineSettings = VideoRate;

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
/** An encoder that failed twice in a row gets another chance after so long. */
const ENCODER_REST_MS = 30_000;

interface ViewerEntry {
  video: boolean;
  target: VideoRate;
}

/** Below this, text cannot be read any more and motion does not get better. */
const MIN_BITRATE_KBPS = 100;

type TimerName = "linger" | "reopen" | "video" | "encoder-rest";

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
  #pacer: ReturnType<typeof newVideoPacer>;
  #rate: VideoRate;
  #encoder: VideoEncoder | null = null;
  #encoderSize = { width: 0, height: 0 };
  #encoderFailures = 0;
  #encodeDone: Promise<void> = Promise.resolve();
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
    this.#pacer = newVideoPacer(settings);
    this.#rate = settings;
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
  get videoAvailable(): boolean {
    return !this.#timers.has("encoder-rest");
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
    this.#viewers.set(viewer, { video: false, target: this.#settings });
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

  /** Whether `viewer` wants the video track's pictures. */
  setVideo(viewer: PipelineViewer, video: boolean): void {
    const entry = this.#viewers.get(viewer);
    if (entry === undefined || entry.video === video) return;
    entry.video = video;
    this.#setRate();
    this.#video({ kind: video ? "viewer-joined" : "viewer-left" });
    if (!video && this.#pacer.viewers === 0) this.#encodeDone.then(() => this.#dropIdleEncoder());
  }

  /**
   * What `viewer`'s network can carry, from now on; the settings stay the upper bound. Call it as
   * often as the estimate changes: no keyframe is made for it.
   */
  setVideoTarget(viewer: PipelineViewer, target: VideoRate): void {
    const entry = this.#viewers.get(viewer);
    if (entry === undefined) return;
    entry.target = clampRate(target, this.#settings);
    this.#setRate();
  }

  requestKeyframe(): void {
    this.#video({ kind: "keyframe-request" });
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
    await this.#encodeDone;
    this.#encoder?.close();
    this.#encoder = null;
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
    this.#video({ kind: "frame" });
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

  // --- video --------------------------------------------------------------------------------

  #video(event: VideoPacerEvent): void {
    const [next, effects] = stepVideo(this.#pacer, event, this.#ports.now());
    this.#pacer = next;
    for (const effect of effects) this.#encodeDone = this.#encode(effect.keyframe);
    const due = videoDeadline(this.#pacer);
    if (due === null) this.#cancel("video");
    else {
      this.#arm("video", Math.max(0, due - this.#ports.now()), () => this.#video({ kind: "tick" }));
    }
  }

  /** The shared encoder fits the viewer with the least. */
  #setRate(): void {
    const targets = [...this.#viewers.values()].flatMap((e) => e.video ? [e.target] : []);
    if (targets.length === 0) return;
    const bitrateKbps = Math.min(...targets.map((target) => target.bitrateKbps));
    const maxFps = Math.min(...targets.map((target) => target.maxFps));
    if (bitrateKbps === this.#rate.bitrateKbps && maxFps === this.#rate.maxFps) return;
    this.#rate = { bitrateKbps, maxFps };
    this.#encoder?.setRate(this.#rate);
    this.#video({ kind: "rate", rate: this.#rate });
  }

  async #encode(keyframe: boolean): Promise<void> {
    const result = await this.#encodeOnce(keyframe);
    if (this.#closed) return;
    switch (result.kind) {
      case "encoded":
        this.#encoderFailures = 0;
        for (const [viewer, entry] of this.#viewers) {
          if (entry.video) viewer.onVideo(result.frame);
        }
        this.#video({
          kind: "encoded",
          bytes: result.frame.nals.reduce((sum, nal) => sum + nal.length, 0),
          keyframe: result.frame.keyframe,
        });
        break;
      case "nothing":
        this.#video({ kind: "encode-failed" });
        break;
      case "failed":
        this.#onEncoderFailed(result.why);
        break;
      default:
        never(result);
    }
  }

  async #encodeOnce(
    keyframe: boolean,
  ): Promise<
    | { kind: "encoded"; frame: EncodedFrame }
    | { kind: "nothing" }
    | { kind: "failed"; why: string }
  > {
    let frame = this.current();
    while (frame !== null && !this.#encoderFits(frame)) {
      const failure = await this.#openEncoder(frame.width, frame.height);
      if (failure !== null) return { kind: "failed", why: failure };
      // The screen may have changed its size meanwhile.
      frame = this.current();
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

  #encoderFits(frame: Frame): boolean {
    return this.#encoder !== null && this.#encoderSize.width === frame.width &&
      this.#encoderSize.height === frame.height;
  }

  async #openEncoder(width: number, height: number): Promise<string | null> {
    this.#encoder?.close();
    this.#encoder = null;
    const opened = await this.#ports.openEncoder({ width, height, ...this.#settings });
    if (!opened.ok) return opened.error.message;
    this.#encoder = opened.value;
    this.#encoder.setRate(this.#rate);
    this.#encoderSize = { width, height };
    return null;
  }

  #onEncoderFailed(why: string): void {
    this.#ports.log("warn", `The video encoder failed: ${why}`);
    this.#video({ kind: "encode-failed" });
    // Once may be chance: the next picture gets a new encoder.
    if (++this.#encoderFailures < 2) {
      this.#video({ kind: "frame" });
      return;
    }
    this.#encoderFailures = 0;
    this.#arm("encoder-rest", ENCODER_REST_MS, () => this.#each((v) => v.onVideoAvailable(true)));
    this.#each((v) => v.onVideoAvailable(false));
  }

  #dropIdleEncoder(): void {
    if (this.#pacer.viewers > 0 || this.#pacer.encoding) return;
    this.#encoder?.close();
    this.#encoder = null;
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

function clampRate(rate: VideoRate, most: VideoRate): VideoRate {
  const least = Math.min(MIN_BITRATE_KBPS, most.bitrateKbps);
  return {
    bitrateKbps: Math.round(Math.max(least, Math.min(rate.bitrateKbps, most.bitrateKbps))),
    maxFps: Math.max(1, Math.min(rate.maxFps, most.maxFps)),
  };
}

async function closeOpened({ capture, input }: OpenedDesktop): Promise<void> {
  input.releaseAll();
  input.close();
  await capture.close();
}
