/**
 * Waits of one length that share a timer: one for each command to Redis would cost more than what
 * it ends, which is almost never.
 */

export interface Wait {
  readonly dueMs: number;
  /** Null once nobody waits any more. */
  onLate: (() => void) | null;
}

/** The oldest wait is due first, so a list in order is all it takes. */
export class SharedTimeout {
  readonly #lengthMs: number;
  #waits: Wait[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  /** Calls `onLate` unless the wait is ended before; `nowMs` is the monotonic clock's. */
  begin(nowMs: number, onLate: () => void): Wait {
    const wait = { dueMs: nowMs + this.#lengthMs, onLate };
    if (this.#closed) return wait;
    this.#waits.push(wait);
    this.#timer ??= setTimeout(() => this.#look(), this.#lengthMs);
    return wait;
  }

  end(wait: Wait): void {
    wait.onLate = null;
  }

  /** Nobody is told any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    this.#waits = [];
  }

  #look(): void {
    this.#timer = null;
    const now = performance.now();
    const late: (() => void)[] = [];
    let looked = 0;
    for (; looked < this.#waits.length; looked++) {
      const { dueMs, onLate } = this.#waits[looked];
      if (onLate === null) continue;
      if (dueMs > now) break;
      late.push(onLate);
    }
    this.#waits = this.#waits.slice(looked);
    const next = this.#waits.at(0);
    if (next !== undefined) {
      this.#timer = setTimeout(() => this.#look(), Math.max(1, next.dueMs - now));
    }
    for (const tell of late) tell();
  }
}
