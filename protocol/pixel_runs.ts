/**
 * Lossless packing of screen pixels that is quicker than deflate and, where areas are flat, much
 * smaller: each pixel is as the one above, as the one before, one of the recent colours, or said.
 *
 * The pixels of each patch, row by row, are written as operations; none reaches past its patch.
 *
 *    0                   1
 *    0 1 2 3 4 5 6 7     what follows
 *   +---+-----------+
 *   |0 0|  n        |    n pixels, each as the pixel above it in this patch
 *   |0 1|  n        |    n pixels, each as the pixel before it (the last pixel of the row above, too)
 *   |1 0|  slot     |    one pixel of the colour kept in that slot
 *   |1 1|  n        |    n pixels said: 3 bytes each, blue, green, red
 *   +---+-----------+
 *
 * n is 1 to 62; 63 is followed by a varint (7 bits a byte, lowest first, the high bit says that
 * more follow) that says n - 63. A said colour is kept in the slot of its hash; all slots are
 * black at the start of a message.
 */
import type { Rect } from "./diff_codec.ts";

const ABOVE = 0x00;
const BEFORE = 0x40;
const SLOT = 0x80;
const SAID = 0xc0;
const COUNT_MASK = 0x3f;
const LONG_COUNT = 63;
const SLOTS = 64;
/** The fourth byte of a pixel says nothing. */
const COLOUR_MASK = 0xffffff;
/** No patch has more than 2^26 pixels, so four bytes of a varint say every count. */
const MAX_VARINT_BYTES = 4;
/** An operation without its said pixels. */
const MAX_OPERATION_BYTES = 1 + MAX_VARINT_BYTES;
/** Room for all runs of any pixels: four bytes a pixel and this. */
export const RUNS_SLACK_BYTES = 2 * MAX_OPERATION_BYTES;
const SAID_PIXEL_BYTES = 3;
/** From here on a run upwards is good enough not to look for a longer one to the left. */
const GOOD_RUN_PX = 8;
/** From here on the engine's own copying is quicker than a loop. */
const LONG_RUN_PX = 24;

/** Fibonacci hashing: the top six bits of a product with 2^32 / φ. */
const slotOf = (colour: number): number => Math.imul(colour, 0x9e3779b1) >>> 26;

/**
 * Packs `words` (0x??RRGGBB, the pixels of `patches` row by row, one after the other) into `out`.
 * Returns the bytes written, or null when they do not fit.
 */
export function packRuns(
  words: Uint32Array,
  patches: readonly Rect[],
  out: Uint8Array,
): number | null {
  const slots = new Uint32Array(SLOTS);
  const writer = new RunWriter(words, out);
  let start = 0;
  for (const { width, height } of patches) {
    const end = start + width * height;
    const second = start + width;
    let said = start;
    let at = start;
    while (at < end) {
      const colour = words[at] & COLOUR_MASK;
      let above = 0;
      if (at >= second) {
        while (at + above < end && words[at + above] === words[at + above - width]) above++;
      }
      let before = 0;
      if (above < GOOD_RUN_PX && at > start) {
        while (at + before < end && words[at + before] === words[at - 1]) before++;
      }
      const slot = slotOf(colour);
      if (above === 0 && before === 0 && slots[slot] !== colour) {
        slots[slot] = colour;
        at++;
        continue;
      }
      if (!writer.said(said, at)) return null;
      if (above === 0 && before === 0) {
        writer.slot(slot);
        at++;
      } else if (above >= before) {
        writer.run(ABOVE, above);
        at += above;
      } else {
        writer.run(BEFORE, before);
        at += before;
      }
      said = at;
    }
    if (!writer.said(said, end)) return null;
    start = end;
  }
  return writer.length;
}

class RunWriter {
  length = 0;

  constructor(private readonly words: Uint32Array, private readonly out: Uint8Array) {}

  /** Writes the said pixels before the next operation; false when that one may not fit any more. */
  said(from: number, to: number): boolean {
    const bytes = (to - from) * SAID_PIXEL_BYTES;
    if (this.length + bytes + RUNS_SLACK_BYTES > this.out.length) return false;
    if (from === to) return true;
    this.run(SAID, to - from);
    const { words, out } = this;
    let at = this.length;
    for (let i = from; i < to; i++) {
      const colour = words[i];
      out[at++] = colour;
      out[at++] = colour >>> 8;
      out[at++] = colour >>> 16;
    }
    this.length = at;
    return true;
  }

  slot(slot: number): void {
    this.out[this.length++] = SLOT | slot;
  }

  run(kind: number, count: number): void {
    if (count < LONG_COUNT) {
      this.out[this.length++] = kind | count;
      return;
    }
    this.out[this.length++] = kind | LONG_COUNT;
    let rest = count - LONG_COUNT;
    while (rest > 0x7f) {
      this.out[this.length++] = rest & 0x7f | 0x80;
      rest >>>= 7;
    }
    this.out[this.length++] = rest;
  }
}

/**
 * Unpacks what `packRuns` packed into `out`, which holds exactly the pixels of `patches`. False
 * when the bytes are damaged, too few or too many; `out` then holds anything.
 */
export function unpackRuns(
  bytes: Uint8Array,
  patches: readonly Rect[],
  out: Uint32Array,
): boolean {
  const slots = new Uint32Array(SLOTS);
  let at = 0;
  let start = 0;
  for (const { width, height } of patches) {
    const end = start + width * height;
    const second = start + width;
    let to = start;
    while (to < end) {
      if (at >= bytes.length) return false;
      const operation = bytes[at++];
      const kind = operation & ~COUNT_MASK;
      let count = operation & COUNT_MASK;
      if (kind === SLOT) {
        out[to++] = slots[count];
        continue;
      }
      if (count === LONG_COUNT) {
        const long = readVarint(bytes, at);
        if (long === null) return false;
        count += long.value;
        at = long.end;
      }
      const stop = to + count;
      if (count === 0 || stop > end) return false;
      switch (kind) {
        case ABOVE:
          if (to < second) return false;
          to = repeatAbove(out, { to, stop, width });
          break;
        case BEFORE:
          if (to === start) return false;
          if (count >= LONG_RUN_PX) {
            out.fill(out[to - 1], to, stop);
            to = stop;
          } else for (const colour = out[to - 1]; to < stop; to++) out[to] = colour;
          break;
        default:
          if (at + count * SAID_PIXEL_BYTES > bytes.length) return false;
          for (; to < stop; at += SAID_PIXEL_BYTES) {
            const colour = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
            out[to++] = colour;
            slots[slotOf(colour)] = colour;
          }
      }
    }
    start = end;
  }
  return at === bytes.length;
}

/** Fills up to `stop` with the pixels a row above; returns `stop`. */
function repeatAbove(
  out: Uint32Array,
  run: { readonly to: number; readonly stop: number; readonly width: number },
): number {
  const { stop, width } = run;
  let to = run.to;
  while (stop - to >= LONG_RUN_PX && width >= LONG_RUN_PX) {
    const count = Math.min(width, stop - to);
    out.copyWithin(to, to - width, to - width + count);
    to += count;
  }
  for (; to < stop; to++) out[to] = out[to - width];
  return to;
}

function readVarint(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    if (at + i >= bytes.length) return null;
    const byte = bytes[at + i];
    value |= (byte & 0x7f) << 7 * i;
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return null;
}
