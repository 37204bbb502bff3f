/**
 * Keeps captures under a frame rate on average: at once after a still moment. A generic cell rate:
 * `nextMs` is when the next frame is due; a whole frame early is let through, so that a source at
 * just the limit's rate never waits, however uneven it is. Those at 60 Hz drift by some
 * milliseconds, and each wait would be seen as latency.
 */
export interface FrameLimiter {
  readonly intervalMs: number;
  readonly nextMs: number;
}

const EARLY_FRACTION = 1;

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
