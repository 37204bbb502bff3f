/**
 * In which order a viewer's changed tiles are looked at and sent: what is typed first, everything
 * else row after row, so that every place of the screen has its turn. Pure.
 */
import type { MutableRect, Source, TileMap } from "./tile_map.ts";

/** So many small changes at once are not typed, and have no precedence. */
const MAX_FRESH_TILES = 96;

export interface PassStep {
  /** Pixels that are enough for one message. */
  readonly wanted: number;
  /** A frame has been begun: it ends with the pass. */
  readonly begun: boolean;
}

/** The passes over one viewer's tiles. */
export class TilePass {
  /** Found to differ, not yet sent, in the order in which they leave. */
  readonly pending: MutableRect[] = [];
  readonly #tiles: TileMap;
  /** The next row of tiles to look at. */
  #row = 0;
  #freshRow = 0;
  #freshFilled = false;

  constructor(tiles: TileMap) {
    this.#tiles = tiles;
  }

  /** Nothing is left of this pass. */
  get done(): boolean {
    return this.pending.length === 0 && this.#row >= this.#tiles.rows;
  }

  /** Begins anew from the top. */
  restart(): void {
    this.pending.length = 0;
    this.#tiles.settle();
    this.#row = 0;
  }

  /** Begins anew; what was found and not sent is to be found again. */
  giveBack(): void {
    for (const rect of this.pending) this.#tiles.giveBack(rect);
    this.restart();
  }

  /** Looks at further tiles until enough is pending, or the pass is over. */
  advance(source: Source, { wanted, begun }: PassStep): void {
    const { rows, fresh } = this.#tiles;
    if (this.pending.length === 0) this.#tiles.settle();
    let found = this.pending.reduce((sum, rect) => sum + rect.width * rect.height, 0);
    if (fresh > MAX_FRESH_TILES || this.#freshFilled) this.#freshFilled = false;
    else if (fresh > 0) {
      found += this.#takeFresh(source, wanted);
      // The others have every second message at least.
      this.#freshFilled = found > wanted;
    }
    if (!begun && this.#row >= rows) this.#row = 0;
    while (this.#row < rows && found <= wanted) {
      const row = this.#row++;
      if (this.#tiles.countInRow(row) > 0) found += this.#take(row, source, this.pending);
    }
  }

  #takeFresh(source: Source, wanted: number): number {
    const first: MutableRect[] = [];
    const { rows } = this.#tiles;
    let found = 0;
    let looked = 0;
    while (looked < rows && found <= wanted) {
      const row = (this.#freshRow + looked++) % rows;
      if (this.#tiles.freshInRow(row) > 0) found += this.#take(row, source, first, "fresh");
    }
    // After a whole round all viewers begin at the same row again, and share what is packed.
    this.#freshRow = looked === rows ? 0 : (this.#freshRow + looked) % rows;
    this.pending.unshift(...first);
    return found;
  }

  /** Takes the tiles of one row; returns the pixels that came to `into`. */
  #take(
    row: number,
    source: Source,
    into: MutableRect[],
    only: "all" | "fresh" = "all",
  ): number {
    const before = into.length;
    const tallest = into.at(-1)?.height ?? 0;
    this.#tiles.takeRow(row, source, into, only);
    let found = 0;
    if (before > 0) found += into[before - 1].width * (into[before - 1].height - tallest);
    for (const rect of into.slice(before)) found += rect.width * rect.height;
    return found;
  }
}
