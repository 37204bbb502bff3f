/** The agent's sessions: their state, what can happen to them, and what the shell has to do. */
import type {
  CodedError,
  DesktopPolicy,
  Draft,
  IceServer,
  LayerState,
  Message,
  MessageOf,
  Reason,
  Signal,
  VideoCodec,
} from "@farglass/protocol";
import type { ConsentAnswer } from "./consent.ts";

export type Candidate = Pick<
  Extract<Signal, { kind: "ice-candidate" }>,
  "candidate" | "sdpMid" | "sdpMLineIndex"
>;
export type PeerState = "connecting" | "connected" | "disconnected" | "failed" | "closed";

export interface PeerEntry {
  readonly generation: number;
  /** Changes of ICE and DTLS that the server has not been told yet. */
  readonly layers: readonly (LayerState & { readonly atMs: number })[];
  readonly state: "answering" | "answered" | PeerState;
  /** From the console, until the offer is applied; null ends them. */
  readonly remote: readonly (Candidate | null)[];
  /** From our side, until the answer is sent. */
  readonly local: readonly (Candidate | null)[];
}

export interface SessionEntry {
  readonly sessionId: string;
  readonly requestId: string;
  readonly operator: string;
  readonly decision: "asking" | "accepted";
  readonly askUntilMs: number;
  readonly iceServers: readonly IceServer[];
  readonly webrtc: boolean;
  readonly relayOnly: boolean;
  readonly peers: readonly PeerEntry[];
  readonly newestGeneration: number;
  /** The server forgot this session (it restarted): media goes on until then, signalling does not. */
  readonly orphanUntilMs: number | null;
}

export interface SessionTable {
  readonly desktopId: string;
  readonly policy: DesktopPolicy;
  /** Whether somebody can be asked. */
  readonly canAsk: boolean;
  readonly loopbackOnly: boolean;
  readonly loopbackToo: boolean;
  readonly relayOnly: boolean;
  /** What video may be answered with, the best first; empty where there is none. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly sessions: ReadonlyMap<string, SessionEntry>;
  /** Since when there is no link to the server; null while there is one. */
  readonly linkLostMs: number | null;
}

export type SessionEvent =
  | { readonly kind: "message"; readonly message: Message }
  /** `accepted` sessions' viewers stay for a while when the server could not resume. */
  | { readonly kind: "link-up"; readonly resumed: boolean }
  | { readonly kind: "link-lost" }
  | { readonly kind: "consent"; readonly sessionId: string; readonly answer: ConsentAnswer }
  | {
    readonly kind: "answered";
    readonly sessionId: string;
    readonly generation: number;
    readonly sdp: string;
  }
  | { readonly kind: "peer-error"; readonly sessionId: string; readonly generation: number }
  | {
    readonly kind: "peer-state";
    readonly sessionId: string;
    readonly generation: number;
    readonly state: PeerState;
  }
  | {
    readonly kind: "peer-layer";
    readonly sessionId: string;
    readonly generation: number;
    readonly change: LayerState;
  }
  | {
    readonly kind: "local-candidate";
    readonly sessionId: string;
    readonly generation: number;
    readonly candidate: Candidate | null;
  }
  /** The owner ends one session, or all of them. */
  | { readonly kind: "stop"; readonly sessionId: string | null; readonly reason: Reason }
  /** What can be encoded has changed. */
  | { readonly kind: "video-codecs"; readonly codecs: readonly VideoCodec[] }
  | { readonly kind: "tick" };

export type SessionEffect =
  | { readonly kind: "send"; readonly draft: Draft }
  | { readonly kind: "ask"; readonly sessionId: string; readonly operator: string }
  | { readonly kind: "stop-asking"; readonly sessionId: string }
  | { readonly kind: "open-viewer"; readonly sessionId: string; readonly operator: string }
  | { readonly kind: "close-viewer"; readonly sessionId: string; readonly reason: Reason }
  | {
    readonly kind: "open-peer";
    readonly sessionId: string;
    readonly generation: number;
    readonly sdp: string;
    readonly iceServers: readonly IceServer[];
    readonly relayOnly: boolean;
  }
  | {
    readonly kind: "add-candidate";
    readonly sessionId: string;
    readonly generation: number;
    readonly candidate: Candidate | null;
  }
  | { readonly kind: "close-peer"; readonly sessionId: string; readonly generation: number }
  /** The console's own link came or went. */
  | { readonly kind: "console-presence"; readonly sessionId: string; readonly online: boolean }
  /** A message for the viewer itself. */
  | {
    readonly kind: "viewer-message";
    readonly sessionId: string;
    readonly message: MessageOf<"VIEWER_CONTROL"> | MessageOf<"RELAY_CONGESTION">;
  }
  /** The server ended the whole desktop. */
  | { readonly kind: "desktop-killed"; readonly reason: Reason }
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly text: string };

/** The next table and what the shell has to do. */
export type SessionStep = readonly [SessionTable, readonly SessionEffect[]];

export function newSessionTable(
  options: Omit<SessionTable, "sessions" | "linkLostMs">,
): SessionTable {
  return { ...options, sessions: new Map(), linkLostMs: null };
}

// --- changes of the table -------------------------------------------------------------------

/** The table with `session` in its newest form. */
export function withSession(table: SessionTable, session: SessionEntry): SessionTable {
  return { ...table, sessions: new Map(table.sessions).set(session.sessionId, session) };
}

/** The table without one session. */
export function without(table: SessionTable, sessionId: string): SessionTable {
  const sessions = new Map(table.sessions);
  sessions.delete(sessionId);
  return { ...table, sessions };
}

/** The session with `peer` in its newest form. */
export function withPeer(session: SessionEntry, peer: PeerEntry): SessionEntry {
  return {
    ...session,
    peers: session.peers.map((p) => p.generation === peer.generation ? peer : p),
  };
}

/** A message to the server. */
export const send = (draft: Draft): SessionEffect => ({ kind: "send", draft });

/** A coded error about a message of the session, or about the session itself. */
export function errorTo(
  table: SessionTable,
  sessionId: string,
  error: CodedError,
  ref: { readonly seq: number; readonly type: string } | null,
): SessionEffect {
  return send({
    type: "ERROR",
    desktopId: table.desktopId,
    sessionId,
    payload: ref === null ? error : { ...error, refSeq: ref.seq, refType: ref.type },
  });
}

/** What our own peer connection says. */
export function peerStateDraft(
  table: SessionTable,
  sessionId: string,
  generation: number,
  said: {
    readonly state: PeerState;
    readonly layers?: PeerEntry["layers"];
    readonly now?: number;
  },
): SessionEffect {
  const { state, layers = [], now = 0 } = said;
  const ages = layers.map(({ atMs, ...change }) => ({ ...change, agoMs: Math.max(0, now - atMs) }));
  return send({
    type: "PEER_STATE",
    desktopId: table.desktopId,
    sessionId,
    payload: { generation, state, ...(ages.length === 0 ? {} : { layers: ages }) },
  });
}

/** Effects that take everything of a session away. */
export function closing(session: SessionEntry, reason: Reason): SessionEffect[] {
  if (session.decision === "asking") {
    return [{ kind: "stop-asking", sessionId: session.sessionId }];
  }
  return [
    ...session.peers.map((p): SessionEffect => ({
      kind: "close-peer",
      sessionId: session.sessionId,
      generation: p.generation,
    })),
    { kind: "close-viewer", sessionId: session.sessionId, reason },
  ];
}
