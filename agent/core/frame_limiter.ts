/**
 * Keeps captures under a frame rate: at once after a still moment, then evenly. A generic cell
 * rate: `nextMs` is when the next frame is due; a quarter of a frame early is let through, so
 * that a source at just the limit's rate is not delayed by its own jitter.
 */
export interface FrameLimiter {
  readonly intervalMs: number;
  readonly nextMs: number;
}

const EARLY_FRACTION = 0.25;

export const frameLimiter = (maxFps: number): FrameLimiter => ({
  intervalMs: 1000 / maxFps,
  nextMs: -Infinity,
});

/** Milliseconds until a frame may be taken; 0 when now. */
export const waitMs = (limiter: FrameLimiter, nowMs: number): number =>
  Math.max(0, limiter.nextMs - limiter.intervalMs * EARLY_FRACTION - nowMs);

/** The limiter after a frame taken at `nowMs`. */
export const taken = (limiter: FrameLimiter, nowMs: number): FrameLimiter => ({
  intervalMs: limiter.intervalMs,
  nextMs: Math.max(nowMs, limiter.nextMs) + limiter.intervalMs,
});
