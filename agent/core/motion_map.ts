/**
 * Where the screen moves: for each tile of one viewer's screen how often and how costly it changed
 * of late. Damage says how often; the patches that were sent say what it costs; tiles of which
 * nothing is sent, because the video shows them or patches are late, are compared by samples.
 */
import type { Rect } from "@farglass/protocol";
import type { DamagedTiles } from "./damaged_tiles.ts";
import { eachTile, TILE_HEIGHT_PX, TILE_WIDTH_PX, type Words } from "./tile_map.ts";
import type { TileSamples } from "./tile_samples.ts";

/** Two changes further apart are not one motion. */
const GAP_MS = 120;
/** A tile that changed in so many pictures, for so long, moves: a caret or a click does not. */
const MOVING_CHANGES = 5;
const MOVING_AFTER_MS = 300;
/** Patches of a film take so much a tile, ten times what text takes: it is not waited for as long. */
const COSTLY_TILE_BYTES = 1_500;
const COSTLY_CHANGES = 3;
const COSTLY_AFTER_MS = 90;
/** A tile that was shown by video a moment ago comes back sooner. */
const AGAIN_CHANGES = 2;
const AGAIN_WITHIN_MS = 5_000;
/** Once is what a region's end costs; motion costs on. */
const MIN_SENDS = 2;
/** The first sample may differ from one of long ago; the next one that differs shows a change. */
const MIN_DIFFERENT = 2;
/** Damage that comes closer together is one picture's. */
const SAME_PICTURE_MS = 4;
/** A tile the video shows has come to rest; a film's slowest frames are closer. */
export const REST_MS = 160;
/** Part of a region rests for so long before the region gets smaller. */
export const SHRINK_MS = 1_000;

/** Tiles, right and bottom excluded. */
export interface TileBox {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** A picture, and its samples as far as anybody asked for them. */
export interface SampledPicture {
  readonly now: Words;
  readonly samples: TileSamples;
}

/** Activity of one viewer's tiles. Times are ms of any steady clock. */
export class MotionMap {
  readonly cols: number;
  readonly rows: number;
  /** Of the present run of changes: how many, since when, until when, and their bytes. */
  readonly #changes: Uint16Array;
  readonly #sinceMs: Float64Array;
  readonly #lastMs: Float64Array;
  readonly #bytes: Float64Array;
  readonly #sends: Uint16Array;
  readonly #sentMs: Float64Array;
  /** 1 where the video shows the tile. */
  readonly #owned: Uint8Array;
  readonly #ownedMs: Float64Array;
  readonly #unseen: Uint8Array;
  readonly #sample: Uint32Array;
  /** Of the present run of changes: how many samples differed while patches shall show the tile. */
  readonly #different: Uint8Array;
  /** When a tile that the video shows last differed from its sample. */
  readonly #changedMs: Float64Array;

  constructor(readonly width: number, readonly height: number) {
    this.cols = Math.ceil(width / TILE_WIDTH_PX);
    this.rows = Math.ceil(height / TILE_HEIGHT_PX);
    const count = this.cols * this.rows;
    this.#changes = new Uint16Array(count);
    this.#sinceMs = new Float64Array(count);
    this.#lastMs = new Float64Array(count).fill(-Infinity);
    this.#bytes = new Float64Array(count);
    this.#sends = new Uint16Array(count);
    this.#sentMs = new Float64Array(count).fill(-Infinity);
    this.#owned = new Uint8Array(count);
    this.#ownedMs = new Float64Array(count).fill(-Infinity);
    this.#unseen = new Uint8Array(count);
    this.#sample = new Uint32Array(count);
    this.#different = new Uint8Array(count);
    this.#changedMs = new Float64Array(count).fill(-Infinity);
  }

  /** One picture's damage. */
  damage({ at: tiles }: DamagedTiles, nowMs: number): void {
    for (const at of tiles) {
      this.#unseen[at] = 1;
      const gapMs = nowMs - this.#lastMs[at];
      if (gapMs < SAME_PICTURE_MS) continue;
      if (gapMs > GAP_MS) {
        this.#changes[at] = 0;
        this.#bytes[at] = 0;
        this.#sends[at] = 0;
        this.#different[at] = 0;
        this.#sinceMs[at] = nowMs;
      }
      if (this.#changes[at] < 0xffff) this.#changes[at]++;
      this.#lastMs[at] = nowMs;
    }
  }

  /** A patch was sent and took so many bytes. */
  sent(patch: Rect, bytes: number, nowMs: number): void {
    const perPixel = bytes / (patch.width * patch.height);
    eachTile(this, patch, (at, col, row) => {
      const width = Math.min(patch.x + patch.width, (col + 1) * TILE_WIDTH_PX) -
        Math.max(patch.x, col * TILE_WIDTH_PX);
      const height = Math.min(patch.y + patch.height, (row + 1) * TILE_HEIGHT_PX) -
        Math.max(patch.y, row * TILE_HEIGHT_PX);
      this.#bytes[at] += width * height * perPixel;
      if (nowMs - this.#sentMs[at] >= SAME_PICTURE_MS && this.#sends[at] < 0xffff) {
        this.#sends[at]++;
      }
      this.#sentMs[at] = nowMs;
    });
  }

  /** The video shows exactly these tiles from now on; `changedMs` is taken as their last change. */
  own(owned: (col: number, row: number) => boolean, nowMs: number, changedMs = nowMs): void {
    for (let row = 0, at = 0; row < this.rows; row++) {
      for (let col = 0; col < this.cols; col++, at++) {
        const is = owned(col, row) ? 1 : 0;
        if (is === this.#owned[at]) continue;
        this.#owned[at] = is;
        this.#ownedMs[at] = nowMs;
        this.#changedMs[at] = changedMs;
        this.#unseen[at] = 1;
        this.#changes[at] = 0;
        this.#bytes[at] = 0;
        this.#sends[at] = 0;
        this.#different[at] = 0;
      }
    }
  }

  owned(col: number, row: number): boolean {
    return this.#owned[row * this.cols + col] === 1;
  }

  /**
   * Samples the damaged tiles that the video shows, with `late` those that patches shall show, too:
   * damage alone may have changed nothing.
   */
  look({ now, samples }: SampledPicture, late: boolean): void {
    for (let at = 0; at < this.#unseen.length; at++) {
      if (this.#unseen[at] === 0 || (this.#owned[at] === 0 && !late)) continue;
      this.#unseen[at] = 0;
      const sample = samples.of(at, now);
      if (sample === this.#sample[at]) continue;
      this.#sample[at] = sample;
      if (this.#owned[at] === 0) {
        if (this.#different[at] < MIN_DIFFERENT) this.#different[at]++;
      } else this.#changedMs[at] = Math.max(this.#changedMs[at], this.#lastMs[at]);
    }
  }

  /** A tile that patches show moves; a tile that video shows moved within `restMs`. */
  moves(col: number, row: number, nowMs: number, restMs: number): boolean {
    const at = row * this.cols + col;
    if (this.#owned[at] === 1) return nowMs - this.#changedMs[at] < restMs;
    if (nowMs - this.#lastMs[at] > GAP_MS) return false;
    if (nowMs - this.#ownedMs[at] < AGAIN_WITHIN_MS && this.#changes[at] >= AGAIN_CHANGES) {
      return true;
    }
    const forMs = this.#lastMs[at] - this.#sinceMs[at];
    // What patches could not be made of twice, while it changed, is as costly.
    const costly = this.changes(col, row) &&
      this.#bytes[at] >= COSTLY_TILE_BYTES * this.#sends[at];
    return costly
      ? this.#changes[at] >= COSTLY_CHANGES && forMs >= COSTLY_AFTER_MS
      : this.#changes[at] >= MOVING_CHANGES && forMs >= MOVING_AFTER_MS;
  }

  /** Whether the tile was sent or seen to differ again and again: damage alone changes nothing. */
  changes(col: number, row: number): boolean {
    const at = row * this.cols + col;
    return this.#sends[at] >= MIN_SENDS || this.#different[at] === MIN_DIFFERENT;
  }

  /** Bytes a second that patches of the box's moving tiles take. */
  patchRate(box: TileBox, nowMs: number): number {
    let rate = 0;
    for (let row = box.top; row < box.bottom; row++) {
      for (let col = box.left; col < box.right; col++) {
        const at = row * this.cols + col;
        if (this.#owned[at] === 1 || nowMs - this.#lastMs[at] > GAP_MS) continue;
        rate += this.#bytes[at] * 1000 / Math.max(MOVING_AFTER_MS, nowMs - this.#sinceMs[at]);
      }
    }
    return rate;
  }

  /** Whether any tile changed so lately that it may be about to move. */
  stirs(nowMs: number): boolean {
    return this.#lastMs.some((ms) => nowMs - ms <= GAP_MS);
  }
}
