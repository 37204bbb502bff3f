/** Shows the diff stream on a canvas, acknowledges it, and counts it. */
import {
  codedError,
  type DiffAck,
  encodeDiffAck,
  type ErrorCode,
  never,
  type Rect,
} from "@farglass/protocol";
import {
  type Composition,
  type CompositionEvent,
  type DiffSource,
  expectsVideo,
  isOpaque,
  newComposition,
  paintable,
  stepComposition,
} from "../core/mod.ts";
import { DiffPicture } from "./diff_picture.ts";
import { DiffUnpacker, type OpenUnpackPort, type Unpacked } from "./diff_unpacker.ts";
import type { DecodedFrame } from "./frame_times.ts";

/** What the canvas tells its owner, at once. */
export interface DiffCanvasEvents {
  /** Send this back to where the message came from. */
  onAck(source: DiffSource, ack: Uint8Array): void;
  /** The first whole picture since `accept` with that epoch is on the canvas. */
  onPainted(epoch: number): void;
  onSize(width: number, height: number): void;
  /** Whether the picture is proved equal to the screen; told only when that changes. */
  onExact(proved: boolean): void;
  onFault(code: ErrorCode): void;
  /** Hybrid mode: the regions of that version are what is shown. */
  onRegions(version: number): void;
  /** Hybrid mode: the video is needed for a part of the screen, or no longer. */
  onVideoNeeded(needed: boolean): void;
  /** Hybrid mode: only this part of the desktop is seen of the video; null for all of it. */
  onVideoArea(area: Rect | null, screen: { readonly width: number; readonly height: number }): void;
  /** A frame that changed something is on the canvas. */
  onFrame?(frame: DecodedFrame): void;
}

export interface DiffCanvasOptions {
  /** The canvas may lie over the video and let it through. */
  readonly composes?: boolean;
  /** Where large messages are unpacked; here when left out. */
  readonly openWorker?: OpenUnpackPort;
}

interface VideoFrame {
  readonly rtpTime: number;
  readonly width: number;
  readonly height: number;
}

/** One canvas, and the one source it takes diff messages from. */
export class DiffCanvas {
  readonly #events: DiffCanvasEvents;
  readonly #picture = new DiffPicture();
  readonly #composes: boolean;
  #canvas: HTMLCanvasElement | null = null;
  #context: CanvasRenderingContext2D | null = null;
  #image: ImageData | null = null;
  #source: DiffSource | null = null;
  #epoch: number | null = null;
  /** The stream of the last message; null before the first. */
  #stream: number | null = null;
  /** The frame that the video shows. */
  #presented: VideoFrame | null = null;
  /** What comes before the next stream is not what was asked for. */
  #awaited = false;
  #exact = false;
  /** Hybrid mode: which parts of the canvas are transparent. */
  #composition: Composition | null = null;
  #videoNeeded = false;
  /** The canvas shows something else: paint everything next time. */
  #stale = true;
  #faulty = false;
  #frames = 0;
  #bytes = 0;
  readonly #unpacker: DiffUnpacker;
  /** Counts calls of `accept`: what is unpacked only after the next one is not shown. */
  #accepted = 0;

  constructor(events: DiffCanvasEvents, options: DiffCanvasOptions = {}) {
    this.#events = events;
    this.#composes = options.composes ?? false;
    this.#unpacker = new DiffUnpacker(options.openWorker ?? null);
  }

  /** Frames painted and bytes received since the console's start. */
  get counters(): { readonly frames: number; readonly bytes: number } {
    return { frames: this.#frames, bytes: this.#bytes };
  }

  /** Gives or takes the surface; a new one gets the picture at once. */
  attach(canvas: HTMLCanvasElement | null): void {
    this.#canvas = canvas;
    // Where video is to show through it has to keep step with the compositor; else past it.
    const composed = this.#composes;
    this.#context = canvas?.getContext("2d", { alpha: composed, desynchronized: !composed }) ??
      null;
    this.#stale = true;
    if (this.#composition?.sized === true) {
      this.#resize(this.#composition.width, this.#composition.height);
    }
    if (this.#picture.whole || this.#composition !== null) this.#paint();
  }

  /**
   * Takes messages from `source` only; with an epoch a whole picture has to come first. In hybrid
   * mode the first picture may be the video's, or what it shows and patches together.
   */
  accept(
    source: DiffSource | null,
    epoch: number | null,
    { hybrid, nextStream = false }: { readonly hybrid: boolean; readonly nextStream?: boolean } = {
      hybrid: false,
    },
  ): void {
    const same = source !== null && this.#accepts(source) &&
      hybrid === (this.#composition !== null);
    this.#source = source;
    this.#epoch = epoch;
    if (same && nextStream) {
      // The old picture lives on until then.
      this.#awaited = true;
      return;
    }
    this.#accepted++;
    this.#awaited = false;
    this.#stream = null;
    // Another video has another clock.
    this.#presented = null;
    this.#begin(hybrid);
  }

  /** The next stream does not come after all: the picture there is the one that was wanted. */
  keepStream(): void {
    this.#awaited = false;
    if (this.#picture.whole && this.#composition === null) this.#painted();
    else if (this.#composition !== null && this.#composition.shown > 0) this.#painted();
  }

  /** Nothing that was received holds any more; what the canvas shows stays until there is a whole picture. */
  #begin(hybrid: boolean): void {
    this.#setExact(false);
    this.#composition = hybrid ? newComposition : null;
    this.#events.onVideoArea(null, newComposition);
    this.#tellVideoNeeded();
    if (this.#epoch !== null || this.#stream !== null) this.#picture.begin();
  }

  /** A message of another stream than the last one shows another display. */
  #followStream(stream: number): void {
    if (stream === this.#stream) return;
    const first = this.#stream === null;
    this.#stream = stream;
    if (first && !this.#awaited) return;
    this.#awaited = false;
    this.#begin(this.#composition !== null);
  }

  /** Hybrid mode: the video shows this frame now. */
  video(frame: VideoFrame): void {
    this.#presented = frame;
    if (this.#composition !== null) this.#compose({ kind: "video", ...frame });
  }

  /** Puts what the video shows on the canvas, so that it stays while the video is replaced. */
  freeze(video: HTMLVideoElement): boolean {
    if (this.#canvas === null || this.#context === null || video.videoWidth === 0) return false;
    const { videoWidth, videoHeight } = video;
    const composed = this.#composition !== null && this.#canvas.width === videoWidth &&
      this.#canvas.height === videoHeight;
    if (!composed) {
      this.#canvas.width = videoWidth;
      this.#canvas.height = videoHeight;
    }
    // Composed: below what the canvas shows already.
    if (composed) this.#context.globalCompositeOperation = "destination-over";
    this.#context.drawImage(video, 0, 0);
    this.#context.globalCompositeOperation = "source-over";
    this.#stale = true;
    return true;
  }

  /** One diff message. */
  message(source: DiffSource, bytes: Uint8Array): void {
    if (!this.#accepts(source)) return;
    const receivedAt = performance.now();
    this.#bytes += bytes.length;
    const accepted = this.#accepted;
    this.#unpacker.unpack(bytes, (unpacked) => {
      if (accepted === this.#accepted) return this.#take(source, unpacked, receivedAt);
      // It would be taken for a part of the new picture.
      if (!unpacked.ok || !unpacked.value.last) return;
      const { frame } = unpacked.value;
      this.#events.onAck(source, encodeDiffAck({ frame, outcome: "skipped" }));
    });
  }

  #take(source: DiffSource, unpacked: Unpacked, receivedAt: number): void {
    if (!unpacked.ok) {
      this.#faulty = true;
      this.#setExact(false);
      this.#events.onFault(unpacked.error.code);
      return;
    }
    this.#followStream(unpacked.value.stream);
    const step = this.#picture.take(unpacked.value);
    const decodedAt = performance.now();
    const { frame, last, complete, equal, changed, whole, regions } = step;
    if (last && complete && regions !== null && this.#composition !== null) {
      const { width, height } = this.#picture;
      const received = (rects: readonly Rect[]) => this.#picture.received(rects);
      this.#compose({ kind: "patches", regions, width, height, received });
      // The video's first frame of a new picture may have been quicker than the patches.
      if (!this.#composition.sized && this.#presented !== null) {
        this.#compose({ kind: "video", ...this.#presented });
      }
    }
    const opaque = this.#composition === null || isOpaque(this.#composition);
    if (equal !== null) this.#setExact(equal && opaque);
    else if (changed || !opaque) this.#setExact(false);
    if (!last) return;
    if (whole || this.#composition !== null) {
      this.#paint();
      if (changed) {
        this.#frames++;
        this.#events.onFrame?.({ key: frame, receivedAt, decodedAt });
      }
    }
    const outcome = outcomeOf({ complete, equal, faulty: this.#faulty });
    this.#faulty = false;
    this.#events.onAck(source, encodeDiffAck({ frame, outcome }));
    if (whole && this.#composition === null) this.#painted();
  }

  #painted(): void {
    if (this.#epoch === null || this.#awaited || this.#context === null) return;
    const epoch = this.#epoch;
    this.#epoch = null;
    this.#events.onPainted(epoch);
  }

  #compose(event: CompositionEvent): void {
    if (this.#composition === null) return;
    const [next, effects] = stepComposition(this.#composition, event, performance.now());
    if (next.open !== this.#composition.open) this.#events.onVideoArea(boundsOf(next.open), next);
    this.#composition = next;
    for (const effect of effects) {
      switch (effect.kind) {
        case "resize":
          this.#resize(effect.width, effect.height);
          this.#stale = false;
          break;
        case "clear":
          for (const r of effect.rects) this.#context?.clearRect(r.x, r.y, r.width, r.height);
          break;
        case "paint":
          this.#put(effect.rects);
          break;
        case "shown":
          this.#events.onRegions(effect.version);
          this.#painted();
          break;
        default:
          never(effect);
      }
    }
    this.#tellVideoNeeded();
  }

  #tellVideoNeeded(): void {
    const needed = this.#composition !== null && expectsVideo(this.#composition);
    if (needed === this.#videoNeeded) return;
    this.#videoNeeded = needed;
    this.#events.onVideoNeeded(needed);
  }

  /** A data channel message that is no binary frame at all. */
  reject(source: DiffSource): void {
    if (this.#accepts(source)) this.#events.onFault(codedError("malformed").code);
  }

  #accepts(source: DiffSource): boolean {
    const wanted = this.#source;
    if (wanted === null) return false;
    return source.via === "dc"
      ? wanted.via === "dc" && wanted.peerId === source.peerId
      : wanted.via === "ws" && wanted.sessionId === source.sessionId;
  }

  #setExact(exact: boolean): void {
    if (exact === this.#exact) return;
    this.#exact = exact;
    this.#events.onExact(exact);
  }

  #paint(): void {
    const { width, height } = this.#picture;
    const dirty = this.#picture.takeDirty();
    if (this.#canvas === null || this.#context === null) return;
    if (this.#composition !== null) {
      if (this.#composition.sized) this.#put(paintable(this.#composition, this.#wanted(dirty)));
      return;
    }
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      // Setting the size clears the canvas, so the whole picture follows within this very turn.
      this.#resize(width, height);
    }
    this.#put(this.#wanted(dirty));
  }

  /** What has to be painted: everything when the canvas shows something else. */
  #wanted(dirty: readonly Rect[]): readonly Rect[] {
    const { width, height } = this.#picture;
    const rects = this.#stale ? [{ x: 0, y: 0, width, height }] : dirty;
    this.#stale = false;
    return rects;
  }

  #resize(width: number, height: number): void {
    if (this.#canvas === null) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#stale = true;
    this.#events.onSize(width, height);
  }

  #put(rects: readonly Rect[]): void {
    const { width, height, rgba } = this.#picture;
    if (this.#image?.data !== rgba) this.#image = new ImageData(rgba, width, height);
    for (const rect of rects) {
      this.#context?.putImageData(this.#image, 0, 0, rect.x, rect.y, rect.width, rect.height);
    }
  }
}

/** The smallest rectangle around all of them; null around none. */
const boundsOf = (rects: readonly Rect[]): Rect | null =>
  rects.reduce<Rect | null>((all, rect) => {
    if (all === null) return rect;
    const x = Math.min(all.x, rect.x);
    const y = Math.min(all.y, rect.y);
    const right = Math.max(all.x + all.width, rect.x + rect.width);
    const bottom = Math.max(all.y + all.height, rect.y + rect.height);
    return { x, y, width: right - x, height: bottom - y };
  }, null);

/**
 * What the agent is told of a frame. After a damaged message it has to send everything again; a
 * message that never came explains a different hash, and only its tiles are missing.
 */
function outcomeOf(step: {
  readonly complete: boolean;
  readonly equal: boolean | null;
  readonly faulty: boolean;
}): DiffAck["outcome"] {
  if (step.faulty) return "mismatch";
  if (step.equal === true) return "painted";
  if (!step.complete) return "skipped";
  return step.equal === false ? "mismatch" : "painted";
}
