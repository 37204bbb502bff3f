/**
 * What an operator chose is told to the server one by one and at a pace: whoever flips a choice as
 * quickly as a data channel carries it must not fill the link that all sessions share. What is more
 * than may wait is told as one. Pure.
 */
import type { ViewerChoice } from "@farglass/protocol";

export const CHOICE_INTERVAL_MS = 250;
export const MAX_WAITING_CHOICES = 32;

/** One viewer's choices on their way; all times in ms. */
export class ChoicePacer {
  readonly #waiting: ViewerChoice[] = [];
  #freeAtMs = -Infinity;

  add(choice: ViewerChoice): void {
    const full = this.#waiting.length >= MAX_WAITING_CHOICES;
    const last = full ? this.#waiting.findLastIndex(({ kind }) => kind === choice.kind) : -1;
    if (last < 0) this.#waiting.push(choice);
    else this.#waiting[last] = merged(this.#waiting[last], choice);
  }

  /** The oldest one, or null when none waits or the last was told just now. */
  take(nowMs: number): ViewerChoice | null {
    if (nowMs < this.#freeAtMs) return null;
    const choice = this.#waiting.shift() ?? null;
    if (choice !== null) this.#freeAtMs = nowMs + CHOICE_INTERVAL_MS;
    return choice;
  }

  /** When `take` has one, or null. */
  get dueMs(): number | null {
    return this.#waiting.length === 0 ? null : this.#freeAtMs;
  }
}

/** Two of one kind: what was before the first, and what is after the second. */
function merged(older: ViewerChoice, newer: ViewerChoice): ViewerChoice {
  return older.kind === "display" && newer.kind === "display"
    ? { ...newer, from: older.from }
    : newer;
}
