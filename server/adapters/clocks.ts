/** The server's clocks: the machine's, which may jump, and those that may not. */
import { steadyFrom, steadyNow, type SteadyTime, steadyTowards } from "../core/steady_clock.ts";

/** A steady clock on this machine's monotonic one. */
export class SteadyClock {
  #time: SteadyTime;
  #met = false;

  /** `unixMs`: where it begins. */
  constructor(unixMs: number) {
    this.#time = steadyFrom(unixMs, performance.now());
  }

  /** Unix ms; may be passed on as it is. */
  readonly now = (): number => Math.round(steadyNow(this.#time, performance.now()));

  /** Draws it towards the reference, in Unix ms. */
  follow(referenceMs: number): void {
    this.#time = steadyTowards(this.#time, referenceMs, performance.now());
  }

  /** The first word of a reference that all nodes share counts at once; true then. */
  meet(referenceMs: number): boolean {
    const first = !this.#met;
    this.#met = true;
    if (first) this.#time = steadyFrom(referenceMs, performance.now());
    else this.follow(referenceMs);
    return first;
  }
}

const WATCH_MS = 1_000;
/** Less is what a busy process or the time service makes of a second. */
const JUMP_MS = 5_000;

/** Watches the machine's clock; returns the way to stop. */
export function watchClock(
  wall: () => number,
  steady: SteadyClock,
  onJump: (jumpMs: number) => void,
): () => void {
  let last = wall() - steady.now();
  const timer = setInterval(() => {
    const now = wall();
    const ahead = now - steady.now();
    if (Math.abs(ahead - last) >= JUMP_MS) onJump(ahead - last);
    last = ahead;
    steady.follow(now);
  }, WATCH_MS);
  return () => clearInterval(timer);
}
