/** Typing errors: what somebody probably meant. */

/** Longer texts than this are cut: only the beginning tells what was meant. */
const MAX_LENGTH = 64;

/** Edit distance (Levenshtein) between two words, case aside; both are cut at 64 characters. */
export function distance(left: string, right: string): number {
  const [a, b] = [left, right].map((word) => word.slice(0, MAX_LENGTH).toLowerCase());
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/** The known word that is most like `word`. */
export function nearest(word: string, known: readonly string[]): string {
  let best = known[0] ?? "";
  let least = Infinity;
  for (const candidate of known) {
    const d = distance(word, candidate);
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}
