import type { Rect } from "@farglass/protocol";
import { GLYPH_HEIGHT_PX, GLYPH_WIDTH_PX, glyphRows } from "./bitmap_font.ts";
import { clip } from "./region.ts";

/** Draws into a picture of little-endian BGRX pixels; nothing outside `within` changes. */
export class BitmapCanvas {
  readonly #pixels: Uint32Array;
  readonly #width: number;
  readonly #within: Rect;

  constructor(pixels: Uint32Array, width: number, within: Rect) {
    this.#pixels = pixels;
    this.#width = width;
    const inside = clip(within, width, Math.floor(pixels.length / width));
    this.#within = inside ?? { x: 0, y: 0, width: 0, height: 0 };
  }

  /** Fills a rectangle with 0xRRGGBB. */
  fill(rect: Rect, color: number): void {
    const { x, y, width, height } = this.#within;
    const left = Math.max(x, rect.x);
    const right = Math.min(x + width, rect.x + rect.width);
    if (right <= left) return;
    const bottom = Math.min(y + height, rect.y + rect.height);
    for (let row = Math.max(y, rect.y); row < bottom; row++) {
      this.#pixels.fill(color, row * this.#width + left, row * this.#width + right);
    }
  }

  /** A rectangle's border inside its edge. */
  frame(rect: Rect, thicknessPx: number, color: number): void {
    const { x, y, width, height } = rect;
    this.fill({ x, y, width, height: thicknessPx }, color);
    this.fill({ x, y: y + height - thicknessPx, width, height: thicknessPx }, color);
    this.fill({ x, y, width: thicknessPx, height }, color);
    this.fill({ x: x + width - thicknessPx, y, width: thicknessPx, height }, color);
  }

  /** Text with its upper left corner at (x, y); each font pixel becomes `scale` × `scale`. */
  text(x: number, y: number, text: string, style: { color: number; scale: number }): void {
    const { scale } = style;
    const { x: left, y: top, width, height } = this.#within;
    if (y >= top + height || y + GLYPH_HEIGHT_PX * scale <= top) return;
    let at = x;
    for (const character of text) {
      if (at < left + width && at + GLYPH_WIDTH_PX * scale > left) {
        this.#glyph(at, y, character.codePointAt(0) ?? 0, style);
      }
      at += GLYPH_WIDTH_PX * scale;
    }
  }

  #glyph(x: number, y: number, codePoint: number, style: { color: number; scale: number }): void {
    const { color, scale } = style;
    const rows = glyphRows(codePoint);
    for (let row = 0; row < rows.length; row++) {
      for (let column = 0; column < GLYPH_WIDTH_PX; column++) {
        if ((rows[row] >> (GLYPH_WIDTH_PX - 1 - column) & 1) === 0) continue;
        this.fill(
          { x: x + column * scale, y: y + row * scale, width: scale, height: scale },
          color,
        );
      }
    }
  }
}

/** Width of a text in pixels. */
export const textWidthPx = (text: string, scale: number): number =>
  [...text].length * GLYPH_WIDTH_PX * scale;
