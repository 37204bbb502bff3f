/** One step in progress: the state so far and the effects so far. Local to the controller. */
import {
  type CodedError,
  codedError,
  type Draft,
  type ErrorCode,
  type Reason,
  type Stage,
} from "@farglass/protocol";
import type { Effect, MessageRef } from "./events.ts";
import {
  type ControllerPolicy,
  FIRST_SESSION_EVENTS,
  MAX_ENDED_SESSIONS,
  MAX_SESSION_EVENTS,
  ROTATE_AT,
} from "./policy.ts";
import { isLegalEdge, isTerminal } from "./stages.ts";
import {
  agentLinkId,
  consoleLinkId,
  type DesktopState,
  type EndedBy,
  isApproved,
  type SessionEvent,
  type SessionState,
} from "./state.ts";

export interface Work {
  desktop: DesktopState;
  readonly effects: Effect[];
  readonly now: number;
  readonly policy: ControllerPolicy;
}

/** Answers the sender of an event that must change nothing. */
export function reject(
  work: Work,
  to: {
    readonly linkId: string | null;
    readonly ref: MessageRef;
    readonly sessionId: string | null;
  },
  error: CodedError | ErrorCode,
): void {
  work.effects.push({
    kind: "reject",
    linkId: to.linkId,
    error: typeof error === "string" ? codedError(error) : error,
    ref: to.ref,
    desktopId: work.desktop.desktopId,
    sessionId: to.sessionId,
  });
}

/** Stores a session's new value. */
export function put(work: Work, session: SessionState): SessionState {
  const sessions = { ...work.desktop.sessions, [session.sessionId]: session };
  work.desktop = { ...work.desktop, sessions };
  return session;
}

export function sendAgent(work: Work, draft: Draft): void {
  const linkId = agentLinkId(work.desktop);
  if (linkId !== null) work.effects.push({ kind: "send", linkId, draft });
}

export function sendConsole(work: Work, session: SessionState, draft: Draft): void {
  const linkId = consoleLinkId(session);
  if (linkId !== null) work.effects.push({ kind: "send", linkId, draft });
}

/** Header fields of a session's messages. */
export const headerOf = (session: SessionState) => ({
  desktopId: session.desktopId,
  sessionId: session.sessionId,
});

/** Writes one line of history: kept with the session, logged, counted. */
export function record(work: Work, session: SessionState, event: SessionEvent): SessionState {
  work.effects.push({
    kind: "event",
    desktopId: session.desktopId,
    sessionId: session.sessionId,
    event,
  });
  const { events } = session;
  if (events.length < MAX_SESSION_EVENTS) {
    return put(work, { ...session, events: [...events, event] });
  }
  const kept = events.toSpliced(FIRST_SESSION_EVENTS, 1);
  const omittedEvents = (session.omittedEvents ?? 0) + 1;
  return put(work, { ...session, events: [...kept, event], omittedEvents });
}

/** Tells log and console the session's WebRTC state; `previous` is the stage before the step. */
export function announce(
  work: Work,
  session: SessionState,
  previous: Stage | null,
  reason: Reason,
): SessionState {
  const { stage, retries, candidatePair, transport } = session;
  const elapsedMs = Math.max(0, work.now - session.negotiation.startedAtMs);
  const payload = {
    stage,
    previous,
    reason,
    at: work.now,
    elapsedMs,
    retries,
    candidatePair,
    transport,
  };
  const recorded = record(work, session, { type: "DESKTOP_WEBRTC_STATE", ...payload });
  sendConsole(work, session, { type: "DESKTOP_WEBRTC_STATE", ...headerOf(session), payload });
  return recorded;
}

/** Moves a session to another stage and tells everyone; staying where it is does nothing. */
export function changeStage(
  work: Work,
  session: SessionState,
  stage: Stage,
  reason: Reason,
): SessionState {
  if (stage === session.stage) return put(work, session);
  if (!isLegalEdge(session.stage, stage)) {
    throw new Error(`Illegal stage change: ${session.stage} to ${stage}`);
  }
  const moved = { ...session, stage, stageSinceMs: work.now };
  return announce(work, moved, session.stage, reason);
}

export interface Ending {
  readonly stage: "closed" | "failed";
  readonly reason: Reason;
  readonly by: EndedBy;
  /** Ends that are told SESSION_ENDED; an end that ended the session itself knows already. */
  readonly tell: readonly ("agent" | "console")[];
}

/** Ends a session: history, messages, credentials, relay. It can never send again. */
export function endSession(work: Work, session: SessionState, ending: Ending): void {
  const { stage, reason, by } = ending;
  let last = changeStage(work, session, stage, reason);
  last = record(work, last, { type: "SESSION_ENDED", at: work.now, reason, by });
  const draft: Draft = { type: "SESSION_ENDED", ...headerOf(session), payload: { reason, by } };
  if (ending.tell.includes("console")) sendConsole(work, session, draft);
  if (ending.tell.includes("agent")) sendAgent(work, draft);
  if (isApproved(session)) {
    if (session.rotateAtMs !== null) {
      last = record(work, last, { type: "TURN_REVOKED", at: work.now });
    }
    work.effects.push(
      { kind: "revoke", ...headerOf(session) },
      { kind: "unroute", sessionId: session.sessionId },
    );
  }
  const { [session.sessionId]: _gone, ...sessions } = work.desktop.sessions;
  const ended = {
    sessionId: last.sessionId,
    desktopId: last.desktopId,
    operator: last.operator,
    stage: last.stage,
    createdAtMs: last.createdAtMs,
    endedAtMs: work.now,
    reason,
    by,
    retries: last.retries,
    events: last.events,
    ...(last.omittedEvents === undefined ? {} : { omittedEvents: last.omittedEvents }),
    ...(last.trace === undefined ? {} : { trace: last.trace }),
  };
  work.desktop = {
    ...work.desktop,
    sessions,
    ended: [...work.desktop.ended, ended].slice(-MAX_ENDED_SESSIONS),
  };
  work.effects.push({ kind: "desktops-changed" });
  if (!isTerminal(last.stage)) throw new Error(`Session ended in stage ${last.stage}`);
}

/** Lets binary frames pass between the session's ends, once both are known. */
export function route(work: Work, session: SessionState): void {
  const agent = agentLinkId(work.desktop);
  const viewer = consoleLinkId(session);
  if (agent === null || viewer === null || !isApproved(session)) return;
  work.effects.push({
    kind: "route",
    ...headerOf(session),
    agentLinkId: agent,
    consoleLinkId: viewer,
    viewOnly: session.viewOnly,
  });
}

/** Sends DESKTOP_CAPS with fresh credentials to both ends and plans the next time. */
export function issueCaps(work: Work, session: SessionState): SessionState {
  const agent = agentLinkId(work.desktop);
  const viewer = consoleLinkId(session);
  const linkIds = [viewer, agent].filter((id) => id !== null);
  work.effects.push({
    kind: "issue-caps",
    ...headerOf(session),
    caps: work.desktop.caps,
    linkIds,
  });
  const ttlMs = work.policy.credentialTtlMs;
  if (ttlMs === null) return session;
  return record(work, { ...session, rotateAtMs: work.now + Math.floor(ttlMs * ROTATE_AT) }, {
    type: "TURN_ISSUED",
    at: work.now,
  });
}
