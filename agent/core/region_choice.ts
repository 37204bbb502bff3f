/**
 * From which cost on a moving region of the screen goes by video (hybrid mode): patches are exact
 * and quick where the network carries them, and stall where packets are lost or room is short.
 * Pure.
 */
import type { ChoiceReason } from "@farglass/protocol";

/** What is measured of the way to the viewer; null where nothing is known yet. */
export interface WayFacts {
  /** What patches were seen to get through. */
  readonly patchKbps: number | null;
  /** What video may take, where a limit of the network and not of the settings holds it. */
  readonly videoKbps: number | null;
  readonly rttMs: number | null;
  /** 0..1 */
  readonly loss: number;
  /** How long the oldest change has waited to be sent. */
  readonly behindMs: number;
}

export const UNKNOWN_WAY: WayFacts = {
  patchKbps: null,
  videoKbps: null,
  rttMs: null,
  loss: 0,
  behindMs: 0,
};

export interface RegionLimits {
  readonly reason: ChoiceReason;
  /** Patches of a region that take more go by video. */
  readonly bytesPerS: number;
  /** All motion goes by video, whatever it costs. */
  readonly behind: boolean;
}

/** Beyond this, video looks as good for fewer bytes, on the quickest network, too. */
const MOST_BYTES_PER_S = 300_000;
/** Video of a small region is not to be had for less. */
const LEAST_BYTES_PER_S = 25_000;
/** One region may take this part of what the network carries: text needs its room. */
const PART = 0.25;
/** Patches that wait for so long, and a quarter of a round trip, cannot keep up. */
const BEHIND_MS = 100;
const MOST_BEHIND_MS = 200;
/** Less loss than this is noise, and SCTP's fast retransmit hides it. */
const LOSS = 0.003;
/** Bytes of a packet on the data channel. */
const SEGMENT_BYTES = 1_150;
/** One segment for each round trip by the square root of the loss (Mathis et al. 1997). */
const MATHIS = 1.22;
/** Without a measurement: a city away. */
const DEFAULT_RTT_MS = 30;
const BYTES_PER_KBIT = 125;

export function regionLimits(way: WayFacts): RegionLimits {
  const { rttMs, loss, behindMs } = way;
  const trip = Math.max(1, rttMs ?? DEFAULT_RTT_MS);
  const behind = behindMs >= Math.min(MOST_BEHIND_MS, BEHIND_MS + trip / 4);
  const carried = Math.min(way.patchKbps ?? Infinity, way.videoKbps ?? Infinity) * BYTES_PER_KBIT;
  const reliable = loss < LOSS
    ? Infinity
    : MATHIS * SEGMENT_BYTES / (trip / 1_000 * Math.sqrt(loss));
  const part = PART * Math.min(carried, reliable);
  const bytesPerS = Math.round(Math.min(MOST_BYTES_PER_S, Math.max(LEAST_BYTES_PER_S, part)));
  const reason = behind
    ? "choice-behind"
    : bytesPerS === MOST_BYTES_PER_S
    ? "choice-plenty"
    : reliable < carried
    ? "choice-lossy"
    : "choice-narrow";
  return { reason, bytesPerS, behind };
}
