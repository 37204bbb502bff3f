/** The desktop's pixels as the diff stream reads them: 32-bit words with any stride. */
import { BYTES_PER_PIXEL, hashPixels, type Rect } from "@farglass/protocol";
import type { Frame } from "./ports.ts";
import type { Words } from "./tile_map.ts";

/** What the engine reads of a captured frame. */
export type Picture = Pick<
  Frame,
  "width" | "height" | "strideBytes" | "pixels" | "capturedAtMs" | "sequence"
>;

/** Hash of a picture with any stride. */
export function hashPicture(picture: Picture): number {
  const { words, stride } = wordsOf(picture);
  if (stride === picture.width) {
    return hashPixels(words.subarray(0, picture.width * picture.height));
  }
  const packed = new Uint32Array(picture.width * picture.height);
  for (let y = 0; y < picture.height; y++) {
    packed.set(words.subarray(y * stride, y * stride + picture.width), y * picture.width);
  }
  return hashPixels(packed);
}

/** The picture as words; a view where its alignment allows. */
export function wordsOf(picture: Picture): Words {
  const { pixels, strideBytes } = picture;
  if (strideBytes % BYTES_PER_PIXEL !== 0) throw new Error("Stride is not a multiple of 4 bytes");
  const aligned = pixels.byteOffset % BYTES_PER_PIXEL === 0 ? pixels : pixels.slice();
  const words = new Uint32Array(
    aligned.buffer,
    aligned.byteOffset,
    Math.floor(aligned.byteLength / BYTES_PER_PIXEL),
  );
  return { words, stride: strideBytes / BYTES_PER_PIXEL };
}

/** The first rows of `patches` with at most `maxWords` pixels, but at least one row. */
export function cutAfter(
  patches: readonly Rect[],
  maxWords: number,
): { patches: Rect[]; words: number } {
  const kept: Rect[] = [];
  let words = 0;
  for (const patch of patches) {
    const rows = Math.floor((maxWords - words) / patch.width);
    const height = Math.min(patch.height, words === 0 ? Math.max(1, rows) : rows);
    if (height <= 0) break;
    kept.push({ ...patch, height });
    words += height * patch.width;
    if (height < patch.height) break;
  }
  return { patches: kept, words };
}
