/** The X screen's true pixels, to compare with what a console shows. */
import { openX } from "./x11.ts";

/** A picture: straight RGBA, row by row, alpha always 255. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

const ALL_PLANES = 0xffffffffn;
const Z_PIXMAP = 2;
/** Offsets in XImage on 64-bit machines. */
const XIMAGE = { data: 16, bytesPerLine: 44, bitsPerPixel: 48, bytes: 136 } as const;

/** Reads the whole screen of `display` (root window and everything on it, without the cursor). */
export function readXScreen(display: string): Picture {
  using client = openX(display);
  const { x } = client;
  const { width, height } = client.size();
  const image = x.XGetImage(client.display, client.root, 0, 0, width, height, ALL_PLANES, Z_PIXMAP);
  if (image === null) throw new Error(`The screen of "${display}" cannot be read`);
  const head = new DataView(Deno.UnsafePointerView.getArrayBuffer(image, XIMAGE.bytes));
  const stride = head.getInt32(XIMAGE.bytesPerLine, true);
  if (head.getInt32(XIMAGE.bitsPerPixel, true) !== 32) throw new Error("Not a 32-bit screen");
  const data = Deno.UnsafePointer.create(head.getBigUint64(XIMAGE.data, true));
  if (data === null) throw new Error("XImage without data");
  const pixels = new Uint32Array(Deno.UnsafePointerView.getArrayBuffer(data, stride * height));
  const rgba = new Uint8Array(width * height * 4);
  const out = new Uint32Array(rgba.buffer);
  for (let row = 0; row < height; row++) {
    const from = row * (stride >> 2);
    for (let column = 0; column < width; column++) {
      const p = pixels[from + column];
      out[row * width + column] = 0xff000000 | (p & 0xff) << 16 | (p & 0xff00) | (p >> 16 & 0xff);
    }
  }
  x.XFree(data);
  x.XFree(image);
  return { width, height, rgba };
}

/** Where and how much two pictures differ; `null` when they are equal pixel by pixel. */
export function firstDifference(a: Picture, b: Picture): string | null {
  if (a.width !== b.width || a.height !== b.height) {
    return `sizes differ: ${a.width}×${a.height} and ${b.width}×${b.height}`;
  }
  const left = new Uint32Array(a.rgba.buffer, a.rgba.byteOffset, a.width * a.height);
  const right = new Uint32Array(b.rgba.buffer, b.rgba.byteOffset, b.width * b.height);
  let first = -1;
  let count = 0;
  for (let i = 0; i < left.length; i++) {
    if (((left[i] ^ right[i]) & 0xffffff) !== 0) {
      if (first < 0) first = i;
      count++;
    }
  }
  if (first < 0) return null;
  const hex = (value: number) => (value & 0xffffff).toString(16).padStart(6, "0");
  return `${count} pixels differ, first at ${first % a.width},${Math.floor(first / a.width)}: ` +
    `${hex(left[first])} and ${hex(right[first])} (BGR)`;
}

/** Mean absolute difference per colour channel, 0..255, over the pixels of `area` (default: all). */
export function meanDifference(
  a: Picture,
  b: Picture,
  area = { x: 0, y: 0, width: a.width, height: a.height },
): number {
  if (a.width !== b.width || a.height !== b.height) return 255;
  let sum = 0;
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      const at = (y * a.width + x) * 4;
      for (let c = 0; c < 3; c++) sum += Math.abs(a.rgba[at + c] - b.rgba[at + c]);
    }
  }
  return sum / (area.width * area.height * 3);
}

/** The colour at a place as 0xRRGGBB. */
export function colourAt(picture: Picture, x: number, y: number): number {
  const at = (y * picture.width + x) * 4;
  return picture.rgba[at] << 16 | picture.rgba[at + 1] << 8 | picture.rgba[at + 2];
}
