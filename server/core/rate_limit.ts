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

/** Takes one token. `ok` is false, and nothing is taken, when there is none. */
export function takeToken(
  bucket: Bucket,
  rate: BucketRate,
  now: number,
): { readonly ok: boolean; readonly bucket: Bucket } {
  // A clock that steps back must not take tokens away.
  const passedMs = Math.max(0, now - bucket.atMs);
  const tokens = Math.min(rate.burst, bucket.tokens + (passedMs / 1000) * rate.perSecond);
  if (tokens < 1) return { ok: false, bucket: { tokens, atMs: now } };
  return { ok: true, bucket: { tokens: tokens - 1, atMs: now } };
}
