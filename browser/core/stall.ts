/**
 * Tells a stalled video from a still desktop: the agent's heartbeat says how many frames changed
 * and were sent, the browser's statistics how many were decoded. Counters of two clocks are never
 * compared directly; only "did it advance since" counts.
 */
import type { Evidence } from "@farglass/protocol";
import { NUDGE_MS, STALL_MS } from "./policy.ts";
import type { VideoCounters } from "./stats.ts";

/**
 * A heartbeat that comes this long after a decoded frame was seen counts every frame up to that
 * one: it is no slower than video by more than its jitter.
 */
const SETTLE_MS = 100;

/** What was seen of both sides since a frame was last decoded. */
export interface StallState {
  readonly decoded: number;
  /** When the decoded count last advanced. */
  readonly decodedAt: number;
  readonly receivedAtDecoded: number;
  /** The agent's counters soon after that moment. */
  readonly base: { readonly captured: number; readonly rtpFrames: number } | null;
  /** When the agent's counters first advanced beyond `base`. */
  readonly advancedAt: number | null;
  readonly captured: number;
  readonly rtpFrames: number;
  readonly latest: VideoCounters | null;
  readonly nudged: boolean;
}

/** Starts to watch at `now`. */
export const newStall = (now: number): StallState => ({
  decoded: -1,
  decodedAt: now,
  receivedAtDecoded: 0,
  base: null,
  advancedAt: null,
  captured: 0,
  rtpFrames: 0,
  latest: null,
  nudged: false,
});

/** Takes the browser's counters. */
export function stallStats(state: StallState, video: VideoCounters, now: number): StallState {
  if (video.framesDecoded === state.decoded) return { ...state, latest: video };
  return {
    ...state,
    latest: video,
    decoded: video.framesDecoded,
    decodedAt: now,
    receivedAtDecoded: video.framesReceived ?? 0,
    base: null,
    advancedAt: null,
    nudged: false,
  };
}

/** Takes the agent's counters. */
export function stallPong(
  state: StallState,
  pong: { readonly captured: number; readonly rtpFrames: number },
  now: number,
): StallState {
  const { captured, rtpFrames } = pong;
  const seen = { ...state, captured, rtpFrames };
  if (state.base === null) {
    if (now - state.decodedAt < SETTLE_MS) return seen;
    return { ...seen, base: { captured, rtpFrames } };
  }
  const advanced = captured > state.base.captured || rtpFrames > state.base.rtpFrames;
  return advanced && state.advancedAt === null ? { ...seen, advancedAt: now } : seen;
}

/** What to do about the video now. */
export type StallVerdict =
  | { readonly kind: "fine" }
  /** Ask for a keyframe, once. */
  | { readonly kind: "nudge" }
  | {
    readonly kind: "stalled";
    readonly reason: "rtp-stalled" | "decoder-error";
    readonly evidence: Evidence;
  };

/** When the verdict may change next, or null. */
export function stallDeadline(state: StallState): number | null {
  if (state.advancedAt === null) return null;
  return state.nudged ? stalledAt(state, state.advancedAt) : state.advancedAt + NUDGE_MS;
}

const stalledAt = (state: StallState, advancedAt: number): number =>
  Math.max(state.decodedAt + STALL_MS, advancedAt + STALL_MS - 500);

/** Judges at `now`. */
export function stallVerdict(state: StallState, now: number): StallVerdict {
  const { base, advancedAt, latest } = state;
  if (base === null || advancedAt === null) return { kind: "fine" };
  if (now >= stalledAt(state, advancedAt)) {
    const received = (latest?.framesReceived ?? 0) - state.receivedAtDecoded;
    return {
      kind: "stalled",
      // Whole frames arrive and none can be decoded: the network is not to blame.
      reason: received >= 3 ? "decoder-error" : "rtp-stalled",
      evidence: {
        stalledMs: Math.round(now - state.decodedAt),
        capturedSince: state.captured - base.captured,
        rtpFramesSince: state.rtpFrames - base.rtpFrames,
        framesDecoded: Math.max(0, state.decoded),
        framesReceivedSince: received,
        packetsReceived: latest?.packetsReceived ?? 0,
        packetsLost: latest?.packetsLost ?? 0,
        bytesReceived: latest?.bytesReceived ?? 0,
      },
    };
  }
  return !state.nudged && now >= advancedAt + NUDGE_MS ? { kind: "nudge" } : { kind: "fine" };
}
