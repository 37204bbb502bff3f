/**
 * Packed patches of one picture for all its viewers: a message's body is packed once and copied for
 * everybody who lacks exactly these pixels. It holds absolute pixels and depends on nothing that
 * was sent before, so it is good for whoever still wants its patches while no pixel of them has
 * changed. Who is elsewhere in the picture, or on a narrower link, has its own packed. Bounded. Pure.
 */
import { MAX_DIFF_MESSAGE_BYTES, patchPixels, type Rect } from "@farglass/protocol";
import { damagedTiles } from "./damaged_tiles.ts";
import {
  LARGEST_BODY_BYTES,
  longestBody,
  type PackedPatches,
  PatchPacker,
} from "./patch_packer.ts";
import type { Picture } from "./picture.ts";
import { SharedTiles } from "./shared_tiles.ts";
import { eachTile, type Words } from "./tile_map.ts";
import { TileSamples } from "./tile_samples.ts";

/** Bodies that are kept: those of a large change, of less than a megabyte together. */
const KEPT = 16;

/** What is looked at for one message where the link is no limit: a quarter of a 1080p screen. */
const MUCH_WORDS = 512 * 1024;

interface Kept {
  readonly patches: readonly Rect[];
  readonly words: number;
  readonly length: number;
  readonly deflated: boolean;
  /** The newest version of any tile when it was packed. */
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** One picture's tiles and packed patches. */
export class SharedPatches {
  readonly tiles: SharedTiles;
  /** For whoever asks what moves of what he is not sent. */
  readonly samples: TileSamples;
  readonly #packer: PatchPacker;
  readonly #kept: Kept[] = [];

  constructor(width: number, height: number, deflate: (bytes: Uint8Array) => Uint8Array) {
    this.tiles = new SharedTiles(width, height);
    this.samples = new TileSamples(width, height);
    this.#packer = new PatchPacker(deflate);
  }

  /** Pixels that are enough for one message of `most` bytes. */
  targetWords(most: number): number {
    // On a quick link everybody looks at the same tiles, whatever was packed meanwhile.
    return most >= LARGEST_BODY_BYTES ? MUCH_WORDS : this.#packer.targetWords(most);
  }

  /**
   * Packs of `wanted`, in its order, as much as promises to take about `most` bytes, with the
   * pixels of now. The body is good until the next call.
   */
  pack(wanted: readonly Rect[], now: Words, most: number): PackedPatches {
    const { tiles } = this;
    tiles.refreshUnder(wanted, now);
    const kept = this.#find(wanted, most);
    if (kept !== undefined) {
      const { patches, deflated, bytes, length } = kept;
      return { patches, deflated, body: bytes.subarray(0, length) };
    }
    const words = { words: tiles.reference, stride: tiles.width };
    const packed = this.#packer.pack(wanted, words, most);
    this.#keep(packed);
    return packed;
  }

  /** What was packed for somebody else who lacks the same, and is neither too long nor too short. */
  #find(wanted: readonly Rect[], most: number): Kept | undefined {
    const longest = longestBody(most);
    const target = this.#packer.targetWords(most);
    return this.#kept.findLast((one) =>
      one.length <= longest && begins(one.patches, wanted) &&
      (one.words * 2 >= target || one.length * 2 >= most || isWhole(one.patches, wanted)) &&
      this.#isCurrent(one)
    );
  }

  #keep({ patches, deflated, body }: PackedPatches): void {
    const { length } = body;
    if (length === 0 || length > MAX_DIFF_MESSAGE_BYTES) return;
    const oldest = this.#kept.length < KEPT ? null : this.#kept.shift()!;
    const bytes = oldest?.bytes ?? new Uint8Array(MAX_DIFF_MESSAGE_BYTES);
    bytes.set(body);
    const { version } = this.tiles;
    this.#kept.push({ patches, words: patchPixels(patches), deflated, bytes, length, version });
  }

  /** Nothing under its patches has changed since. */
  #isCurrent({ patches, version }: Kept): boolean {
    const { tiles } = this;
    if (tiles.version === version) return true;
    let newest = 0;
    for (const patch of patches) {
      eachTile(tiles, patch, (at) => newest = Math.max(newest, tiles.versionOf(at)));
    }
    return newest <= version;
  }
}

/** Whether these patches are the first of `wanted`; the last one may have been cut. */
function begins(patches: readonly Rect[], wanted: readonly Rect[]): boolean {
  return patches.length <= wanted.length && patches.every((a, i) => {
    const b = wanted[i];
    const last = i === patches.length - 1;
    return a.x === b.x && a.y === b.y && a.width === b.width &&
      (last ? a.height <= b.height : a.height === b.height);
  });
}

/** Whether nothing of `wanted` is left after these patches, with which it begins. */
const isWhole = (patches: readonly Rect[], wanted: readonly Rect[]): boolean =>
  patches.length === wanted.length && patches.at(-1)?.height === wanted.at(-1)?.height;

/** The shared patches of a picture whose size may change. */
export class PatchSource {
  #patches: SharedPatches | null = null;

  /** Those of pictures of this size; another size, and everybody begins anew. */
  of(
    { width, height }: Pick<Picture, "width" | "height">,
    deflate: (bytes: Uint8Array) => Uint8Array,
  ): SharedPatches {
    const tiles = this.#patches?.tiles;
    if (this.#patches === null || tiles?.width !== width || tiles.height !== height) {
      this.#patches = new SharedPatches(width, height, deflate);
    }
    return this.#patches;
  }

  /** The screen may have changed here; to be told before any viewer looks. */
  damage(rects: readonly Rect[]): void {
    if (this.#patches === null) return;
    const { tiles, samples } = this.#patches;
    const damaged = damagedTiles(rects, tiles);
    tiles.damage(damaged);
    samples.damage(damaged);
  }

  /** Nobody looks any more: gives the memory back. */
  clear(): void {
    this.#patches = null;
  }
}
