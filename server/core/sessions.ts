/** Life of a session from request to end, but for its WebRTC state. */
import { codedError, type EventSource, type MessageOf, retryLater } from "@farglass/protocol";
import type { ControllerEvent, MessageRef } from "./events.ts";
import { fullBucket } from "./rate_limit.ts";
import { flush } from "./signals.ts";
import { newNegotiation, type SessionState } from "./state.ts";
import { newSessionTrace, traceHeader } from "./trace.ts";
import {
  announce,
  changeStage,
  endSession,
  headerOf,
  issueCaps,
  put,
  record,
  reject,
  route,
  sendAgent,
  sendConsole,
  type Work,
} from "./work.ts";

/** Nobody knows when a session will end; this is often enough to ask again. */
const SESSION_RETRY_MS = 10_000;

type EventOf<K extends ControllerEvent["kind"]> = Extract<ControllerEvent, { kind: K }>;

/** Where the operator is, if the event says so; what was known stays otherwise. */
export const sourceIn = ({ source }: { readonly source?: EventSource }) =>
  source === undefined ? {} : { source };

/** SESSION_REQUEST of a console or of REST: a new session that waits for the agent's decision. */
export function onRequest(work: Work, event: EventOf<"request">): void {
  const { desktop, now, policy } = work;
  const to = { linkId: event.consoleLinkId, ref: event.ref, sessionId: null };
  const all = Object.values(desktop.sessions);
  // The same request again (REST and WebSocket alike) is the same session.
  const same = all.find((s) =>
    s.requestId === event.requestId && s.operator.operatorId === event.operator.operatorId
  );
  if (same !== undefined) return answerRequest(work, same);
  if (desktop.link.at === "gone") return reject(work, to, "desktop-offline");
  if (all.length >= policy.maxSessionsPerDesktop) {
    const detail = `the desktop takes ${policy.maxSessionsPerDesktop}`;
    return reject(work, to, retryLater("too-many-sessions", { ms: SESSION_RETRY_MS, detail }));
  }
  if (desktop.sessions[event.sessionId] !== undefined) {
    throw new Error("A session id was given out twice");
  }
  let session: SessionState = {
    sessionId: event.sessionId,
    desktopId: desktop.desktopId,
    requestId: event.requestId,
    operator: event.operator,
    ...sourceIn(event),
    console: event.consoleLinkId === null
      ? { at: "unattached", sinceMs: now }
      : { at: "online", linkId: event.consoleLinkId },
    stage: "requested",
    createdAtMs: now,
    stageSinceMs: now,
    transport: "none",
    selected: "none",
    retries: 0,
    attempts: 0,
    offers: fullBucket(policy.offerRate, now),
    viewOnly: desktop.caps.policy.viewOnly,
    candidatePair: null,
    negotiation: newNegotiation(now),
    toAgent: [],
    toConsole: [],
    consentByMs: now + policy.consentMs,
    negotiateByMs: null,
    rotateAtMs: null,
    events: [],
    trace: event.trace ?? newSessionTrace(event.sessionId, null, null),
  };
  session = record(work, session, {
    type: "SESSION_REQUEST",
    at: now,
    operator: event.operator.name,
  });
  answerRequest(work, session);
  sendAgent(work, {
    type: "SESSION_REQUEST",
    ...headerOf(session),
    ...traceHeader(session),
    payload: { requestId: event.requestId, operator: { name: event.operator.name } },
  });
  announce(work, session, null, "session-requested");
  work.effects.push({ kind: "desktops-changed" });
}

function answerRequest(work: Work, session: SessionState): void {
  sendConsole(work, session, {
    type: "SESSION_REQUEST",
    ...headerOf(session),
    ...traceHeader(session),
    payload: { requestId: session.requestId },
  });
}

/** A console takes over a session that its operator made by REST, or one it lost. */
export function onAttach(work: Work, event: EventOf<"attach">): void {
  const session = work.desktop.sessions[event.sessionId];
  const to = { linkId: event.consoleLinkId, ref: event.ref, sessionId: event.sessionId };
  if (session === undefined) return reject(work, to, "session-not-found");
  if (session.operator.operatorId !== event.operator.operatorId) {
    return reject(work, to, "forbidden");
  }
  if (session.console.at === "online" && session.console.linkId !== event.consoleLinkId) {
    return reject(work, to, codedError("out-of-state", "another console shows it"));
  }
  let next = put(work, {
    ...session,
    ...sourceIn(event),
    console: { at: "online", linkId: event.consoleLinkId },
    requestId: event.requestId,
    negotiateByMs: session.stage === "approved"
      ? work.now + work.policy.negotiationMs
      : session.negotiateByMs,
  });
  answerRequest(work, next);
  if (next.stage !== "requested") {
    sendConsole(work, next, decisionDraft(next, acceptOf(next)));
    next = issueCaps(work, next);
    route(work, next);
  }
  next = announce(work, next, next.stage, "session-requested");
  presence(work, next, true);
  put(work, flush(work, next));
}

/** Tells the agent whether the session's console is there. */
export function presence(work: Work, session: SessionState, online: boolean): void {
  sendAgent(work, {
    type: "PEER_PRESENCE",
    ...headerOf(session),
    payload: { peer: "console", online },
  });
}

type Decision = MessageOf<"SESSION_DECISION">["payload"];

const decisionDraft = (session: SessionState, payload: Decision) =>
  ({ type: "SESSION_DECISION", ...headerOf(session), payload }) as const;

function acceptOf(session: SessionState): Decision {
  for (const event of session.events) {
    if (event.type === "SESSION_DECISION") {
      const { decision, by, reason } = event;
      return { decision, by, reason, viewOnly: session.viewOnly };
    }
  }
  return { decision: "accept", by: "policy", reason: "policy", viewOnly: session.viewOnly };
}

/** The agent's decision; only a session that waits for one takes it. */
export function onDecision(
  work: Work,
  session: SessionState,
  input: { readonly linkId: string; readonly ref: MessageRef; readonly decision: Decision },
): void {
  const to = { linkId: input.linkId, ref: input.ref, sessionId: session.sessionId };
  if (session.stage !== "requested") return reject(work, to, "duplicate");
  const { decision, by, reason } = input.decision;
  const viewOnly = input.decision.viewOnly || work.desktop.caps.policy.viewOnly;
  let next: SessionState = { ...session, viewOnly, consentByMs: null };
  next = record(work, next, { type: "SESSION_DECISION", at: work.now, decision, by, reason });
  sendConsole(work, next, decisionDraft(next, { decision, by, reason, viewOnly }));
  if (decision !== "accept") {
    endSession(work, next, { stage: "failed", reason, by: "agent", tell: ["console"] });
    return;
  }
  if (next.console.at !== "unattached") {
    next = { ...next, negotiateByMs: work.now + work.policy.negotiationMs };
  }
  next = changeStage(work, next, "approved", reason);
  next = put(work, issueCaps(work, next));
  route(work, next);
  work.effects.push({ kind: "desktops-changed" });
}

/** Nobody decided: the server does. */
export function consentTimeout(work: Work, session: SessionState): void {
  const reason = "consent-timeout";
  const decision = { decision: "timeout", by: "owner", reason } as const;
  const next = record(work, session, { type: "SESSION_DECISION", at: work.now, ...decision });
  sendConsole(work, next, decisionDraft(next, { ...decision, viewOnly: true }));
  endSession(work, next, {
    stage: "failed",
    reason,
    by: "server",
    tell: ["console", "agent"],
  });
}

/** SESSION_ENDED of one end: the other one is told, and the console in any case. */
export function onEnded(
  work: Work,
  session: SessionState,
  from: "agent" | "console",
  reason: MessageOf<"SESSION_ENDED">["payload"]["reason"],
): void {
  if (from === "console") {
    endSession(work, session, {
      stage: "closed",
      reason,
      by: "operator",
      tell: ["console", "agent"],
    });
    return;
  }
  const stage = reason === "owner-stopped" || reason === "policy" ? "closed" : "failed";
  endSession(work, session, { stage, reason, by: "agent", tell: ["console"] });
}

/** DESKTOP_KILL: ends one session, or all of them and the desktop with them. */
export function onKill(
  work: Work,
  input: {
    readonly sessionId: string | null;
    readonly reason: MessageOf<"DESKTOP_KILL">["payload"]["reason"];
    readonly by: "server" | "agent";
  },
): void {
  const { sessionId, reason, by } = input;
  const victims = Object.values(work.desktop.sessions).filter((s) =>
    sessionId === null || s.sessionId === sessionId
  );
  for (const session of victims) {
    if (by === "server" && sessionId !== null) {
      sendAgent(work, {
        type: "DESKTOP_KILL",
        ...headerOf(session),
        payload: { scope: "session", reason },
      });
    }
    endSession(work, session, { stage: "closed", reason, by, tell: ["console"] });
  }
  if (sessionId !== null) return;
  if (by === "server") {
    sendAgent(work, {
      type: "DESKTOP_KILL",
      desktopId: work.desktop.desktopId,
      payload: { scope: "desktop", reason },
    });
  }
  // It is offered again when its agent announces it again.
  work.desktop = { ...work.desktop, link: { at: "gone", sinceMs: work.now } };
  work.effects.push({ kind: "desktops-changed" });
}
