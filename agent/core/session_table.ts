/**
 * The agent's sessions as the signalling sees them: request, consent, offers and candidates by
 * generation, end. Pure: prompts, peers and messages are effects.
 */
import {
  codedError,
  LINK_RESUME_MS,
  type Message,
  type MessageOf,
  never,
  type Reason,
} from "@farglass/protocol";
import { CONSENT_TIMEOUT_MS, type ConsentAnswer, decideConsent } from "./consent.ts";
import {
  onAnswered,
  onLocalCandidate,
  onPeerError,
  onPeerLayer,
  onPeerState,
  onSignal,
} from "./session_signals.ts";
import {
  closing,
  errorTo,
  send,
  type SessionEffect,
  type SessionEntry,
  type SessionEvent,
  type SessionStep,
  type SessionTable,
  without,
  withSession,
} from "./session_types.ts";

/** How long media outlives a server that forgot the session. */
const ORPHAN_MS = 10_000;
/** Sessions of one desktop; the server has its own, lower limit. */
const MAX_SESSIONS = 64;

/** One event of the session table; `now` in ms. */
export function stepSessions(table: SessionTable, event: SessionEvent, now: number): SessionStep {
  switch (event.kind) {
    case "message":
      return onMessage(table, event.message, now);
    case "link-up":
      return onLinkUp({ ...table, linkLostMs: null }, event.resumed, now);
    case "link-lost":
      return [{ ...table, linkLostMs: table.linkLostMs ?? now }, []];
    case "consent":
      return onConsent(table, event.sessionId, event.answer);
    case "answered":
      return onAnswered(table, event.sessionId, event.generation, event.sdp);
    case "peer-error":
      return onPeerError(table, event.sessionId, event.generation);
    case "peer-state":
      return onPeerState(table, event, now);
    case "peer-layer":
      return onPeerLayer(table, event, now);
    case "local-candidate":
      return onLocalCandidate(table, event.sessionId, event.generation, event.candidate);
    case "stop":
      return onStop(table, event.sessionId, event.reason);
    case "video-codecs":
      return [{ ...table, videoCodecs: event.codecs }, []];
    case "tick":
      return onTick(table, now);
    default:
      return never(event);
  }
}

/** When `tick` is due, or null. */
export function sessionsDeadline(table: SessionTable): number | null {
  const due: number[] = [];
  for (const session of table.sessions.values()) {
    if (session.decision === "asking") due.push(session.askUntilMs);
    if (session.orphanUntilMs !== null) due.push(session.orphanUntilMs);
    else if (table.linkLostMs !== null) due.push(table.linkLostMs + LINK_RESUME_MS);
  }
  return due.length === 0 ? null : Math.min(...due);
}

// --- link and time --------------------------------------------------------------------------

function onLinkUp(table: SessionTable, resumed: boolean, now: number): SessionStep {
  if (resumed) return [table, []];
  const effects: SessionEffect[] = [];
  const sessions = new Map<string, SessionEntry>();
  for (const session of table.sessions.values()) {
    if (session.decision === "accepted") {
      sessions.set(session.sessionId, {
        ...session,
        orphanUntilMs: session.orphanUntilMs ?? now + ORPHAN_MS,
      });
    } else effects.push(...closing(session, "server-restarted"));
  }
  return [{ ...table, sessions }, effects];
}

function onTick(table: SessionTable, now: number): SessionStep {
  const effects: SessionEffect[] = [];
  for (const session of table.sessions.values()) {
    if (session.decision === "asking" && session.askUntilMs <= now) {
      const [next, more] = onConsent(table, session.sessionId, "timeout");
      table = next;
      effects.push({ kind: "stop-asking", sessionId: session.sessionId }, ...more);
      continue;
    }
    // Without a link the server has ended the session by now, and could not end the media.
    const gone = session.orphanUntilMs ??
      (table.linkLostMs === null ? null : table.linkLostMs + LINK_RESUME_MS);
    if (gone !== null && gone <= now) {
      effects.push(...closing(session, "server-restarted"));
      table = without(table, session.sessionId);
    }
  }
  return [table, effects];
}

function onStop(table: SessionTable, sessionId: string | null, reason: Reason): SessionStep {
  const effects: SessionEffect[] = [];
  for (const session of table.sessions.values()) {
    if (sessionId !== null && session.sessionId !== sessionId) continue;
    if (session.orphanUntilMs === null) {
      effects.push(send({
        type: "SESSION_ENDED",
        desktopId: table.desktopId,
        sessionId: session.sessionId,
        payload: { reason, by: "agent" },
      }));
    }
    effects.push(...closing(session, reason));
    table = without(table, session.sessionId);
  }
  return [table, effects];
}

// --- messages -------------------------------------------------------------------------------

function onMessage(table: SessionTable, message: Message, now: number): SessionStep {
  const sessionId = message.sessionId;
  if (message.desktopId !== undefined && message.desktopId !== table.desktopId) {
    return [table, [{
      kind: "log",
      level: "warn",
      text: `Ignored ${message.type} for a desktop that is not ours`,
    }]];
  }
  if (message.type === "DESKTOP_KILL" && message.payload.scope === "desktop") {
    const [next, effects] = endAll(table, message.payload.reason);
    return [next, [...effects, { kind: "desktop-killed", reason: message.payload.reason }]];
  }
  if (sessionId === undefined) return [table, []];
  const session = table.sessions.get(sessionId);
  if (message.type === "SESSION_REQUEST") return onRequest(table, sessionId, session, message, now);
  // The session has just ended on this side; the server will say so to the console.
  if (session === undefined) return [table, []];
  switch (message.type) {
    case "DESKTOP_CAPS": {
      const webrtc = message.payload.webrtc;
      return [
        withSession(table, {
          ...session,
          webrtc: webrtc?.enabled ?? false,
          iceServers: webrtc?.iceServers ?? [],
          relayOnly: webrtc?.iceTransportPolicy === "relay",
        }),
        [],
      ];
    }
    case "DESKTOP_WEBRTC_SIGNAL":
      return onSignal(table, session, message);
    case "SESSION_ENDED":
    case "DESKTOP_KILL":
      return [without(table, sessionId), closing(session, message.payload.reason)];
    case "PEER_PRESENCE":
      if (message.payload.peer !== "console" || session.decision !== "accepted") return [table, []];
      return [table, [{ kind: "console-presence", sessionId, online: message.payload.online }]];
    case "VIEWER_CONTROL":
    case "RELAY_CONGESTION":
      if (session.decision !== "accepted") return [table, []];
      return [table, [{ kind: "viewer-message", sessionId, message }]];
    default:
      return [table, []];
  }
}

function endAll(table: SessionTable, reason: Reason): SessionStep {
  const effects = [...table.sessions.values()].flatMap((s) => closing(s, reason));
  return [{ ...table, sessions: new Map() }, effects];
}

// --- consent --------------------------------------------------------------------------------

function onRequest(
  table: SessionTable,
  sessionId: string,
  known: SessionEntry | undefined,
  message: MessageOf<"SESSION_REQUEST">,
  now: number,
): SessionStep {
  if (known !== undefined) {
    return [table, [errorTo(table, sessionId, codedError("duplicate"), message)]];
  }
  const operator = message.payload.operator?.name ?? "An operator";
  const session: SessionEntry = {
    sessionId,
    requestId: message.payload.requestId,
    operator,
    decision: "asking",
    askUntilMs: now + CONSENT_TIMEOUT_MS,
    iceServers: [],
    webrtc: true,
    relayOnly: false,
    peers: [],
    newestGeneration: 0,
    orphanUntilMs: null,
  };
  if (table.sessions.size >= MAX_SESSIONS) {
    return [table, [errorTo(table, sessionId, codedError("too-many-sessions"), message)]];
  }
  const plan = decideConsent(table.policy.consent, table.canAsk);
  table = withSession(table, session);
  if (plan.kind === "ask") return [table, [{ kind: "ask", sessionId, operator }]];
  const [next, effects] = onConsent(table, sessionId, plan.answer);
  return [
    next,
    plan.log === null ? effects : [
      { kind: "log", level: "warn", text: `${operator} asked to see this screen: ${plan.log}` },
      ...effects,
    ],
  ];
}

const DECISIONS: Readonly<
  Record<ConsentAnswer, Omit<MessageOf<"SESSION_DECISION">["payload"], "viewOnly">>
> = {
  "allowed-by-policy": { decision: "accept", by: "policy", reason: "approved-by-policy" },
  "allowed-by-owner": { decision: "accept", by: "owner", reason: "approved-by-owner" },
  "denied-by-policy": { decision: "deny", by: "policy", reason: "denied-by-policy" },
  "denied-by-owner": { decision: "deny", by: "owner", reason: "denied-by-owner" },
  "timeout": { decision: "timeout", by: "owner", reason: "consent-timeout" },
};

function onConsent(table: SessionTable, sessionId: string, answer: ConsentAnswer): SessionStep {
  const session = table.sessions.get(sessionId);
  if (session === undefined || session.decision !== "asking") return [table, []];
  const verdict = DECISIONS[answer];
  const decision = send({
    type: "SESSION_DECISION",
    desktopId: table.desktopId,
    sessionId,
    payload: { ...verdict, viewOnly: table.policy.viewOnly },
  });
  if (verdict.decision !== "accept") {
    return [without(table, sessionId), [decision]];
  }
  return [withSession(table, { ...session, decision: "accepted" }), [
    { kind: "open-viewer", sessionId, operator: session.operator },
    decision,
  ]];
}
