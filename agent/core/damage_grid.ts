/**
 * What of a picture has to be converted again, in cells: the damage of several captures becomes
 * a few rectangles with even bounds, as 4:2:0 demands. Pure.
 */
import type { Rect } from "@farglass/protocol";

/**
 * Cells are wide because a call of the converter costs about as much as 2,000 pixels; both sides
 * keep the planes' rows aligned for SIMD (256 px are 128 bytes of chroma).
 */
export const CELL_WIDTH_PX = 256;
export const CELL_HEIGHT_PX = 32;

/** The damaged cells of a picture; new ones are damaged all over. */
export class DamageGrid {
  readonly #cols: number;
  readonly #rows: number;
  readonly #cells: Uint8Array;
  #count: number;

  /** Even sides, in pixels. */
  constructor(readonly width: number, readonly height: number) {
    this.#cols = Math.ceil(width / CELL_WIDTH_PX);
    this.#rows = Math.ceil(height / CELL_HEIGHT_PX);
    this.#cells = new Uint8Array(this.#cols * this.#rows).fill(1);
    this.#count = this.#cells.length;
  }

  /** Share of the picture that is damaged, 0 to 1. */
  get share(): number {
    return this.#count / this.#cells.length;
  }

  add(rects: readonly Rect[]): void {
    for (const rect of rects) {
      const left = Math.max(0, Math.floor(rect.x / CELL_WIDTH_PX));
      const top = Math.max(0, Math.floor(rect.y / CELL_HEIGHT_PX));
      const right = Math.min(this.#cols, Math.ceil((rect.x + rect.width) / CELL_WIDTH_PX));
      const bottom = Math.min(this.#rows, Math.ceil((rect.y + rect.height) / CELL_HEIGHT_PX));
      for (let row = top; row < bottom; row++) {
        for (let at = row * this.#cols + left; at < row * this.#cols + right; at++) {
          this.#count += 1 - this.#cells[at];
          this.#cells[at] = 1;
        }
      }
    }
  }

  /**
   * The damage as rectangles without overlap, and none is left. A run of cells that continues the
   * one above is joined with it.
   */
  take(): Rect[] {
    const done: Rect[] = [];
    if (this.#count === 0) return done;
    let open: Run[] = [];
    for (let row = 0; row < this.#rows; row++) {
      const runs = this.#runsOf(row);
      const next: Run[] = [];
      for (const run of runs) {
        const above = open.find((one) => one.left === run.left && one.right === run.right);
        next.push(above === undefined ? run : { ...above, bottom: row + 1 });
      }
      for (const run of open) {
        if (!next.some((one) => one.left === run.left && one.top === run.top)) {
          done.push(this.#rect(run));
        }
      }
      open = next;
    }
    for (const run of open) done.push(this.#rect(run));
    this.#cells.fill(0);
    this.#count = 0;
    return done;
  }

  #runsOf(row: number): Run[] {
    const runs: Run[] = [];
    for (let col = 0; col < this.#cols; col++) {
      if (this.#cells[row * this.#cols + col] === 0) continue;
      const last = runs.at(-1);
      if (last !== undefined && last.right === col) last.right = col + 1;
      else runs.push({ left: col, right: col + 1, top: row, bottom: row + 1 });
    }
    return runs;
  }

  #rect(run: Run): Rect {
    const x = run.left * CELL_WIDTH_PX;
    const y = run.top * CELL_HEIGHT_PX;
    return {
      x,
      y,
      width: Math.min(this.width, run.right * CELL_WIDTH_PX) - x,
      height: Math.min(this.height, run.bottom * CELL_HEIGHT_PX) - y,
    };
  }
}

interface Run {
  left: number;
  right: number;
  top: number;
  bottom: number;
}
