/**
 * What one step of the controller means to a security team. Pure: the shell gives the desktop
 * before and after, what came in, what it led to, and who sent it.
 */
import {
  type EventActor,
  type EventDraft,
  type EventOutcome,
  never,
  type Stage,
} from "@farglass/protocol";
import type { ControllerEvent, Effect } from "../events.ts";
import { MAX_SESSION_EVENTS } from "../policy.ts";
import type { DesktopState, SessionEvent, SessionState } from "../state.ts";
import { traceIdIn, traceIdOf, traceOf } from "../trace.ts";
import { type EventOrigin, operatorActor, rejectionDraft, SERVER_ORIGIN } from "./drafts.ts";

export interface ToldStep {
  readonly before: DesktopState | null;
  readonly after: DesktopState | null;
  readonly event: ControllerEvent;
  readonly effects: readonly Effect[];
  /** The link or request that the event came by; null for the passing of time. */
  readonly origin: EventOrigin | null;
  /** Unix ms. */
  readonly now: number;
  /** Lifetime of a minted TURN credential. */
  readonly ttlSeconds: number;
}

type SessionEventEffect = Extract<Effect, { kind: "event" }>;
type EventOf<T extends SessionEvent["type"]> = Extract<SessionEvent, { type: T }>;

/** Events of one step, in the order in which things happened. */
export function stepEvents(step: ToldStep): readonly EventDraft[] {
  if (isForward(step)) return NOTHING;
  const live = new Set<string>();
  return [
    ...policyChange(step),
    ...controlChanges(step),
    ...soundChanges(step),
    ...displayChange(step),
    ...killed(step),
    ...step.effects.flatMap((effect) => {
      if (effect.kind === "reject") return [rejected(step, effect)];
      return effect.kind === "event" ? sessionEvent(step, effect, live) : [];
    }),
  ];
}

const NOTHING: readonly EventDraft[] = [];

/** Most steps only pass a message on: nothing to tell. */
export const isForward = (
  { before, after, event, effects }: Pick<ToldStep, "before" | "after" | "event" | "effects">,
): boolean =>
  before === after && event.kind === "message" && event.message.type !== "DESKTOP_KILL" &&
  event.message.type !== "VIEWER_CHOICE" &&
  effects.every(({ kind }) => kind === "send");

const desktopOf = ({ before, after }: ToldStep): DesktopState | null => after ?? before;
const originOf = (step: ToldStep): EventOrigin => step.origin ?? SERVER_ORIGIN;

function targetOf(step: ToldStep) {
  const desktop = desktopOf(step);
  if (desktop === null) return {};
  const { desktopId, caps, agent } = desktop;
  return {
    target: { desktopId, desktopName: caps.name, agentId: agent.agentId },
    policy: caps.policy,
  };
}

/** A session, its operator and its trace; of a session that is not known its id alone tells. */
function idsOf({ before, after }: ToldStep, sessionId: string | null) {
  if (sessionId === null) return {};
  const traceId = traceIdIn(after, sessionId) ?? traceIdIn(before, sessionId) ??
    traceOf(sessionId);
  const session = before?.sessions[sessionId] ?? after?.sessions[sessionId];
  if (session === undefined) return { sessionId, traceId };
  const { operatorId: id, name } = session.operator;
  return { sessionId, traceId, operator: { id, name } };
}

const wholeMs = (ms: number): number => Math.max(0, Math.round(ms));

function rejected(step: ToldStep, effect: Extract<Effect, { kind: "reject" }>): EventDraft {
  const { sessionId, ref } = effect;
  return rejectionDraft(effect.error.code, {
    ...originOf(step),
    ...targetOf(step),
    ...idsOf(step, sessionId),
    at: wholeMs(step.now),
    messageType: ref.type,
  });
}

/** DESKTOP_KILL of an operator by REST or of the owner. */
function killed(step: ToldStep): EventDraft[] {
  const { event, effects } = step;
  if (effects.some((e) => e.kind === "reject") || step.before === null) return [];
  const common = { at: wholeMs(step.now), outcome: "success" as const, ...targetOf(step) };
  if (event.kind === "kill") {
    const { sessionId, reason } = event;
    const ids = idsOf(step, sessionId);
    const scope = sessionId === null ? "desktop" as const : "session" as const;
    return [{
      action: "desktop-killed",
      ...common,
      ...originOf(step),
      ...ids,
      reason,
      details: { scope },
    }];
  }
  if (event.kind !== "message" || event.message.type !== "DESKTOP_KILL") return [];
  const { sessionId, payload: { scope, reason } } = event.message;
  const origin = originOf(step);
  const ids = idsOf(step, sessionId ?? null);
  return [{
    action: "desktop-killed",
    ...common,
    ...origin,
    actor: reason === "owner-stopped" ? { ...origin.actor, kind: "owner" } : origin.actor,
    ...ids,
    reason,
    details: { scope },
  }];
}

/** The owner allows more or less than before. */
function policyChange(step: ToldStep): EventDraft[] {
  const { before, after, event } = step;
  if (event.kind !== "caps" || before === null || after === null) return [];
  const [old, now] = [before.caps.policy, after.caps.policy];
  const keys = (Object.keys(now) as (keyof typeof now)[]).filter((key) => old[key] !== now[key]);
  if (keys.length === 0) return [];
  return [{
    action: "configuration-changed",
    at: wholeMs(step.now),
    outcome: "success",
    ...originOf(step),
    ...targetOf(step),
    details: { scope: "desktop", keys: keys.map((key) => `policy.${key}`).join(",") },
  }];
}

/** Control given or taken away in the middle of a session. */
function controlChanges(step: ToldStep): EventDraft[] {
  const { before, after } = step;
  if (before === null || after === null) return [];
  return Object.values(after.sessions).flatMap((session): EventDraft[] => {
    const known = before.sessions[session.sessionId];
    if (known === undefined || known.viewOnly === session.viewOnly || !wasLive(known)) return [];
    const common = {
      ...sessionBase(step, session, step.now),
      ...(session.viewOnly ? { reason: "policy" as const } : {}),
    };
    const heldMs = Math.max(0, step.now - liveSince(known));
    return [
      session.viewOnly
        ? { action: "control-released", ...common, details: { heldMs } }
        : { action: "control-taken", ...common, details: {} },
    ];
  });
}

/** The operator began or ceased to listen, in the middle of a session. */
function soundChanges(step: ToldStep): EventDraft[] {
  const { before, after } = step;
  if (before === null || after === null) return [];
  return Object.values(after.sessions).flatMap((session): EventDraft[] => {
    const known = before.sessions[session.sessionId];
    const listening = session.listening ?? false;
    if (known === undefined || (known.listening ?? false) === listening) return [];
    const action = listening ? "sound-started" : "sound-stopped";
    return [{ action, ...byOperator(step, session), details: {} }];
  });
}

/** What the operator is shown is no part of any state. */
function displayChange(step: ToldStep): EventDraft[] {
  const { event, effects } = step;
  if (event.kind !== "message" || event.message.type !== "VIEWER_CHOICE") return [];
  const { sessionId, payload } = event.message;
  const session = desktopOf(step)?.sessions[sessionId];
  if (session === undefined || payload.kind !== "display") return [];
  if (effects.some(({ kind }) => kind === "reject")) return [];
  const { from, to, reason } = payload;
  const base = reason === "operator-choice"
    ? byOperator(step, session)
    : sessionBase(step, session, step.now);
  const details = { ...from === null ? {} : { from }, ...to === null ? {} : { to } };
  return [{ action: "display-changed", ...base, ...reason && { reason }, details }];
}

/** What the operator did, or has now, whoever reported it. */
function byOperator(step: ToldStep, session: SessionState, at = step.now): Base {
  return {
    ...fromOperator(sessionBase(step, session, at), session),
    actor: operatorActor(session.operator),
  };
}

/** From where the session's operator is, instead of from where the step's sender is. */
function fromOperator({ source: _senders, ...base }: Base, { source }: SessionState): Base {
  return { ...base, ...source === undefined ? {} : { source } };
}

/** In these stages the operator sees the desktop. */
const LIVE: ReadonlySet<Stage> = new Set<Stage>(["connected", "fallback"]);

const isLiveEvent = (event: SessionEvent): boolean =>
  event.type === "DESKTOP_WEBRTC_STATE" && LIVE.has(event.stage);

/** Whether the operator had seen the desktop before this step; old history is forgotten. */
const wasLive = (session: SessionState | undefined): boolean =>
  session !== undefined &&
  (session.events.length >= MAX_SESSION_EVENTS || session.events.some(isLiveEvent));

/** When the session became live, as far as its history goes back. */
const liveSince = (session: SessionState): number =>
  session.events.find(isLiveEvent)?.at ?? session.createdAtMs;

type Base = Omit<Extract<EventDraft, { action: "sign-in" }>, "action" | "details">;

const sessionBase = (step: ToldStep, session: SessionState, at: number): Base => ({
  at: wholeMs(at),
  outcome: "success",
  ...originOf(step),
  ...targetOf(step),
  operator: { id: session.operator.operatorId, name: session.operator.name },
  sessionId: session.sessionId,
  traceId: traceIdOf(session),
});

function sessionEvent(
  step: ToldStep,
  { sessionId, event }: SessionEventEffect,
  live: Set<string>,
): EventDraft[] {
  const known = step.before?.sessions[sessionId];
  const session = step.after?.sessions[sessionId] ?? known;
  if (session === undefined) return [];
  const base = sessionBase(step, session, event.at);
  switch (event.type) {
    case "SESSION_REQUEST": {
      const actor = operatorActor(session.operator);
      return [{ action: "session-requested", ...base, actor, details: {} }];
    }
    case "SESSION_DECISION":
      return [decision(step, event, base)];
    case "DESKTOP_WEBRTC_STATE": {
      const told: EventDraft[] = [webrtcState(event, base)];
      if (!LIVE.has(event.stage) || wasLive(known) || live.has(sessionId)) return told;
      live.add(sessionId);
      const own = byOperator(step, session, event.at);
      const waitMs = Math.max(0, event.at - session.createdAtMs);
      const { transport } = event;
      told.push({ action: "session-started", ...own, details: { transport, waitMs } });
      if (!session.viewOnly) told.push({ action: "control-taken", ...own, details: {} });
      return told;
    }
    case "DESKTOP_TRANSPORT_FALLBACK":
    case "DESKTOP_TRANSPORT_RESTORED": {
      const { from, to, reason, evidence } = event;
      const change = { ...base, reason, evidence, details: { from, to } };
      return event.type === "DESKTOP_TRANSPORT_FALLBACK"
        ? [{ action: "desktop-transport-fallback", ...change }]
        : [{ action: "desktop-transport-restored", ...change }];
    }
    case "TURN_ISSUED": {
      const first = !(known?.events.some((e) => e.type === "TURN_ISSUED") ?? false) &&
        (known?.rotateAtMs ?? null) === null;
      const action = first ? "turn-credential-issued" : "turn-credential-rotated";
      const own = { ...fromOperator(base, session), ...SERVER_ORIGIN };
      return [{ action, ...own, details: { ttlSeconds: step.ttlSeconds } }];
    }
    case "TURN_REVOKED":
      return [{
        action: "turn-credential-refused",
        ...fromOperator(base, session),
        ...SERVER_ORIGIN,
        details: {},
      }];
    case "SESSION_ENDED":
      return ended(step, event, { base, session });
    case "PEER_PRESENCE":
    case "PEER_LAYER":
      // The stage that follows from it is told.
      return [];
    default:
      return never(event);
  }
}

function decision(step: ToldStep, event: EventOf<"SESSION_DECISION">, base: Base): EventDraft {
  const { decision, by, reason } = event;
  const agent = desktopOf(step)?.agent;
  const actor: EventActor = step.origin === null
    ? SERVER_ORIGIN.actor
    : { kind: by === "owner" ? "owner" : "agent", id: agent?.agentId, name: agent?.name };
  return {
    action: "session-decided",
    ...base,
    actor,
    outcome: decision === "accept" ? "success" : "failure",
    reason,
    details: { decision, by },
  };
}

function webrtcState(event: EventOf<"DESKTOP_WEBRTC_STATE">, base: Base): EventDraft {
  const { stage, previous, reason, elapsedMs, retries, transport, candidatePair: pair } = event;
  const troubled = stage === "degraded" || stage === "restarting" || stage === "fallback";
  return {
    action: "desktop-webrtc-state",
    ...base,
    outcome: stage === "failed" ? "failure" : troubled ? "unknown" : "success",
    reason,
    details: {
      stage,
      ...(previous === null ? {} : { previous }),
      elapsedMs,
      retries,
      transport,
      ...(pair === null ? {} : {
        localCandidate: pair.local,
        remoteCandidate: pair.remote,
        candidateProtocol: pair.protocol,
        relayProtocol: pair.relayProtocol,
      }),
    },
  };
}

function ended(
  step: ToldStep,
  event: EventOf<"SESSION_ENDED">,
  { base, session }: { readonly base: Base; readonly session: SessionState },
): EventDraft[] {
  const { reason, by } = event;
  const agent = desktopOf(step)?.agent;
  const actor: EventActor = by === "operator" ? operatorActor(session.operator) : by === "agent"
    ? {
      kind: reason === "owner-stopped" ? "owner" : "agent",
      id: agent?.agentId,
      name: agent?.name,
    }
    : originOf(step).actor;
  const stage = step.after?.ended.find((e) => e.sessionId === session.sessionId)?.stage;
  const outcome: EventOutcome = stage === "failed" ? "failure" : "success";
  const common = { ...base, actor, reason };
  const told: EventDraft[] = [];
  if (wasLive(step.before?.sessions[session.sessionId]) && !session.viewOnly) {
    const heldMs = Math.max(0, event.at - liveSince(session));
    told.push({ action: "control-released", ...common, details: { heldMs } });
  }
  if (session.listening) told.push({ action: "sound-stopped", ...common, details: {} });
  const durationMs = Math.max(0, event.at - session.createdAtMs);
  told.push({ action: "session-ended", ...common, outcome, details: { by, durationMs } });
  return told;
}
