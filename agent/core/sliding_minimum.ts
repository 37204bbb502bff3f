/** The least of some values by age, in buckets of a second. Pure: times are arguments. */

const BUCKET_MS = 1_000;

export class SlidingMinimum {
  #buckets: { readonly second: number; least: number }[] = [];

  /** What is older than `seconds` is forgotten, once something newer comes. */
  constructor(private readonly seconds: number) {}

  add(value: number, nowMs: number): void {
    const second = Math.floor(nowMs / BUCKET_MS);
    const last = this.#buckets.at(-1);
    if (last?.second === second) last.least = Math.min(last.least, value);
    else {
      this.#buckets.push({ second, least: value });
      while (this.#buckets[0].second <= second - this.seconds) this.#buckets.shift();
    }
  }

  /** Infinity before the first value. */
  get least(): number {
    return Math.min(...this.#buckets.map((bucket) => bucket.least));
  }

  clear(): void {
    this.#buckets = [];
  }
}
