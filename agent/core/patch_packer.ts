/** Packs the pixels of changed rectangles into one message's body. */
import {
  BYTES_PER_PIXEL,
  DIFF_HEADER_BYTES,
  MAX_DIFF_MESSAGE_BYTES,
  MAX_PATCHES_PER_MESSAGE,
  MAX_REGIONS_BYTES,
  PATCH_ENTRY_BYTES,
  type Rect,
} from "@farglass/protocol";
import { cutAfter } from "./picture.ts";
import { COLOUR_MASK, type Words } from "./tile_map.ts";

/** Pixels of one message before compression, so that one step never holds up the event loop. */
const MAX_RAW_BYTES = 1024 * 1024;
const BODY_ROOM_BYTES = MAX_DIFF_MESSAGE_BYTES - DIFF_HEADER_BYTES - MAX_REGIONS_BYTES;

/** One message's body: the pixels of `patches`, row by row. */
export interface PackedPatches {
  readonly patches: Rect[];
  readonly body: Uint8Array;
  readonly deflated: boolean;
}

/** One viewer's packer; it learns how well the screen compresses. */
export class PatchPacker {
  readonly #deflate: (bytes: Uint8Array) => Uint8Array;
  /** Raw bytes per sent byte of late: how much to try in one message. */
  #ratio = 4;
  readonly #blob = new Uint32Array(MAX_RAW_BYTES / BYTES_PER_PIXEL);
  readonly #blobBytes = new Uint8Array(this.#blob.buffer);

  /** `deflate` makes raw deflate (RFC 1951) of bytes that are reused afterwards. */
  constructor(deflate: (bytes: Uint8Array) => Uint8Array) {
    this.#deflate = deflate;
  }

  /** The pixels that were packed last, without their fourth byte. */
  get words(): Uint32Array {
    return this.#blob;
  }

  /** Pixels that one message promises to hold. */
  get targetWords(): number {
    const room = BODY_ROOM_BYTES - PATCH_ENTRY_BYTES;
    return Math.min(MAX_RAW_BYTES, Math.floor(room * this.#ratio)) / BYTES_PER_PIXEL;
  }

  /**
   * Copies as many of the wanted rows as promise to fit, compresses them, and takes fewer when
   * they do not fit after all. One row of the widest screen fits even uncompressed.
   */
  pack(wanted: readonly Rect[], now: Words): PackedPatches {
    let { patches, words } = this.#copy(wanted, now);
    for (;;) {
      const raw = this.#blobBytes.subarray(0, words * BYTES_PER_PIXEL);
      const room = BODY_ROOM_BYTES - patches.length * PATCH_ENTRY_BYTES;
      const packed = words === 0 ? raw : this.#deflate(raw);
      const deflated = packed.length < raw.length;
      const body = deflated ? packed : raw;
      if (words > 0) this.#ratio = (this.#ratio + raw.length / body.length) / 2;
      if (body.length <= room) return { patches, body, deflated };
      const fits = Math.floor(words * (room / body.length) * 0.9);
      ({ patches, words } = cutAfter(patches, fits));
    }
  }

  /** Fills the blob with rows of the wanted rectangles, at least one row. */
  #copy(wanted: readonly Rect[], now: Words): { patches: Rect[]; words: number } {
    const target = this.targetWords;
    const patches: Rect[] = [];
    let used = 0;
    for (const rect of wanted) {
      if (patches.length === MAX_PATCHES_PER_MESSAGE) break;
      const left = Math.floor((target - used) / rect.width);
      const height = Math.min(rect.height, used === 0 ? Math.max(1, left) : left);
      if (height <= 0) break;
      for (let dy = 0; dy < height; dy++) {
        const from = (rect.y + dy) * now.stride + rect.x;
        for (let dx = 0; dx < rect.width; dx++) {
          this.#blob[used++] = now.words[from + dx] & COLOUR_MASK;
        }
      }
      patches.push({ x: rect.x, y: rect.y, width: rect.width, height });
      if (height < rect.height) break;
    }
    return { patches, words: used };
  }
}
