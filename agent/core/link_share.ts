/**
 * How one link is shared. Input and sound are small and leave at once (the target is without what
 * sound takes, see viewer_sound.ts); patches, which are mostly text, come next, bounded by what is
 * under way (diff_flow.ts); video takes what is left, and never less than half. Pure.
 */

/** What the channels sent is counted over so long. */
const WINDOW_MS = 500;
const BUCKET_MS = 50;
/** However much goes by patches, motion goes on. */
const LEAST_VIDEO = 0.5;
/** SCTP's and UDP's headers for each message, and its last packet's. */
const MESSAGE_OVERHEAD_BYTES = 60;
/** Less than this part is within what a rate means: a heartbeat costs the video nothing. */
const WORTH_SHARING = 0.1;

/** What leaves of late; by default messages beside the video. */
export class Traffic {
  #buckets: { readonly atMs: number; bytes: number }[] = [];

  /** `overheadBytes`: what each `note` takes beside its bytes. */
  constructor(private readonly overheadBytes = MESSAGE_OVERHEAD_BYTES) {}

  note(bytes: number, nowMs: number): void {
    const last = this.#buckets.at(-1);
    const counted = bytes + this.overheadBytes;
    if (last !== undefined && nowMs - last.atMs < BUCKET_MS) last.bytes += counted;
    else this.#buckets.push({ atMs: nowMs, bytes: counted });
  }

  /** Over the last half second. */
  kbps(nowMs: number): number {
    while (this.#buckets.length > 0 && this.#buckets[0].atMs <= nowMs - WINDOW_MS) {
      this.#buckets.shift();
    }
    return this.#buckets.reduce((sum, { bytes }) => sum + bytes, 0) * 8 / WINDOW_MS;
  }
}

/** The video's part of a link that carries `kbps`, while others take so much of it. */
export function videoPart(kbps: number, otherKbps: number): number {
  if (!isShared(kbps, otherKbps)) return kbps;
  return Math.max(kbps * LEAST_VIDEO, kbps - otherKbps);
}

/** Whether the others take a part worth a word. */
export const isShared = (kbps: number, otherKbps: number): boolean =>
  otherKbps >= kbps * WORTH_SHARING;
