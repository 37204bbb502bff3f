/**
 * Failed attempts, limited for each address and for all together: guesses at a secret must cost
 * neither look-ups nor log lines. Successful ones are free.
 */
import { type Bucket, type BucketRate, fullBucket, takeToken } from "./rate_limit.ts";

export interface AttemptRates {
  readonly each: BucketRate;
  readonly all: BucketRate;
}

export interface AttemptState {
  /** By address, the one that failed last at the end. */
  readonly each: ReadonlyMap<string, Bucket>;
  readonly all: Bucket;
}

/** Addresses that are remembered; one more takes the place of the one that failed longest ago. */
export const MAX_ATTEMPT_ADDRESSES = 4096;

export const newAttempts = (rates: AttemptRates, now: number): AttemptState => ({
  each: new Map(),
  all: fullBucket(rates.all, now),
});

/** How long an address has to wait before it may try, in ms; 0 when it may. */
export function attemptWaitMs(
  state: AttemptState,
  address: string,
  { rates, now }: { readonly rates: AttemptRates; readonly now: number },
): number {
  const own = state.each.get(groupOf(address));
  return Math.max(
    own === undefined ? 0 : takeToken(own, rates.each, now).waitMs,
    takeToken(state.all, rates.all, now).waitMs,
  );
}

/** An attempt has failed. */
export function attemptFailed(
  state: AttemptState,
  address: string,
  { rates, now }: { readonly rates: AttemptRates; readonly now: number },
): AttemptState {
  const key = groupOf(address);
  const each = new Map(state.each);
  const own = each.get(key) ?? fullBucket(rates.each, now);
  each.delete(key);
  each.set(key, takeToken(own, rates.each, now).bucket);
  for (const oldest of each.keys()) {
    if (each.size <= MAX_ATTEMPT_ADDRESSES) break;
    each.delete(oldest);
  }
  return { each, all: takeToken(state.all, rates.all, now).bucket };
}

/** One host has as many IPv6 addresses as it likes, but one /64 (RFC 4291 section 2.5.4). */
function groupOf(address: string): string {
  if (!address.includes(":") || /^::ffff:[\d.]+$/i.test(address)) return address;
  const [head, tail] = address.toLowerCase().split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":");
}
