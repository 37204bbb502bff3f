/** Spreads a large picture's packets, so that a keyframe does not overrun a switch's buffer. */

/** An ordinary picture leaves at once; 64 packets are 77 KB. */
export const PACER_BURST_PACKETS = 64;
/** The rest follows in steps; 64 packets each 5 ms are 120 Mb/s. */
export const PACER_STEP_MS = 5;

export interface PacerState {
  readonly tokens: number;
  readonly refilledAtMs: number;
}

export const newPacer = (nowMs: number): PacerState => ({
  tokens: PACER_BURST_PACKETS,
  refilledAtMs: nowMs,
});

/** How many of `waiting` packets may leave now. */
export function release(
  state: PacerState,
  waiting: number,
  nowMs: number,
): readonly [PacerState, number] {
  const steps = Math.max(0, nowMs - state.refilledAtMs) / PACER_STEP_MS;
  const tokens = Math.min(PACER_BURST_PACKETS, state.tokens + steps * PACER_BURST_PACKETS);
  const count = Math.min(waiting, Math.floor(tokens));
  return [{ tokens: tokens - count, refilledAtMs: Math.max(nowMs, state.refilledAtMs) }, count];
}
