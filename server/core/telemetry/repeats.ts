/**
 * Tells equal events as one: the first goes at once, those of the next ten seconds are counted and
 * told at their end, so that a flood of bad messages cannot push other events out.
 */

export const REPEAT_WINDOW_MS = 10_000;
/** Sources that are told apart; one more takes the place of the one that ends soonest. */
export const MAX_REPEAT_KEYS = 1024;

interface Repeat<T> {
  /** The last one that was not told yet. */
  readonly held: T | null;
  readonly count: number;
  readonly endsAtMs: number;
}

/** Windows by key, in the order in which they end. */
export type Repeats<T> = ReadonlyMap<string, Repeat<T>>;

export interface Told<T> {
  readonly event: T;
  /** How many it stands for. */
  readonly count: number;
}

type Stepped<T> = readonly [Repeats<T>, readonly Told<T>[]];

/** An event with its key: told at once when nothing like it was told lately. */
export function addRepeat<T>(repeats: Repeats<T>, key: string, event: T, now: number): Stepped<T> {
  const [rest, told] = endRepeats(repeats, now);
  const next = new Map(rest);
  const known = next.get(key);
  if (known !== undefined) {
    next.set(key, { ...known, held: event, count: known.count + 1 });
    return [next, told];
  }
  const evicted = next.size >= MAX_REPEAT_KEYS ? evictOldest(next) : [];
  next.set(key, { held: null, count: 0, endsAtMs: now + REPEAT_WINDOW_MS });
  return [next, [...told, ...evicted, { event, count: 1 }]];
}

/** Closes the windows that are over (all of them, with `now` infinite) and tells their counts. */
export function endRepeats<T>(repeats: Repeats<T>, now: number): Stepped<T> {
  const first = repeatsDeadline(repeats);
  if (first === null || first > now) return [repeats, []];
  const next = new Map(repeats);
  const told: Told<T>[] = [];
  for (const [key, { held, count, endsAtMs }] of repeats) {
    if (endsAtMs > now) break;
    next.delete(key);
    if (held !== null) told.push({ event: held, count });
  }
  return [next, told];
}

/** When the next window ends, in Unix ms; null when there is none. */
export function repeatsDeadline<T>(repeats: Repeats<T>): number | null {
  for (const { endsAtMs } of repeats.values()) return endsAtMs;
  return null;
}

function evictOldest<T>(repeats: Map<string, Repeat<T>>): Told<T>[] {
  for (const [key, { held, count }] of repeats) {
    repeats.delete(key);
    return held === null ? [] : [{ event: held, count }];
  }
  return [];
}
