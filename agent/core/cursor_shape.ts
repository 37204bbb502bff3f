import { MAX_CURSOR_SIDE_PX } from "@farglass/protocol";
import type { CursorShape } from "./ports.ts";

/** A cursor as X gives it: premultiplied ARGB (XFixes protocol, section 7). */
export interface PremultipliedCursor {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  /** 0xAARRGGBB, row by row. */
  readonly argb: Uint32Array;
}

export const HIDDEN_CURSOR: CursorShape = {
  width: 0,
  height: 0,
  hotX: 0,
  hotY: 0,
  rgba: new Uint8Array(0),
};

/**
 * Straight RGBA, at most `maxSidePx` wide and high: a larger cursor is shrunk by averaging. A
 * cursor without a visible pixel is the hidden one.
 */
export function cursorShape(cursor: PremultipliedCursor, maxSidePx: number): CursorShape {
  const { argb } = cursor;
  if (!argb.some((pixel) => pixel >>> 24 !== 0)) return HIDDEN_CURSOR;
  const scale = Math.min(1, maxSidePx / Math.max(cursor.width, cursor.height));
  const width = Math.max(1, Math.floor(cursor.width * scale));
  const height = Math.max(1, Math.floor(cursor.height * scale));
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      writeStraight(rgba, (y * width + x) * 4, averageOf(cursor, x, y, width, height));
    }
  }
  return {
    width,
    height,
    hotX: Math.min(width - 1, Math.floor(cursor.hotX * scale)),
    hotY: Math.min(height - 1, Math.floor(cursor.hotY * scale)),
    rgba,
  };
}

type Argb = readonly [alpha: number, red: number, green: number, blue: number];

/** Mean of the source pixels under one pixel of the result; exact where nothing is shrunk. */
function averageOf(
  cursor: PremultipliedCursor,
  x: number,
  y: number,
  width: number,
  height: number,
): Argb {
  const left = Math.floor((x * cursor.width) / width);
  const right = Math.max(left + 1, Math.floor(((x + 1) * cursor.width) / width));
  const top = Math.floor((y * cursor.height) / height);
  const bottom = Math.max(top + 1, Math.floor(((y + 1) * cursor.height) / height));
  const sum = [0, 0, 0, 0];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const pixel = cursor.argb[row * cursor.width + column];
      sum[0] += pixel >>> 24;
      sum[1] += (pixel >>> 16) & 0xff;
      sum[2] += (pixel >>> 8) & 0xff;
      sum[3] += pixel & 0xff;
    }
  }
  const count = (right - left) * (bottom - top);
  return [sum[0] / count, sum[1] / count, sum[2] / count, sum[3] / count];
}

function writeStraight(rgba: Uint8Array, at: number, [alpha, red, green, blue]: Argb): void {
  if (alpha === 0) return;
  const straight = (value: number) => Math.min(255, Math.round((value * 255) / alpha));
  rgba[at] = straight(red);
  rgba[at + 1] = straight(green);
  rgba[at + 2] = straight(blue);
  rgba[at + 3] = Math.round(alpha);
}

/** At most MAX_CURSOR_SIDE_PX each way; of a larger cursor the hot spot's corner is what matters. */
export function cropCursor(shape: CursorShape): CursorShape {
  const width = Math.min(shape.width, MAX_CURSOR_SIDE_PX);
  const height = Math.min(shape.height, MAX_CURSOR_SIDE_PX);
  const hotX = Math.min(shape.hotX, width);
  const hotY = Math.min(shape.hotY, height);
  if (width === shape.width && height === shape.height) return { ...shape, hotX, hotY };
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    const from = y * shape.width * 4;
    rgba.set(shape.rgba.subarray(from, from + width * 4), y * width * 4);
  }
  return { width, height, hotX, hotY, rgba };
}
