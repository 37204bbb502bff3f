/**
 * When to encode which picture: one encode at a time, always of the newest picture, keyframes
 * coalesced, and a few refinements after motion so that the still picture gets crisp. Pure.
 */
import { never } from "@farglass/protocol";
import type { VideoRate } from "./ports.ts";

export interface VideoPacer {
  /** Viewers that are shown video; nothing is encoded without one. */
  readonly viewers: number;
  /** A newer picture than the last encoded one exists. */
  readonly dirty: boolean;
  readonly encoding: boolean;
  /** The running encode makes a keyframe. */
  readonly encodingKeyframe: boolean;
  readonly keyframe: "no" | "soon" | "now";
  readonly lastKeyframeMs: number;
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

export type VideoPacerEvent =
  /** Something changed on the screen. */
  | { readonly kind: "frame" }
  | { readonly kind: "viewer-joined" }
  | { readonly kind: "viewer-left" }
  /** PLI, FIR, or the control message. */
  | { readonly kind: "keyframe-request" }
  | { readonly kind: "encoded"; readonly bytes: number; readonly keyframe: boolean }
  | { readonly kind: "encode-failed" }
  /** The encoder's bounds changed. */
  | { readonly kind: "rate"; readonly rate: VideoRate }
  | { readonly kind: "tick" };

/** Encode the current picture now. */
export type VideoPacerEffect = { readonly kind: "encode"; readonly keyframe: boolean };

type Step = readonly [VideoPacer, readonly VideoPacerEffect[]];

/** A lossy viewer asks again and again; a keyframe costs as much as many pictures. */
const KEYFRAME_INTERVAL_MS = 500;
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
    encodingKeyframe: false,
    keyframe: "no",
    lastKeyframeMs: -KEYFRAME_INTERVAL_MS,
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
        { ...state, dirty: true, burst, lastFrameMs: now, refinements: 0, refineAtMs: null },
        now,
      );
    }
    case "viewer-joined":
      // One that arrives while a keyframe is being made may have missed it.
      return next({ ...state, viewers: state.viewers + 1, keyframe: "now" }, now);
    case "viewer-left": {
      const viewers = Math.max(0, state.viewers - 1);
      return viewers === 0
        ? [{ ...state, viewers, keyframe: "no", refineAtMs: null }, []]
        : [{ ...state, viewers }, []];
    }
    case "keyframe-request":
      if (state.keyframe !== "no" || state.encodingKeyframe) return [state, []];
      return next({ ...state, keyframe: "soon" }, now);
    case "encoded":
      return next(afterEncode(state, event.bytes, event.keyframe, now), now);
    case "encode-failed":
      return [{
        ...state,
        encoding: false,
        encodingKeyframe: false,
        refineAtMs: null,
        keepAlive: false,
      }, []];
    case "rate":
      return next({ ...state, ...bounds(event.rate) }, now);
    case "tick":
      return next(state, now);
    default:
      return never(event);
  }
}

/** When `tick` is due, or null. */
export function videoDeadline(state: VideoPacer): number | null {
  if (state.viewers === 0 || state.encoding) return null;
  const due: number[] = [];
  if (state.keepAlive) due.push(state.lastEncodeMs + KEEPALIVE_MS);
  if (state.dirty) due.push(state.lastEncodeMs + state.intervalMs);
  if (state.keyframe === "soon") due.push(state.lastKeyframeMs + KEYFRAME_INTERVAL_MS);
  if (state.refineAtMs !== null) due.push(state.refineAtMs);
  return due.length === 0 ? null : Math.min(...due);
}

function afterEncode(state: VideoPacer, bytes: number, keyframe: boolean, now: number): VideoPacer {
  const large = bytes >= state.frameBudgetBytes * REFINE_ABOVE;
  const worthIt = large || (state.refinements === 0 && state.burst >= BURST);
  const refine = worthIt && state.refinements < MAX_REFINEMENTS;
  const refineAtMs = now + (large ? REFINE_EVERY_MS : REFINE_BURST_AFTER_MS);
  return {
    ...state,
    encoding: false,
    encodingKeyframe: false,
    lastKeyframeMs: keyframe ? now : state.lastKeyframeMs,
    refineAtMs: refine ? refineAtMs : null,
    keepAlive: true,
  };
}

function next(state: VideoPacer, now: number): Step {
  if (state.viewers === 0 || state.encoding) return [state, []];
  const keyframe = state.keyframe === "now" ||
    (state.keyframe === "soon" && now - state.lastKeyframeMs >= KEYFRAME_INTERVAL_MS);
  const refine = state.refineAtMs !== null && state.refineAtMs <= now;
  const fresh = state.dirty && now - state.lastEncodeMs >= state.intervalMs;
  const keepAlive = state.keepAlive && now - state.lastEncodeMs >= KEEPALIVE_MS;
  if (!fresh && !keyframe && !refine && !keepAlive) return [state, []];
  return [{
    ...state,
    dirty: false,
    lastEncodeMs: now,
    encoding: true,
    encodingKeyframe: keyframe,
    keyframe: keyframe ? "no" : state.keyframe,
    refineAtMs: null,
    refinements: refine && !state.dirty ? state.refinements + 1 : state.refinements,
  }, [{ kind: "encode", keyframe }]];
}
