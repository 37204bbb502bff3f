import type { Rect } from "@farglass/protocol";
import type { Frame } from "./ports.ts";

const BYTES_PER_PIXEL = 4;

/** The next even number: 4:2:0 halves both sides. */
export const evenSide = (side: number): number => side + (side & 1);

/**
 * Copies a rectangle of a frame's BGRX rows to the same place in `target`. Where the rectangle
 * reaches one pixel over an odd side, the last column or row is written twice, so that the padding
 * does not bleed a foreign colour into the picture's edge.
 */
export function copyPadded(
  frame: Pick<Frame, "width" | "height" | "strideBytes" | "pixels">,
  rect: Rect,
  target: { readonly bytes: Uint8Array; readonly strideBytes: number },
): void {
  const { strideBytes, pixels } = frame;
  const columns = Math.min(rect.width, frame.width - rect.x);
  const rows = Math.min(rect.height, frame.height - rect.y);
  const rowBytes = columns * BYTES_PER_PIXEL;
  const left = rect.x * BYTES_PER_PIXEL;
  const whole = columns === rect.width && rowBytes === strideBytes &&
    strideBytes === target.strideBytes;
  if (whole) {
    const from = rect.y * strideBytes;
    target.bytes.set(pixels.subarray(from, from + rows * strideBytes), from);
  } else {
    for (let y = rect.y; y < rect.y + rows; y++) {
      const from = y * strideBytes + left;
      const to = y * target.strideBytes + left;
      target.bytes.set(pixels.subarray(from, from + rowBytes), to);
      if (columns < rect.width) {
        target.bytes.copyWithin(to + rowBytes, to + rowBytes - BYTES_PER_PIXEL, to + rowBytes);
      }
    }
  }
  if (rows < rect.height) {
    const last = (rect.y + rows - 1) * target.strideBytes + left;
    const paddedBytes = rect.width * BYTES_PER_PIXEL;
    target.bytes.copyWithin(last + target.strideBytes, last, last + paddedBytes);
  }
}
