/** Bounds of a repeated attempt's pauses. */
export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Pause before attempt `attempt` (from 0): doubles up to the maximum, and half of it is chance,
 * so that many agents do not come back in step. `random` is in [0, 1).
 */
export function backoffDelayMs(attempt: number, random: number, bounds: BackoffBounds): number {
  // 2^30 is beyond every bound; a larger exponent would only overflow.
  const ceiling = Math.min(bounds.maxMs, bounds.minMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
