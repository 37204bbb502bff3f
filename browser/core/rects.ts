/** Sets of rectangles. */
import type { Rect } from "@farglass/protocol";

/** What of `rects` lies outside all of `holes`; the pieces do not overlap if `rects` do not. */
export function subtract(rects: readonly Rect[], holes: readonly Rect[]): readonly Rect[] {
  let left = rects;
  for (const hole of holes) left = left.flatMap((rect) => without(rect, hole));
  return left;
}

/** Up to four pieces: above, below, left and right of the hole. */
function without(rect: Rect, hole: Rect): readonly Rect[] {
  const right = rect.x + rect.width;
  const bottom = rect.y + rect.height;
  const top = Math.max(rect.y, hole.y);
  const end = Math.min(bottom, hole.y + hole.height);
  const from = Math.max(rect.x, hole.x);
  const to = Math.min(right, hole.x + hole.width);
  if (top >= end || from >= to) return [rect];
  const { x, y, width } = rect;
  const pieces: Rect[] = [
    { x, y, width, height: top - y },
    { x, y: end, width, height: bottom - end },
    { x, y: top, width: from - x, height: end - top },
    { x: to, y: top, width: right - to, height: end - top },
  ];
  return pieces.filter((p) => p.width > 0 && p.height > 0);
}
