/** Thresholds of the console's decisions and the transports that a desktop and a choice allow. */
import type { DesktopCaps, Transport, TransportChoice, VideoCodec } from "@farglass/protocol";

/** From approval to a connection; then the relay is shown meanwhile. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** One attempt's whole life: a TURN path by TCP may need longer than the operator should wait. */
export const ATTEMPT_TIMEOUT_MS = 15_000;
/** ICE often heals by itself within this time (RFC 7675 consent checks come every 5 s). */
export const DISCONNECTED_MS = 2_000;
/** The desktop changes and nothing is decoded for this long: the video has stalled. */
export const STALL_MS = 2_000;
/** Sooner than that, ask for a keyframe: it heals a lost tail without a switch. */
export const NUDGE_MS = 800;
/** A selected transport that has painted nothing and moved no byte for this long does not work. */
export const PAINT_TIMEOUT_MS = 4_000;
/** Waits between repairs of the peer connection. */
export const REPAIR_BACKOFF_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000] as const;
/** How long a better transport's heartbeat has to hold, by the number of quick relapses. */
export const PROOF_MS = [1_000, 1_000, 5_000, 15_000] as const;
/** A better transport that breaks again within this time is a quick relapse. */
export const RELAPSE_WINDOW_MS = 30_000;
/** How often the statistics are read. */
export const SAMPLE_MS = 500;
/** Heartbeat through the server, when there is no control channel. */
export const RELAY_HEARTBEAT_MS = 1_000;
/** Beyond heartbeat and round trip: the operator is told that nothing is answered. */
export const SILENT_MS = 500;
/** The server answers a request at once; after this the request is made again. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Waits before a session is asked for again after it ended by itself. */
export const REQUEST_BACKOFF_MS = [0, 500, 1_000, 2_000, 5_000] as const;
/** A session that lived this long ends the series of failed requests. */
export const SETTLED_MS = 10_000;
/** A step this late means that the console itself slept: its silence proves nothing. */
export const SLEPT_MS = 2_000;

/** Takes the entry for `count`, or the last one. */
export const pick = (table: readonly number[], count: number): number =>
  table[Math.min(Math.max(count, 0), table.length - 1)];

/** What this browser can do. */
export interface Environment {
  /** There is an RTCPeerConnection. */
  readonly webrtc: boolean;
  /** What it decodes. */
  readonly videoCodecs: readonly VideoCodec[];
  /** It tells the RTP time of each video frame, so that patches can be laid over video in step. */
  readonly hybrid?: boolean;
}

/** Lower is better: the order of fallback. */
export const RANK: Readonly<Record<Transport, number>> = {
  "hybrid": 0,
  "rtp": 1,
  "diff-dc": 2,
  "diff-ws": 3,
  "none": 4,
};

/** Whether the picture comes by the video track, wholly or in part. */
export const usesVideo = (transport: Transport | undefined): boolean =>
  transport === "rtp" || transport === "hybrid";

/** The choices that the desktop's policy leaves. */
export function choicesOf(caps: DesktopCaps | null): readonly TransportChoice[] {
  if (caps === null) return ["auto", "video", "diff"];
  const video = !caps.policy.diffOnly && caps.transports.includes("webrtc");
  const diff = !caps.policy.videoOnly && caps.transports.includes("diff");
  if (video && diff) return ["auto", "video", "diff"];
  return video ? ["video"] : ["diff"];
}

/** The choice in force: the operator's own, or the first that the policy leaves. */
export function effectiveChoice(
  caps: DesktopCaps | null,
  choice: TransportChoice,
): TransportChoice {
  const choices = choicesOf(caps);
  return choices.includes(choice) ? choice : choices[0];
}

/** Whether a peer connection can be made at all. */
export const webrtcPossible = (caps: DesktopCaps, environment: Environment): boolean =>
  environment.webrtc && caps.webrtc?.enabled === true && caps.transports.includes("webrtc");

/** Whether the browser decodes anything that the desktop encodes. */
export const videoPossible = (caps: DesktopCaps, { videoCodecs }: Environment): boolean =>
  !caps.policy.diffOnly && caps.encoders.some(({ codec }) => videoCodecs.includes(codec));

/** The transports that choice, policy and browser allow, best first. */
export function allowedTransports(
  caps: DesktopCaps,
  choice: TransportChoice,
  environment: Environment,
): readonly Transport[] {
  const choices = choicesOf(caps);
  const peer = webrtcPossible(caps, environment);
  const video = peer && videoPossible(caps, environment);
  const allowed: Transport[] = [];
  const chosen = effectiveChoice(caps, choice);
  if (
    video && environment.hybrid === true && caps.hybrid === true && chosen === "auto"
  ) allowed.push("hybrid");
  if (video && chosen !== "diff") allowed.push("rtp");
  if (choices.includes("diff")) {
    if (peer) allowed.push("diff-dc");
    allowed.push("diff-ws");
  }
  return allowed;
}
