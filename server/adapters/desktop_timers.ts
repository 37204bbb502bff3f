/** One timer for the next deadline of each desktop. */
import type { DesktopState } from "../core/state.ts";

/** `at` is when it fires, by `performance.now()`. */
interface Timer {
  readonly at: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** A timer that fires this much too early or late is left alone; an early tick arms it anew. */
const TIMER_SLACK_MS = 50;
/** setTimeout cannot wait longer; the tick is armed again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Most steps leave a desktop's deadline as it was. */
export class DesktopTimers {
  readonly #timers = new Map<string, Timer>();
  /** States without a deadline. */
  readonly #quiet = new WeakSet<DesktopState>();
  readonly #onDue: (desktopId: string) => void;
  #closed = false;

  constructor(onDue: (desktopId: string) => void) {
    this.#onDue = onDue;
  }

  /** Whether the deadline of this state needs no look: it waits already, or there is none. */
  knows(desktopId: string, desktop: DesktopState): boolean {
    return this.#timers.has(desktopId) || this.#quiet.has(desktop);
  }

  /** The state has no deadline; null: the desktop is no more. */
  rest(desktopId: string, desktop: DesktopState | null): void {
    clearTimeout(this.#timers.get(desktopId)?.timer);
    this.#timers.delete(desktopId);
    if (desktop !== null) this.#quiet.add(desktop);
  }

  /** The next deadline is so far away. */
  arm(desktopId: string, waitMs: number): void {
    const at = performance.now() + waitMs;
    const armed = this.#timers.get(desktopId);
    if (armed !== undefined && Math.abs(armed.at - at) < TIMER_SLACK_MS) return;
    clearTimeout(armed?.timer);
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(desktopId);
      this.#onDue(desktopId);
    }, Math.min(MAX_TIMER_MS, Math.max(0, waitMs)));
    this.#timers.set(desktopId, { at, timer });
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
