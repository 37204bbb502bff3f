import type { Frame } from "./ports.ts";

const BYTES_PER_PIXEL = 4;

/** The next even number: 4:2:0 halves both sides. */
export const evenSide = (side: number): number => side + (side & 1);

/**
 * Copies a frame's BGRX rows into `target` with rows of `targetStrideBytes`. When a side is odd,
 * the last column or row is written twice, so that the padding does not bleed a foreign colour
 * into the picture's edge.
 */
export function copyPadded(
  frame: Pick<Frame, "width" | "height" | "strideBytes" | "pixels">,
  target: Uint8Array,
  targetStrideBytes: number,
): void {
  const { width, height, strideBytes, pixels } = frame;
  const rowBytes = width * BYTES_PER_PIXEL;
  if (width % 2 === 0 && strideBytes === targetStrideBytes) {
    target.set(pixels.subarray(0, (height - 1) * strideBytes + rowBytes));
  } else {
    for (let y = 0; y < height; y++) {
      const from = y * strideBytes;
      const to = y * targetStrideBytes;
      target.set(pixels.subarray(from, from + rowBytes), to);
      if (width % 2 === 1) {
        target.copyWithin(to + rowBytes, to + rowBytes - BYTES_PER_PIXEL, to + rowBytes);
      }
    }
  }
  if (height % 2 === 1) {
    const last = (height - 1) * targetStrideBytes;
    const paddedBytes = evenSide(width) * BYTES_PER_PIXEL;
    target.copyWithin(height * targetStrideBytes, last, last + paddedBytes);
  }
}
