/** A token bucket: one per connection. */
export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export interface BucketRate {
  readonly perSecond: number;
  readonly burst: number;
}

export const fullBucket = (rate: BucketRate, now: number): Bucket => ({
  tokens: rate.burst,
  atMs: now,
});

/** Takes `amount` tokens (one when left out), or nothing at all: then `waitMs` says how long until there are enough. */
export function takeToken(
  bucket: Bucket,
  rate: BucketRate,
  now: number,
  amount = 1,
): { readonly ok: boolean; readonly bucket: Bucket; readonly waitMs: number } {
  // A clock that steps back must not take tokens away.
  const passedMs = Math.max(0, now - bucket.atMs);
  const tokens = Math.min(rate.burst, bucket.tokens + (passedMs / 1000) * rate.perSecond);
  if (tokens < amount) {
    const waitMs = Math.ceil(((amount - tokens) / rate.perSecond) * 1000);
    return { ok: false, bucket: { tokens, atMs: now }, waitMs };
  }
  return { ok: true, bucket: { tokens: tokens - amount, atMs: now }, waitMs: 0 };
}
