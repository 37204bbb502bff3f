/**
 * Which parts of the screen a viewer may not have yet, in tiles, and the comparison that finds
 * the changed pixels inside them. Every pixel of a damaged tile is compared: no hash, no sampling.
 */
import type { Rect } from "@farglass/protocol";

export const TILE_WIDTH_PX = 64;
export const TILE_HEIGHT_PX = 32;
/** The fourth byte of a BGRX pixel is undefined. */
export const COLOUR_MASK = 0xffffff;

/** The tile may differ from the viewer's reference: compare it. */
const DAMAGED = 1;
/** Nobody knows what the viewer has here: send it whole. */
const UNKNOWN = 2;
/** The video shows this tile: whatever else is noted of it waits. */
const HELD = 4;
/** What changed here is text or a click, not motion: it goes before everything else. */
const FRESH = 8;

/** Damage of at most two tiles is text or a click, however often it comes. */
const SMALL_PX = 2 * TILE_WIDTH_PX * TILE_HEIGHT_PX;
/** The first change after such a rest is no motion yet. */
const REST_MS = 100;

/** Two patches become one when their union is at most this much larger, in parts and in pixels. */
const MERGE_FACTOR = 1.25;
const MERGE_SLACK_PX = 128;

/** A picture as 32-bit words; `stride` is in words. */
export interface Words {
  readonly words: Uint32Array;
  readonly stride: number;
}

/** From here on the engine's own copying is quicker than a loop. */
const LONG_COPY_WORDS = 48;

/** Copies `count` words. */
export function copyWords(
  from: Uint32Array,
  start: number,
  target: { readonly to: Uint32Array; readonly at: number; readonly count: number },
): void {
  const { to, at, count } = target;
  if (count >= LONG_COPY_WORDS) to.set(from.subarray(start, start + count), at);
  else for (let i = 0; i < count; i++) to[at + i] = from[start + i];
}

/** Calls with the index, column and row of each tile that `rect` touches. */
export function eachTile(
  { cols, rows }: { readonly cols: number; readonly rows: number },
  rect: Rect,
  call: (at: number, col: number, row: number) => void,
): void {
  const left = Math.max(0, Math.floor(rect.x / TILE_WIDTH_PX));
  const top = Math.max(0, Math.floor(rect.y / TILE_HEIGHT_PX));
  const right = Math.min(cols, Math.ceil((rect.x + rect.width) / TILE_WIDTH_PX));
  const bottom = Math.min(rows, Math.ceil((rect.y + rect.height) / TILE_HEIGHT_PX));
  for (let row = top; row < bottom; row++) {
    for (let col = left; col < right; col++) call(row * cols + col, col, row);
  }
}

/** Tiles of one viewer's screen with their state. */
export class TileMap {
  readonly cols: number;
  readonly rows: number;
  readonly #flags: Uint8Array;
  readonly #marked: Uint16Array;
  readonly #freshInRow: Uint16Array;
  /** When each tile changed last. */
  readonly #changedMs: Float64Array;
  #fresh = 0;
  #count = 0;
  #held = 0;

  constructor(readonly width: number, readonly height: number) {
    this.cols = Math.ceil(width / TILE_WIDTH_PX);
    this.rows = Math.ceil(height / TILE_HEIGHT_PX);
    this.#flags = new Uint8Array(this.cols * this.rows);
    this.#marked = new Uint16Array(this.rows);
    this.#freshInRow = new Uint16Array(this.rows);
    this.#changedMs = new Float64Array(this.cols * this.rows).fill(-Infinity);
  }

  /** Tiles that have to be looked at. */
  get count(): number {
    return this.#count;
  }

  /** Tiles to be looked at before the others. */
  get fresh(): number {
    return this.#fresh;
  }

  freshInRow(row: number): number {
    return this.#freshInRow[row];
  }

  /** Tiles that are held back. */
  get held(): number {
    return this.#held;
  }

  /** Tiles of one row that have to be looked at. */
  countInRow(row: number): number {
    return this.#marked[row];
  }

  /** The screen may have changed here at this moment. */
  change(rect: Rect, nowMs: number): void {
    const small = rect.width * rect.height <= SMALL_PX;
    eachTile(this, rect, (at, _col, row) => {
      const rested = nowMs - this.#changedMs[at] > REST_MS;
      this.#changedMs[at] = nowMs;
      this.#flag(at, row, small || rested ? DAMAGED | FRESH : DAMAGED);
    });
  }

  /** The pixels may differ from what the viewer has. */
  damage(rect: Rect): void {
    eachTile(this, rect, (at, _col, row) => this.#flag(at, row, DAMAGED));
  }

  /** The pixels were sent, but may not have arrived. */
  lose(rect: Rect): void {
    eachTile(this, rect, (at, _col, row) => this.#flag(at, row, UNKNOWN));
  }

  /** Everything is to be sent whole. */
  loseAll(): void {
    this.#flags.forEach((flags, at) => this.#flags[at] = (flags & HELD) | UNKNOWN);
    this.#recount();
  }

  /** Holds back exactly these tiles; those that are let go are to be compared. */
  hold(held: (col: number, row: number) => boolean): void {
    for (let row = 0, at = 0; row < this.rows; row++) {
      for (let col = 0; col < this.cols; col++, at++) {
        const flags = this.#flags[at];
        if (held(col, row)) this.#flags[at] = flags | HELD;
        else if ((flags & HELD) !== 0) this.#flags[at] = flags & ~HELD | DAMAGED;
      }
    }
    this.#recount();
  }

  #recount(): void {
    this.#count = 0;
    this.#held = 0;
    this.#fresh = 0;
    this.#marked.fill(0);
    this.#freshInRow.fill(0);
    this.#flags.forEach((flags, at) => {
      if ((flags & HELD) !== 0) this.#held++;
      else if (flags !== 0) this.#countTile(Math.floor(at / this.cols), flags, 1);
    });
  }

  #countTile(row: number, flags: number, by: 1 | -1): void {
    this.#count += by;
    this.#marked[row] += by;
    if ((flags & FRESH) === 0) return;
    this.#fresh += by;
    this.#freshInRow[row] += by;
  }

  #flag(at: number, row: number, flag: number): void {
    const before = this.#flags[at];
    const after = before | flag;
    if (after === before) return;
    this.#flags[at] = after;
    if ((before & HELD) !== 0) return;
    if (before !== 0) this.#countTile(row, before, -1);
    this.#countTile(row, after, 1);
  }

  /**
   * Compares the marked tiles of `row` with `reference` (packed, `width` words a row), clears
   * them and appends the changed rectangles to `into`, tight and merged; `only` the fresh ones.
   */
  takeRow(
    row: number,
    now: Words,
    reference: Uint32Array,
    into: MutableRect[],
    only: "all" | "fresh" = "all",
  ): void {
    const wanted = only === "fresh" ? FRESH : 0xff;
    const y = row * TILE_HEIGHT_PX;
    const height = Math.min(TILE_HEIGHT_PX, this.height - y);
    const rowStart = into.length;
    const compared = comparison(now, reference, this.width);
    let run: MutableRect | null = null;
    for (let col = 0; col < this.cols; col++) {
      const at = row * this.cols + col;
      const flags = this.#flags[at];
      if ((flags & wanted) === 0 || (flags & HELD) !== 0) continue;
      this.#flags[at] = 0;
      this.#countTile(row, flags, -1);
      const x = col * TILE_WIDTH_PX;
      const width = Math.min(TILE_WIDTH_PX, this.width - x);
      const tile: MutableRect = { x, y, width, height };
      const changed = (flags & UNKNOWN) !== 0 ? tile : tighten(tile, compared);
      if (changed === null) continue;
      if (run !== null && absorb(run, changed)) continue;
      run = changed;
      into.push(run);
    }
    joinWithRowAbove(into, rowStart);
  }
}

/** A rectangle under construction. */
export interface MutableRect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A picture and what it is compared with, pixel by pixel and two pixels at a time. */
interface Comparison {
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

function comparison(now: Words, reference: Uint32Array, width: number): Comparison {
  const { words, stride } = now;
  const even = (stride | width) % 2 === 0 && words.byteOffset % 8 === 0 &&
    reference.byteOffset % 8 === 0;
  const pairsOf = ({ buffer, byteOffset, length }: Uint32Array) =>
    new Float64Array(buffer, byteOffset, length >>> 1);
  const pairs = even ? { now: pairsOf(words), reference: pairsOf(reference) } : null;
  return { now, reference, width, pairs };
}

/** The smallest rectangle that holds every changed pixel of `tile`, or null. */
function tighten(tile: MutableRect, compared: Comparison): MutableRect | null {
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

/** Widens `run` by `next`, which lies to its right, when that costs few pixels more. */
function absorb(run: MutableRect, next: MutableRect): boolean {
  const top = Math.min(run.y, next.y);
  const bottom = Math.max(run.y + run.height, next.y + next.height);
  const right = next.x + next.width;
  const union = (right - run.x) * (bottom - top);
  const sum = run.width * run.height + next.width * next.height;
  if (union > sum * MERGE_FACTOR + MERGE_SLACK_PX) return false;
  run.height = bottom - top;
  run.width = right - run.x;
  run.y = top;
  return true;
}

/**
 * A row of tiles that found one rectangle which continues the last one above makes that taller:
 * a whole screen becomes one patch. Other rectangles above stay, because patches are sent in
 * their order.
 */
function joinWithRowAbove(rects: MutableRect[], rowStart: number): void {
  if (rowStart === 0 || rects.length !== rowStart + 1) return;
  const above = rects[rowStart - 1];
  const below = rects[rowStart];
  if (
    above.x !== below.x || above.width !== below.width || above.y + above.height !== below.y
  ) return;
  above.height += below.height;
  rects.length = rowStart;
}
