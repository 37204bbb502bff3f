/**
 * Which parts of the screen a viewer may not have yet, in tiles, and which version of each tile it
 * has: what changed since then is asked of the tiles that all viewers share.
 */
import type { Rect } from "@farglass/protocol";
import type { DamagedTiles } from "./damaged_tiles.ts";
import type { SharedTiles } from "./shared_tiles.ts";

export const TILE_WIDTH_PX = 64;
export const TILE_HEIGHT_PX = 32;
/** The fourth byte of a BGRX pixel is undefined. */
export const COLOUR_MASK = 0xffffff;

/** The tile may differ from what the viewer has. */
const DAMAGED = 1;
/** Nobody knows what the viewer has here: send it whole. */
const UNKNOWN = 2;
/** The video shows this tile: whatever else is noted of it waits. */
const HELD = 4;
/** What changed here is text or a click, not motion: it goes before everything else. */
const FRESH = 8;

/** Nothing of the tile waits to be sent; it does, and the viewer may have had anything. */
const NOT_TAKEN = -1;
const ANYTHING = -2;

/** Damage of at most two tiles is text or a click, however often it comes. */
export const SMALL_PX = 2 * TILE_WIDTH_PX * TILE_HEIGHT_PX;
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
  /** The version of each tile that the viewer has, or has yet to be sent of what was taken. */
  readonly #have: Float64Array;
  /** Of tiles that were taken and may not have been sent whole: the version before, or these. */
  readonly #before: Float64Array;
  #taken = false;
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
    this.#have = new Float64Array(this.cols * this.rows);
    this.#before = new Float64Array(this.cols * this.rows).fill(NOT_TAKEN);
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
  change({ at: tiles, small }: DamagedTiles, nowMs: number): void {
    for (let i = 0; i < tiles.length; i++) {
      const at = tiles[i];
      const fresh = small[i] === 1 || nowMs - this.#changedMs[at] > REST_MS;
      this.#changedMs[at] = nowMs;
      this.#flag(at, Math.floor(at / this.cols), fresh ? DAMAGED | FRESH : DAMAGED);
    }
  }

  /** Of what was taken these pixels were not sent, and are to be taken again. */
  giveBack(rect: Rect): void {
    eachTile(this, rect, (at, _col, row) => {
      const before = this.#before[at];
      if (before >= 0) this.#have[at] = before;
      this.#flag(at, row, before >= 0 ? DAMAGED : UNKNOWN);
    });
  }

  /** Whatever was taken has been sent, or given back. */
  settle(): void {
    if (!this.#taken) return;
    this.#before.fill(NOT_TAKEN);
    this.#taken = false;
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
   * Takes the marked tiles of `row`, clears them and appends what the viewer lacks of them to
   * `into`, tight and merged; `only` the fresh ones.
   */
  takeRow(
    row: number,
    { now, shared }: Source,
    into: MutableRect[],
    only: "all" | "fresh" = "all",
  ): void {
    const wanted = only === "fresh" ? FRESH : 0xff;
    const rowStart = into.length;
    const compared = shared.comparison(now);
    let run: MutableRect | null = null;
    for (let col = 0, at = row * this.cols; col < this.cols; col++, at++) {
      const flags = this.#flags[at];
      if ((flags & wanted) === 0 || (flags & HELD) !== 0) continue;
      this.#flags[at] = 0;
      this.#countTile(row, flags, -1);
      const tile = shared.tile(col, row);
      shared.refresh(at, tile, compared);
      const whole = (flags & UNKNOWN) !== 0;
      const have = this.#have[at];
      const changed = whole ? tile : shared.changedSince(at, tile, have);
      this.#have[at] = shared.versionOf(at);
      if (changed === null) continue;
      if (whole) this.#before[at] = ANYTHING;
      else if (this.#before[at] === NOT_TAKEN) this.#before[at] = have;
      this.#taken = true;
      if (run !== null && absorb(run, changed)) continue;
      run = changed;
      into.push(run);
    }
    joinWithRowAbove(into, rowStart);
  }

  /**
   * `patch` was sent as the shared tiles are now: what changed since it was taken is not to be sent
   * once more.
   */
  sent(patch: Rect, shared: SharedTiles): void {
    eachTile(this, patch, (at, col, row) => {
      const have = this.#have[at];
      if (shared.versionOf(at) === have) return;
      const changed = shared.changedSince(at, shared.tile(col, row), have);
      if (changed === null || holds(patch, changed)) this.#have[at] = shared.versionOf(at);
    });
  }
}

/** The screen, and what its viewers share of it. */
export interface Source {
  readonly now: Words;
  readonly shared: SharedTiles;
}

const holds = (outer: Rect, inner: Rect): boolean =>
  inner.x >= outer.x && inner.x + inner.width <= outer.x + outer.width &&
  inner.y >= outer.y && inner.y + inner.height <= outer.y + outer.height;

/** A rectangle under construction. */
export interface MutableRect {
  x: number;
  y: number;
  width: number;
  height: number;
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
