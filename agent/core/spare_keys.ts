/**
 * Spare keycodes lent to characters that the keyboard lacks. A client reads the new meaning only
 * when it gets to the notice: a key is given another character no sooner than it has rested.
 */
export interface SpareKeys {
  /** Oldest use first. */
  readonly keys: readonly {
    readonly keycode: number;
    /** 0 while it is lent to nothing. */
    readonly keysym: number;
    readonly usedAtMs: number;
  }[];
}

export const SPARE_REST_MS = 200;

export const spareKeys = (keycodes: readonly number[]): SpareKeys => ({
  keys: keycodes.map((keycode) => ({ keycode, keysym: 0, usedAtMs: -Infinity })),
});

/**
 * After the keyboard map was read again: `free` keycodes make nothing, `makes` says what one makes
 * now. Loans that are still in force stay, others are forgotten.
 */
export function revise(
  state: SpareKeys,
  free: readonly number[],
  makes: (keycode: number) => number,
): SpareKeys {
  const kept = state.keys.flatMap((key) => {
    if (key.keysym !== 0 && makes(key.keycode) === key.keysym) return [key];
    return free.includes(key.keycode) ? [{ ...key, keysym: 0 }] : [];
  });
  const added = free.filter((keycode) => !kept.some((key) => key.keycode === keycode));
  return { keys: [...spareKeys(added).keys, ...kept] };
}

export type Loan =
  /** `changed`: the keyboard mapping must be changed first. */
  | { readonly kind: "lent"; readonly keycode: number; readonly changed: boolean }
  /** All of them are still in use: try again at this time. */
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "none" };

/** Lends a key for `keysym`: the one that has it, else the one unused for longest. */
export function lend(
  state: SpareKeys,
  keysym: number,
  held: ReadonlySet<number>,
  nowMs: number,
): [SpareKeys, Loan] {
  const existing = state.keys.find((key) => key.keysym === keysym);
  const free = existing ?? state.keys.find((key) => !held.has(key.keycode));
  if (free === undefined) return [state, { kind: "none" }];
  if (existing === undefined && free.usedAtMs + SPARE_REST_MS > nowMs) {
    return [state, { kind: "wait", untilMs: free.usedAtMs + SPARE_REST_MS }];
  }
  const rest = state.keys.filter((key) => key !== free);
  return [
    { keys: [...rest, { keycode: free.keycode, keysym, usedAtMs: nowMs }] },
    { kind: "lent", keycode: free.keycode, changed: existing === undefined },
  ];
}

/** Keycodes that are lent now: give them back when the desktop is closed. */
export const lentKeycodes = (state: SpareKeys): number[] =>
  state.keys.filter((key) => key.keysym !== 0).map((key) => key.keycode);
