/**
 * How much a desktop's video takes of late. What a viewer's network carries beyond that makes no
 * difference to it, and so no reason for an encoder of its own. Pure.
 */

const SECOND_MS = 1_000;
/** The most of so many seconds counts: motion that comes and goes moves nobody to and fro. */
const SECONDS = 10;
/** What is to spare where a network is called wide enough. */
const SPARE = 1.25;
/** Below this, whoever shares would see a window that opens sharpen late. */
const LEAST_KBPS = 2_000;

export class VideoNeed {
  readonly #seconds: { second: number; bits: number }[] = [];

  /** A picture was encoded. Keyframes do not count: those are made for viewers who move. */
  add(bytes: number, nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS);
    const last = this.#seconds.at(-1);
    if (last?.second === second) last.bits += bytes * 8;
    else {
      this.#seconds.push({ second, bits: bytes * 8 });
      if (this.#seconds.length > SECONDS) this.#seconds.shift();
    }
  }

  /** Kilobits of the busiest second of the last ten. */
  kbps(nowMs: number): number {
    const oldest = Math.floor(nowMs / SECOND_MS) - SECONDS;
    const bits = this.#seconds.map((one) => one.second > oldest ? one.bits : 0);
    return Math.max(0, ...bits) / 1_000;
  }

  /** Whether a network that carries `kbps` never holds this desktop's video back. */
  enough(kbps: number, nowMs: number): boolean {
    return kbps >= Math.max(LEAST_KBPS, SPARE * this.kbps(nowMs));
  }
}
