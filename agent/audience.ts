/**
 * Who watches which display of a desktop, and what each gets of every picture. Viewers of one
 * display share its conversion and its encoders. Shell of core/displays.ts.
 */
import type {
  CodedError,
  Rect,
  Result,
  SentFormat,
  VideoCodec,
  VideoPreset,
} from "@farglass/protocol";
import {
  areaOf,
  type Display,
  type DisplayLayout,
  displayLayout,
  hasDisplay,
  resolveDisplay,
  sameLayout,
  sameRect,
  type SharedDisplays,
} from "./core/displays.ts";
import type { EncoderChoice } from "./core/encoder_chain.ts";
import { type ChosenFormat, FormatChoice } from "./core/format_choice.ts";
import type { Picture } from "./core/picture.ts";
import type {
  CursorShape,
  EncodedFrame,
  Frame,
  PictureConverter,
  VideoEncoder,
  VideoEncoderOptions,
  VideoRate,
  VideoTarget,
} from "./core/ports.ts";
import type { KeyframeReason } from "./core/video_pacer.ts";
import type { PatchSource } from "./core/shared_patches.ts";
import { presetKnobs, softer } from "./core/video_presets.ts";
import { DisplayView, type PlaceOnDisplay } from "./display_view.ts";
import { VideoPool, type VideoStatus, type VideoWish } from "./video_pool.ts";

/** What the audience asks of the machine. */
export interface AudiencePorts {
  openEncoder(options: VideoEncoderOptions): Promise<Result<VideoEncoder, CodedError>>;
  openConverter(
    size: { readonly width: number; readonly height: number },
  ): Promise<Result<PictureConverter, CodedError>>;
  /** The encoders that have proved to work here, the best first. */
  encoders(): readonly EncoderChoice[];
  now(): number;
  log(level: "info" | "warn", text: string): void;
}

/** Bounds of every viewer's video, and what it is made for until its operator chooses. */
export interface PipelineSettings extends VideoRate {
  readonly preset?: VideoPreset;
  /** Which displays may be seen; all of them by default. */
  readonly displays?: SharedDisplays;
}

/** What a viewer is shown. */
export interface ShownDisplay {
  /** The display's id, or `all`; null when nothing that may be seen is there. */
  readonly id: string | null;
  readonly width: number;
  readonly height: number;
  /** Every picture of it has this capture time or a later one; null when all have. */
  readonly sinceMs: number | null;
}

/** One viewer, as the pipeline sees it. No call may throw. */
export interface PipelineViewer {
  onFrame(frame: Frame): void;
  onVideo(frame: EncodedFrame): void;
  onScreen(width: number, height: number): void;
  /** It is shown something else; `removed` when the display that its operator chose is gone. */
  onMoved(removed: boolean): void;
  onCursorShape(shape: CursorShape): void;
  onCursorPosition(place: PlaceOnDisplay): void;
  onFault(code: "capture-failed"): void;
  onVideoAvailable(available: boolean): void;
}

/** What one viewer's network carries, and what its peer has agreed on, the best first. */
export interface ViewerVideo extends VideoTarget {
  readonly codecs?: readonly VideoCodec[];
}

interface Seat {
  /** The display that its operator chose. */
  wanted: string | null;
  view: DisplayView | null;
  /** Pictures with a change that it could see, since it came. */
  captured: number;
  video: boolean;
  /** What its network carries. */
  target: VideoTarget;
  /** What its peer has agreed on, and what has given way. */
  readonly formats: FormatChoice;
  format: ChosenFormat;
  preset: VideoPreset;
  /** Its video is seen only where the screen moves. */
  motionOnly: boolean;
}

/** What the system says of its screen. */
export interface ScreenFacts {
  readonly width: number;
  readonly height: number;
  readonly displays?: readonly Display[];
}

/** All viewers of one desktop. */
export class Audience {
  readonly #seats = new Map<PipelineViewer, Seat>();
  /** By display; one without viewers has no encoder and costs nothing. */
  readonly #views = new Map<string, DisplayView>();
  readonly #closing = new Set<Promise<void>>();
  #screen: ScreenFacts;
  #layout: DisplayLayout;

  /** `current` is the whole screen's last picture. */
  constructor(
    private readonly ports: AudiencePorts,
    private readonly settings: PipelineSettings,
    screen: ScreenFacts,
    private readonly current: () => Frame | null,
  ) {
    this.#screen = screen;
    this.#layout = this.#layoutOf();
  }

  get size(): number {
    return this.#seats.size;
  }
  get screen(): ScreenFacts {
    return this.#screen;
  }
  /** The displays that may be seen. */
  get layout(): DisplayLayout {
    return this.#layout;
  }
  get viewers(): IterableIterator<PipelineViewer> {
    return this.#seats.keys();
  }
  get videoStatus(): VideoStatus {
    return mergeStatus([...this.#views.values()].map(({ video }) => video.status()));
  }

  enter(viewer: PipelineViewer): void {
    const formats = new FormatChoice();
    const seat: Seat = {
      wanted: null,
      view: null,
      captured: 0,
      video: false,
      target: { ...this.settings, blocked: false },
      formats,
      format: formats.choose(() => true),
      preset: this.settings.preset ?? "balanced",
      motionOnly: false,
    };
    seat.view = this.#viewFor(seat);
    seat.format = choose(seat);
    this.#seats.set(viewer, seat);
  }

  leave(viewer: PipelineViewer): void {
    this.setVideo(viewer, false);
    const view = this.viewOf(viewer);
    this.#seats.delete(viewer);
    this.#vacate(view);
  }

  /** A display that nobody sees holds no pixels. */
  #vacate(view: DisplayView | null): void {
    const seen = [...this.#seats.values()].some((seat) => seat.view === view);
    if (!seen) view?.patches.clear();
  }

  // --- what one viewer sees -------------------------------------------------------------------

  viewOf(viewer: PipelineViewer): DisplayView | null {
    return this.#seats.get(viewer)?.view ?? null;
  }
  shown(viewer: PipelineViewer): ShownDisplay {
    const view = this.viewOf(viewer);
    const { width, height } = view?.area ?? this.#screen;
    return { id: view?.id ?? null, width, height, sinceMs: view?.sinceMs ?? null };
  }
  picture(viewer: PipelineViewer): Frame | null {
    return this.#pictureOf(this.viewOf(viewer));
  }
  #pictureOf(view: DisplayView | null): Frame | null {
    const frame = view === null ? null : this.current();
    return frame === null ? null : view?.crop(frame) ?? null;
  }
  hash(viewer: PipelineViewer, picture: Picture): number {
    return this.viewOf(viewer)?.hash(picture) ?? 0;
  }
  /** What the viewers of the same display by patches share; only while there is a picture. */
  patches(viewer: PipelineViewer): PatchSource {
    const view = this.viewOf(viewer);
    if (view === null) throw new Error("A viewer of no display has no patches");
    return view.patches;
  }
  captured(viewer: PipelineViewer): number {
    return this.#seats.get(viewer)?.captured ?? 0;
  }
  videoAvailable(viewer: PipelineViewer): boolean {
    return this.#seats.get(viewer)?.format.available ?? true;
  }
  format(viewer: PipelineViewer): SentFormat | null {
    const seat = this.#seats.get(viewer);
    if (seat === undefined) return null;
    const { format: { codec, reason }, formats: { decisions } } = seat;
    return { codec, reason, decisions };
  }

  // --- what one viewer wants ------------------------------------------------------------------

  /** False when there is no such display; what the viewer is shown then stays. */
  setDisplay(viewer: PipelineViewer, wanted: string): boolean {
    const seat = this.#seats.get(viewer);
    if (seat === undefined || !hasDisplay(this.#layout, wanted)) return false;
    seat.wanted = wanted;
    this.#move(viewer, seat);
    return true;
  }

  setVideo(viewer: PipelineViewer, video: boolean, motionOnly = false): void {
    const seat = this.#seats.get(viewer);
    if (seat === undefined) return;
    if (video && seat.motionOnly !== motionOnly) {
      seat.motionOnly = motionOnly;
      seat.view?.video.setWish(viewer, wishOf(seat));
    }
    if (seat.video === video) return;
    seat.video = video;
    if (video) seat.view?.video.join(viewer, wishOf(seat));
    else seat.view?.video.leave(viewer);
  }

  setVideoTarget(viewer: PipelineViewer, { codecs = [], ...target }: ViewerVideo): void {
    const seat = this.#seats.get(viewer);
    if (seat === undefined) return;
    seat.target = target;
    seat.formats.agree(codecs);
    this.#settle(viewer, seat);
  }

  setPreset(viewer: PipelineViewer, preset: VideoPreset): void {
    const seat = this.#seats.get(viewer);
    if (seat === undefined) return;
    seat.preset = preset;
    seat.view?.video.setWish(viewer, wishOf(seat));
  }

  // --- pictures and displays ------------------------------------------------------------------

  /** Gives everybody their part of a picture. */
  show(frame: Frame): void {
    for (const view of this.#views.values()) {
      const part = view.take(frame);
      if (part === null) continue;
      for (const [viewer, seat] of this.#seats) {
        if (seat.view !== view) continue;
        seat.captured++;
        viewer.onFrame(part);
      }
    }
  }

  cursorAt(x: number, y: number): void {
    for (const [viewer, { view }] of this.#seats) {
      if (view !== null) viewer.onCursorPosition(view.placeOf(x, y));
    }
  }

  /**
   * Displays came, went or moved: every viewer keeps its own, or is shown what is left. False when
   * nothing of that changed; afterwards the picture has to be shown anew.
   */
  setScreen(screen: ScreenFacts): boolean {
    const { width, height } = this.#screen;
    this.#screen = screen;
    const layout = this.#layoutOf();
    const resized = width !== screen.width || height !== screen.height;
    if (!resized && sameLayout(layout, this.#layout)) return false;
    this.#layout = layout;
    const changed = new Set<DisplayView>();
    for (const view of this.#views.values()) {
      const area = areaOf(layout, view.id);
      if (area !== null && view.setArea(area)) changed.add(view);
    }
    for (const [viewer, seat] of this.#seats) {
      const removed = seat.wanted !== null && !hasDisplay(layout, seat.wanted);
      if (removed) seat.wanted = null;
      const before = seat.view?.area;
      if (this.#move(viewer, seat)) {
        // The same place under another name looks the same.
        const renamed = before !== undefined && seat.view !== null &&
          sameRect(before, seat.view.area);
        if (!renamed) viewer.onMoved(removed);
      } else if (seat.view !== null && changed.has(seat.view)) {
        viewer.onScreen(seat.view.area.width, seat.view.area.height);
      }
    }
    for (const view of [...this.#views.values()]) {
      if (areaOf(layout, view.id) === null) this.#closeView(view);
    }
    return true;
  }

  async close(): Promise<void> {
    this.#seats.clear();
    this.#views.forEach((view) => this.#closeView(view));
    await Promise.all(this.#closing);
  }

  #layoutOf(): DisplayLayout {
    return displayLayout(
      this.#screen.displays ?? [],
      this.#screen,
      this.settings.displays ?? "all",
    );
  }

  /** Brings a viewer to the display that it should see; false when it is there already. */
  #move(viewer: PipelineViewer, seat: Seat): boolean {
    const from = seat.view;
    const to = this.#viewFor(seat);
    if (from === to) return false;
    if (seat.video) from?.video.leave(viewer);
    seat.view = to;
    this.#vacate(from);
    to?.touch(this.ports.now());
    const before = seat.format.available;
    seat.format = choose(seat);
    if (seat.video) to?.video.join(viewer, wishOf(seat));
    if (seat.format.available !== before) viewer.onVideoAvailable(!before);
    return true;
  }

  /** Brings a viewer to the best format that works; it is told when none does, or one again. */
  #settle(viewer: PipelineViewer, seat: Seat): void {
    const before = seat.format.available;
    seat.format = choose(seat);
    if (seat.format.available !== before) viewer.onVideoAvailable(!before);
    seat.view?.video.setWish(viewer, wishOf(seat));
  }

  #viewFor({ wanted }: Seat): DisplayView | null {
    const id = resolveDisplay(this.#layout, wanted);
    const area = id === null ? null : areaOf(this.#layout, id);
    if (id === null || area === null) return null;
    const view = this.#views.get(id) ?? this.#openView(id, area);
    this.#views.set(id, view);
    return view;
  }

  #openView(id: string, area: Rect): DisplayView {
    const { ports } = this;
    return new DisplayView(id, area, (view) =>
      new VideoPool({
        openEncoder: (options) => ports.openEncoder(options),
        openConverter: (size) => ports.openConverter(size),
        encoders: () => ports.encoders(),
        current: () => this.#pictureOf(view),
        now: () => ports.now(),
        log: (level, text) => ports.log(level, text),
        onAvailable: () => {
          for (const [viewer, seat] of [...this.#seats]) {
            if (seat.view === view) this.#settle(viewer, seat);
          }
        },
      }, this.settings));
  }

  #closeView(view: DisplayView): void {
    this.#views.delete(view.id);
    const closed = view.video.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}

const choose = ({ view, formats }: Seat): ChosenFormat =>
  formats.choose((codec) => view?.video.available(codec) ?? true);

function wishOf({ target, preset, motionOnly, format: { codec, spare } }: Seat): VideoWish {
  const knobs = presetKnobs(preset, target);
  const quality = motionOnly ? softer(knobs.quality) : knobs.quality;
  return { ...knobs, quality, blocked: target.blocked, codec, spare };
}

/** What all encoders do together. */
function mergeStatus(all: readonly VideoStatus[]): VideoStatus {
  const keyframes: Partial<Record<KeyframeReason, number>> = {};
  for (const one of all) {
    for (const [reason, count] of Object.entries(one.keyframes)) {
      const key = reason as KeyframeReason;
      keyframes[key] = (keyframes[key] ?? 0) + count;
    }
  }
  return { encoders: all.flatMap(({ encoders }) => encoders), keyframes };
}
