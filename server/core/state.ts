/**
 * What the server knows of one desktop and its sessions: plain JSON, so that any store can hold
 * it. All times are Unix milliseconds.
 */
import type { Bucket } from "./rate_limit.ts";
import type { SessionTrace } from "./trace.ts";
import type {
  AgentInfo,
  CandidatePair,
  CandidateSummary,
  DesktopCaps,
  EventSource,
  Evidence,
  LayerState,
  MessageOf,
  Reason,
  Signal,
  Stage,
  Transport,
} from "@farglass/protocol";

export type PeerState = MessageOf<"PEER_STATE">["payload"]["state"];
export type EndedBy = MessageOf<"SESSION_ENDED">["payload"]["by"];

/** One end of a session. A link keeps its id when its socket is replaced by a resume. */
export type End =
  /** A session made by REST that no console has attached to yet. */
  | { readonly at: "unattached"; readonly sinceMs: number }
  | { readonly at: "online"; readonly linkId: string }
  | { readonly at: "away"; readonly linkId: string; readonly sinceMs: number };

/** A person, as the connection (never a message) told. */
export interface Operator {
  readonly operatorId: string;
  readonly name: string;
}

/** Where the negotiation of the current generation stands. */
export interface Negotiation {
  /** Counts offers of this session; 0 before the first. */
  readonly generation: number;
  /** Generation of the last answer that was accepted. */
  readonly answered: number;
  readonly startedAtMs: number;
  /** Video codecs of the last offer, upper case; empty before one, or when they were given up. */
  readonly videoCodecs: readonly string[];
  readonly agentPeer: PeerState | null;
  readonly consolePeer: PeerState | null;
  /** Candidates seen in this generation, to tell duplicates; null stands for the end mark. */
  readonly fromAgent: readonly (string | null)[];
  readonly fromConsole: readonly (string | null)[];
  /** The newest candidate or end mark of either end; absent before one. */
  readonly lastCandidate?: LastCandidate;
}

/** What came last of ICE, without its address. */
export interface LastCandidate {
  readonly from: "agent" | "console";
  readonly type: CandidateSummary["type"] | "end";
  /** Unix ms. */
  readonly at: number;
}

/** ICE or DTLS of one end changed; `at` is on the server's clock, the way of the message left out. */
export type PeerLayerEvent = {
  readonly type: "PEER_LAYER";
  readonly at: number;
  readonly peer: "agent" | "console";
  readonly generation: number;
} & LayerState;

/** One line of a session's history. */
export type SessionEvent =
  | {
    readonly type: "DESKTOP_WEBRTC_STATE";
    readonly at: number;
    readonly stage: Stage;
    readonly previous: Stage | null;
    readonly reason: Reason;
    readonly elapsedMs: number;
    readonly retries: number;
    readonly candidatePair: CandidatePair | null;
    readonly transport: Transport;
  }
  | {
    readonly type: "DESKTOP_TRANSPORT_FALLBACK" | "DESKTOP_TRANSPORT_RESTORED";
    readonly at: number;
    readonly from: Transport;
    readonly to: Transport;
    readonly reason: Reason;
    readonly evidence: Evidence;
  }
  | {
    readonly type: "SESSION_REQUEST";
    readonly at: number;
    readonly operator: string;
  }
  | {
    readonly type: "SESSION_DECISION";
    readonly at: number;
    readonly decision: "accept" | "deny" | "timeout";
    readonly by: "policy" | "owner";
    readonly reason: Reason;
  }
  | {
    readonly type: "SESSION_ENDED";
    readonly at: number;
    readonly reason: Reason;
    readonly by: EndedBy;
  }
  | {
    readonly type: "PEER_PRESENCE";
    readonly at: number;
    readonly peer: "agent" | "console";
    readonly online: boolean;
  }
  | PeerLayerEvent
  | { readonly type: "TURN_ISSUED"; readonly at: number }
  | { readonly type: "TURN_REVOKED"; readonly at: number };

export interface SessionState {
  readonly sessionId: string;
  readonly desktopId: string;
  readonly requestId: string;
  readonly operator: Operator;
  /** Where the operator asked or came back from; absent in what an older node wrote. */
  readonly source?: EventSource;
  readonly console: End;
  readonly stage: Stage;
  readonly createdAtMs: number;
  readonly stageSinceMs: number;
  /** What paints at the console, by its own report. */
  readonly transport: Transport;
  /** What the agent last confirmed through the server; the control channel's choices are not seen. */
  readonly selected: Transport;
  readonly retries: number;
  /** Offers since the last connection stood; the limit of attempts counts these. */
  readonly attempts: number;
  /** What is left of the offers this session may make now. */
  readonly offers: Bucket;
  readonly viewOnly: boolean;
  /** The operator listens to the desktop, as the agent says; absent in what an older node wrote. */
  readonly listening?: boolean;
  readonly candidatePair: CandidatePair | null;
  readonly negotiation: Negotiation;
  /** Signals that wait for their end or for the description they belong to. */
  readonly toAgent: readonly Signal[];
  readonly toConsole: readonly Signal[];
  readonly consentByMs: number | null;
  readonly negotiateByMs: number | null;
  readonly rotateAtMs: number | null;
  readonly events: readonly SessionEvent[];
  /** Events left out of the middle. */
  readonly omittedEvents?: number;
  /** Absent in what an older node wrote. */
  readonly trace?: SessionTrace;
}

export interface EndedSession {
  readonly sessionId: string;
  readonly desktopId: string;
  readonly operator: Operator;
  readonly stage: Stage;
  readonly createdAtMs: number;
  readonly endedAtMs: number;
  readonly reason: Reason;
  readonly by: EndedBy;
  readonly retries: number;
  readonly events: readonly SessionEvent[];
  /** Events left out of the middle. */
  readonly omittedEvents?: number;
  readonly trace?: SessionTrace;
}

/** What stays of a session after its desktop's state has forgotten it. */
export interface EndedRecord {
  readonly session: EndedSession;
  readonly agent: AgentInfo;
  readonly caps: DesktopCaps;
}

export interface DesktopState {
  readonly desktopId: string;
  readonly agent: AgentInfo;
  readonly caps: DesktopCaps;
  readonly link:
    | { readonly at: "online"; readonly linkId: string; readonly sinceMs: number }
    | { readonly at: "away"; readonly linkId: string; readonly sinceMs: number }
    | { readonly at: "gone"; readonly sinceMs: number };
  /** Live sessions by id, oldest first. */
  readonly sessions: Readonly<Record<string, SessionState>>;
  /** Newest last. */
  readonly ended: readonly EndedSession[];
}

export const newNegotiation = (now: number): Negotiation => ({
  generation: 0,
  answered: 0,
  startedAtMs: now,
  videoCodecs: [],
  agentPeer: null,
  consolePeer: null,
  fromAgent: [],
  fromConsole: [],
});

/** The agent's link, online or waited for; null when it is gone. */
export const agentLinkId = (desktop: DesktopState): string | null =>
  desktop.link.at === "gone" ? null : desktop.link.linkId;

/** The console's link, online or waited for; null when none has attached. */
export const consoleLinkId = (session: SessionState): string | null =>
  session.console.at === "unattached" ? null : session.console.linkId;

/** Whether the agent has accepted the session, so that pixels and signals may flow. */
export const isApproved = (session: SessionState): boolean => session.stage !== "requested";
