/**
 * The signalling controller: one pure state machine per desktop. The shell loads a desktop,
 * steps it, stores it back, runs the effects in order and arms one timer.
 */
import { codedError, never } from "@farglass/protocol";
import { deadlineOf, onTick } from "./deadlines.ts";
import type { ControllerEvent, ControllerMessage, Effect, MessageRef } from "./events.ts";
import { type ControllerPolicy, DEFAULT_POLICY } from "./policy.ts";
import { newDesktop, onCaps, onLink } from "./presence.ts";
import { onAttach, onDecision, onEnded, onKill, onRequest } from "./sessions.ts";
import { onSignal } from "./signals.ts";
import { consoleLinkId, type DesktopState, type SessionState } from "./state.ts";
import { onPeerState, onTransportChange, onViewerChoice, onViewerControl } from "./transports.ts";
import { headerOf, issueCaps, put, reject, sendConsole, type Work } from "./work.ts";

export type Stepped = readonly [DesktopState | null, readonly Effect[]];

/**
 * One event for one desktop; `desktop` is null when it is not known. A rejected event leaves the
 * state as it was (the same reference) and only answers its sender.
 */
export function step(
  desktop: DesktopState | null,
  event: ControllerEvent,
  now: number,
  policy: ControllerPolicy = DEFAULT_POLICY,
): Stepped {
  if (desktop === null) return unknownDesktop(event, now);
  const work: Work = { desktop, effects: [], now, policy };
  const keep = decide(work, event);
  return [keep ? work.desktop : null, work.effects];
}

/** When `tick` is due, in Unix ms; null when never. */
export const nextDeadline = (
  desktop: DesktopState | null,
  now: number,
  policy: ControllerPolicy = DEFAULT_POLICY,
): number | null => desktop === null ? null : deadlineOf(desktop, policy, now);

function decide(work: Work, event: ControllerEvent): boolean {
  switch (event.kind) {
    case "caps":
      onCaps(work, event);
      return true;
    case "link":
      onLink(work, event);
      return true;
    case "request":
      onRequest(work, event);
      return true;
    case "attach":
      onAttach(work, event);
      return true;
    case "message":
      onMessage(work, event);
      return true;
    case "agent-error":
      onAgentError(work, event);
      return true;
    case "kill": {
      const { sessionId } = event;
      if (sessionId !== null && work.desktop.sessions[sessionId] === undefined) {
        reject(work, { linkId: null, ref: event.ref, sessionId }, missing(work, sessionId));
      } else onKill(work, { sessionId, reason: event.reason, by: "server" });
      return true;
    }
    case "tick":
      return onTick(work);
    case "reissue":
      for (const session of Object.values(work.desktop.sessions)) {
        if (session.rotateAtMs !== null) put(work, issueCaps(work, session));
      }
      return true;
    default:
      return never(event);
  }
}

function unknownDesktop(event: ControllerEvent, now: number): Stepped {
  if (event.kind === "caps") return [newDesktop(event, now), [{ kind: "desktops-changed" }]];
  if (event.kind === "link" || event.kind === "tick" || event.kind === "agent-error") {
    return [null, []];
  }
  if (event.kind === "reissue") return [null, []];
  const message = event.kind === "message" ? event.message : null;
  const effect: Effect = {
    kind: "reject",
    linkId: event.kind === "message"
      ? event.linkId
      : event.kind === "kill"
      ? null
      : event.consoleLinkId,
    error: codedError(event.kind === "request" ? "desktop-not-found" : "session-not-found"),
    ref: event.kind === "message" ? refOf(event.message) : event.ref,
    desktopId: message?.desktopId ?? "",
    sessionId: message?.sessionId ?? null,
  };
  return [null, [effect]];
}

/** Names a message in an error. */
export const refOf = (message: ControllerMessage): MessageRef => ({
  seq: message.seq,
  type: message.type,
});

function missing(work: Work, sessionId: string) {
  return work.desktop.ended.some((s) => s.sessionId === sessionId)
    ? "session-ended"
    : "session-not-found";
}

const LATE: ReadonlySet<string> = new Set([
  "PEER_STATE",
  "VIEWER_CONTROL",
  "VIEWER_CHOICE",
  "SESSION_ENDED",
]);

/** The session a message names, if its sender has a part in it. */
function ownSession(
  work: Work,
  event: Extract<ControllerEvent, { kind: "message" }>,
  sessionId: string,
): SessionState | null {
  const { desktop } = work;
  const session = desktop.sessions[sessionId];
  const to = { linkId: event.linkId, ref: refOf(event.message), sessionId };
  const isAgent = event.from === "agent" && desktop.link.at !== "gone" &&
    desktop.link.linkId === event.linkId;
  if (session === undefined) {
    const code = missing(work, sessionId);
    // An end that has not heard of the end yet: what it says now needs no answer.
    if (code === "session-not-found" || !LATE.has(event.message.type)) reject(work, to, code);
    return null;
  }
  if (!isAgent && !(event.from === "console" && consoleLinkId(session) === event.linkId)) {
    // To a stranger the session does not exist.
    reject(work, to, "session-not-found");
    return null;
  }
  return session;
}

function onMessage(work: Work, event: Extract<ControllerEvent, { kind: "message" }>): void {
  const { message, from, linkId } = event;
  const ref = refOf(message);
  if (message.type === "DESKTOP_KILL") return onAgentKill(work, event, message);
  const session = ownSession(work, event, message.sessionId);
  if (session === null) return;
  const source = { from, linkId, ref };
  switch (message.type) {
    case "SESSION_DECISION":
      return onDecision(work, session, { linkId, ref, decision: message.payload });
    case "SESSION_ENDED":
      return onEnded(work, session, from, message.payload.reason);
    case "DESKTOP_WEBRTC_SIGNAL":
      return onSignal(work, session, { ...source, signal: message.payload });
    case "PEER_STATE":
      return onPeerState(work, session, source, message.payload);
    case "DESKTOP_TRANSPORT_FALLBACK":
    case "DESKTOP_TRANSPORT_RESTORED":
      return onTransportChange(work, session, source, message);
    case "VIEWER_CONTROL":
      return onViewerControl(work, session, source, message.payload);
    case "VIEWER_CHOICE":
      return onViewerChoice(work, session, source, message.payload);
    default:
      return never(message);
  }
}

/** The owner stops a session or shares the desktop no longer. */
function onAgentKill(
  work: Work,
  event: Extract<ControllerEvent, { kind: "message" }>,
  message: Extract<ControllerMessage, { type: "DESKTOP_KILL" }>,
): void {
  const { link } = work.desktop;
  const { scope, reason } = message.payload;
  const sessionId = message.sessionId ?? null;
  const to = { linkId: event.linkId, ref: refOf(message), sessionId };
  if (event.from !== "agent" || link.at === "gone" || link.linkId !== event.linkId) {
    return reject(work, to, "forbidden");
  }
  if (scope === "desktop") return onKill(work, { sessionId: null, reason, by: "agent" });
  if (sessionId === null) return reject(work, to, codedError("malformed", "sessionId"));
  if (work.desktop.sessions[sessionId] === undefined) {
    return reject(work, to, missing(work, sessionId));
  }
  onKill(work, { sessionId, reason, by: "agent" });
}

function onAgentError(work: Work, event: Extract<ControllerEvent, { kind: "agent-error" }>): void {
  const { link, sessions } = work.desktop;
  const session = sessions[event.error.sessionId];
  if (session === undefined || link.at === "gone" || link.linkId !== event.linkId) return;
  // The agent's numbering means nothing to the console.
  const { refSeq: _agents, ...payload } = event.error.payload;
  sendConsole(work, session, { type: "ERROR", ...headerOf(session), payload });
}
