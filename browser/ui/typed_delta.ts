/** What changed in a text field, as key strokes. */

/** First `erase` times Backspace, then `insert`. */
export interface TypedDelta {
  readonly erase: number;
  readonly insert: string;
}

/**
 * On-screen keyboards report no usable key codes (W3C UI Events: code 229 while composing), so
 * the field's text before and after tells what was typed. Counts code points.
 */
export function typedDelta(before: string, after: string): TypedDelta {
  const old = [...before];
  const now = [...after];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same++;
  return { erase: old.length - same, insert: now.slice(same).join("") };
}
