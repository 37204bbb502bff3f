/** A session's life: asked for, decided, described, ended, and asked for again. */
import {
  type CodedError,
  type DesktopSummary,
  type Message,
  type MessageOf,
  never,
  type Reason,
  REASONS,
  type WebrtcState,
} from "@farglass/protocol";
import { NO_CLOCK } from "./clock_offset.ts";
import { newDisplays } from "./displays.ts";
import type { Draft } from "./draft.ts";
import { NO_LATENCY } from "./latency.ts";
import {
  carrierWorks,
  closePeers,
  declareLoss,
  hasPicture,
  peerAnswer,
  peerDied,
  peerOfGeneration,
  peerRemoteCandidate,
  scheduleRepair,
  startAttempt,
} from "./peers.ts";
import {
  pick,
  REQUEST_BACKOFF_MS,
  REQUEST_TIMEOUT_MS,
  SETTLED_MS,
  webrtcPossible,
} from "./policy.ts";
import { newSession, type SessionState } from "./state.ts";
import { stageText, switchText } from "./timeline.ts";
import {
  requestHeader,
  traceAgain,
  traceAnswered,
  traceBegin,
  traceEnd,
  traceMark,
} from "./trace.ts";

/** Ends after which the console asks again by itself, keeping the last picture. */
const RETRYABLE_ENDS: ReadonlySet<Reason> = new Set<Reason>([
  "agent-lost",
  "agent-restarted",
  "console-lost",
  "server-restarted",
  "server-stopping",
]);

/** The operator wants a desktop. */
export function sessionConnect(d: Draft, desktopId: string, display: string | null): void {
  const { session } = d;
  if (session?.desktopId === desktopId && session.request.kind !== "ended") return;
  const choice = session?.transport.choice ?? "auto";
  const viewOnly = session?.desktopId === desktopId && session.viewOnly;
  if (session !== null) sessionDisconnect(d);
  const desktopName = d.summary(desktopId)?.name ?? "Desktop";
  const fresh = newSession({ desktopId, desktopName }, choice, d.now);
  d.set({ session: { ...fresh, viewOnly, display: newDisplays(display) } });
  traceBegin(d, false);
  takeSummary(d);
}

/** The operator leaves. */
export function sessionDisconnect(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  d.emit({ type: "release-input" });
  traceEnd(d, { ok: false, reason: "operator-disconnect" });
  if (d.ids !== null && session.request.kind !== "ended") {
    d.send({
      type: "SESSION_ENDED",
      ...d.ids,
      payload: { reason: "operator-disconnect", by: "operator" },
    });
  }
  closePeers(d);
  d.emit({ type: "accept-diff", source: null, epoch: null, hybrid: false });
  d.emit({ type: "cursor-shape", shape: null });
  d.set({ session: null, cursor: null });
}

/** The session is over for good; the last picture stays until the operator leaves. */
function finish(d: Draft, reason: Reason, error: CodedError | null): void {
  if (d.session === null || d.session.request.kind === "ended") return;
  d.note(error === null ? "note" : "error", error?.message ?? REASONS[reason], { reason });
  traceEnd(d, { ok: false, reason });
  d.emit({ type: "release-input" });
  closePeers(d);
  d.emit({ type: "accept-diff", source: null, epoch: null, hybrid: false });
  d.patch({ request: { kind: "ended", reason, error }, repairAt: null, stall: null });
  d.patchTransport({ pending: null });
}

/**
 * The session is gone, the wish is not: asks again as soon as the desktop is there. The old
 * picture stays, and so does the peer that may still feed it.
 */
export function sessionAgain(d: Draft, reason: Reason): void {
  const { session } = d;
  if (session === null || session.request.kind === "ended") return;
  const settled = session.request.kind === "approved" &&
    d.now - session.request.at >= SETTLED_MS;
  const tries = settled ? 0 : session.requestTries;
  if (session.attempt !== null) d.emit({ type: "peer-close", peerId: session.attempt.id });
  if (session.sessionId !== null) d.note("note", REASONS[reason], { reason });
  d.patch({
    request: { kind: "queued", notBefore: d.now + pick(REQUEST_BACKOFF_MS, tries) },
    requestTries: tries + 1,
    sessionId: null,
    stage: null,
    capsOfSession: false,
    attempt: null,
    repairAt: null,
    repairTries: 0,
    webrtcOff: false,
    generation: 0,
    captureFault: null,
    display: newDisplays(session.display.wanted),
    stall: null,
    clock: NO_CLOCK,
    latency: NO_LATENCY,
  });
  d.patchTransport({ pending: null, loss: null, suspectPeerId: null, restoredAt: null });
  traceAgain(d);
}

/** Reads what the list says about the session's desktop. */
export function takeSummary(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  const summary = d.summary(session.desktopId);
  if (summary === undefined) {
    if (d.state.desktops !== null) agentPresence(d, false);
    return;
  }
  d.patch({ desktopName: summary.name });
  agentPresence(d, summary.online);
}

/** The agent's own link to the server came or went. */
export function agentPresence(d: Draft, online: boolean): void {
  const { session } = d;
  if (session === null || session.agentOnline === online) return;
  d.patch({ agentOnline: online });
  if (session.request.kind === "ended") return;
  if (!online) {
    d.note("note", "The agent is offline; waiting for it to come back", { reason: "agent-lost" });
  } else if (session.agentOnline === false) {
    d.note("note", "The agent is back");
    if (session.transport.shown.transport === "diff-ws") d.relayControl({ op: "refresh" });
  }
}

/** The list of desktops changed. */
export function desktopList(d: Draft, desktops: readonly DesktopSummary[]): void {
  d.set({ desktops });
  takeSummary(d);
}

/** After WELCOME: a resumed link goes on, a new one knows nothing of the session. */
export function sessionWelcome(d: Draft, resumed: boolean): void {
  if (!resumed) {
    // Only a fresh list tells whether the agent is there.
    d.patch({ agentOnline: null });
    sessionAgain(d, "server-restarted");
    return;
  }
  // The relay skipped what could not be sent meanwhile.
  if (d.session?.transport.shown.transport === "diff-ws") d.relayControl({ op: "refresh" });
}

/** Makes a queued request when the time has come. */
export function sessionTick(d: Draft): void {
  const { session } = d;
  if (session === null || !d.online || d.state.desktops === null) return;
  const { request } = session;
  if (request.kind === "asked" && d.now >= request.deadline) {
    sessionAgain(d, "retry");
    return;
  }
  if (request.kind !== "queued" || d.now < request.notBefore || session.agentOnline !== true) {
    return;
  }
  const requestId = d.uuid();
  d.patch({ request: { kind: "asked", requestId, deadline: d.now + REQUEST_TIMEOUT_MS } });
  d.note("note", REASONS["session-requested"], { reason: "session-requested" });
  traceMark(d, "requested");
  const { desktopId } = session;
  d.send({ type: "SESSION_REQUEST", desktopId, ...requestHeader(d), payload: { requestId } });
}

/** When the request wants to be looked at again. */
export function sessionDeadline({ request }: SessionState): number | null {
  if (request.kind === "asked") return request.deadline;
  return request.kind === "queued" ? request.notBefore : null;
}

/** A message that belongs to the session; others are not for us. */
export function sessionMessage(d: Draft, message: Message): void {
  const { session } = d;
  if (session === null || message.desktopId !== session.desktopId) return;
  if (message.type === "SESSION_REQUEST") {
    if (
      session.request.kind === "asked" && message.sessionId !== undefined &&
      session.request.requestId === message.payload.requestId
    ) {
      d.patch({ request: { kind: "deciding" }, sessionId: message.sessionId, stage: "requested" });
      traceAnswered(d, message.traceparent);
    }
    return;
  }
  if (message.type === "DESKTOP_KILL") {
    const whole = message.payload.scope === "desktop";
    if (whole || (session.sessionId !== null && message.sessionId === session.sessionId)) {
      finish(d, message.payload.reason, null);
    }
    return;
  }
  if (message.sessionId === undefined || message.sessionId !== session.sessionId) return;
  ownMessage(d, session, message);
}

function ownMessage(d: Draft, session: SessionState, message: Message): void {
  switch (message.type) {
    case "SESSION_DECISION":
      return decision(d, session, message);
    case "DESKTOP_CAPS":
      d.patch({ caps: message.payload, capsOfSession: true, webrtcOff: false });
      return begin(d);
    case "DESKTOP_WEBRTC_SIGNAL":
      return signal(d, session, message);
    case "DESKTOP_WEBRTC_STATE":
      return webrtcState(d, session, message.payload);
    case "PEER_PRESENCE":
      if (message.payload.peer === "agent") agentPresence(d, message.payload.online);
      return;
    case "SESSION_ENDED":
      d.patch({ stage: "closed" });
      return RETRYABLE_ENDS.has(message.payload.reason)
        ? sessionAgain(d, message.payload.reason)
        : finish(d, message.payload.reason, null);
    case "DESKTOP_TRANSPORT_FALLBACK":
    case "DESKTOP_TRANSPORT_RESTORED": {
      // Our own report comes back; the timeline has it already.
      const { from, to, reason, at } = message.payload;
      const known = session.timeline.some((e) => e.kind === "transport" && e.at === at);
      if (!known) d.note("transport", switchText(from, to), { reason });
      return;
    }
    default:
      return;
  }
}

function webrtcState(d: Draft, session: SessionState, { stage, reason }: WebrtcState): void {
  d.patch({ stage });
  // Between stages the server tells news of the transport, which the timeline has already. After
  // an end it has the reason: an owner's refusal is no connection that failed.
  const known = stage === session.stage || session.request.kind === "ended";
  if (!known) d.note("stage", stageText(stage), { reason });
}

function decision(d: Draft, session: SessionState, message: MessageOf<"SESSION_DECISION">): void {
  const { payload } = message;
  if (session.request.kind !== "deciding") return;
  if (payload.decision !== "accept") return finish(d, payload.reason, null);
  d.note("note", REASONS[payload.reason], { reason: payload.reason });
  d.patch({
    request: { kind: "approved", at: d.now },
    stage: "approved",
    decidedViewOnly: payload.viewOnly,
    granted: true,
    nextSampleAt: d.now,
  });
  traceMark(d, "approved");
  begin(d);
}

/** Starts the first negotiation once the session is approved and described. */
function begin(d: Draft): void {
  const { session } = d;
  if (session === null || session.request.kind !== "approved" || session.caps === null) return;
  if (!session.capsOfSession) return;
  if (session.screen.width === 0) {
    const display = session.caps.displays.find((x) => x.primary) ?? session.caps.displays[0];
    d.patch({ screen: { width: display.width, height: display.height } });
  }
  if (session.generation === 0 && webrtcPossible(session.caps, d.state.environment)) {
    startAttempt(d);
  } else if (session.generation > 0 && !carrierWorks(session)) {
    // Fresh credentials or a new description may open a way that was closed.
    scheduleRepair(d);
  }
}

function signal(
  d: Draft,
  session: SessionState,
  message: MessageOf<"DESKTOP_WEBRTC_SIGNAL">,
): void {
  const { payload } = message;
  switch (payload.kind) {
    case "answer":
      return peerAnswer(d, payload.generation, payload.sdp);
    case "ice-candidate":
      return peerRemoteCandidate(d, payload.generation, {
        candidate: payload.candidate,
        sdpMid: payload.sdpMid,
        sdpMLineIndex: payload.sdpMLineIndex,
      });
    case "ice-end":
      return peerRemoteCandidate(d, payload.generation, null);
    case "restart": {
      const peer = peerOfGeneration(session, payload.generation);
      if (peer !== null) peerDied(d, peer.id, payload.reason, {});
      return;
    }
    case "offer":
      // The console makes the offers.
      return;
    default:
      never(payload);
  }
}

/** Errors after which another negotiation would fail the same way. */
const HOPELESS: ReadonlySet<string> = new Set([
  "webrtc-disabled",
  "caps-mismatch",
  "retries-exhausted",
]);
/** Errors that need no answer: the newer negotiation or another candidate goes on. */
const HARMLESS: ReadonlySet<string> = new Set([
  "candidate-invalid",
  "stale-generation",
  "duplicate",
]);

/** A coded error that answers one of our messages. */
export function sessionError(d: Draft, message: MessageOf<"ERROR">): void {
  const { session } = d;
  const { refSeq, refType, requestId, ...error } = message.payload;
  const { code } = error;
  if (session === null || session.request.kind === "ended" || HARMLESS.has(code)) return;
  if (session.request.kind === "asked" && session.request.requestId === requestId) {
    const wait = code === "desktop-offline" || code === "desktop-not-found" ||
      code === "internal" || code === "rate-limited" || code === "buffer-full";
    d.noteError(error);
    if (!wait) return finish(d, "policy", error);
    sessionAgain(d, "retry");
    const queued = d.session?.request;
    if (queued?.kind !== "queued" || error.retryAfterMs === undefined) return;
    const notBefore = Math.max(queued.notBefore, d.now + error.retryAfterMs);
    return d.patch({ request: { kind: "queued", notBefore } });
  }
  const ours = message.sessionId === undefined || message.sessionId === session.sessionId;
  if (!ours || session.sessionId === null) return;
  if (code === "session-not-found" || code === "session-ended") {
    return sessionAgain(d, "server-restarted");
  }
  if (refType !== "DESKTOP_WEBRTC_SIGNAL" && code !== "peer-failed") {
    if (refType !== "PEER_STATE") d.noteError(error);
    return;
  }
  negotiationError(d, error, refSeq);
}

/** An offer was refused, or the agent's peer failed. */
function negotiationError(d: Draft, error: CodedError, refSeq: number | undefined): void {
  const { session } = d;
  const attempt = session?.attempt ?? null;
  if (session === null || attempt === null) return;
  if (refSeq !== undefined && error.code !== "peer-failed" && refSeq !== attempt.offerSeq) return;
  d.noteError(error);
  if (HOPELESS.has(error.code)) d.patch({ webrtcOff: true });
  peerDied(d, attempt.id, "negotiation-error", {});
  const { repairAt } = d.session ?? { repairAt: null };
  if (repairAt === null || error.retryAfterMs === undefined) return;
  // The server knows when there is room again.
  d.patch({ repairAt: Math.max(repairAt, d.now + error.retryAfterMs) });
}

/** The operator does not want to wait for the next attempt. */
export function sessionRetryNow(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  if (session.request.kind === "ended") {
    sessionConnect(d, session.desktopId, session.display.wanted);
  } else if (session.request.kind === "queued") {
    d.patch({ request: { kind: "queued", notBefore: d.now } });
  } else if (session.request.kind === "approved" && session.transport.loss !== null) {
    d.patch({ webrtcOff: false, repairTries: 0 });
    if (session.attempt === null && session.repairAt === null) scheduleRepair(d);
    if (d.session?.repairAt != null) d.patch({ repairAt: d.now });
  }
}

/** The browser could not make an offer or apply the answer. */
export function sessionPeerError(d: Draft, peerId: number): void {
  peerDied(d, peerId, "negotiation-error", {});
  const { session } = d;
  if (session !== null && !hasPicture(session) && session.transport.loss === null) {
    declareLoss(d, "negotiation-error", {});
  }
}
