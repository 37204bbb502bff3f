/**
 * How far the agent's clock is from the console's, from the pings of the heartbeat. The answer was
 * given somewhere between sending the ping and its arrival: taking the middle errs by at most half
 * the round trip, so the quickest of the last pings says most (as NTP's clock filter, RFC 5905
 * section 10). Pure.
 */

/** One ping, in ms: sent and answered by the console's clock, answered by the agent's. */
interface Ping {
  readonly receivedAt: number;
  readonly roundTripMs: number;
  /** What to add to the agent's time to have the console's. */
  readonly offsetMs: number;
}

/** The last pings, oldest first. */
export type ClockState = readonly Ping[];

export const NO_CLOCK: ClockState = [];

const MAX_PINGS = 64;
const MAX_AGE_MS = 60_000;
/** Crystals of two machines part by so much at most: 100 ppm. */
const DRIFT = 1e-4;

/** Takes the answer to one ping; one that cannot be is left out. */
export function addPing(
  state: ClockState,
  ping: { readonly sentAt: number; readonly agentAt: number; readonly receivedAt: number },
): ClockState {
  const { sentAt, agentAt, receivedAt } = ping;
  const roundTripMs = receivedAt - sentAt;
  if (!(roundTripMs >= 0 && roundTripMs < 10_000)) return state;
  const offsetMs = (sentAt + receivedAt) / 2 - agentAt;
  const fresh = state.filter((p) => receivedAt - p.receivedAt < MAX_AGE_MS);
  // The agent was restarted, or a machine slept: nothing of before holds.
  const before = clockOffset(fresh, receivedAt);
  const jumped = before !== null &&
    Math.abs(before.offsetMs - offsetMs) > before.errorMs + roundTripMs / 2 + 1;
  return [...jumped ? [] : fresh, { receivedAt, roundTripMs, offsetMs }].slice(-MAX_PINGS);
}

/** The offset and what it may be wrong by, both in ms; null before the first ping. */
export function clockOffset(
  state: ClockState,
  now: number,
): { readonly offsetMs: number; readonly errorMs: number } | null {
  let best: { readonly offsetMs: number; readonly errorMs: number } | null = null;
  for (const { receivedAt, roundTripMs, offsetMs } of state) {
    const errorMs = roundTripMs / 2 + Math.max(0, now - receivedAt) * DRIFT;
    if (best === null || errorMs <= best.errorMs) best = { offsetMs, errorMs };
  }
  return best;
}
