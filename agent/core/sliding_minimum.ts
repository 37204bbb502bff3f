/** The least of some values by age, in buckets of a second. Pure: times are arguments. */

const BUCKET_MS = 1_000;

export class SlidingMinimum {
  #buckets: { readonly second: number; least: number }[] = [];
  #least = Infinity;

  /** What is older than `seconds` is forgotten, once something newer comes. */
  constructor(private readonly seconds: number) {}

  add(value: number, nowMs: number): void {
    const second = Math.floor(nowMs / BUCKET_MS);
    const last = this.#buckets.at(-1);
    if (value < this.#least) this.#least = value;
    if (last?.second === second) {
      if (value < last.least) last.least = value;
      return;
    }
    this.#buckets.push({ second, least: value });
    if (this.#buckets[0].second > second - this.seconds) return;
    while (this.#buckets[0].second <= second - this.seconds) this.#buckets.shift();
    this.#least = Math.min(...this.#buckets.map((bucket) => bucket.least));
  }

  /** Infinity before the first value. */
  get least(): number {
    return this.#least;
  }

  clear(): void {
    this.#buckets = [];
    this.#least = Infinity;
  }
}
