/**
 * Which tiles a picture's damage touches. Worked out once for everybody who looks at the picture:
 * hundreds of rectangles lie on few tiles, and ten viewers note the same ones. Pure.
 */
import type { Rect } from "@farglass/protocol";
import { eachTile, SMALL_PX } from "./tile_map.ts";

/** Tiles, each once, in no particular order. */
export interface DamagedTiles {
  readonly at: Uint32Array;
  /** 1 where damage was small enough for text or a click. */
  readonly small: Uint8Array;
}

interface TileGrid {
  readonly cols: number;
  readonly rows: number;
}

const known = new WeakMap<readonly Rect[], TileGrid & { readonly tiles: DamagedTiles }>();

/** The tiles of a grid that `rects` touch; the list must not be changed afterwards. */
export function damagedTiles(rects: readonly Rect[], { cols, rows }: TileGrid): DamagedTiles {
  const before = known.get(rects);
  if (before !== undefined && before.cols === cols && before.rows === rows) return before.tiles;
  const tiles = tilesUnder(rects, { cols, rows });
  known.set(rects, { cols, rows, tiles });
  return tiles;
}

const TOUCHED = 1;
const SMALL = 2;

function tilesUnder(rects: readonly Rect[], grid: TileGrid): DamagedTiles {
  const marks = new Uint8Array(grid.cols * grid.rows);
  const at = new Uint32Array(marks.length);
  let count = 0;
  for (const rect of rects) {
    const mark = rect.width * rect.height <= SMALL_PX ? TOUCHED | SMALL : TOUCHED;
    eachTile(grid, rect, (i) => {
      if (marks[i] === 0) at[count++] = i;
      marks[i] |= mark;
    });
  }
  const touched = at.slice(0, count);
  return { at: touched, small: Uint8Array.from(touched, (i) => marks[i] >> 1) };
}
