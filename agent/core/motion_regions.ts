/** From moving tiles to the few rectangles that the video shows. Pure functions of a MotionMap. */
import { MAX_VIDEO_REGIONS } from "@farglass/protocol";
import { type MotionMap, REST_MS, SHRINK_MS, type TileBox } from "./motion_map.ts";
import type { RegionLimits } from "./region_choice.ts";

/** A smaller thing that moves (a caret, a spinner, a clock) is cheap as patches and quicker. */
const MIN_TILES = 24;
/** Of a new region's tiles so many move, or the rectangle says too little about the motion. */
const MIN_DENSITY = 0.4;
/** A region whose motion has shrunk to less than this part of it gets smaller. */
const SHRINK_BELOW = 0.6;
/** A region with fewer moving tiles has come to rest; what still blinks there goes by patches. */
const REST_SHARE = 0.03;
/** Two rectangles become one when their union is at most so much larger. */
const MERGE_FACTOR = 1.3;
/** A region grows by at least so many moving tiles. */
const GROW_TILES = 4;

export const boxTiles = (box: TileBox): number => (box.right - box.left) * (box.bottom - box.top);

const join = (a: TileBox, b: TileBox): TileBox => ({
  left: Math.min(a.left, b.left),
  top: Math.min(a.top, b.top),
  right: Math.max(a.right, b.right),
  bottom: Math.max(a.bottom, b.bottom),
});
const overlap = (a: TileBox, b: TileBox): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const touch = (a: TileBox, b: TileBox): boolean =>
  a.left <= b.right && b.left <= a.right && a.top <= b.bottom && b.top <= a.bottom;
const inside = (a: TileBox, b: TileBox): boolean =>
  a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
export const sameBoxes = (a: readonly TileBox[], b: readonly TileBox[]): boolean =>
  a.length === b.length && a.every((box, i) => inside(box, b[i]) && inside(b[i], box));
/** Whether any of the boxes holds the tile. */
export const holds = (boxes: readonly TileBox[], col: number, row: number): boolean =>
  boxes.some((b) => col >= b.left && col < b.right && row >= b.top && row < b.bottom);

/** What `planRegions` looks at beside the map. */
export interface RegionInput {
  /** The regions so far. */
  readonly current: readonly TileBox[];
  readonly nowMs: number;
  /** What patches of a region may take, and whether they can keep up at all. */
  readonly limits: Pick<RegionLimits, "bytesPerS" | "behind">;
}

/** The regions from now on; those that still fit stay as they are, so that nothing flickers. */
export function planRegions(map: MotionMap, input: RegionInput): readonly TileBox[] {
  const { current, nowMs } = input;
  const kept: TileBox[] = [];
  for (const region of current) {
    const still = keep(map, region, nowMs);
    if (still !== null) kept.push(still);
  }
  const fresh: TileBox[] = [];
  for (const found of clusters(map, input)) {
    if (kept.some((k) => overlap(k, found.box))) {
      if (found.tiles >= GROW_TILES) fresh.push(found.box);
    } else if (kept.some((k) => isFringe(map, found, k, input))) fresh.push(found.box);
    else if (isRegion(map, found, input)) fresh.push(found.box);
  }
  return merge([...kept, ...fresh]);
}

/** What of a region still moves, or null. */
function keep(map: MotionMap, region: TileBox, nowMs: number): TileBox | null {
  let moving = 0;
  let lately: TileBox | null = null;
  for (let row = region.top; row < region.bottom; row++) {
    for (let col = region.left; col < region.right; col++) {
      if (map.moves(col, row, nowMs, REST_MS)) moving++;
      if (!map.moves(col, row, nowMs, SHRINK_MS)) continue;
      const tile = { left: col, top: row, right: col + 1, bottom: row + 1 };
      lately = lately === null ? tile : join(lately, tile);
    }
  }
  if (lately === null || moving <= boxTiles(region) * REST_SHARE) return null;
  if (boxTiles(lately) >= boxTiles(region) * SHRINK_BELOW) return region;
  return boxTiles(lately) < MIN_TILES ? null : lately;
}

interface Cluster {
  readonly box: TileBox;
  readonly tiles: number;
}

function isRegion(map: MotionMap, { box, tiles }: Cluster, input: RegionInput): boolean {
  if (tiles < MIN_TILES || tiles < boxTiles(box) * MIN_DENSITY) return false;
  const { bytesPerS, behind } = input.limits;
  return behind || map.patchRate(box, input.nowMs) >= bytesPerS;
}

/**
 * An edge of a region's motion that was seen to move later than the rest, with no tile between:
 * too small for a region of its own, and as costly.
 */
function isFringe(
  map: MotionMap,
  { box, tiles }: Cluster,
  region: TileBox,
  { limits, nowMs }: RegionInput,
): boolean {
  if (tiles < GROW_TILES || tiles < boxTiles(box) * MIN_DENSITY || !touch(region, box)) {
    return false;
  }
  if (boxTiles(join(region, box)) > (boxTiles(region) + boxTiles(box)) * MERGE_FACTOR) return false;
  return limits.behind || map.patchRate(box, nowMs) >= limits.bytesPerS * tiles / MIN_TILES;
}

/** Moving tiles that patches show, joined with their neighbours (one tile of rest between counts). */
function clusters(map: MotionMap, { current, nowMs }: RegionInput): Cluster[] {
  const { cols, rows } = map;
  const todo = new Uint8Array(cols * rows);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      if (holds(current, col, row) || !map.moves(col, row, nowMs, REST_MS)) continue;
      if (map.changes(col, row)) todo[row * cols + col] = 1;
    }
  }
  const found: Cluster[] = [];
  for (let at = todo.indexOf(1); at >= 0; at = todo.indexOf(1, at + 1)) {
    found.push(flood(todo, at, cols));
  }
  return found;
}

const REACH = 2;

function flood(todo: Uint8Array, start: number, cols: number): Cluster {
  const rows = todo.length / cols;
  const stack = [start];
  todo[start] = 0;
  let tiles = 0;
  let box: TileBox | null = null;
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const row = Math.floor(at / cols);
    const col = at % cols;
    const tile = { left: col, top: row, right: col + 1, bottom: row + 1 };
    box = box === null ? tile : join(box, tile);
    tiles++;
    for (let y = Math.max(0, row - REACH); y <= Math.min(rows - 1, row + REACH); y++) {
      for (let x = Math.max(0, col - REACH); x <= Math.min(cols - 1, col + REACH); x++) {
        if (todo[y * cols + x] === 0) continue;
        todo[y * cols + x] = 0;
        stack.push(y * cols + x);
      }
    }
  }
  return { box: box ?? { left: 0, top: 0, right: 0, bottom: 0 }, tiles };
}

/** Joins what overlaps or nearly fills its union, then whatever wastes least until few are left. */
function merge(boxes: readonly TileBox[]): readonly TileBox[] {
  const list = [...boxes];
  for (;;) {
    let best: { i: number; j: number; waste: number } | null = null;
    for (let i = 0; i < list.length; i++) {
      for (let j = i + 1; j < list.length; j++) {
        const union = boxTiles(join(list[i], list[j]));
        const sum = boxTiles(list[i]) + boxTiles(list[j]);
        const must = overlap(list[i], list[j]) || union <= sum * MERGE_FACTOR;
        if (!must && list.length <= MAX_VIDEO_REGIONS) continue;
        const waste = must ? -1 : union - sum;
        if (best === null || waste < best.waste) best = { i, j, waste };
      }
    }
    if (best === null) return list;
    list[best.i] = join(list[best.i], list[best.j]);
    list.splice(best.j, 1);
  }
}
