/**
 * Which transport paints. Everything is decided in one place, `planTransport`, from the state as
 * it is: what is shown, whether it lives, what choice and policy allow, what is usable now. The
 * old picture stays until the new transport has painted; each switch is told with its evidence.
 */
import {
  type ControlMessage,
  type Evidence,
  type Reason,
  REASONS,
  type Transport,
} from "@farglass/protocol";
import { displayName, displayToTell, offersDisplay } from "./displays.ts";
import type { Draft } from "./draft.ts";
import {
  carrierWorks,
  declareLoss,
  hasPicture,
  peerDied,
  provenAt,
  scheduleRepair,
} from "./peers.ts";
import {
  allowedTransports,
  CONNECT_TIMEOUT_MS,
  effectiveChoice,
  PAINT_TIMEOUT_MS,
  RANK,
  usesVideo,
  webrtcPossible,
} from "./policy.ts";
import { keepDecision } from "./report.ts";
import { wantsSoundSection } from "./sound.ts";
import { newStall, stallDeadline, stallVerdict } from "./stall.ts";
import type { Pending, SessionState } from "./state.ts";
import { evidenceText, switchText } from "./timeline.ts";
import { traceEnd, traceMark } from "./trace.ts";

/** A decision that has not been carried out. */
interface Target {
  readonly to: Transport;
  readonly reason: Reason;
  readonly evidence: Evidence;
}

/** What the decision needs to know beside the session. */
interface Surroundings {
  readonly online: boolean;
  readonly allowed: readonly Transport[];
}

function usable(session: SessionState, to: Transport, around: Surroundings): boolean {
  switch (to) {
    case "hybrid":
    case "rtp":
      return carrierOfSession(session) && session.carrier?.id !== session.transport.suspectPeerId;
    case "diff-dc":
      return carrierOfSession(session);
    case "diff-ws":
      return around.online && session.agentOnline !== false;
    default:
      return false;
  }
}

const carrierOfSession = (session: SessionState): boolean =>
  carrierWorks(session) && session.carrier?.sessionId === session.sessionId;

/** Whether what is on the screen still follows the desktop. */
export function pictureLives(session: SessionState, online: boolean): boolean {
  const { shown, suspectPeerId } = session.transport;
  switch (shown.transport) {
    case "none":
      return false;
    case "diff-ws":
      return online && session.agentOnline !== false && shown.sessionId === session.sessionId;
    default: {
      if (session.carrier === null || session.carrier.id !== shown.peerId) return false;
      return !session.carrier.dead &&
        !(usesVideo(shown.transport) && suspectPeerId === session.carrier.id);
    }
  }
}

/** The reason and numbers behind a switch to something worse. */
const because = (session: SessionState, fallback: Reason): Omit<Target, "to"> => ({
  reason: session.transport.loss?.reason ?? fallback,
  evidence: session.transport.loss?.evidence ?? {},
});

/** The first picture of a session: the best that works, without proof. */
function firstTarget(session: SessionState, around: Surroundings): Target | null {
  const { loss } = session.transport;
  for (const to of around.allowed) {
    if (!usable(session, to, around)) continue;
    // The relay waits until something says that nothing better comes.
    if (to === "diff-ws" && loss === null) continue;
    if (to === around.allowed[0] && to !== "diff-ws") {
      return { to, reason: "transport-selected", evidence: {} };
    }
    return { to, ...because(session, "transport-selected") };
  }
  return null;
}

/** Another transport than the one shown, or null to stay. */
function nextTarget(d: Draft, session: SessionState, around: Surroundings): Target | null {
  const { shown, byOperator, loss } = session.transport;
  const rank = RANK[shown.transport];
  const canUse = (to: Transport) => usable(session, to, around);
  if (!around.allowed.includes(shown.transport)) {
    const to = around.allowed.find(canUse);
    return to === undefined
      ? null
      : { to, reason: byOperator ? "operator-choice" : "policy", evidence: {} };
  }
  if (!pictureLives(session, around.online)) {
    const to = around.allowed.find((t) => RANK[t] >= rank && canUse(t));
    if (to !== undefined) return { to, ...because(session, "transport-selected") };
  }
  const better = around.allowed.find((t) => RANK[t] < rank && canUse(t));
  if (better === undefined) return null;
  if (byOperator) return { to: better, reason: "operator-choice", evidence: {} };
  const proven = provenAt(session);
  const fresh = session.carrier?.beat.lastPongAt ?? 0;
  if (proven === null || d.now < proven || d.now - fresh > 1_500) return null;
  return {
    to: better,
    reason: "transport-recovered",
    evidence: {
      generation: session.generation,
      provenMs: Math.round(d.now - (session.carrier?.beat.firstPongAt ?? d.now)),
      rttMs: Math.round((session.carrier?.beat.rttMs ?? 0) * 10) / 10,
      relapses: session.transport.relapses,
      ...(loss === null ? {} : { lostMs: Math.round(d.now - loss.at) }),
    },
  };
}

/** Sends a control message the way that works: the carrier's channel, else through the server. */
export function sendControl(d: Draft, message: ControlMessage): void {
  const { session } = d;
  if (session?.carrier != null && carrierOfSession(session)) {
    const { id } = session.carrier;
    d.emit({ type: "peer-send", peerId: id, text: JSON.stringify(message) });
  } else d.relayControl(message);
}

/** Asks for sound if the operator wants it: with each choice, for the viewer may be a new one. */
export function tellSound(d: Draft): void {
  if (d.state.soundOn && wantsSoundSection(d.session?.caps ?? null)) {
    sendControl(d, { op: "sound", on: true });
  }
}

/** Tells the agent the choice and makes ready to paint it. */
function select(d: Draft, target: Target): void {
  const { session } = d;
  if (session === null) return;
  const epoch = session.transport.epoch + 1;
  const peerId = target.to === "diff-ws" ? null : session.carrier?.id ?? null;
  const display = displayToTell(session) ?? undefined;
  // What is on the screen shows another display until the new one's picture is there.
  const switches = (display !== undefined || session.transport.pending?.display != null) &&
    hasPicture(session) && session.display.shown !== null;
  const pending: Pending = {
    ...target,
    display: switches ? session.display.wanted : null,
    screen: null,
    epoch,
    peerId,
    deadline: d.now + PAINT_TIMEOUT_MS,
    selected: false,
    decodedAtSelect: null,
  };
  keepDecision(d, { what: "chosen", ...target });
  d.patchTransport({ epoch, pending, asked: target.to });
  traceMark(d, "selected");
  if (display !== undefined) d.patch({ display: { ...session.display, told: display } });
  const message = { op: "select", transport: target.to, epoch, display } as const;
  if (target.to === "diff-ws" && !carrierOfSession(session)) d.relayControl(message);
  else sendControl(d, message);
  tellSound(d);
  if (usesVideo(target.to) && peerId !== null) d.emit({ type: "bind-video", peerId });
  if ((target.to === "diff-dc" || target.to === "hybrid") && peerId !== null) {
    const hybrid = target.to === "hybrid";
    const source = { via: "dc", peerId } as const;
    d.emit({ type: "accept-diff", source, epoch, hybrid, nextStream: switches });
  } else if (target.to === "diff-ws" && session.sessionId !== null) {
    d.emit({
      type: "accept-diff",
      source: { via: "ws", sessionId: session.sessionId },
      epoch,
      hybrid: false,
      nextStream: switches,
    });
  }
}

/** The operator wants another display: shown by the transport that is there, or with the next one. */
export function chooseDisplay(d: Draft, display: string): void {
  const { session } = d;
  if (session === null || !offersDisplay(session, display)) return;
  const { shown, pending } = session.transport;
  const now = pending?.display ?? session.display.shown;
  const told = display === now ? display : session.display.told;
  d.patch({ display: { ...session.display, wanted: display, told } });
  if (display === now || session.request.kind !== "approved" || !hasPicture(session)) return;
  if (!pictureLives(session, d.online)) return;
  // What the agent was told last is another one, even if it was this one before.
  d.patch({ display: { ...session.display, wanted: display, told: null } });
  select(d, { to: pending?.to ?? shown.transport, reason: "operator-choice", evidence: {} });
}

/** The agent confirmed a choice. */
export function transportSelected(d: Draft, epoch: number): void {
  const pending = d.session?.transport.pending;
  if (pending == null || pending.epoch !== epoch || pending.selected) return;
  const decoded = d.session?.carrier?.stats?.video?.framesDecoded ?? 0;
  d.patchTransport({ pending: { ...pending, selected: true, decodedAtSelect: decoded } });
  if (pending.to !== "rtp") return;
  const sinceRtpTime = pending.display === null ? null : d.session?.display.rtpTime ?? null;
  d.emit({ type: "await-video", epoch, sinceRtpTime });
}

/** The selected transport has painted: it is shown, and the switch is told. */
export function transportPainted(d: Draft, epoch: number): void {
  const { session } = d;
  const pending = session?.transport.pending;
  if (session === null || pending == null || pending.epoch !== epoch) return;
  const { shown, loss, relapses } = session.transport;
  const first = !hasPicture(session);
  const from = first ? "none" : shown.transport;
  const upgrade = !first && RANK[pending.to] < RANK[from];
  const { caps } = session;
  const top = caps === null || pending.to ===
      allowedTransports(caps, session.transport.choice, d.state.environment)[0];
  d.patchTransport({
    pending: null,
    shown: { transport: pending.to, peerId: pending.peerId, sessionId: session.sessionId },
    loss: top ? null : loss,
    restoredAt: upgrade && pending.reason === "transport-recovered"
      ? d.now
      : session.transport.restoredAt,
    relapses: top && pending.reason === "operator-choice" ? 0 : relapses,
  });
  keepDecision(d, {
    ...{ what: "shown", from, to: pending.to },
    ...{ reason: pending.reason, evidence: pending.evidence },
  });
  const carrierGone = session.carrier?.dead === true && session.carrier.id !== pending.peerId;
  for (const peerId of session.retired) d.emit({ type: "peer-close", peerId });
  if (carrierGone && session.carrier !== null) {
    d.emit({ type: "peer-close", peerId: session.carrier.id });
  }
  d.patch({
    retired: [],
    ...(pending.screen === null ? {} : { screen: pending.screen }),
    ...(carrierGone ? { carrier: null } : {}),
    ...(upgrade || (first && top) ? { repairTries: 0 } : {}),
    stall: usesVideo(pending.to) ? newStall(d.now) : null,
    rates: null,
    ...(pending.to === "rtp" ? { hud: { ...session.hud, exactSinceMs: null } } : {}),
  });
  if (pending.to === "rtp") {
    d.emit({ type: "accept-diff", source: null, epoch: null, hybrid: false });
  }
  announce(d, from, pending);
  if (pending.display !== null) {
    const name = displayName(session, session.display.shown);
    d.note("note", `Display shown: ${name}`, { reason: "operator-choice" });
  }
  traceEnd(d, { ok: true, transport: pending.to });
}

/** Tells server and timeline about a switch; taking up the same transport again is no switch. */
function announce(d: Draft, from: Transport, pending: Pending): void {
  if (from === pending.to || d.ids === null) return;
  const worse = from === "none"
    ? pending.reason !== "transport-selected"
    : RANK[pending.to] > RANK[from];
  d.send({
    type: worse ? "DESKTOP_TRANSPORT_FALLBACK" : "DESKTOP_TRANSPORT_RESTORED",
    ...d.ids,
    payload: {
      from,
      to: pending.to,
      reason: pending.reason,
      evidence: pending.evidence,
      at: d.now,
    },
  });
  const detail = evidenceText(pending.evidence);
  d.note("transport", switchText(from, pending.to), {
    reason: pending.reason,
    ...(detail === "" ? {} : { detail }),
  });
}

/** The pending choice did not come about. */
function pendingFailed(d: Draft, pending: Pending, why: "broken" | "timeout"): void {
  const { session } = d;
  if (session === null || why === "broken") return d.patchTransport({ pending: null });
  const evidence = { waitedMs: PAINT_TIMEOUT_MS, selected: pending.selected ? 1 : 0 };
  const { relapses } = session.transport;
  if (usesVideo(pending.to) && pending.peerId !== null) {
    videoFailed(d, "rtp-stalled", evidence);
    d.patchTransport({ relapses: relapses + 1 });
  } else if (pending.to === "diff-dc" && pending.peerId !== null) {
    peerDied(d, pending.peerId, "channel-closed", evidence);
    d.patchTransport({ relapses: relapses + 1 });
  }
  d.patchTransport({ pending: null });
}

/** Hybrid mode: the video is needed for a part of the screen, or no longer; only then can it stall. */
export function videoNeeded(d: Draft, needed: boolean): void {
  if (d.session?.transport.shown.transport !== "hybrid") return;
  d.patch({ stall: needed ? newStall(d.now) : null });
}

/** The carrier's video is of no use, its channels may be. */
export function videoFailed(d: Draft, reason: Reason, evidence: Evidence): void {
  const { session } = d;
  if (session?.carrier == null) return;
  const { shown, pending, suspectPeerId } = session.transport;
  if (suspectPeerId === session.carrier.id) return;
  if (!usesVideo(shown.transport) && !usesVideo(pending?.to)) return;
  declareLoss(d, reason, evidence);
  d.patchTransport({ suspectPeerId: session.carrier.id });
  d.patch({ stall: null });
  d.note("note", REASONS[reason], { reason });
  scheduleRepair(d);
}

/** Triggers that only time reveals. */
function transportTick(d: Draft): void {
  const { session } = d;
  if (session === null || session.request.kind !== "approved" || session.caps === null) return;
  const { loss, shown } = session.transport;
  if (!hasPicture(session) && loss === null && session.capsOfSession) {
    if (!webrtcPossible(session.caps, d.state.environment)) {
      declareLoss(d, "webrtc-unavailable", { browser: d.state.environment.webrtc ? 1 : 0 });
    } else if (
      d.now >= session.request.at + CONNECT_TIMEOUT_MS && !carrierOfSession(session)
    ) {
      declareLoss(d, "connect-timeout", {
        waitedMs: Math.round(d.now - session.request.at),
        generation: session.generation,
        answered: session.attempt?.answered === true ? 1 : 0,
        candidatesSent: session.attempt?.candidatesSent ?? 0,
        candidatesReceived: session.attempt?.candidatesReceived ?? 0,
      });
    }
  }
  if (session.stall === null || !usesVideo(shown.transport)) return;
  const verdict = stallVerdict(session.stall, d.now);
  if (verdict.kind === "nudge") {
    d.patch({ stall: { ...session.stall, nudged: true } });
    sendControl(d, { op: "keyframe" });
  } else if (verdict.kind === "stalled") videoFailed(d, verdict.reason, verdict.evidence);
}

/** Looks at everything and acts; called at the end of every step. */
export function planTransport(d: Draft): void {
  transportTick(d);
  decide(d);
  // The operator's word asks for no proof, but only of what works now.
  if (d.session?.transport.byOperator === true) d.patchTransport({ byOperator: false });
}

function decide(d: Draft): void {
  // Each round either acts or ends; a failed choice may lead to the next one at once.
  for (let round = 0; round < 4; round++) {
    const { session } = d;
    if (session === null || session.request.kind !== "approved" || session.caps === null) return;
    if (!session.capsOfSession) return;
    const { choice, pending, shown } = session.transport;
    const around: Surroundings = {
      online: d.online,
      allowed: allowedTransports(session.caps, choice, d.state.environment),
    };
    if (pending !== null) {
      const broken = !usable(session, pending.to, around) ||
        !around.allowed.includes(pending.to) ||
        (pending.peerId !== null && pending.peerId !== session.carrier?.id);
      if (broken || d.now >= pending.deadline) {
        pendingFailed(d, pending, broken ? "broken" : "timeout");
        continue;
      }
      if (hasPicture(session) && pictureLives(session, d.online)) return;
      const best = hasPicture(session)
        ? nextTarget(d, session, around)
        : firstTarget(session, around);
      if (best === null || RANK[best.to] >= RANK[pending.to]) return;
      select(d, best);
      return;
    }
    const target = hasPicture(session)
      ? nextTarget(d, session, around)
      : firstTarget(session, around);
    if (target !== null) {
      select(d, target);
    } else if (
      hasPicture(session) && session.transport.asked !== shown.transport &&
      pictureLives(session, d.online)
    ) {
      // A better transport was tried in vain: the agent has to send the old way again.
      select(d, { to: shown.transport, reason: "transport-selected", evidence: {} });
    }
    return;
  }
}

/** The moments at which the plan may change by itself. */
export function transportDeadlines(session: SessionState): (number | null)[] {
  const { pending } = session.transport;
  const approvedAt = session.request.kind === "approved" ? session.request.at : null;
  return [
    pending?.deadline ?? null,
    approvedAt === null || hasPicture(session) ? null : approvedAt + CONNECT_TIMEOUT_MS,
    session.stall === null ? null : stallDeadline(session.stall),
    carrierWorks(session) ? provenAt(session) : null,
  ];
}

/** The operator's switch. */
export function chooseTransport(d: Draft, choice: SessionState["transport"]["choice"]): void {
  const { session } = d;
  if (session === null || session.transport.choice === choice) return;
  const before = effectiveChoice(session.caps, session.transport.choice);
  d.patchTransport({ choice });
  if (effectiveChoice(session.caps, choice) === before) return;
  // Forgets a suspicion: the operator wants to see for themselves.
  d.patchTransport({ byOperator: true, pending: null, suspectPeerId: null });
}
