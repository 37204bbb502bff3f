/** Pictures for tests of the video path: known colours, text-like detail, motion. */
import type { Frame } from "../../agent/core/ports.ts";

/** Colours of the bars, as [red, green, blue]. */
export const BAR_COLOURS: readonly (readonly [number, number, number])[] = [
  [255, 255, 255],
  [255, 255, 0],
  [0, 255, 255],
  [0, 255, 0],
  [255, 0, 255],
  [255, 0, 0],
  [0, 0, 255],
  [0, 0, 0],
  [128, 128, 128],
  [32, 96, 160],
];

/** A BGRX picture in memory that can be drawn on. */
export class Picture {
  readonly strideBytes: number;
  readonly pixels: Uint8Array;
  constructor(readonly width: number, readonly height: number, padPixels = 0) {
    this.strideBytes = (width + padPixels) * 4;
    this.pixels = new Uint8Array(this.strideBytes * height);
  }

  fill(x: number, y: number, width: number, height: number, rgb: readonly number[]): void {
    for (let row = y; row < Math.min(y + height, this.height); row++) {
      for (let column = x; column < Math.min(x + width, this.width); column++) {
        const at = row * this.strideBytes + column * 4;
        this.pixels[at] = rgb[2];
        this.pixels[at + 1] = rgb[1];
        this.pixels[at + 2] = rgb[0];
      }
    }
  }

  /** Vertical bars over the upper half, in BAR_COLOURS. */
  bars(): void {
    const wide = Math.ceil(this.width / BAR_COLOURS.length);
    BAR_COLOURS.forEach((rgb, i) => this.fill(i * wide, 0, wide, this.height >> 1, rgb));
  }

  /** Lines of glyph-like strokes, dark on light, from `seed`, in the given rows. */
  text(top: number, bottom: number, seed: number): void {
    this.fill(0, top, this.width, bottom - top, [250, 250, 245]);
    let state = seed >>> 0 || 1;
    for (let y = top + 4; y + 12 < bottom; y += 16) {
      for (let x = 6; x + 7 < this.width; x += 8) {
        state = Math.imul(state, 1664525) + 1013904223 >>> 0;
        if (state >>> 29 === 0) continue;
        for (let bit = 0; bit < 4; bit++) {
          if ((state >>> (8 + bit) & 1) === 0) continue;
          if (bit % 2 === 0) this.fill(x + bit * 2, y, 1, 11, [30, 30, 40]);
          else this.fill(x, y + bit * 3, 6, 1, [30, 30, 40]);
        }
      }
    }
  }

  frame(sequence: number, capturedAtMs: number): Frame {
    const { width, height, strideBytes, pixels } = this;
    const damage = [{ x: 0, y: 0, width, height }];
    return { sequence, width, height, strideBytes, pixels, damage, capturedAtMs };
  }
}

/**
 * Peak signal-to-noise ratio of the luma (BT.709) of two pictures of one size, in dB. Colour has
 * half the resolution in 4:2:0, so its edges are compared by `colourAt` inside of areas instead.
 */
export function psnr(a: Picture, b: Picture): number {
  const luma = (picture: Picture, at: number) =>
    0.0722 * picture.pixels[at] + 0.7152 * picture.pixels[at + 1] + 0.2126 * picture.pixels[at + 2];
  let squares = 0;
  for (let y = 0; y < a.height; y++) {
    for (let x = 0; x < a.width; x++) {
      const d = luma(a, y * a.strideBytes + x * 4) - luma(b, y * b.strideBytes + x * 4);
      squares += d * d;
    }
  }
  const mean = squares / (a.width * a.height);
  return mean === 0 ? Infinity : 10 * Math.log10(255 * 255 / mean);
}

/** A pixel as [red, green, blue]. */
export function colourAt(picture: Picture, x: number, y: number): [number, number, number] {
  const at = y * picture.strideBytes + x * 4;
  return [picture.pixels[at + 2], picture.pixels[at + 1], picture.pixels[at]];
}

/** The largest difference of two colours in one of their parts. */
export const colourDistance = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i])));
