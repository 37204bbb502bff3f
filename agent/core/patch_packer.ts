/** Packs the pixels of changed rectangles into one message's body. */
import {
  BYTES_PER_PIXEL,
  DIFF_HEADER_BYTES,
  MAX_DIFF_MESSAGE_BYTES,
  MAX_PATCHES_PER_MESSAGE,
  MAX_REGIONS_BYTES,
  packRuns,
  PATCH_ENTRY_BYTES,
  type Rect,
  RUNS_SLACK_BYTES,
} from "@farglass/protocol";
import { cutAfter } from "./picture.ts";
import { copyWords, type Words } from "./tile_map.ts";

/** Pixels of one message before packing, so that one step never holds up the event loop. */
const MAX_RAW_BYTES = 2 * 1024 * 1024;
/** Runs that fit into one packet are not worth deflating. */
const SMALL_RUNS_BYTES = 1_000;
/** Runs longer than this for each pixel are a photo's, which deflate hardly makes smaller. */
const MAX_DEFLATED_RUNS_PER_PIXEL = 1.5;
/** What is longer than wanted by more than this is cut: a slow link would take long for it. */
const OVERSHOOT = 1.5;
const LEAST_CUT_BYTES = 4 * 1024;
/** No message's body is longer with one patch. */
export const LARGEST_BODY_BYTES = MAX_DIFF_MESSAGE_BYTES - DIFF_HEADER_BYTES - MAX_REGIONS_BYTES -
  PATCH_ENTRY_BYTES;
const BODY_ROOM_BYTES = MAX_DIFF_MESSAGE_BYTES - DIFF_HEADER_BYTES - MAX_REGIONS_BYTES;

/** A message for which `most` bytes are wanted is cut when it is longer than this. */
export const longestBody = (most: number): number => Math.max(LEAST_CUT_BYTES, most) * OVERSHOOT;

/** One message's body: the pixels of `patches`, row by row. */
export interface PackedPatches {
  readonly patches: readonly Rect[];
  /** Runs; a view that the next call overwrites unless it is deflated. */
  readonly body: Uint8Array;
  readonly deflated: boolean;
}

/** One picture's packer; it learns how well that compresses. */
export class PatchPacker {
  readonly #deflate: (bytes: Uint8Array) => Uint8Array;
  /** Raw bytes per sent byte of late: how much to try in one message. */
  #ratio = 8;
  readonly #blob = new Uint32Array(MAX_RAW_BYTES / BYTES_PER_PIXEL);
  readonly #runs = new Uint8Array(MAX_RAW_BYTES + RUNS_SLACK_BYTES);

  /** `deflate` makes raw deflate (RFC 1951) of bytes that are reused afterwards. */
  constructor(deflate: (bytes: Uint8Array) => Uint8Array) {
    this.#deflate = deflate;
  }

  /** Pixels that one message of `most` bytes promises to hold. */
  targetWords(most: number): number {
    const room = Math.min(LARGEST_BODY_BYTES, most);
    return Math.min(MAX_RAW_BYTES, Math.floor(room * this.#ratio)) / BYTES_PER_PIXEL;
  }

  /**
   * Copies as many of the wanted rows as promise to fit into about `most` bytes, compresses them,
   * and takes fewer when they do not fit a message after all. One row of the widest screen fits
   * even uncompressed.
   */
  pack(wanted: readonly Rect[], now: Words, most: number): PackedPatches {
    let { patches, words } = this.#copy(wanted, now, this.targetWords(most));
    let limit = longestBody(most);
    for (;;) {
      const runs = this.#packRuns(patches);
      const room = Math.min(limit, BODY_ROOM_BYTES - patches.length * PATCH_ENTRY_BYTES);
      const deflatable = runs.length > SMALL_RUNS_BYTES &&
        runs.length < words * MAX_DEFLATED_RUNS_PER_PIXEL;
      const packed = deflatable ? this.#deflate(runs) : runs;
      const deflated = packed.length < runs.length;
      const body = deflated ? packed : runs;
      if (words > 0) this.#ratio = (this.#ratio + words * BYTES_PER_PIXEL / body.length) / 2;
      if (body.length <= room) return { patches, body, deflated };
      const fits = Math.floor(words * (room / body.length) * 0.9);
      const cut = cutAfter(patches, fits);
      // One row is the least there is.
      if (cut.words === words) return { patches, body, deflated };
      ({ patches, words } = cut);
      // Packing is dear: what was cut once need only fit a message.
      limit = Infinity;
    }
  }

  #packRuns(patches: readonly Rect[]): Uint8Array {
    const length = packRuns(this.#blob, patches, this.#runs);
    if (length === null) throw new Error("Runs are longer than the pixels");
    return this.#runs.subarray(0, length);
  }

  /** Fills the blob with rows of the wanted rectangles, at least one row. */
  #copy(wanted: readonly Rect[], now: Words, target: number): { patches: Rect[]; words: number } {
    const patches: Rect[] = [];
    let used = 0;
    for (const rect of wanted) {
      if (patches.length === MAX_PATCHES_PER_MESSAGE) break;
      const left = Math.floor((target - used) / rect.width);
      const height = Math.min(rect.height, used === 0 ? Math.max(1, left) : left);
      if (height <= 0) break;
      for (let dy = 0; dy < height; dy++) {
        const from = (rect.y + dy) * now.stride + rect.x;
        copyWords(now.words, from, { to: this.#blob, at: used, count: rect.width });
        used += rect.width;
      }
      patches.push({ x: rect.x, y: rect.y, width: rect.width, height });
      if (height < rect.height) break;
    }
    return { patches, words: used };
  }
}
