/** Shows the diff stream on a canvas, acknowledges it, and counts it. */
import {
  codedError,
  type DiffAck,
  encodeDiffAck,
  type ErrorCode,
  type Rect,
} from "@farglass/protocol";
import type { DiffSource } from "../core/mod.ts";
import { DiffPicture } from "./diff_picture.ts";

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
}

/** One canvas, and the one source it takes diff messages from. */
export class DiffCanvas {
  readonly #events: DiffCanvasEvents;
  readonly #picture = new DiffPicture();
  #canvas: HTMLCanvasElement | null = null;
  #context: CanvasRenderingContext2D | null = null;
  #image: ImageData | null = null;
  #source: DiffSource | null = null;
  #epoch: number | null = null;
  #exact = false;
  /** The canvas shows something else: paint everything next time. */
  #stale = true;
  #faulty = false;
  #frames = 0;
  #bytes = 0;

  constructor(events: DiffCanvasEvents) {
    this.#events = events;
  }

  /** Frames painted and bytes received since the console's start. */
  get counters(): { readonly frames: number; readonly bytes: number } {
    return { frames: this.#frames, bytes: this.#bytes };
  }

  /** Gives or takes the surface; a new one gets the picture at once. */
  attach(canvas: HTMLCanvasElement | null): void {
    this.#canvas = canvas;
    // No alpha: the desktop is opaque. Desynchronized: past the compositor where it can.
    this.#context = canvas?.getContext("2d", { alpha: false, desynchronized: true }) ?? null;
    this.#stale = true;
    if (this.#picture.whole) this.#paint();
  }

  /** Takes messages from `source` only; with an epoch a whole picture has to come first. */
  accept(source: DiffSource | null, epoch: number | null): void {
    this.#source = source;
    this.#epoch = epoch;
    this.#setExact(false);
    if (epoch !== null) this.#picture.begin();
  }

  /** Puts what the video shows on the canvas, so that it stays while the video is replaced. */
  freeze(video: HTMLVideoElement): boolean {
    if (this.#canvas === null || this.#context === null || video.videoWidth === 0) return false;
    this.#canvas.width = video.videoWidth;
    this.#canvas.height = video.videoHeight;
    this.#context.drawImage(video, 0, 0);
    this.#stale = true;
    return true;
  }

  /** One diff message. */
  message(source: DiffSource, bytes: Uint8Array): void {
    if (!this.#accepts(source)) return;
    this.#bytes += bytes.length;
    const taken = this.#picture.take(bytes);
    if (!taken.ok) {
      this.#faulty = true;
      this.#setExact(false);
      this.#events.onFault(taken.error.code);
      return;
    }
    const { frame, last, complete, equal, changed, whole } = taken.value;
    if (equal !== null) this.#setExact(equal);
    else if (changed) this.#setExact(false);
    if (!last) return;
    if (whole) {
      this.#paint();
      if (changed) this.#frames++;
    }
    const outcome = outcomeOf({ complete, equal, faulty: this.#faulty });
    this.#faulty = false;
    this.#events.onAck(source, encodeDiffAck({ frame, outcome }));
    if (whole && this.#epoch !== null && this.#context !== null) {
      const epoch = this.#epoch;
      this.#epoch = null;
      this.#events.onPainted(epoch);
    }
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
    const { width, height, rgba } = this.#picture;
    const dirty = this.#picture.takeDirty();
    if (this.#canvas === null || this.#context === null) return;
    if (this.#image?.data !== rgba) this.#image = new ImageData(rgba, width, height);
    let rects: readonly Rect[] = dirty;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      // Setting the size clears the canvas, so the whole picture follows within this very turn.
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#stale = true;
      this.#events.onSize(width, height);
    }
    if (this.#stale) rects = [{ x: 0, y: 0, width, height }];
    this.#stale = false;
    for (const rect of rects) {
      this.#context.putImageData(this.#image, 0, 0, rect.x, rect.y, rect.width, rect.height);
    }
  }
}

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
