/** A sent message that the peer has not acknowledged: kept as text, so that it is sent again to the letter. */
export interface Unacked {
  readonly seq: number;
  readonly text: string;
}

/**
 * Sent messages without an acknowledgement, oldest first: a value that never changes. A longer one
 * shares the list of the one it was made from, since copying a hundred entries for each message
 * that is sent would cost more than the message.
 */
export class UnackedLog implements Iterable<Unacked> {
  static readonly none = new UnackedLog([], 0);
  readonly length: number;
  /** UTF-16 units of all texts together. */
  readonly bytes: number;
  /** The first `length` are this value's own; what follows belongs to longer ones. */
  readonly #shared: Unacked[];

  private constructor(shared: Unacked[], bytes: number) {
    this.#shared = shared;
    this.length = shared.length;
    this.bytes = bytes;
  }

  static of(entries: Iterable<Unacked>): UnackedLog {
    const own = [...entries];
    return new UnackedLog(own, own.reduce((sum, { text }) => sum + text.length, 0));
  }

  get first(): Unacked | undefined {
    return this.length === 0 ? undefined : this.#shared[0];
  }

  get last(): Unacked | undefined {
    return this.#shared[this.length - 1];
  }

  with(entry: Unacked): UnackedLog {
    // Only the longest may add to the list: another one's entry is at that place otherwise. The
    // empty value outlives every link and keeps nothing.
    const isLongest = this.length > 0 && this.#shared.length === this.length;
    const shared = isLongest ? this.#shared : this.#shared.slice(0, this.length);
    shared.push(entry);
    return new UnackedLog(shared, this.bytes + entry.text.length);
  }

  /** What comes after number `seq`; this very value when that is all of it. */
  after(seq: number): UnackedLog {
    let { bytes } = this;
    let known = 0;
    for (; known < this.length && this.#shared[known].seq <= seq; known++) {
      bytes -= this.#shared[known].text.length;
    }
    if (known === 0) return this;
    // What is acknowledged is let go.
    return new UnackedLog(this.#shared.slice(known, this.length), bytes);
  }

  *[Symbol.iterator](): Iterator<Unacked> {
    for (let i = 0; i < this.length; i++) yield this.#shared[i];
  }
}
