/**
 * What was sent and not reported, by numbers that count up: a queue with holes, for reports come
 * nearly in order. As a map, what ten viewers send cost more to note than to encrypt. Pure.
 */

/** Taken entries are kept in front until there are so many. */
const COMPACT_AT = 1_024;

export class SentLog<T> {
  #entries: (T | undefined)[] = [];
  /** The number of the first entry, and where the oldest one that was not taken stands. */
  #first = 0;
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest one that waits, or undefined. */
  get oldest(): T | undefined {
    return this.#entries[this.#head];
  }

  /** `number` is above all those before. */
  add(number: number, entry: T): void {
    if (this.#size === 0) this.#restart(number);
    while (this.#first + this.#entries.length < number) this.#entries.push(undefined);
    this.#entries.push(entry);
    this.#size++;
  }

  has(number: number): boolean {
    return this.#entries[number - this.#first] !== undefined;
  }

  /** The entry, which is gone then; undefined when there is none. */
  take(number: number): T | undefined {
    const at = number - this.#first;
    const entry = this.#entries[at];
    if (entry === undefined) return undefined;
    this.#entries[at] = undefined;
    this.#size--;
    if (at === this.#head) this.#skip();
    return entry;
  }

  /** Takes all entries up to `number`. */
  takeUpTo(number: number, each: (entry: T) => void): void {
    while (this.#size > 0 && this.#first + this.#head <= number) {
      each(this.take(this.#first + this.#head)!);
    }
  }

  clear(): void {
    this.#restart(0);
  }

  #restart(number: number): void {
    this.#entries.length = 0;
    this.#first = number;
    this.#head = 0;
    this.#size = 0;
  }

  #skip(): void {
    const { length } = this.#entries;
    while (this.#head < length && this.#entries[this.#head] === undefined) this.#head++;
    if (this.#head < COMPACT_AT || this.#head * 2 < length) return;
    this.#entries.splice(0, this.#head);
    this.#first += this.#head;
    this.#head = 0;
  }
}
