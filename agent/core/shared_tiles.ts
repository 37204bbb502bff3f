/**
 * What all viewers of one picture share: its newest pixels that were compared with the screen, and
 * for each tile what changed when. A viewer remembers versions instead of pixels, so that a tile is
 * compared once, however many look at it, and a slow viewer asks by its older version. Every pixel
 * of a damaged tile is compared: no hash, no sampling. Pure.
 */
import type { Rect } from "@farglass/protocol";
import type { DamagedTiles } from "./damaged_tiles.ts";
import {
  COLOUR_MASK,
  copyWords,
  eachTile,
  type MutableRect,
  TILE_HEIGHT_PX,
  TILE_WIDTH_PX,
  type Words,
} from "./tile_map.ts";

/** So many changes of a tile are remembered; whoever has an older version is sent the whole tile. */
const HISTORY = 4;

/** The newest pixels of one picture, and the changes of its tiles. */
export class SharedTiles {
  readonly cols: number;
  readonly rows: number;
  /** Packed, `width` words a row. */
  readonly reference: Uint32Array;
  /** 1 where the screen may have changed since the last comparison. */
  readonly #stale: Uint8Array;
  #staleCount: number;
  readonly #versions: Float64Array;
  /** The last changes of each tile, `HISTORY` slots each: when, and a tight rectangle in 4 bytes. */
  readonly #changedAt: Float64Array;
  readonly #bounds: Uint32Array;
  readonly #next: Uint8Array;
  #clock = 0;

  constructor(readonly width: number, readonly height: number) {
    this.cols = Math.ceil(width / TILE_WIDTH_PX);
    this.rows = Math.ceil(height / TILE_HEIGHT_PX);
    const count = this.cols * this.rows;
    this.reference = new Uint32Array(width * height);
    this.#stale = new Uint8Array(count).fill(1);
    this.#staleCount = count;
    this.#versions = new Float64Array(count);
    this.#changedAt = new Float64Array(count * HISTORY);
    this.#bounds = new Uint32Array(count * HISTORY);
    this.#next = new Uint8Array(count);
  }

  /** The newest version of any tile. */
  get version(): number {
    return this.#clock;
  }

  /** The version of a tile's pixels in `reference`; only ever grows. */
  versionOf(at: number): number {
    return this.#versions[at];
  }

  /** The screen may have changed here. */
  damage({ at: tiles }: DamagedTiles): void {
    for (const at of tiles) {
      this.#staleCount += 1 - this.#stale[at];
      this.#stale[at] = 1;
    }
  }

  /** The screen may have changed anywhere, though nobody said so. */
  doubt(): void {
    this.#stale.fill(1);
    this.#staleCount = this.#stale.length;
  }

  /** Brings the tiles under these rectangles up to date with the screen. */
  refreshUnder(rects: readonly Rect[], now: Words): void {
    if (this.#staleCount === 0) return;
    const compared = this.comparison(now);
    for (const rect of rects) {
      eachTile(this, rect, (at, col, row) => {
        if (this.#stale[at] === 1) this.refresh(at, this.tile(col, row), compared);
      });
    }
  }

  /** Brings one tile up to date with the screen. */
  refresh(at: number, tile: Rect, compared: Comparison): void {
    if (this.#stale[at] === 0) return;
    this.#stale[at] = 0;
    this.#staleCount--;
    const changed = tighten(tile, compared);
    if (changed === null) return;
    const { now: { words, stride } } = compared;
    for (let y = changed.y; y < changed.y + changed.height; y++) {
      const to = y * this.width + changed.x;
      const target = { to: this.reference, at: to, count: changed.width };
      copyWords(words, y * stride + changed.x, target);
    }
    const version = ++this.#clock;
    this.#versions[at] = version;
    const slot = at * HISTORY + this.#next[at];
    this.#next[at] = (this.#next[at] + 1) % HISTORY;
    this.#changedAt[slot] = version;
    const left = changed.x - tile.x;
    const top = changed.y - tile.y;
    this.#bounds[slot] = left | top << 8 | (left + changed.width) << 16 |
      (top + changed.height) << 24;
  }

  /** What of an up-to-date tile differs, at most, from its version `have`; null for nothing. */
  changedSince(at: number, tile: Rect, have: number): MutableRect | null {
    if (this.#versions[at] <= have) return null;
    let left = 0xff;
    let top = 0xff;
    let right = 0;
    let bottom = 0;
    for (let slot = at * HISTORY; slot < (at + 1) * HISTORY; slot++) {
      if (this.#changedAt[slot] <= have) continue;
      const bounds = this.#bounds[slot];
      left = Math.min(left, bounds & 0xff);
      top = Math.min(top, bounds >>> 8 & 0xff);
      right = Math.max(right, bounds >>> 16 & 0xff);
      bottom = Math.max(bottom, bounds >>> 24);
    }
    // The next slot holds the oldest change: an older one may be forgotten.
    if (this.#changedAt[at * HISTORY + this.#next[at]] > have) return { ...tile };
    return { x: tile.x + left, y: tile.y + top, width: right - left, height: bottom - top };
  }

  /** A tile's place on the picture. */
  tile(col: number, row: number): MutableRect {
    const x = col * TILE_WIDTH_PX;
    const y = row * TILE_HEIGHT_PX;
    return {
      x,
      y,
      width: Math.min(TILE_WIDTH_PX, this.width - x),
      height: Math.min(TILE_HEIGHT_PX, this.height - y),
    };
  }

  /** The screen as it is compared with `reference`. */
  comparison(now: Words): Comparison {
    const { reference, width } = this;
    const { words, stride } = now;
    const even = (stride | width) % 2 === 0 && words.byteOffset % 8 === 0;
    const pairsOf = ({ buffer, byteOffset, length }: Uint32Array) =>
      new Float64Array(buffer, byteOffset, length >>> 1);
    const pairs = even ? { now: pairsOf(words), reference: pairsOf(reference) } : null;
    return { now, reference, width, pairs };
  }
}

/** A picture and what it is compared with, pixel by pixel and two pixels at a time. */
export interface Comparison {
  readonly now: Words;
  readonly reference: Uint32Array;
  readonly width: number;
  /**
   * Pairs of pixels as numbers of 64 bits, where both have even rows: equal numbers are equal
   * colours (nought and minus nought differ in a fourth byte only), which is asked twice as
   * quickly. Unequal numbers may still be equal colours; that is asked pixel by pixel.
   */
  readonly pairs: { readonly now: Float64Array; readonly reference: Float64Array } | null;
}

/** The smallest rectangle that holds every changed pixel of `tile`, or null. */
function tighten(tile: Rect, compared: Comparison): MutableRect | null {
  const { now: { words, stride }, reference, width, pairs } = compared;
  let left = tile.width;
  let right = -1;
  let top = -1;
  let bottom = -1;
  for (let dy = 0; dy < tile.height; dy++) {
    const a = (tile.y + dy) * stride + tile.x;
    const b = (tile.y + dy) * width + tile.x;
    let first = 0;
    if (pairs !== null) first = equalFromStart(pairs, { a, b, length: tile.width });
    while (first < tile.width && ((words[a + first] ^ reference[b + first]) & COLOUR_MASK) === 0) {
      first++;
    }
    if (first === tile.width) continue;
    if (top < 0) top = dy;
    bottom = dy;
    if (first < left) left = first;
    let last = tile.width - 1;
    if (pairs !== null) {
      while (last - 1 > right && pairs.now[a + last >> 1] === pairs.reference[b + last >> 1]) {
        last -= 2;
      }
    }
    while (last > right && ((words[a + last] ^ reference[b + last]) & COLOUR_MASK) === 0) last--;
    if (last > right) right = last;
  }
  if (top < 0) return null;
  return {
    x: tile.x + left,
    y: tile.y + top,
    width: right - left + 1,
    height: bottom - top + 1,
  };
}

/** How many pixels are surely equal from `a` and `b` on, which are even as `length` is. */
function equalFromStart(
  pairs: NonNullable<Comparison["pairs"]>,
  row: { readonly a: number; readonly b: number; readonly length: number },
): number {
  const { now, reference } = pairs;
  const end = row.a + row.length >> 1;
  let a = row.a >> 1;
  let b = row.b >> 1;
  while (a < end && now[a] === reference[b]) {
    a++;
    b++;
  }
  return (a << 1) - row.a;
}
