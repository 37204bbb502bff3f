/** The console's whole state; plain data, replaced and never changed. */
import {
  type ChannelName,
  type CodedError,
  type ControlOf,
  type DesktopCaps,
  type DesktopSummary,
  type Evidence,
  type LayerState,
  type LinkState,
  newLink,
  type PatchFlow,
  type Reason,
  type RegionChoice,
  type SentFormat,
  type Stage,
  type Transport,
  type TransportChoice,
  type VideoPreset,
  type ViewerNetwork,
} from "@farglass/protocol";
import { type DisplayState, newDisplays } from "./displays.ts";
import { type ClockState, NO_CLOCK } from "./clock_offset.ts";
import type { PeerConnectionState, Shown } from "./events.ts";
import { type LatencyState, NO_LATENCY } from "./latency.ts";
import type { HudView, TimelineEntry } from "./session_view.ts";
import { newPlayout, type Playout } from "./playout.ts";
import type { Environment } from "./policy.ts";
import { newRng, type Rng } from "./random.ts";
import { type ConsoleReport, NO_REPORT } from "./report.ts";
import { NO_SOUND, type SoundState } from "./sound.ts";
import type { StallState } from "./stall.ts";
import type { PeerStats } from "./stats.ts";
import type { ConsoleTrace } from "./trace.ts";

/** Where the signalling link stands; times are Unix ms. */
export type LinkPhase =
  | { readonly kind: "idle" }
  | { readonly kind: "ticket"; readonly since: number }
  | { readonly kind: "opening"; readonly since: number; readonly ticket: string }
  | { readonly kind: "greeting"; readonly since: number }
  | {
    readonly kind: "online";
    readonly heartbeatMs: number;
    readonly heardAt: number;
    readonly nextPingAt: number;
  }
  | { readonly kind: "waiting"; readonly retryAt: number };

/** The signalling link with all it needs to be resumed. */
export interface LinkMachine {
  readonly phase: LinkPhase;
  /** Numbers sockets; callbacks of an older one are ignored. */
  readonly epoch: number;
  /** Failed attempts since the last WELCOME. */
  readonly attempts: number;
  /** The server refused the last ticket. */
  readonly signedOut: boolean;
  /** The server speaks another version of the protocol than this page. */
  readonly outdated: boolean;
  /** The server has said that its store is away: signalling waits. */
  readonly storeAway: boolean;
  /** The server's name for this link; null when there is nothing to resume. */
  readonly linkId: string | null;
  readonly numbers: LinkState;
}

/** Counters of the agent's last heartbeat. */
export interface Heartbeat {
  readonly nextPingAt: number;
  readonly lastId: number;
  readonly firstPongAt: number | null;
  readonly lastPongAt: number | null;
  readonly rttMs: number | null;
  /** The agent's count of changed pictures in the last answer. */
  readonly captured: number;
  /** It was the same in the answer before. */
  readonly still: boolean;
  /** What the agent measures of the way here. */
  readonly network: ViewerNetwork | null;
  readonly format: SentFormat | null;
  readonly patches: PatchFlow | null;
  readonly choice: RegionChoice | null;
}

/** One peer connection as the core knows it. */
export interface PeerRecord {
  /** Unique in this console, also across sessions. */
  readonly id: number;
  readonly sessionId: string;
  readonly generation: number;
  readonly startedAt: number;
  /** Link number of the offer, so that an error that answers it is understood. */
  readonly offerSeq: number | null;
  readonly answered: boolean;
  readonly candidatesSent: number;
  readonly candidatesReceived: number;
  readonly connection: PeerConnectionState;
  readonly disconnectedAt: number | null;
  readonly channels: Readonly<Record<ChannelName, boolean>>;
  /** When all channels were open. */
  readonly readyAt: number | null;
  /** Judged to be of no use any more; closed once another transport has painted. */
  readonly dead: boolean;
  readonly beat: Heartbeat;
  /** Changes of ICE and DTLS that the server has not been told yet. */
  readonly layers: readonly (LayerState & { readonly at: number })[];
  readonly stats: PeerStats | null;
}

/** Why the better transport does not serve. */
export interface Loss {
  readonly reason: Reason;
  readonly evidence: Evidence;
  readonly at: number;
}

/** A transport that was selected and has not painted yet. */
export interface Pending {
  readonly epoch: number;
  readonly to: Transport;
  readonly peerId: number | null;
  readonly reason: Reason;
  readonly evidence: Evidence;
  readonly deadline: number;
  readonly selected: boolean;
  /** The display that it switches to, and how large that is once the agent has said so. */
  readonly display: string | null;
  readonly screen: { readonly width: number; readonly height: number } | null;
  /** Decoded frames when it was selected, to prove painting on a hidden page. */
  readonly decodedAtSelect: number | null;
}

/** What is on the screen, what is to come, and why. */
export interface TransportState {
  readonly choice: TransportChoice;
  /** Numbers this console's choices. */
  readonly epoch: number;
  readonly shown: Shown;
  readonly pending: Pending | null;
  /** What the agent was last told to send. */
  readonly asked: Transport;
  readonly loss: Loss | null;
  /** The operator has just chosen: no proof is asked for. */
  readonly byOperator: boolean;
  /** The peer whose video failed while its channels live. */
  readonly suspectPeerId: number | null;
  readonly relapses: number;
  readonly restoredAt: number | null;
}

/** How far the wish for a session has come. */
export type Request =
  | { readonly kind: "queued"; readonly notBefore: number }
  | { readonly kind: "asked"; readonly requestId: string; readonly deadline: number }
  /** The server made the session; the owner or the policy decides. */
  | { readonly kind: "deciding" }
  | { readonly kind: "approved"; readonly at: number }
  | { readonly kind: "ended"; readonly reason: Reason; readonly error: CodedError | null };

/** Counters at the last reading, for rates. */
export interface Rates {
  readonly at: number;
  readonly framesDecoded: number;
  /** Diff frames painted beside the video. */
  readonly framesPatched: number;
  readonly bytes: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly decodeTimeS: number;
  readonly jitterDelayS: number;
  readonly jitterEmitted: number;
  /** Which stream the counters belong to. */
  readonly stream: string;
}

/** The one session of this console. */
export interface SessionState {
  readonly desktopId: string;
  readonly desktopName: string;
  readonly request: Request;
  readonly requestTries: number;
  readonly sessionId: string | null;
  readonly stage: Stage | null;
  readonly caps: DesktopCaps | null;
  /** True once DESKTOP_CAPS of this very session came. */
  readonly capsOfSession: boolean;
  readonly agentOnline: boolean | null;
  /** What the agent said that this viewer's video is made for; null before a choice. */
  readonly preset: VideoPreset | null;
  readonly viewOnly: boolean;
  /** By decision, policy and the agent's grants. */
  readonly decidedViewOnly: boolean;
  readonly granted: boolean;
  /** The agent cannot read its screen; `captured` is its count of pictures meanwhile, once told. */
  readonly captureFault: { readonly captured: number | null } | null;
  readonly generation: number;
  /** The peer that carries, or carried last; and the one being negotiated. */
  readonly carrier: PeerRecord | null;
  readonly attempt: PeerRecord | null;
  /** Replaced peers, closed when the next picture has painted. */
  readonly retired: readonly number[];
  readonly repairAt: number | null;
  readonly repairTries: number;
  /** WebRTC is of no use here until caps change or the operator asks again. */
  readonly webrtcOff: boolean;
  readonly transport: TransportState;
  readonly stall: StallState | null;
  readonly screen: { readonly width: number; readonly height: number };
  readonly display: DisplayState;
  readonly relayBeat: Heartbeat;
  readonly nextSampleAt: number | null;
  readonly rates: Rates | null;
  /** What was asked of the browser's buffer of the carrier's video. */
  readonly playout: Playout;
  /** Counters of the diff painter at the last reading. */
  readonly diffBytes: number;
  readonly diffFrames: number;
  readonly refreshAt: number | null;
  readonly hud: HudView;
  readonly timeline: readonly TimelineEntry[];
  readonly report: ConsoleReport;
  /** The agent's clock, whichever way its answers came. */
  readonly clock: ClockState;
  readonly latency: LatencyState;
  readonly sound: SoundState;
  /** Null once the first frame has come. */
  readonly trace: ConsoleTrace | null;
}

/** Everything; the shell holds it and hands it back. */
export interface ConsoleState {
  readonly environment: Environment;
  readonly rng: Rng;
  /** When the last step ran. */
  readonly at: number;
  readonly link: LinkMachine;
  readonly desktops: readonly DesktopSummary[] | null;
  readonly session: SessionState | null;
  readonly nextPeerId: number;
  readonly hidden: boolean;
  /** The operator wants to hear whatever desktop is shown. */
  readonly soundOn: boolean;
  readonly cursor: ControlOf<"cursor"> | null;
}

/** The state at start; `seed` is four random words. */
export function initialState(environment: Environment, seed: Rng): ConsoleState {
  return {
    environment,
    rng: newRng(seed),
    at: 0,
    link: {
      phase: { kind: "idle" },
      epoch: 0,
      attempts: 0,
      signedOut: false,
      outdated: false,
      storeAway: false,
      linkId: null,
      numbers: newLink,
    },
    desktops: null,
    session: null,
    nextPeerId: 1,
    hidden: false,
    soundOn: false,
    cursor: null,
  };
}

/** A heartbeat that begins now. */
export const newBeat = (now: number): Heartbeat => ({
  nextPingAt: now,
  lastId: 0,
  firstPongAt: null,
  lastPongAt: null,
  rttMs: null,
  captured: 0,
  still: false,
  network: null,
  format: null,
  patches: null,
  choice: null,
});

/** Nothing is known yet. */
export const EMPTY_HUD: HudView = {
  fps: null,
  bitrateKbps: null,
  rttMs: null,
  loss: null,
  decodeMs: null,
  videoCodec: null,
  jitterBufferMs: null,
  candidatePair: null,
  relayHint: null,
  turnExpiresAtMs: null,
  framesDecoded: 0,
  exactSinceMs: null,
  latency: null,
  network: null,
  format: null,
  sound: null,
  patches: null,
  choice: null,
  playout: "playout-zero",
};

/** A session that has still to be asked for. */
export function newSession(
  desktop: { readonly desktopId: string; readonly desktopName: string },
  choice: TransportChoice,
  now: number,
): SessionState {
  return {
    ...desktop,
    request: { kind: "queued", notBefore: now },
    requestTries: 0,
    sessionId: null,
    stage: null,
    caps: null,
    capsOfSession: false,
    agentOnline: null,
    preset: null,
    viewOnly: false,
    decidedViewOnly: false,
    granted: true,
    captureFault: null,
    generation: 0,
    carrier: null,
    attempt: null,
    retired: [],
    repairAt: null,
    repairTries: 0,
    webrtcOff: false,
    transport: {
      choice,
      epoch: 0,
      shown: { transport: "none", peerId: null, sessionId: null },
      pending: null,
      asked: "none",
      loss: null,
      byOperator: false,
      suspectPeerId: null,
      relapses: 0,
      restoredAt: null,
    },
    stall: null,
    screen: { width: 0, height: 0 },
    display: newDisplays(null),
    relayBeat: newBeat(now),
    nextSampleAt: null,
    rates: null,
    playout: newPlayout,
    diffBytes: 0,
    diffFrames: 0,
    refreshAt: null,
    hud: EMPTY_HUD,
    timeline: [],
    report: NO_REPORT,
    clock: NO_CLOCK,
    latency: NO_LATENCY,
    sound: NO_SOUND,
    trace: null,
  };
}
