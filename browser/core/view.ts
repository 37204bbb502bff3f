/** The state as the UI paints it. */
import { PEER_HEARTBEAT_MS, PEER_STILL_HEARTBEAT_MS, REASONS } from "@farglass/protocol";
import { displaysView } from "./displays.ts";
import { hudView } from "./hud.ts";
import { linkView } from "./link_machine.ts";
import { hasPicture } from "./peers.ts";
import { choicesOf, effectiveChoice, RELAY_HEARTBEAT_MS, SILENT_MS } from "./policy.ts";
import type { ConsoleView, Phase, SessionView } from "./session_view.ts";
import type { ConsoleState, SessionState } from "./state.ts";
import { soundRefusal } from "./sound.ts";
import { pictureLives } from "./transport.ts";

const NO_PRESETS: SessionView["presets"] = [];

/** Which surfaces are visible: one, or in hybrid mode the canvas above the video. */
export function surfaceOf(state: ConsoleState): "video" | "canvas" | "both" {
  const shown = state.session?.transport.shown.transport;
  if (shown === "hybrid") return "both";
  return shown === "diff-dc" || shown === "diff-ws" ? "canvas" : "video";
}

/** Whether the desktop lets this operator send input. */
export function inputGranted(session: SessionState): boolean {
  const { caps } = session;
  return session.request.kind === "approved" && session.granted && !session.decidedViewOnly &&
    caps !== null && !caps.policy.viewOnly && (caps.input.pointer || caps.input.keyboard);
}

/** Whether input flows: granted, and not switched off by the operator. */
export const controls = (session: SessionState): boolean =>
  inputGranted(session) && !session.viewOnly;

/** What the session is doing, in plain words. */
export function phaseOf(state: ConsoleState, session: SessionState): Phase {
  const { request, transport } = session;
  if (request.kind === "ended") {
    return { kind: "ended", reason: request.reason, error: request.error };
  }
  const online = state.link.phase.kind === "online";
  const lives = pictureLives(session, online) && (hasPicture(session) || carriesStill(session));
  if (lives && session.captureFault === null) {
    return { kind: "live" };
  }
  const text = waitingFor(state, session, online);
  return { kind: transport.shown.transport === "none" ? "waiting" : "recovering", text };
}

/** The peer of an ended session still feeds the picture while the next session is made. */
const carriesStill = (session: SessionState): boolean => session.carrier?.dead === false;

function waitingFor(state: ConsoleState, session: SessionState, online: boolean): string {
  const { request, transport } = session;
  if (!online) {
    if (state.link.signedOut) return "You are signed out; open a fresh sign-in link";
    if (state.link.outdated) return "This page is of another version than the server; reload it";
    return state.link.attempts === 0
      ? "Connecting to the server"
      : "The server cannot be reached; trying again";
  }
  if (session.agentOnline === false) return "The agent is offline; waiting for it to come back";
  switch (request.kind) {
    case "queued":
      return session.agentOnline === null
        ? "Waiting for the list of desktops"
        : "Asking for the desktop";
    case "asked":
      return "Asking for the desktop";
    case "deciding":
      return "Waiting for the desktop's owner or its policy to allow the session";
    case "approved":
      if (session.captureFault !== null) {
        return "The agent cannot read its screen; waiting for it to succeed";
      }
      if (transport.loss !== null) {
        return `${REASONS[transport.loss.reason]}; trying another way`;
      }
      return transport.pending === null
        ? "Connecting to the desktop"
        : "Waiting for the first picture";
    default:
      return "The session has ended";
  }
}

/** Whether what carries the picture has answered nothing for longer than it should. */
function isSilent(state: ConsoleState, session: SessionState): boolean {
  const { carrier, relayBeat, transport: { shown } } = session;
  const byRelay = shown.transport === "diff-ws";
  const beat = byRelay ? relayBeat : carrier?.id === shown.peerId ? carrier.beat : null;
  // The timers of a hidden page are slow themselves.
  if (beat === null || beat.lastPongAt === null || state.hidden) return false;
  const every = byRelay
    ? RELAY_HEARTBEAT_MS
    : beat.still
    ? PEER_STILL_HEARTBEAT_MS
    : PEER_HEARTBEAT_MS;
  return state.at - beat.lastPongAt >= every + (beat.rttMs ?? 0) + SILENT_MS;
}

function sessionView(state: ConsoleState, session: SessionState): SessionView {
  return {
    desktopId: session.desktopId,
    desktopName: session.desktopName,
    sessionId: session.sessionId,
    phase: phaseOf(state, session),
    stage: session.stage,
    transport: session.transport.shown.transport,
    silent: isSilent(state, session),
    choice: effectiveChoice(session.caps, session.transport.choice),
    choices: choicesOf(session.caps),
    preset: session.preset ?? session.caps?.video?.preset ?? null,
    presets: session.caps?.video?.presets ?? NO_PRESETS,
    viewOnly: session.viewOnly,
    soundOn: state.soundOn,
    soundRefusal: soundRefusal(session),
    inputGranted: inputGranted(session),
    width: session.screen.width,
    height: session.screen.height,
    displays: displaysView(session),
    caps: session.caps,
    hud: hudView(session),
    timeline: session.timeline,
  };
}

/** Builds the snapshot; `sameView` tells whether it differs from the last. */
export const viewOf = (state: ConsoleState): ConsoleView => ({
  link: linkView(state.link),
  desktops: state.desktops,
  session: state.session === null ? null : sessionView(state, state.session),
});

function shallow(a: object, b: object): boolean {
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return left.length === right.size && left.every(([key, value]) => right.get(key) === value);
}

/** How two snapshots differ: not at all, only in the live facts, or in more. */
export function compareViews(a: ConsoleView, b: ConsoleView): "same" | "hud" | "different" {
  if (a.desktops !== b.desktops || !shallow(a.link, b.link)) return "different";
  if (a.session === null || b.session === null) {
    return a.session === b.session ? "same" : "different";
  }
  const { phase: phaseA, hud: hudA, choices: choicesA, displays: displaysA, ...restA } = a.session;
  const { phase: phaseB, hud: hudB, choices: choicesB, displays: displaysB, ...restB } = b.session;
  if (
    !shallow(restA, restB) || !shallow(displaysA, displaysB) || !shallow(phaseA, phaseB) ||
    choicesA.join() !== choicesB.join()
  ) return "different";
  return shallow(hudA, hudB) ? "same" : "hud";
}
