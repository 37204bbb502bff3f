/** The target lines: our figure, theirs, the ratio, and whether that is enough. */
import { round } from "../support/bench.ts";

export interface Target {
  readonly target: string;
  readonly ours: number | null;
  readonly theirs: number | null;
  readonly ratio: number | null;
  readonly met: boolean;
}

/** Ours is to be at most `most` times theirs. */
export function atMostTimes(
  what: string,
  most: number,
  figures: { readonly ours: number | null; readonly theirs: number | null },
): Target {
  const { ours, theirs } = figures;
  const ratio = ours === null || theirs === null ? null : round(ours / theirs, 3);
  return {
    target: `${what} ≤ ${most} × theirs`,
    ours,
    theirs,
    ratio,
    met: ratio !== null && ratio <= most,
  };
}

/** Ours alone is to be at most or at least a number. */
export function absolute(
  what: string,
  bound: { readonly most: number } | { readonly least: number },
  figures: { readonly ours: number | null; readonly theirs?: number | null },
): Target {
  const { ours, theirs = null } = figures;
  const [sign, limit] = "most" in bound ? ["≤", bound.most] : ["≥", bound.least];
  const met = ours !== null && (sign === "≤" ? ours <= limit : ours >= limit);
  const ratio = ours === null || theirs === null ? null : round(ours / theirs, 3);
  return { target: `${what} ${sign} ${limit}`, ours, theirs, ratio, met };
}
