/**
 * The console as one pure machine: `step(state, event, now)` answers every event, and
 * `nextDeadline` says when time itself is the next one.
 */
import {
  type CodedError,
  type ControlMessage,
  decodeControl,
  type Message,
  never,
  type Result,
} from "@farglass/protocol";
import { addPing } from "./clock_offset.ts";
import { takeScreen } from "./displays.ts";
import { Draft } from "./draft.ts";
import type { ConsoleEffect, ConsoleEvent, InputPath } from "./events.ts";
import { followPlayout } from "./follow_playout.ts";
import { hudDiff, hudVideo, takeFrames } from "./hud.ts";
import {
  linkAlive,
  linkClosed,
  linkConnect,
  linkDeadline,
  linkOpened,
  linkRetryNow,
  linkText,
  linkTick,
  linkTicket,
  linkTicketFailed,
} from "./link_machine.ts";
import {
  beatPong,
  peerCandidate,
  peerChannel,
  peerLayer,
  peerOffer,
  peerPong,
  peersDeadlines,
  peerState,
  peerStats,
  peersTick,
} from "./peers.ts";
import { PAINT_TIMEOUT_MS, RELAY_HEARTBEAT_MS, SAMPLE_MS, SLEPT_MS, usesVideo } from "./policy.ts";
import {
  desktopList,
  sessionConnect,
  sessionDeadline,
  sessionDisconnect,
  sessionError,
  sessionMessage,
  sessionPeerError,
  sessionRetryNow,
  sessionTick,
  sessionWelcome,
} from "./session.ts";
import { soundPong, soundStats } from "./sound.ts";
import { setSound, soundBlocked } from "./sound_switch.ts";
import { stallPong, stallStats } from "./stall.ts";
import { keepSample } from "./report.ts";
import type { ConsoleState, SessionState } from "./state.ts";
import type { PeerStats } from "./stats.ts";
import {
  chooseDisplay,
  chooseTransport,
  planTransport,
  sendControl,
  transportDeadlines,
  transportPainted,
  transportSelected,
  videoFailed,
  videoNeeded,
} from "./transport.ts";
import { controls } from "./view.ts";

/** The agent is asked for the whole picture at most this often. */
const REFRESH_GAP_MS = 1_000;

/** Takes one event at `now` (Unix ms, never going back); returns the new state and what to do. */
export function step(
  state: ConsoleState,
  event: ConsoleEvent,
  now: number,
): readonly [ConsoleState, readonly ConsoleEffect[]] {
  const d = new Draft({ ...wake(state, now), at: now }, now);
  const before = inputPath(state);
  const controlled = state.session !== null && controls(state.session);
  handle(d, event);
  linkTick(d);
  sessionTick(d);
  peersTick(d);
  planTransport(d);
  sampleTick(d);
  const after = inputPath(d.state);
  const controlsNow = d.session !== null && controls(d.session);
  if (!samePath(before, after) || (controlled && !controlsNow)) d.emit({ type: "release-input" });
  return [d.state, d.effects];
}

/** A console that slept (a suspended machine, a frozen tab) heard nothing; that proves nothing. */
function wake(state: ConsoleState, now: number): ConsoleState {
  const sleptMs = now - (nextDeadline(state) ?? now);
  if (sleptMs < SLEPT_MS) return state;
  const { link, session } = state;
  const phase = link.phase.kind === "online"
    ? { ...link.phase, heardAt: link.phase.heardAt + sleptMs, nextPingAt: now }
    : link.phase;
  const carrier = session?.carrier ?? null;
  return {
    ...state,
    link: { ...link, phase },
    session: session === null ? null : {
      ...session,
      stall: session.stall === null
        ? null
        : { ...session.stall, decodedAt: now, base: null, advancedAt: null },
      carrier: carrier === null ? null : {
        ...carrier,
        readyAt: carrier.readyAt === null ? null : carrier.readyAt + sleptMs,
        disconnectedAt: carrier.disconnectedAt === null ? null : carrier.disconnectedAt + sleptMs,
        beat: {
          ...carrier.beat,
          nextPingAt: now,
          lastPongAt: carrier.beat.lastPongAt === null ? null : carrier.beat.lastPongAt + sleptMs,
        },
      },
    },
  };
}

function handle(d: Draft, event: ConsoleEvent): void {
  switch (event.type) {
    case "start":
      return d.link.phase.kind === "idle" ? linkConnect(d) : undefined;
    case "tick":
      return;
    case "connect":
      return sessionConnect(d, event.desktopId, event.display ?? null);
    case "disconnect":
      return sessionDisconnect(d);
    case "choose":
      return chooseTransport(d, event.choice);
    case "choose-display":
      return chooseDisplay(d, event.display);
    case "choose-preset":
      // Shown as chosen when the agent says that it is in force.
      return d.session === null
        ? undefined
        : sendControl(d, { op: "preset", preset: event.preset });
    case "set-view-only":
      return d.patch({ viewOnly: event.viewOnly });
    case "set-sound":
      return setSound(d, event.on);
    case "sound-blocked":
      return soundBlocked(d);
    case "retry-now":
      linkRetryNow(d);
      return sessionRetryNow(d);
    case "ticket":
    case "ticket-failed":
    case "socket-open":
    case "socket-text":
    case "socket-alive":
    case "socket-closed":
      return event.epoch === d.link.epoch ? handleLink(d, event) : undefined;
    case "peer-offer":
      return peerOffer(d, event.peerId, event.sdp);
    case "peer-candidate":
      return peerCandidate(d, event.peerId, event.candidate);
    case "peer-error":
      return sessionPeerError(d, event.peerId);
    case "peer-state":
      return peerState(d, event.peerId, event.state);
    case "peer-layer":
      return peerLayer(d, event.peerId, event.change);
    case "channel":
      return peerChannel(d, event.peerId, event.channel, event.open);
    case "control-text":
      return control(d, decodeControl(event.text), event.peerId);
    case "peer-stats":
      return takePeerStats(d, event.peerId, event.stats);
    case "frames-shown":
      return takeFrames(d, { shown: event.frames });
    case "diff-stats":
      return takeDiffStats(d, event.frames, event.bytes);
    case "painted":
      return transportPainted(d, event.epoch);
    case "screen-size":
      return d.patch({ screen: { width: event.width, height: event.height } });
    case "exact":
      return takeExact(d, event.proved);
    case "regions":
      return sendControl(d, { op: "regions", version: event.version });
    case "video-needed":
      return videoNeeded(d, event.needed);
    case "no-frame-times":
      return d.set({ environment: { ...d.state.environment, hybrid: false } });
    case "diff-fault":
      d.note("error", "A part of the picture could not be read; asked for it again", {
        detail: event.code,
      });
      return refresh(d);
    case "video-fault":
      return videoFailed(d, "decoder-error", { videoElement: 1 });
    case "visibility":
      return d.set({ hidden: event.hidden });
    default:
      never(event);
  }
}

type LinkEvent = Extract<ConsoleEvent, { epoch: number }>;

function handleLink(d: Draft, event: LinkEvent): void {
  switch (event.type) {
    case "ticket":
      return linkTicket(d, event.ticket);
    case "ticket-failed":
      return linkTicketFailed(d, event.signedOut);
    case "socket-open":
      return linkOpened(d);
    case "socket-alive":
      return linkAlive(d);
    case "socket-closed":
      return linkClosed(d, event.code);
    case "socket-text": {
      const news = linkText(d, event.text);
      if (news.kind === "welcome") return sessionWelcome(d, news.resumed);
      return news.kind === "message" ? message(d, news.message) : undefined;
    }
    case "painted":
      return;
    default:
      never(event);
  }
}

function message(d: Draft, received: Message): void {
  switch (received.type) {
    case "DESKTOP_LIST":
      return desktopList(d, received.payload.desktops);
    case "ERROR":
      return sessionError(d, received);
    case "VIEWER_CONTROL":
      if (received.sessionId !== d.session?.sessionId) return;
      return control(d, { ok: true, value: received.payload }, null);
    default:
      return sessionMessage(d, received);
  }
}

/** A control message from the agent: by a peer's channel, or through the server (null). */
function control(
  d: Draft,
  decoded: Result<ControlMessage, CodedError>,
  peerId: number | null,
): void {
  const { session } = d;
  if (session === null) return;
  if (!decoded.ok) return d.noteError(decoded.error);
  // A peer that was replaced may still speak for a moment.
  if (peerId !== null && peerId !== session.carrier?.id && peerId !== session.attempt?.id) return;
  const { value } = decoded;
  switch (value.op) {
    case "selected":
      return transportSelected(d, value.epoch);
    case "pong":
      if (peerId === null) {
        d.patch({ relayBeat: beatPong(session.relayBeat, value, d.now) });
      } else peerPong(d, peerId, value);
      d.patch({
        clock: addPing(session.clock, {
          sentAt: value.at,
          agentAt: value.agentAt,
          receivedAt: d.now,
        }),
      });
      takeFrames(d, { told: value.frames ?? [] });
      soundPong(d, value);
      captureSeen(d, value.captured);
      if (session.stall !== null && session.carrier?.id === session.transport.shown.peerId) {
        d.patch({ stall: stallPong(session.stall, value, d.now) });
      }
      return;
    case "screen":
      return takeScreen(d, value);
    case "cursor":
      d.set({ cursor: value });
      return d.emit({ type: "cursor-shape", shape: value });
    case "cursor-position":
      return d.emit({
        type: "cursor-position",
        x: value.x,
        y: value.y,
        away: value.away === true,
      });
    case "video":
      return d.patch({ preset: value.preset });
    case "grants":
      return d.patch({ granted: value.input });
    case "fault":
      return fault(d, value.code);
    case "select":
    case "preset":
    case "sound":
    case "playout":
    case "keyframe":
    case "refresh":
    case "regions":
    case "ping":
      // The console's own operations.
      return;
    default:
      never(value);
  }
}

function fault(d: Draft, code: "capture-failed" | "encoder-failed" | "peer-failed" | "view-only") {
  switch (code) {
    case "encoder-failed":
      return videoFailed(d, "rtp-stalled", { encoderFailed: 1 });
    case "capture-failed":
      d.patch({ captureFault: { captured: null } });
      return d.note("error", "The agent cannot read its screen");
    case "peer-failed":
      return d.note("error", "The agent's peer connection failed");
    case "view-only":
      return d.patch({ granted: false });
    default:
      never(code);
  }
}

/** A picture more than since the fault: the agent reads its screen again. */
function captureSeen(d: Draft, captured: number): void {
  const fault = d.session?.captureFault ?? null;
  if (fault === null) return;
  if (fault.captured === null) return d.patch({ captureFault: { captured } });
  if (captured <= fault.captured) return;
  d.patch({ captureFault: null });
  d.note("note", "The agent reads its screen again");
}

function takePeerStats(d: Draft, peerId: number, stats: PeerStats): void {
  peerStats(d, peerId, stats);
  soundStats(d, peerId, stats);
  const { session } = d;
  if (session === null || session.carrier?.id !== peerId || stats.video === null) return;
  const { shown, pending } = session.transport;
  if (
    d.state.hidden && pending !== null && usesVideo(pending.to) && pending.selected &&
    pending.decodedAtSelect !== null && stats.video.framesDecoded > pending.decodedAtSelect
  ) transportPainted(d, pending.epoch);
  if (!usesVideo(shown.transport) || shown.peerId !== peerId) return;
  hudVideo(d, stats);
  followPlayout(d, stats.video);
  const { stall } = d.session ?? {};
  if (stall != null) d.patch({ stall: stallStats(stall, stats.video, d.now) });
}

function takeDiffStats(d: Draft, frames: number, bytes: number): void {
  const { session } = d;
  if (session === null) return;
  const { pending, shown } = session.transport;
  // A large first picture on a slow network: bytes are progress.
  if (pending !== null && !usesVideo(pending.to) && bytes > session.diffBytes) {
    d.patchTransport({ pending: { ...pending, deadline: d.now + PAINT_TIMEOUT_MS } });
  }
  d.patch({ diffBytes: bytes, diffFrames: frames });
  if (shown.transport === "diff-dc" || shown.transport === "diff-ws") hudDiff(d, frames, bytes);
}

function takeExact(d: Draft, proved: boolean): void {
  const { session } = d;
  if (session === null) return;
  const exactSinceMs = proved ? session.hud.exactSinceMs ?? d.now : null;
  d.patch({ hud: { ...session.hud, exactSinceMs } });
}

/** Reads statistics and, on the relay, keeps a heartbeat with the agent. */
function sampleTick(d: Draft): void {
  const { session } = d;
  if (session === null || session.request.kind !== "approved") return;
  if (session.nextSampleAt !== null && d.now >= session.nextSampleAt) {
    d.patch({ nextSampleAt: d.now + SAMPLE_MS });
    keepSample(d);
    const peer = session.carrier ?? session.attempt;
    d.emit({ type: "sample", peerId: peer?.id ?? null });
  }
  const { shown } = session.transport;
  if (shown.transport !== "diff-ws" || !d.online || session.agentOnline === false) return;
  if (d.now < session.relayBeat.nextPingAt) return;
  const id = session.relayBeat.lastId + 1;
  const nextPingAt = d.now + RELAY_HEARTBEAT_MS;
  d.patch({ relayBeat: { ...session.relayBeat, lastId: id, nextPingAt } });
  d.relayControl({ op: "ping", id, at: d.now });
}

/** Where input goes now, or null when none may flow. */
export function inputPath(state: ConsoleState): InputPath | null {
  const { session } = state;
  if (session === null || session.sessionId === null || !controls(session)) return null;
  const { carrier } = session;
  if (
    carrier !== null && !carrier.dead && carrier.readyAt !== null &&
    carrier.sessionId === session.sessionId
  ) return { via: "dc", peerId: carrier.id };
  return state.link.phase.kind === "online" && session.agentOnline !== false
    ? { via: "ws", sessionId: session.sessionId }
    : null;
}

/** The pointer points at what is on the screen, which is not what the agent shows by now. */
export const takesPointer = (state: ConsoleState): boolean =>
  state.session?.transport.pending?.display == null;

const samePath = (a: InputPath | null, b: InputPath | null): boolean =>
  a === b || (a !== null && b !== null &&
    (a.via === "dc"
      ? b.via === "dc" && a.peerId === b.peerId
      : b.via === "ws" && a.sessionId === b.sessionId));

function sessionDeadlines(session: SessionState): (number | null)[] {
  const relay = session.transport.shown.transport === "diff-ws"
    ? session.relayBeat.nextPingAt
    : null;
  return [
    sessionDeadline(session),
    ...peersDeadlines(session),
    ...transportDeadlines(session),
    session.request.kind === "approved" ? session.nextSampleAt : null,
    relay,
  ];
}

/**
 * The next moment at which time alone may change something, or null. What was due at the last
 * step waits for an event, not for time.
 */
export function nextDeadline(state: ConsoleState): number | null {
  const deadlines = [
    linkDeadline(state.link),
    ...(state.session === null ? [] : sessionDeadlines(state.session)),
  ].filter((at): at is number => at !== null && at > state.at);
  return deadlines.length === 0 ? null : Math.min(...deadlines);
}

/** Asks for the whole picture again. */
function refresh(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  if (session.refreshAt !== null && d.now - session.refreshAt < REFRESH_GAP_MS) return;
  d.patch({ refreshAt: d.now });
  sendControl(d, { op: "refresh" });
}
