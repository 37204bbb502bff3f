/**
 * One choice of display: its part of every picture, its video, and what its viewers share. The
 * pixels are those of the one capture; nothing is copied. Shell.
 */
import type { Rect } from "@farglass/protocol";
import { cropFrame, sameRect } from "./core/displays.ts";
import { hashPicture, type Picture } from "./core/picture.ts";
import type { Frame } from "./core/ports.ts";
import { PatchSource } from "./core/shared_patches.ts";
import type { VideoPool } from "./video_pool.ts";

/** A place on a display, and whether what was asked about lies there. */
export interface PlaceOnDisplay {
  readonly x: number;
  readonly y: number;
  /** It lies elsewhere; this is the nearest place. */
  readonly away: boolean;
}

export class DisplayView {
  readonly video: VideoPool;
  /** What its viewers by patches share. */
  readonly patches = new PatchSource();
  #area: Rect;
  #sinceMs: number | null = null;
  /** Everything may look different in the next picture. */
  #whole = false;
  #hash: number | null = null;

  /** `openVideo` makes the encoders of this view, which read its pictures by `current`. */
  constructor(
    readonly id: string,
    area: Rect,
    openVideo: (view: DisplayView) => VideoPool,
  ) {
    this.#area = area;
    this.video = openVideo(this);
  }

  get area(): Rect {
    return this.#area;
  }

  /** When the last viewer came from another display. */
  get sinceMs(): number | null {
    return this.#sinceMs;
  }

  /** The display was moved or has another size; false when it was not. */
  setArea(area: Rect): boolean {
    if (sameRect(area, this.#area)) return false;
    this.#area = area;
    this.#whole = true;
    this.#hash = null;
    return true;
  }

  /** Pictures count as taken at `nowMs` at least: who comes from another display has seen later ones. */
  touch(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** This display's part of the screen as it is. */
  crop(frame: Frame): Frame | null {
    const part = cropFrame(frame, this.#area);
    const sinceMs = this.#sinceMs ?? -Infinity;
    return part === null || part.capturedAtMs >= sinceMs
      ? part
      : { ...part, capturedAtMs: sinceMs };
  }

  /** The screen changed; null when nothing of it was here. */
  take(frame: Frame): Frame | null {
    const part = this.crop(frame);
    if (part === null) return null;
    const { width, height } = part;
    const damage = this.#whole ? [{ x: 0, y: 0, width, height }] : part.damage;
    if (damage.length === 0) return null;
    this.#whole = false;
    this.#hash = null;
    const changed = { ...part, damage };
    this.patches.damage(damage);
    // The encoder reads the pixels before anything else can run.
    this.video.frame(changed);
    return changed;
  }

  /** Hash of the current picture, computed once for all viewers. */
  hash(picture: Picture): number {
    this.#hash ??= hashPicture(picture);
    return this.#hash;
  }

  /** Where a place on the screen is on this display. */
  placeOf(x: number, y: number): PlaceOnDisplay {
    const { x: left, y: top, width, height } = this.#area;
    const at = { x: within(x - left, width), y: within(y - top, height) };
    return { ...at, away: at.x !== x - left || at.y !== y - top };
  }
}

const within = (at: number, size: number): number => Math.max(0, Math.min(size - 1, at));
