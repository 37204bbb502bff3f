/**
 * One desktop's pixels and input: a capture that runs while somebody looks. Who sees what of it is
 * in audience.ts.
 */
import type { InputMessage, Result, SentFormat, VideoPreset } from "@farglass/protocol";
import {
  Audience,
  type AudiencePorts,
  type PipelineSettings,
  type PipelineViewer,
  type ScreenFacts,
  type ShownDisplay,
  type ViewerVideo,
} from "./audience.ts";
import { backoffDelayMs } from "./core/backoff.ts";
import type { DisplayLayout } from "./core/displays.ts";
import type { Picture } from "./core/picture.ts";
import type { Capture, CursorShape, Frame, InputSink, VideoRate } from "./core/ports.ts";
import type { PatchSource } from "./core/shared_patches.ts";
import type { KeyframeReason } from "./core/video_pacer.ts";
import { presetKnobs } from "./core/video_presets.ts";
import type { PlaceOnDisplay } from "./display_view.ts";
import type { VideoStatus } from "./video_pool.ts";

export type { PipelineSettings, PipelineViewer };

export interface OpenedDesktop {
  readonly capture: Capture;
  readonly input: InputSink;
}

/** What the pipeline asks of the machine. */
export interface PipelinePorts extends AudiencePorts {
  openDesktop(): Promise<Result<OpenedDesktop, { readonly message: string }>>;
  random(): number;
}

/** The capture stays open for so long after the last viewer, so that a reload is quick. */
const LINGER_MS = 3_000;
const REOPEN_BACKOFF = { minMs: 500, maxMs: 10_000 };

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
  readonly #audience: Audience;
  #desktop: DesktopState = { kind: "closed" };
  #closing: Promise<void> = Promise.resolve();
  #reopenAttempts = 0;
  #timers = new Map<TimerName, ReturnType<typeof setTimeout>>();
  #captured = 0;
  #closed = false;
  /** Called when the size of the screen or its displays changed. */
  onScreen: (width: number, height: number) => void = () => {};

  constructor(
    ports: PipelinePorts,
    settings: PipelineSettings,
    screen: ScreenFacts,
  ) {
    this.#ports = ports;
    this.#settings = settings;
    this.#audience = new Audience(ports, settings, screen, () => this.current());
  }

  get settings(): PipelineSettings {
    return this.#settings;
  }
  get screen(): { readonly width: number; readonly height: number } {
    const { width, height } = this.#audience.screen;
    return { width, height };
  }
  /** The displays that may be seen. */
  get layout(): DisplayLayout {
    return this.#audience.layout;
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
    return this.#audience.videoStatus;
  }

  /** The whole screen. */
  current(): Frame | null {
    return this.#desktop.kind === "open" ? this.#desktop.desktop.capture.current() : null;
  }

  // --- what a viewer sees -------------------------------------------------------------------

  /** Which display `viewer` is shown. */
  shown(viewer: PipelineViewer): ShownDisplay {
    return this.#audience.shown(viewer);
  }
  /** What `viewer` sees of the screen. */
  picture(viewer: PipelineViewer): Frame | null {
    return this.#audience.picture(viewer);
  }
  /** Frames in which that changed. */
  capturedFor(viewer: PipelineViewer): number {
    return this.#audience.captured(viewer);
  }
  /** Hash of what `viewer` sees now, computed once for all who see it. */
  hash(viewer: PipelineViewer, picture: Picture): number {
    return this.#audience.hash(viewer, picture);
  }
  /** What `viewer` shares with others who see the same by patches. */
  patches(viewer: PipelineViewer): PatchSource {
    return this.#audience.patches(viewer);
  }
  videoAvailable(viewer: PipelineViewer): boolean {
    return this.#audience.videoAvailable(viewer);
  }
  /** In which format `viewer`'s video is encoded, and why. */
  videoFormat(viewer: PipelineViewer): SentFormat | null {
    return this.#audience.format(viewer);
  }
  cursor(
    viewer: PipelineViewer,
  ): { readonly shape: CursorShape; readonly place: PlaceOnDisplay } | null {
    const cursor = this.#desktop.kind === "open" ? this.#desktop.desktop.capture.cursor() : null;
    const view = this.#audience.viewOf(viewer);
    if (cursor === null || view === null) return null;
    return { shape: cursor.shape, place: view.placeOf(cursor.x, cursor.y) };
  }

  /** Shows the desktop to `viewer` from now on; the first viewer starts the capture. */
  attach(viewer: PipelineViewer): void {
    this.#audience.enter(viewer);
    this.#cancel("linger");
    if (this.#desktop.kind === "closed") this.#open();
  }

  detach(viewer: PipelineViewer): void {
    this.#audience.leave(viewer);
    if (this.#audience.size > 0 || this.#closed) return;
    this.#cancel("reopen");
    if (this.#desktop.kind === "failed") this.#desktop = { kind: "closed" };
    this.#arm("linger", LINGER_MS, () => {
      this.#closing = this.#closeDesktop();
    });
  }

  /**
   * Reads the screen's size and displays anew while nobody looks, for then nobody tells of changes.
   * Nothing of the picture is read, and a screen that cannot be opened is what it was.
   */
  refreshScreen(): Promise<void> {
    if (this.#closed || this.#audience.size > 0 || this.#desktop.kind !== "closed") {
      return this.#closing;
    }
    this.#closing = this.#closing.then(() => this.#readScreen());
    return this.#closing;
  }

  async #readScreen(): Promise<void> {
    const opened = await this.#ports.openDesktop();
    if (!opened.ok) return;
    // A viewer that came meanwhile waits for this one to be closed.
    this.#onScreen(opened.value.capture);
    await closeOpened(opened.value);
  }

  /** Shows `viewer` this display, or `all`; false when there is none such, and what it sees stays. */
  setDisplay(viewer: PipelineViewer, display: string): boolean {
    return this.#audience.setDisplay(viewer, display);
  }

  /**
   * Whether `viewer` wants the video track's pictures; `motionOnly` while it sees them only where
   * the screen moves, and patches make exact what rests.
   */
  setVideo(viewer: PipelineViewer, video: boolean, motionOnly = false): void {
    this.#audience.setVideo(viewer, video, motionOnly);
  }

  /**
   * What `viewer`'s network can carry, from now on; the settings stay the upper bound. Call it as
   * often as the estimate changes: no keyframe is made for it.
   */
  setVideoTarget(viewer: PipelineViewer, target: ViewerVideo): void {
    this.#audience.setVideoTarget(viewer, target);
  }

  /** The operator's choice for `viewer`, in force at once; returns what it comes to here. */
  setPreset(viewer: PipelineViewer, preset: VideoPreset): VideoRate {
    this.#audience.setPreset(viewer, preset);
    return presetKnobs(preset, this.#settings);
  }

  requestKeyframe(viewer: PipelineViewer, reason: KeyframeReason): void {
    this.#audience.viewOf(viewer)?.video.requestKeyframe(viewer, reason);
  }

  /** Plays `viewer`'s input; its coordinates are those of the display that it is shown. */
  play(viewer: PipelineViewer, input: InputMessage): void {
    if (this.#desktop.kind !== "open") return;
    const { input: sink } = this.#desktop.desktop;
    if (input.kind !== "move" && input.kind !== "button" && input.kind !== "wheel") {
      return sink.play(input);
    }
    const area = this.#audience.viewOf(viewer)?.area;
    if (area !== undefined) sink.play({ ...input, x: input.x + area.x, y: input.y + area.y });
  }

  /** Nobody is left who could hold anything. */
  releaseAll(): void {
    if (this.#desktop.kind === "open") this.#desktop.desktop.input.releaseAll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    await this.#closing;
    await this.#closeDesktop();
    await this.#audience.close();
  }

  // --- capture ------------------------------------------------------------------------------

  async #open(): Promise<void> {
    this.#desktop = { kind: "opening" };
    await this.#closing;
    const opened = await this.#ports.openDesktop();
    if (this.#closed || this.#audience.size === 0) {
      if (opened.ok) await closeOpened(opened.value);
      this.#desktop = { kind: "closed" };
      if (!this.#closed && this.#audience.size > 0) this.#open();
      return;
    }
    if (!opened.ok) {
      this.#onCaptureLost(opened.error.message);
      return;
    }
    this.#desktop = { kind: "open", desktop: opened.value };
    const { capture } = opened.value;
    this.#onScreen(capture);
    const live = () => this.#desktop.kind === "open" && this.#desktop.desktop === opened.value;
    capture.start({
      onFrame: (frame) => live() && this.#onFrame(frame),
      onCursorShape: (shape) => live() && this.#each((v) => v.onCursorShape(shape)),
      onDisplays: () => {
        if (!live() || !this.#onScreen(capture)) return;
        // What was moved looks different, though nothing was drawn.
        const frame = this.current();
        if (frame !== null) this.#audience.show(frame);
      },
      onCursorPosition: (x, y) => live() && this.#audience.cursorAt(x, y),
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
    const { width, height } = this.#audience.screen;
    if (frame.width !== width || frame.height !== height) {
      const { displays } = this.#audience.screen;
      this.#onScreen({ width: frame.width, height: frame.height, displays });
    }
    this.#audience.show(frame);
  }

  /** False when neither the size nor the displays have changed. */
  #onScreen({ width, height, displays }: ScreenFacts): boolean {
    if (!this.#audience.setScreen({ width, height, displays })) return false;
    this.onScreen(width, height);
    return true;
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
    if (!this.#closed && this.#audience.size > 0 && this.#desktop.kind === "closed") this.#open();
  }

  #each(call: (viewer: PipelineViewer) => void): void {
    for (const viewer of [...this.#audience.viewers]) call(viewer);
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

async function closeOpened({ capture, input }: OpenedDesktop): Promise<void> {
  input.releaseAll();
  input.close();
  await capture.close();
}
