/**
 * How long the browser may hold a picture back before it shows it: not at all, or a little where
 * pictures come unevenly; and what to do when it holds them longer than that, which some do for
 * ever once they have begun. Pure.
 */
import type { Evidence, PlayoutReason } from "@farglass/protocol";

export interface Playout {
  /** What was asked for last. */
  readonly minMs: number;
  readonly reason: PlayoutReason;
  /** Since when the measurement asks for the other side of `minMs`. */
  readonly turnSince: number | null;
  /** Since when pictures have been held for too long. */
  readonly heldSince: number | null;
  /** When the buffer was emptied lately, oldest first. */
  readonly drainedAt: readonly number[];
  /** The last reading. */
  readonly pictures: number;
  readonly readAt: number | null;
}

export const newPlayout: Playout = {
  minMs: 0,
  reason: "playout-zero",
  turnSince: null,
  heldSince: null,
  drainedAt: [],
  pictures: -1,
  readAt: null,
};

/** One reading of the statistics; null where the browser does not tell. */
export interface PlayoutSample {
  /** Pictures that have left the buffer so far. */
  readonly pictures: number;
  /** RTP's interarrival jitter (RFC 3550 section 6.4.1). */
  readonly jitterMs: number | null;
  /** How long a picture waited in the buffer since the last reading, on average. */
  readonly bufferMs: number | null;
}

export type PlayoutAction =
  /** Ask for this delay. */
  | { readonly kind: "set"; readonly minMs: number; readonly reason: PlayoutReason }
  /** Empty the buffer: ask for no delay, and begin with a keyframe. */
  | { readonly kind: "drain"; readonly evidence: Evidence }
  /** That did not help. */
  | { readonly kind: "give-up"; readonly evidence: Evidence };

/** A whole picture of 30 Hz: less comes from pacing large pictures through a narrow link. */
const RAISE_JITTER_MS = 40;
const LOWER_JITTER_MS = 25;
const RAISE_AFTER_MS = 2_000;
const LOWER_AFTER_MS = 3_000;
/** Two deviations of what is spread evenly; more would be felt by who works there. */
const PER_JITTER = 2;
const MOST_MS = 40;
/** Putting a picture together takes the spread of its packets; this much is not that any more. */
const HELD_MS = 80;
const HELD_PER_JITTER = 3;
const HELD_AFTER_MS = 1_500;
/** After so many drains in this time the video is given up. */
const DRAINS = 3;
const DRAINS_WITHIN_MS = 30_000;

/** One reading; the state is that after what is to be done was done. */
export function stepPlayout(
  before: Playout,
  { pictures, jitterMs, bufferMs }: PlayoutSample,
  now: number,
): readonly [Playout, PlayoutAction | null] {
  const state = { ...before, pictures, readAt: now };
  // While nothing came, what the browser tells is what it told before.
  if (pictures === before.pictures) return [pause(state, now - (before.readAt ?? now)), null];
  const jitter = jitterMs ?? 0;
  const held = bufferMs !== null && bufferMs > state.minMs + HELD_MS + HELD_PER_JITTER * jitter;
  const heldSince = held ? state.heldSince ?? now : null;
  if (heldSince !== null && now - heldSince >= HELD_AFTER_MS) {
    return drain({ ...state, heldSince: now }, { bufferMs: bufferMs ?? 0, jitterMs: jitter }, now);
  }
  const wanted = state.minMs === 0 ? jitter >= RAISE_JITTER_MS : jitter < LOWER_JITTER_MS;
  if (!wanted) return [{ ...state, heldSince, turnSince: null }, null];
  const turnSince = state.turnSince ?? now;
  const after = state.minMs === 0 ? RAISE_AFTER_MS : LOWER_AFTER_MS;
  if (now - turnSince < after) return [{ ...state, heldSince, turnSince }, null];
  const minMs = state.minMs === 0 ? Math.min(MOST_MS, Math.round(PER_JITTER * jitter)) : 0;
  const reason = minMs === 0 ? "playout-zero" : "playout-jitter";
  return [
    { ...state, minMs, reason, turnSince: null, heldSince: null },
    { kind: "set", minMs, reason },
  ];
}

/** Time without pictures is no time in which anything lasted. */
const pause = (state: Playout, ms: number): Playout => ({
  ...state,
  turnSince: state.turnSince === null ? null : state.turnSince + ms,
  heldSince: state.heldSince === null ? null : state.heldSince + ms,
});

function drain(
  state: Playout,
  evidence: Evidence,
  now: number,
): readonly [Playout, PlayoutAction] {
  const drainedAt = [...state.drainedAt.filter((at) => now - at < DRAINS_WITHIN_MS), now];
  const rounded = Object.fromEntries(
    Object.entries(evidence).map(([name, value]) => [name, Math.round(value)]),
  );
  const { pictures, readAt } = state;
  const read = { pictures, readAt };
  if (drainedAt.length > DRAINS) {
    return [{ ...newPlayout, ...read }, { kind: "give-up", evidence: rounded }];
  }
  return [
    {
      ...{ ...newPlayout, ...read, drainedAt },
      ...{ reason: "playout-drained", heldSince: state.heldSince },
    },
    { kind: "drain", evidence: rounded },
  ];
}
