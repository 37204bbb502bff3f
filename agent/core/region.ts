import type { Rect } from "@farglass/protocol";

/** The smallest rectangle that holds both. */
export function union(a: Rect, b: Rect): Rect {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}

/** The part of `rect` inside a screen of this size, or null. */
export function clip(rect: Rect, width: number, height: number): Rect | null {
  const x = Math.max(0, rect.x);
  const y = Math.max(0, rect.y);
  const right = Math.min(width, rect.x + rect.width);
  const bottom = Math.min(height, rect.y + rect.height);
  return right > x && bottom > y ? { x, y, width: right - x, height: bottom - y } : null;
}

/**
 * Damage that can be handed on: inside the screen, and at most `maxRects` rectangles. Neighbours
 * in the list are joined when there are more; what was covered stays covered.
 */
export function tidyDamage(
  rects: readonly Rect[],
  screen: { readonly width: number; readonly height: number },
  maxRects: number,
): Rect[] {
  const inside: Rect[] = [];
  for (const rect of rects) {
    const clipped = clip(rect, screen.width, screen.height);
    if (clipped !== null) inside.push(clipped);
  }
  if (inside.length <= maxRects) return inside;
  const perGroup = Math.ceil(inside.length / maxRects);
  const joined: Rect[] = [];
  for (let i = 0; i < inside.length; i += perGroup) {
    joined.push(inside.slice(i, i + perGroup).reduce(union));
  }
  return joined;
}

/** Full-width rows of the screen. */
export interface RowBand {
  readonly y: number;
  readonly height: number;
}

/** Reading so many rows more costs less than asking the display once more. */
const BAND_GAP_ROWS = 64;
const MAX_BANDS = 4;

/**
 * The rows of a screen of this height that hold `rects` (inside the screen), from the top down, in
 * a few bands: what has to be read of the screen. All of them when there would be too many.
 */
export function rowBands(rects: readonly Rect[], height: number): RowBand[] {
  const sorted = [...rects].sort((a, b) => a.y - b.y);
  const bands: { y: number; height: number }[] = [];
  for (const rect of sorted) {
    const last = bands.at(-1);
    if (last === undefined || rect.y > last.y + last.height + BAND_GAP_ROWS) {
      if (bands.length === MAX_BANDS) return [{ y: 0, height }];
      bands.push({ y: rect.y, height: rect.height });
    } else last.height = Math.max(last.height, rect.y + rect.height - last.y);
  }
  return bands;
}
