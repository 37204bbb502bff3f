/**
 * A clock in Unix milliseconds that neither jumps nor stands still, whatever happens to the
 * machine's own: it goes with the monotonic clock and is drawn slowly towards a reference, as
 * adjtime(3) does. Deadlines and heartbeats are measured by it.
 */
export interface SteadyTime {
  /** What it said at `monotonicMs`. */
  readonly unixMs: number;
  readonly monotonicMs: number;
  /** How far the reference was ahead then. */
  readonly behindMs: number;
}

/** So much faster or slower may it go: ten minutes are made up in about three hours. */
export const MAX_SLEW = 0.05;

export const steadyFrom = (unixMs: number, monotonicMs: number): SteadyTime => ({
  unixMs,
  monotonicMs,
  behindMs: 0,
});

/** The time now; it never goes back while the monotonic clock does not. */
export function steadyNow(time: SteadyTime, monotonicMs: number): number {
  const passedMs = Math.max(0, monotonicMs - time.monotonicMs);
  const most = passedMs * MAX_SLEW;
  return time.unixMs + passedMs + Math.max(-most, Math.min(most, time.behindMs));
}

/** Turns it towards what the reference says now. */
export function steadyTowards(
  time: SteadyTime,
  referenceMs: number,
  monotonicMs: number,
): SteadyTime {
  const unixMs = steadyNow(time, monotonicMs);
  return { unixMs, monotonicMs, behindMs: referenceMs - unixMs };
}
