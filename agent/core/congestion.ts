/**
 * How much video a viewer's link can carry, and why we think so (after draft-ietf-rmcat-gcc-02).
 * Delay: a standing queue lowers the target to what the link was seen to pass, and below that
 * until the queue has drained. Loss: lowers it only while lowering it helps; what is lost at any
 * rate is the link's nature. A desktop sends little most of the time, so nothing follows from a
 * low rate of sending: the target rises by probes. Pure.
 */
import { type CongestionReason, never } from "@farglass/protocol";
import type { Measurement } from "./link_meter.ts";

export interface CongestionLimits {
  readonly minKbps: number;
  readonly startKbps: number;
  readonly maxKbps: number;
}

export interface CongestionState {
  readonly limits: CongestionLimits;
  /** What may leave now, with headers and repetitions. */
  readonly targetKbps: number;
  /** What the link is believed to carry; the target is lower while a queue drains. */
  readonly estimateKbps: number;
  /** The highest rate that was seen to pass; the pacer may use it. */
  readonly provenKbps: number;
  readonly reason: CongestionReason;
  readonly draining: boolean;
  /** Nothing was reported for too long: the path is gone, and only beacons leave. */
  readonly silent: boolean;
  readonly lastDecreaseMs: number;
  readonly lastStepMs: number | null;
  /** What the link passed when it last was full; nearby the target rises slowly. */
  readonly kneeKbps: number | null;
  readonly probe: { readonly id: number; readonly kbps: number; readonly sentMs: number } | null;
  readonly nextProbe: number;
  readonly probeAtMs: number;
  /** Probes in a row that found nothing. */
  readonly vainProbes: number;
  /** Loss that was there at any rate. */
  readonly lossFloor: number;
  /** A decrease because of loss whose effect is being watched. */
  readonly lossTrial:
    | { readonly loss: number; readonly kbps: number; readonly atMs: number }
    | null;
  readonly remb: { readonly kbps: number; readonly atMs: number } | null;
  readonly beaconAtMs: number;
  /** Decisions by reason, for metrics. */
  readonly decisions: Readonly<Partial<Record<CongestionReason, number>>>;
}

export type CongestionEvent =
  | { readonly kind: "measured"; readonly measurement: Measurement }
  /**
   * Receiver Estimated Maximum Bitrate (draft-alvestrand-rmcat-remb-03); with what was sent of late
   * where the receiver reports nothing else, so that it is all that is known of the link.
   */
  | { readonly kind: "remb"; readonly kbps: number; readonly sentKbps?: number }
  /** `waitingSinceMs`: when the oldest unreported packet left. */
  | { readonly kind: "tick"; readonly waitingSinceMs: number | null; readonly rttMs: number };

export type CongestionEffect =
  /** Send `bytes` at `kbps`: pictures that wait, then padding. */
  | {
    readonly kind: "probe";
    readonly id: number;
    readonly kbps: number;
    readonly bytes: number;
  }
  /** One small packet, so that there is something to report. */
  | { readonly kind: "beacon" }
  /** The path is gone: what waits is worthless. */
  | { readonly kind: "silent" }
  /** The path is back: begin with a keyframe. */
  | { readonly kind: "resumed" };

type Step = readonly [CongestionState, readonly CongestionEffect[]];

/** A standing queue of so much is too much, whether it grows or not. */
const QUEUE_LIMIT_MS = 60;
/** A queue that grows beyond this will get there. */
const QUEUE_GROWING_MS = 15;
/** Below this there is no queue. */
const QUEUE_EMPTY_MS = 12;
/** Part of what the link passed that is used after it was full. */
const DECREASE = 0.9;
/** While a queue of Q ms drains, 1 - Q / DRAIN_MS of the estimate is sent. */
const DRAIN_MS = 400;
const MIN_DRAIN = 0.3;
/** The effect of a decrease shows after a round trip and a feedback. */
const FEEDBACK_MS = 150;
/** Loss beyond this is too much (section 6); less than LOW_LOSS is none. */
const HIGH_LOSS = 0.1;
const LOW_LOSS = 0.02;
const MIN_REPORTED = 20;
const LOSS_TRIAL_MS = 1_000;
/** `loss` is counted over so long. */
const LOSS_WINDOW_MS = 1_000;
/** A decrease that left more than this part of the loss did not help. */
const LOSS_KEPT = 0.7;
/** One window without loss may be luck. */
const FLOOR_SINKS = 0.05;
/** Increase per second, and near the knee. */
const INCREASE = 0.15;
const INCREASE_NEAR = 0.03;
const NEAR = 0.15;
const REST_AFTER_DECREASE_MS = 500;
/** The link counts as filled above this part of the target. */
const FILLED = 0.7;
const PROBE_FACTOR = 2;
const PROBE_MS = 15;
/** Five packets of a picture: fewer say nothing of the link's rate. */
const MIN_PROBE_BYTES = 6_200;
const MAX_PROBE_BYTES = 160 * 1024;
/** A probe that brought at least this part of its rate is followed by the next at once. */
const PROBE_AGAIN = 0.7;
/** So does one that the sender could not send in time, if it still found so much more. */
const PROBE_GAIN = 1.2;
const PROBE_INTERVAL_MS = [1_500, 2_500, 4_000] as const;
const PROBE_TIMEOUT_MS = 1_500;
/** A still desktop asks for no more after so many probes in a row that found nothing. */
const STILL_PROBES = 3;
/** At the start the pacer's headroom is sought as well: up to so much above the maximum. */
const HEADROOM = 8;
/** REMB is believed for so long, and only while this part of the target is being sent. */
const REMB_STALE_MS = 5_000;
const REMB_FILLED = 0.75;
/** No report for so long, and two round trips: the path is gone. */
const SILENT_MS = 800;
const BEACON_MS = 100;
/** Pacing, in multiples of the target, and the part of a proved rate that is used. */
const PACE = 2.5;
const LEAST_PACE = 1.1;
const FIRST_PACE = 1.5;
const PROVEN_USE = 0.9;
/** Part of the old estimate to begin with when the path is back. */
const RESUME = 0.75;

export function newCongestion(limits: CongestionLimits): CongestionState {
  const startKbps = Math.min(limits.startKbps, limits.maxKbps);
  return {
    limits,
    targetKbps: startKbps,
    estimateKbps: startKbps,
    provenKbps: 0,
    reason: "start",
    draining: false,
    silent: false,
    lastDecreaseMs: -Infinity,
    lastStepMs: null,
    kneeKbps: null,
    probe: null,
    nextProbe: 1,
    probeAtMs: -Infinity,
    vainProbes: 0,
    lossFloor: 0,
    lossTrial: null,
    remb: null,
    beaconAtMs: -Infinity,
    decisions: {},
  };
}

/** One event; `now` in ms of the sender's clock. */
export function stepCongestion(state: CongestionState, event: CongestionEvent, now: number): Step {
  switch (event.kind) {
    case "measured":
      return onMeasured(state, event.measurement, now);
    case "remb":
      return event.sentKbps === undefined
        ? [{ ...state, remb: { kbps: event.kbps, atMs: now } }, []]
        : [followRemb(state, event.kbps, event.sentKbps), []];
    case "tick":
      return onTick(state, event, now);
    default:
      return never(event);
  }
}

/** When `tick` has something to do at the latest, or null; see `tick` for the argument. */
export function congestionDeadline(
  state: CongestionState,
  waitingSinceMs: number | null,
  rttMs: number,
): number | null {
  if (state.silent) return state.beaconAtMs + BEACON_MS;
  return waitingSinceMs === null ? stillDeadline(state) : waitingSinceMs + SILENT_MS + 2 * rttMs;
}

/**
 * When a desktop that sends nothing has something to do: what was measured last shall not hold
 * until the screen moves again, or its first moving pictures would be worse than they need be.
 */
function stillDeadline(state: CongestionState): number | null {
  const { lastStepMs, draining, probe, vainProbes, limits } = state;
  if (lastStepMs === null) return null;
  // All was reported, so nothing stands in a queue any more.
  if (draining) return lastStepMs;
  if (probe !== null) return probe.sentMs + PROBE_TIMEOUT_MS;
  const known = state.estimateKbps >= limits.maxKbps || vainProbes >= STILL_PROBES;
  return known ? null : Math.max(lastStepMs, state.probeAtMs);
}

/**
 * How fast packets may leave. A link that was seen full gets no more than it passes, so that a
 * keyframe waits here and not in the network; otherwise a multiple of the target, or what has
 * been proved.
 */
export function paceKbps(state: CongestionState): number {
  const { targetKbps, kneeKbps, provenKbps, lastStepMs } = state;
  // Nothing is known yet: a first picture that overruns the link's queue comes last.
  if (lastStepMs === null) return FIRST_PACE * targetKbps;
  const most = PACE * targetKbps;
  return kneeKbps === null
    ? Math.max(most, PROVEN_USE * provenKbps)
    : Math.min(most, Math.max(LEAST_PACE * targetKbps, kneeKbps));
}

function decide(state: CongestionState, estimateKbps: number, reason: CongestionReason) {
  const { minKbps, maxKbps } = state.limits;
  // What was known of the link before the maximum was lowered is good when it is raised again.
  const most = Math.max(maxKbps, state.estimateKbps);
  const bounded = Math.min(most, Math.max(minKbps, estimateKbps));
  const count = state.decisions[reason] ?? 0;
  return {
    ...state,
    estimateKbps: bounded,
    targetKbps: Math.min(maxKbps, bounded),
    reason,
    decisions: reason === state.reason && bounded >= state.estimateKbps
      ? state.decisions
      : { ...state.decisions, [reason]: count + 1 },
  };
}

// --- silence ------------------------------------------------------------------------------------

function onTick(
  state: CongestionState,
  { waitingSinceMs, rttMs }: { readonly waitingSinceMs: number | null; readonly rttMs: number },
  now: number,
): Step {
  const due = congestionDeadline(state, waitingSinceMs, rttMs);
  if (due === null || now < due) return [state, []];
  if (state.silent) return [{ ...state, beaconAtMs: now }, [{ kind: "beacon" }]];
  if (waitingSinceMs === null) {
    if (state.draining) {
      return [decide({ ...state, draining: false }, state.estimateKbps, "drained"), []];
    }
    return state.probe === null ? startProbe(state, now) : [vain(state, now), []];
  }
  const silent = { ...state, silent: true, probe: null, draining: false, beaconAtMs: now };
  return [decide(silent, state.estimateKbps, "path-silent"), [{ kind: "silent" }, {
    kind: "beacon",
  }]];
}

// --- a feedback ---------------------------------------------------------------------------------

function onMeasured(state: CongestionState, m: Measurement, now: number): Step {
  if (state.silent) {
    const back = { ...state, silent: false, lastStepMs: now, probeAtMs: now, vainProbes: 0 };
    return [decide(back, state.estimateKbps * RESUME, "path-back"), [{ kind: "resumed" }]];
  }
  const sinceMs = Math.min(1_000, now - (state.lastStepMs ?? now));
  const lossFloor = m.loss < state.lossFloor
    ? state.lossFloor + FLOOR_SINKS * (m.loss - state.lossFloor)
    : state.lossFloor;
  let next = onProbeResult({ ...state, lossFloor, lastStepMs: now }, m, now);
  next = onQueue(next, m, now) ?? onRemb(next, m, now) ?? onLoss(next, m, now) ??
    rise(next, m, { now, sinceMs });
  return maybeProbe(next, m, now);
}

function onQueue(state: CongestionState, m: Measurement, now: number): CongestionState | null {
  const drain = Math.min(DECREASE, Math.max(MIN_DRAIN, 1 - m.queueMs / DRAIN_MS));
  const full = m.queueMs > QUEUE_LIMIT_MS ||
    (m.trend === "growing" && m.queueMs > QUEUE_GROWING_MS);
  if (full && now - state.lastDecreaseMs > m.rttMs + FEEDBACK_MS) {
    const link = Math.max(m.linkKbps ?? 0, m.ackedKbps);
    const filled = m.sentKbps > FILLED * state.targetKbps || m.queueMs > QUEUE_LIMIT_MS;
    // A desktop that sends little did not fill it: somebody else did, or the clock went astray.
    if (!filled) return decide(state, state.estimateKbps, "application-limited");
    const estimate = Math.min(state.estimateKbps, DECREASE * link);
    const reason = m.queueMs > QUEUE_LIMIT_MS ? "queue-standing" : "queue-growing";
    return drained({
      ...decide(state, estimate, reason),
      draining: true,
      lastDecreaseMs: now,
      kneeKbps: link,
      provenKbps: link,
      probeAtMs: Math.max(state.probeAtMs, now + PROBE_INTERVAL_MS[0]),
    }, drain);
  }
  if (!state.draining) return null;
  if (m.queueMs > QUEUE_EMPTY_MS) return drained(state, drain);
  return decide({ ...state, draining: false }, state.estimateKbps, "drained");
}

const drained = (state: CongestionState, part: number): CongestionState => ({
  ...state,
  targetKbps: Math.min(
    state.limits.maxKbps,
    Math.max(state.limits.minKbps, state.estimateKbps * part),
  ),
});

function onRemb(state: CongestionState, m: Measurement, now: number): CongestionState | null {
  const { remb } = state;
  if (remb === null || now - remb.atMs > REMB_STALE_MS) return null;
  // A receiver that is sent little knows of little.
  if (m.sentKbps < REMB_FILLED * state.targetKbps || remb.kbps >= m.ackedKbps) return null;
  const decreased = { ...state, lastDecreaseMs: now, remb: null };
  return decide(decreased, Math.min(state.estimateKbps, DECREASE * remb.kbps), "remb");
}

/** REMB alone: below it, so that a queue drains; a receiver that is sent little knows of little. */
function followRemb(state: CongestionState, kbps: number, sentKbps: number): CongestionState {
  const { estimateKbps, targetKbps, limits: { maxKbps } } = state;
  const next = Math.min(maxKbps, DECREASE * kbps);
  if (next < estimateKbps && sentKbps < REMB_FILLED * targetKbps) {
    return decide(state, estimateKbps, "application-limited");
  }
  const known = next < estimateKbps ? { ...state, kneeKbps: kbps } : state;
  return decide(known, next, next === maxKbps ? "ceiling" : "remb");
}

function onLoss(state: CongestionState, m: Measurement, now: number): CongestionState | null {
  if (m.reported < MIN_REPORTED) return null;
  const trial = state.lossTrial;
  if (trial !== null) {
    if (now - trial.atMs < LOSS_TRIAL_MS + m.rttMs) return state;
    const over = { ...state, lossTrial: null };
    if (m.loss <= LOSS_KEPT * trial.loss) return onLoss(over, m, now);
    // Less was sent and as much was lost: sending less is no remedy.
    const back = Math.max(state.estimateKbps, trial.kbps);
    return decide({ ...over, lossFloor: m.loss }, back, "loss-inherent");
  }
  // What was lost before a decrease says nothing about the rate since.
  if (now - state.lastDecreaseMs < LOSS_WINDOW_MS + m.rttMs) return null;
  const excess = m.loss - state.lossFloor;
  if (excess < HIGH_LOSS || m.sentKbps < FILLED * state.targetKbps) return null;
  const lossTrial = { loss: m.loss, kbps: state.estimateKbps, atMs: now };
  const decreased = { ...state, lastDecreaseMs: now, lossTrial };
  return decide(decreased, state.estimateKbps * (1 - 0.5 * m.loss), "loss");
}

function rise(
  state: CongestionState,
  m: Measurement,
  { now, sinceMs }: { readonly now: number; readonly sinceMs: number },
): CongestionState {
  const { estimateKbps, limits, kneeKbps } = state;
  if (estimateKbps >= limits.maxKbps) return decide(state, estimateKbps, "ceiling");
  if (m.sentKbps < FILLED * state.targetKbps) {
    return decide(state, estimateKbps, "application-limited");
  }
  const calm = m.queueMs <= QUEUE_GROWING_MS && m.trend !== "growing" &&
    m.loss - state.lossFloor < LOW_LOSS && now - state.lastDecreaseMs > REST_AFTER_DECREASE_MS;
  if (!calm) return state;
  const near = kneeKbps !== null && Math.abs(estimateKbps - kneeKbps) < NEAR * kneeKbps;
  const factor = 1 + (near ? INCREASE_NEAR : INCREASE) * sinceMs / 1_000;
  // What arrives proves no more than half as much again.
  const proven = Math.max(estimateKbps, 1.5 * m.ackedKbps);
  return decide(state, Math.min(proven, estimateKbps * factor), "ramp-up");
}

// --- probes -------------------------------------------------------------------------------------

function onProbeResult(state: CongestionState, m: Measurement, now: number): CongestionState {
  const { probe } = state;
  if (probe === null) return state;
  if (m.probe?.id !== probe.id) {
    return now - probe.sentMs < PROBE_TIMEOUT_MS + m.rttMs ? state : vain(state, now);
  }
  const { kbps, saturated } = m.probe;
  const provenKbps = Math.max(state.provenKbps, kbps);
  const more = kbps >= PROBE_AGAIN * probe.kbps;
  // A sender that was too busy for its probe has learned no limit of the link.
  const kneeKbps = more || !saturated || kbps === 0 ? state.kneeKbps : kbps;
  const done = { ...state, probe: null, provenKbps, kneeKbps };
  if (kbps <= state.estimateKbps) return more ? { ...done, probeAtMs: now } : vain(done, now);
  const through = more || !saturated;
  const estimate = through ? kbps : DECREASE * kbps;
  const again = more || (through && kbps > PROBE_GAIN * state.estimateKbps);
  return {
    ...decide(done, Math.max(state.estimateKbps, estimate), "probe"),
    probeAtMs: again ? now : now + PROBE_INTERVAL_MS[0],
    vainProbes: 0,
    kneeKbps: more ? null : kneeKbps,
  };
}

function vain(state: CongestionState, now: number): CongestionState {
  const waits = PROBE_INTERVAL_MS;
  const waitMs = waits[Math.min(state.vainProbes, waits.length - 1)];
  return { ...state, probe: null, vainProbes: state.vainProbes + 1, probeAtMs: now + waitMs };
}

function maybeProbe(state: CongestionState, m: Measurement, now: number): Step {
  const { limits, provenKbps, estimateKbps } = state;
  if (state.probe !== null || state.draining || now < state.probeAtMs) return [state, []];
  if (m.queueMs > QUEUE_EMPTY_MS || m.loss - state.lossFloor > HIGH_LOSS) return [state, []];
  const wanted = limits.maxKbps * (seeksHeadroom(state) ? HEADROOM : 1);
  if (estimateKbps >= limits.maxKbps && provenKbps >= wanted) return [state, []];
  if (estimateKbps >= limits.maxKbps && !seeksHeadroom(state)) return [state, []];
  return startProbe(state, now);
}

/** Above the maximum only on and on from the start: it is for the pacer, not for the picture. */
const seeksHeadroom = (state: CongestionState): boolean =>
  state.kneeKbps === null && state.vainProbes === 0;

function startProbe(state: CongestionState, now: number): Step {
  const { provenKbps, estimateKbps } = state;
  const kbps = PROBE_FACTOR * Math.max(estimateKbps, seeksHeadroom(state) ? provenKbps : 0);
  const bytes = Math.min(MAX_PROBE_BYTES, Math.max(MIN_PROBE_BYTES, kbps * PROBE_MS / 8));
  const id = state.nextProbe;
  return [
    { ...state, nextProbe: id + 1, probe: { id, kbps, sentMs: now } },
    [{ kind: "probe", id, kbps, bytes: Math.round(bytes) }],
  ];
}
