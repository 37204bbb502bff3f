/** Small settings of this browser; losing them is harmless. */

/** Reads one of `values`; anything else, or no storage at all, is `fallback`. */
export function readStored<T extends string>(key: string, values: readonly T[], fallback: T): T {
  try {
    const stored = localStorage.getItem(key);
    return values.find((value) => value === stored) ?? fallback;
  } catch {
    return fallback; // storage is blocked by the browser's settings
  }
}

/** Keeps `value` for the next visit where the browser allows it. */
export function writeStored(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is blocked or full: the setting lasts until the page is closed.
  }
}
