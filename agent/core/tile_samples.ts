/**
 * A number for each tile's look, made of samples of its pixels, for all who ask whether a tile moves
 * that nobody is sent as a patch: made once after each damage, however many ask. Pure.
 */
import type { DamagedTiles } from "./damaged_tiles.ts";
import { COLOUR_MASK, TILE_HEIGHT_PX, TILE_WIDTH_PX, type Words } from "./tile_map.ts";

/** Every second pixel of every fourth row. */
const SAMPLE_COLUMNS = 2;
const SAMPLE_ROWS = 4;

/** The samples of one picture. */
export class TileSamples {
  readonly #cols: number;
  readonly #stale: Uint8Array;
  readonly #samples: Uint32Array;

  constructor(readonly width: number, readonly height: number) {
    this.#cols = Math.ceil(width / TILE_WIDTH_PX);
    const count = this.#cols * Math.ceil(height / TILE_HEIGHT_PX);
    this.#stale = new Uint8Array(count).fill(1);
    this.#samples = new Uint32Array(count);
  }

  /** The screen may have changed here; to be told before anybody asks. */
  damage({ at }: DamagedTiles): void {
    for (const i of at) this.#stale[i] = 1;
  }

  /** The tile's sample in `now`, of which only damaged tiles may have changed. */
  of(at: number, now: Words): number {
    if (this.#stale[at] === 1) {
      this.#stale[at] = 0;
      this.#samples[at] = this.#take(at, now);
    }
    return this.#samples[at];
  }

  #take(at: number, { words, stride }: Words): number {
    const col = at % this.#cols;
    const row = Math.floor(at / this.#cols);
    const right = Math.min(this.width, (col + 1) * TILE_WIDTH_PX);
    const bottom = Math.min(this.height, (row + 1) * TILE_HEIGHT_PX);
    let sum = 0x811c9dc5;
    for (let y = row * TILE_HEIGHT_PX; y < bottom; y += SAMPLE_ROWS) {
      for (let x = col * TILE_WIDTH_PX; x < right; x += SAMPLE_COLUMNS) {
        sum = Math.imul(sum ^ (words[y * stride + x] & COLOUR_MASK), 0x01000193);
      }
    }
    return sum >>> 0;
  }
}
