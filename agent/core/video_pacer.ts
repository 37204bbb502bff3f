/**
 * When one encoder encodes which picture: one at a time, always the newest, keyframes coalesced
 * and at most two a second, and a few refinements after motion so that the still picture gets
 * crisp. Pure.
 */
import { never } from "@farglass/protocol";
import type { VideoRate } from "./ports.ts";

/** Why a keyframe was made; the name under which it is counted. */
export const KEYFRAME_REASONS = [
  /** The encoder's first picture. */
  "start",
  /** The screen has another size. */
  "resize",
  "viewer-joined",
  /** A viewer comes from an encoder with another rate. */
  "viewer-moved",
  /** Picture loss indication (RFC 4585 section 6.3.1). */
  "pli",
  /** Full intra request (RFC 5104 section 4.3.1). */
  "fir",
  /** The console asked by its control channel. */
  "console",
  /** Pictures for one viewer were left out on the way. */
  "skipped",
  /** Another encoder took over from one that failed. */
  "fail-over",
  /** The encoder made one that nobody asked for. */
  "encoder",
] as const;
export type KeyframeReason = (typeof KEYFRAME_REASONS)[number];

export interface VideoPacer {
  /** Viewers that are shown video; nothing is encoded without one. */
  readonly viewers: number;
  /** A newer picture than the last encoded one exists. */
  readonly dirty: boolean;
  readonly encoding: boolean;
  /** The last picture has not left yet for anybody: the next one shall be the newest then. */
  readonly blocked: boolean;
  /** The last encode failed: nothing is tried until something new happens. */
  readonly halted: boolean;
  /** Why the running encode makes a keyframe. */
  readonly encodingKeyframe: KeyframeReason | null;
  readonly keyframe: WantedKeyframe | null;
  /** Nothing but a keyframe can come next: the encoder is a new one. */
  readonly fromScratch: boolean;
  /** When the last two keyframes were begun, the older one first. */
  readonly keyframesMs: readonly [number, number];
  /** Pictures of the current motion so far. */
  readonly burst: number;
  readonly lastFrameMs: number;
  readonly refinements: number;
  readonly refineAtMs: number | null;
  /** The last encode gave a picture, so that there is one to repeat. */
  readonly keepAlive: boolean;
  readonly lastEncodeMs: number;
  /** Bytes that one picture may take on average. */
  readonly frameBudgetBytes: number;
  /** Least time between the beginnings of two encodes. */
  readonly intervalMs: number;
}

export interface WantedKeyframe {
  readonly reason: KeyframeReason;
  /** Somebody sees nothing without it, so it does not wait for its distance to the last one. */
  readonly urgent: boolean;
}

export type VideoPacerEvent =
  /** Something changed on the screen. */
  | { readonly kind: "frame" }
  | { readonly kind: "viewer-joined"; readonly reason: KeyframeReason }
  | { readonly kind: "viewer-left" }
  | { readonly kind: "keyframe-request"; readonly reason: KeyframeReason }
  /** The next picture is the first of a new encoder. */
  | { readonly kind: "restart"; readonly reason: KeyframeReason }
  | { readonly kind: "encoded"; readonly bytes: number; readonly keyframe: boolean }
  | { readonly kind: "encode-failed" }
  /** The encoder's bounds changed. */
  | { readonly kind: "rate"; readonly rate: VideoRate }
  | { readonly kind: "blocked"; readonly blocked: boolean }
  | { readonly kind: "tick" };

/** Encode the current picture now; as a keyframe when there is a reason. */
export type VideoPacerEffect = {
  readonly kind: "encode";
  readonly keyframe: KeyframeReason | null;
};

type Step = readonly [VideoPacer, readonly VideoPacerEffect[]];

/** A lossy viewer asks again and again; a keyframe costs as much as many pictures. */
const KEYFRAME_INTERVAL_MS = 500;
/** No second has more than two of them, whoever asks. */
const TWO_KEYFRAMES_MS = 1_000;
const REFINE_EVERY_MS = 80;
/** Small pictures in a row are typing, too: only their end is worth another encode. */
const REFINE_BURST_AFTER_MS = 250;
const MAX_REFINEMENTS = 4;
/** A picture smaller than this part of the budget left nothing to refine. */
const REFINE_ABOVE = 0.2;
/** Pictures in a row after which quality may have dropped without a large last picture. */
const BURST = 3;
const BURST_GAP_MS = 300;
/**
 * Chromium asks for a keyframe when no picture came for 3 s; one that says "nothing changed" is
 * hundreds of times smaller, and the still picture keeps its refined quality.
 */
const KEEPALIVE_MS = 2_500;
/** Pictures come a little early or late; a whole interval's wait for that would halve the rate. */
const INTERVAL_SLACK = 0.85;
const BITS_PER_BYTE = 8;

/** No viewer yet; the encoder's settings bound size and rate. */
export function newVideoPacer(rate: VideoRate): VideoPacer {
  return {
    viewers: 0,
    dirty: false,
    encoding: false,
    blocked: false,
    halted: false,
    encodingKeyframe: null,
    keyframe: { reason: "start", urgent: true },
    fromScratch: true,
    keyframesMs: [-TWO_KEYFRAMES_MS, -TWO_KEYFRAMES_MS],
    burst: 0,
    lastFrameMs: -BURST_GAP_MS,
    refinements: 0,
    refineAtMs: null,
    keepAlive: false,
    lastEncodeMs: -Infinity,
    ...bounds(rate),
  };
}

const bounds = ({ bitrateKbps, maxFps }: VideoRate) => ({
  frameBudgetBytes: (bitrateKbps * 1000) / BITS_PER_BYTE / maxFps,
  intervalMs: (1000 / maxFps) * INTERVAL_SLACK,
});

/** One event; `now` in ms. */
export function stepVideo(state: VideoPacer, event: VideoPacerEvent, now: number): Step {
  switch (event.kind) {
    case "frame": {
      const burst = now - state.lastFrameMs < BURST_GAP_MS ? state.burst + 1 : 1;
      return next(
        {
          ...state,
          halted: false,
          dirty: true,
          burst,
          lastFrameMs: now,
          refinements: 0,
          refineAtMs: null,
        },
        now,
      );
    }
    case "viewer-joined": {
      const joined = { ...state, halted: false, viewers: state.viewers + 1 };
      // A keyframe that is being made reaches everybody who is here when it is ready.
      if (state.encodingKeyframe !== null) return [joined, []];
      return next(want(joined, { reason: event.reason, urgent: true }), now);
    }
    case "viewer-left": {
      const viewers = Math.max(0, state.viewers - 1);
      return viewers === 0
        ? [{ ...state, viewers, keyframe: forNobody(state), refineAtMs: null }, []]
        : [{ ...state, viewers }, []];
    }
    case "keyframe-request":
      if (state.encodingKeyframe !== null) return [state, []];
      return next(want(state, { reason: event.reason, urgent: false }), now);
    case "restart":
      return next({
        ...want(state, { reason: event.reason, urgent: true }),
        halted: false,
        fromScratch: true,
        dirty: true,
      }, now);
    case "encoded":
      return next(afterEncode(state, event, now), now);
    case "encode-failed":
      return [{
        ...state,
        encoding: false,
        halted: true,
        encodingKeyframe: null,
        // What was promised is still owed.
        keyframe: state.keyframe ?? owed(state.encodingKeyframe),
        refineAtMs: null,
        keepAlive: false,
      }, []];
    case "rate":
      return next({ ...state, ...bounds(event.rate) }, now);
    case "blocked":
      return next({ ...state, blocked: event.blocked }, now);
    case "tick":
      return next(state, now);
    default:
      return never(event);
  }
}

/** When `tick` is due, or null. */
export function videoDeadline(state: VideoPacer): number | null {
  if (state.viewers === 0 || state.encoding || state.halted || state.blocked) return null;
  const keyframeMs = keyframeAllowedMs(state);
  if (state.fromScratch) return keyframeMs;
  const due: number[] = [];
  if (state.keepAlive) due.push(state.lastEncodeMs + KEEPALIVE_MS);
  if (state.dirty) due.push(state.lastEncodeMs + state.intervalMs);
  if (keyframeMs !== null) due.push(keyframeMs);
  if (state.refineAtMs !== null) due.push(state.refineAtMs);
  return due.length === 0 ? null : Math.min(...due);
}

/** When the wanted keyframe may be begun; null when none is wanted. */
function keyframeAllowedMs({ keyframe, keyframesMs: [older, last] }: VideoPacer): number | null {
  if (keyframe === null) return null;
  const two = older + TWO_KEYFRAMES_MS;
  return keyframe.urgent ? two : Math.max(two, last + KEYFRAME_INTERVAL_MS);
}

/** The first reason stays, but one that cannot wait makes it urgent. */
function want(state: VideoPacer, wanted: WantedKeyframe): VideoPacer {
  if (state.keyframe === null) return { ...state, keyframe: wanted };
  const urgent = state.keyframe.urgent || wanted.urgent;
  return { ...state, keyframe: { ...state.keyframe, urgent } };
}

const owed = (reason: KeyframeReason | null): WantedKeyframe | null =>
  reason === null ? null : { reason, urgent: true };

/** A new encoder begins with a keyframe also when nobody waits for it now. */
const forNobody = ({ fromScratch, keyframe }: VideoPacer): WantedKeyframe | null =>
  fromScratch ? keyframe : null;

function afterEncode(
  state: VideoPacer,
  { bytes, keyframe }: { readonly bytes: number; readonly keyframe: boolean },
  now: number,
): VideoPacer {
  const large = bytes >= state.frameBudgetBytes * REFINE_ABOVE;
  const worthIt = large || (state.refinements === 0 && state.burst >= BURST);
  const refine = worthIt && state.refinements < MAX_REFINEMENTS;
  const refineAtMs = now + (large ? REFINE_EVERY_MS : REFINE_BURST_AFTER_MS);
  return {
    ...state,
    encoding: false,
    encodingKeyframe: null,
    keyframesMs: keyframe ? [state.keyframesMs[1], state.lastEncodeMs] : state.keyframesMs,
    refineAtMs: refine ? refineAtMs : null,
    keepAlive: true,
  };
}

function next(state: VideoPacer, now: number): Step {
  if (state.viewers === 0 || state.encoding || state.halted || state.blocked) return [state, []];
  const allowedMs = keyframeAllowedMs(state);
  const keyframe = allowedMs !== null && now >= allowedMs ? state.keyframe : null;
  if (keyframe === null) {
    const refine = state.refineAtMs !== null && state.refineAtMs <= now;
    const fresh = state.dirty && now - state.lastEncodeMs >= state.intervalMs;
    const keepAlive = state.keepAlive && now - state.lastEncodeMs >= KEEPALIVE_MS;
    if (state.fromScratch || (!fresh && !refine && !keepAlive)) return [state, []];
  }
  const refine = state.refineAtMs !== null && state.refineAtMs <= now;
  return [{
    ...state,
    dirty: false,
    lastEncodeMs: now,
    encoding: true,
    encodingKeyframe: keyframe?.reason ?? null,
    keyframe: keyframe === null ? state.keyframe : null,
    fromScratch: false,
    refineAtMs: null,
    refinements: refine && !state.dirty ? state.refinements + 1 : state.refinements,
  }, [{ kind: "encode", keyframe: keyframe?.reason ?? null }]];
}
