/**
 * Peer connections: one may carry the picture while the next is negotiated. Each repair is a new
 * connection with a new generation; callbacks bear the peer's id, so that a late one harms none.
 */
import {
  type CandidatePair,
  type ChannelName,
  type ControlOf,
  type Evidence,
  type IceServer,
  type LayerState,
  MAX_LAYER_CHANGES,
  PEER_HEARTBEAT_MS,
  PEER_STILL_HEARTBEAT_MS,
  PEER_TIMEOUT_MS,
  type Reason,
} from "@farglass/protocol";
import type { Draft } from "./draft.ts";
import type { IceCandidate, PeerConnectionState } from "./events.ts";
import {
  ATTEMPT_TIMEOUT_MS,
  DISCONNECTED_MS,
  pick,
  PROOF_MS,
  RELAPSE_WINDOW_MS,
  REPAIR_BACKOFF_MS,
  videoPossible,
  webrtcPossible,
} from "./policy.ts";
import { newPlayout } from "./playout.ts";
import { keepDecision } from "./report.ts";
import { type Heartbeat, newBeat, type PeerRecord, type SessionState } from "./state.ts";
import { wantsSoundSection } from "./sound.ts";
import { type PeerStats, samePair } from "./stats.ts";
import { offerHeader, traceMark, traceOffering } from "./trace.ts";

/** The session's peer with that id: what it is to the session, and its record. */
function find(
  d: Draft,
  peerId: number,
): { readonly role: "carrier" | "attempt"; readonly peer: PeerRecord } | null {
  const { session } = d;
  if (session?.carrier?.id === peerId) return { role: "carrier", peer: session.carrier };
  if (session?.attempt?.id === peerId) return { role: "attempt", peer: session.attempt };
  return null;
}

function patchPeer(d: Draft, peerId: number, patch: Partial<PeerRecord>): void {
  const found = find(d, peerId);
  if (found !== null) d.patch({ [found.role]: { ...found.peer, ...patch } });
}

/** Tells the server what this peer's connection says; only while it belongs to the session. */
function report(
  d: Draft,
  peer: PeerRecord,
  state: Exclude<PeerConnectionState, "new">,
  more: { readonly reason?: Reason; readonly candidatePair?: CandidatePair | null } = {},
): void {
  if (d.ids === null || d.ids.sessionId !== peer.sessionId || peer.offerSeq === null) return;
  const layers = (find(d, peer.id)?.peer ?? peer).layers.map(({ at, ...change }) => ({
    ...change,
    agoMs: Math.max(0, d.now - at),
  }));
  d.send({
    type: "PEER_STATE",
    ...d.ids,
    payload: {
      generation: peer.generation,
      state,
      ...more,
      ...(layers.length === 0 ? {} : { layers }),
    },
  });
  patchPeer(d, peer.id, { layers: [] });
}

/** ICE or DTLS changed; told with the next word about the peer. */
export function peerLayer(d: Draft, peerId: number, change: LayerState): void {
  const found = find(d, peerId);
  if (found === null || found.peer.layers.length >= MAX_LAYER_CHANGES) return;
  patchPeer(d, peerId, { layers: [...found.peer.layers, { ...change, at: d.now }] });
}

/** Opens the next generation's connection; its offer follows as an event. */
export function startAttempt(d: Draft): void {
  const { session } = d;
  if (session === null || session.sessionId === null || session.caps === null) return;
  if (session.attempt !== null) return;
  const id = d.state.nextPeerId;
  const generation = session.generation + 1;
  const { webrtc } = session.caps;
  const iceServers: readonly IceServer[] = webrtc?.iceServers ?? [];
  traceOffering(d);
  d.set({ nextPeerId: id + 1 });
  d.patch({
    generation,
    repairAt: null,
    attempt: {
      id,
      sessionId: session.sessionId,
      generation,
      startedAt: d.now,
      offerSeq: null,
      answered: false,
      candidatesSent: 0,
      candidatesReceived: 0,
      connection: "new",
      disconnectedAt: null,
      channels: { control: false, input: false, motion: false, diff: false },
      readyAt: null,
      dead: false,
      beat: newBeat(d.now),
      layers: [],
      stats: null,
    },
  });
  d.emit({
    type: "peer-open",
    peerId: id,
    iceServers,
    iceTransportPolicy: webrtc?.iceTransportPolicy ?? "all",
    video: videoPossible(session.caps, d.state.environment),
    sound: wantsSoundSection(session.caps),
  });
}

/** The browser made its offer. */
export function peerOffer(d: Draft, peerId: number, sdp: string): void {
  const found = find(d, peerId);
  if (found === null || d.ids === null || found.peer.offerSeq !== null) return;
  const offerSeq = d.send({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...d.ids,
    ...offerHeader(d),
    payload: { kind: "offer", generation: found.peer.generation, sdp },
  });
  // Without a link the session is asked for again anyway.
  if (offerSeq !== null) patchPeer(d, peerId, { offerSeq });
  traceMark(d, "offered");
}

/** A local candidate, or the end of them. */
export function peerCandidate(d: Draft, peerId: number, candidate: IceCandidate): void {
  const found = find(d, peerId);
  if (found === null || d.ids === null || d.ids.sessionId !== found.peer.sessionId) return;
  const { generation } = found.peer;
  d.send({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...d.ids,
    payload: candidate === null
      ? { kind: "ice-end", generation }
      : { kind: "ice-candidate", generation, ...candidate },
  });
  if (candidate !== null) {
    patchPeer(d, peerId, { candidatesSent: found.peer.candidatesSent + 1 });
  }
}

/** The peer of the session's current negotiation that has this generation. */
export function peerOfGeneration(session: SessionState, generation: number): PeerRecord | null {
  for (const peer of [session.attempt, session.carrier]) {
    if (
      peer !== null && peer.generation === generation && peer.sessionId === session.sessionId
    ) return peer;
  }
  return null;
}

/** The agent's answer; an answer to an older offer, or a second one, is ignored. */
export function peerAnswer(d: Draft, generation: number, sdp: string): void {
  const peer = d.session === null ? null : peerOfGeneration(d.session, generation);
  if (peer === null || peer.answered) return;
  patchPeer(d, peer.id, { answered: true });
  traceMark(d, "answered");
  d.emit({ type: "peer-answer", peerId: peer.id, sdp });
}

/** A candidate of the agent's, or the end of them; the adapter keeps the order. */
export function peerRemoteCandidate(d: Draft, generation: number, candidate: IceCandidate): void {
  const peer = d.session === null ? null : peerOfGeneration(d.session, generation);
  if (peer === null) return;
  if (candidate !== null) {
    patchPeer(d, peer.id, { candidatesReceived: peer.candidatesReceived + 1 });
  }
  d.emit({ type: "peer-add-candidate", peerId: peer.id, candidate });
}

/** RTCPeerConnection or its ICE changed state. */
export function peerState(d: Draft, peerId: number, state: PeerConnectionState): void {
  const found = find(d, peerId);
  if (found === null || found.peer.dead || found.peer.connection === state) return;
  patchPeer(d, peerId, {
    connection: state,
    disconnectedAt: state === "disconnected" ? d.now : null,
  });
  if (state === "failed" || state === "closed") {
    peerDied(d, peerId, "ice-failed", {});
  } else if (state === "disconnected") {
    report(d, found.peer, state, { reason: "ice-disconnected" });
  } else if (state !== "new") {
    if (state === "connected") traceMark(d, "connected");
    const candidatePair = found.peer.stats?.candidatePair ?? null;
    report(d, found.peer, state, candidatePair === null ? {} : { candidatePair });
  }
}

/** A data channel opened or closed. */
export function peerChannel(d: Draft, peerId: number, channel: ChannelName, open: boolean): void {
  const found = find(d, peerId);
  if (found === null || found.peer.dead) return;
  const { peer } = found;
  const channels = { ...peer.channels, [channel]: open };
  if (!open) {
    patchPeer(d, peerId, { channels });
    if (peer.channels[channel]) peerDied(d, peerId, "channel-closed", {});
    return;
  }
  const ready = channels.control && channels.input && channels.motion && channels.diff;
  const readyAt = peer.readyAt ?? (ready ? d.now : null);
  patchPeer(d, peerId, { channels, readyAt });
  if (readyAt === null) return;
  traceMark(d, "ready");
  if (found.role === "attempt") promote(d);
}

/** The negotiated peer works: it carries from now on. */
function promote(d: Draft): void {
  const { session } = d;
  if (session === null || session.attempt === null) return;
  d.patch({
    carrier: { ...session.attempt, beat: newBeat(d.now) },
    playout: newPlayout,
    attempt: null,
    repairAt: null,
    nextSampleAt: d.now,
    retired: session.carrier === null ? session.retired : [...session.retired, session.carrier.id],
  });
}

/** Numbers that describe a peer at the moment of a decision. */
export function peerEvidence(peer: PeerRecord, now: number): Evidence {
  const { beat, stats } = peer;
  return {
    generation: peer.generation,
    sinceStartMs: Math.round(now - peer.startedAt),
    answered: peer.answered ? 1 : 0,
    candidatesSent: peer.candidatesSent,
    candidatesReceived: peer.candidatesReceived,
    ...(beat.lastPongAt === null ? {} : { sinceHeartbeatMs: Math.round(now - beat.lastPongAt) }),
    ...(beat.rttMs === null ? {} : { rttMs: Math.round(beat.rttMs * 10) / 10 }),
    ...(stats?.video == null ? {} : {
      framesDecoded: stats.video.framesDecoded,
      packetsReceived: stats.video.packetsReceived,
      packetsLost: stats.video.packetsLost,
    }),
  };
}

/**
 * A peer is of no use any more. The carrier's picture stays until another transport has painted;
 * a failed attempt is closed at once.
 */
export function peerDied(d: Draft, peerId: number, reason: Reason, more: Evidence): void {
  const found = find(d, peerId);
  if (found === null || found.peer.dead) return;
  const { role, peer } = found;
  const evidence = { ...peerEvidence(peer, d.now), ...more };
  // Closing a connection raises no events.
  peerLayer(d, peerId, { layer: "ice", state: "closed" });
  peerLayer(d, peerId, { layer: "dtls", state: "closed" });
  report(d, peer, "failed", { reason });
  const { session } = d;
  if (session === null) return;
  if (role === "attempt") {
    d.emit({ type: "peer-close", peerId });
    d.patch({ attempt: null });
    if (!hasPicture(session)) declareLoss(d, reason, evidence);
    scheduleRepair(d);
    return;
  }
  patchPeer(d, peerId, { dead: true });
  // A peer of an older session only keeps its last picture: the new session repairs itself.
  if (peer.sessionId !== session.sessionId) return;
  const { shown, pending } = session.transport;
  if (shown.peerId === peerId || pending?.peerId === peerId) declareLoss(d, reason, evidence);
  scheduleRepair(d);
}

/** Whether this very session has painted. */
export const hasPicture = (session: SessionState): boolean =>
  session.transport.shown.transport !== "none" &&
  session.transport.shown.sessionId === session.sessionId;

/** Notes why the better transport does not serve; counts a quick relapse. */
export function declareLoss(d: Draft, reason: Reason, evidence: Evidence): void {
  const { session } = d;
  if (session === null) return;
  const { restoredAt, relapses } = session.transport;
  keepDecision(d, { what: "lost", to: null, reason, evidence });
  const quick = restoredAt !== null && d.now - restoredAt < RELAPSE_WINDOW_MS;
  d.patchTransport({
    loss: { reason, evidence, at: d.now },
    relapses: quick ? relapses + 1 : restoredAt === null ? relapses : 0,
    restoredAt: null,
  });
}

/** Plans the next negotiation; each failure and each quick relapse makes the wait longer. */
export function scheduleRepair(d: Draft): void {
  const { session } = d;
  if (session === null || session.webrtcOff || session.attempt !== null) return;
  if (session.repairAt !== null) return;
  const tries = Math.max(session.repairTries, session.transport.relapses - 1);
  d.patch({ repairAt: d.now + pick(REPAIR_BACKOFF_MS, tries), repairTries: tries + 1 });
}

/** A pong came on the control channel, or through the server (`peerId` null). */
export function beatPong(beat: Heartbeat, pong: ControlOf<"pong">, now: number): Heartbeat {
  const sinceMs = now - pong.at;
  const sane = sinceMs >= 0 && sinceMs < 60_000;
  return {
    ...beat,
    firstPongAt: beat.firstPongAt ?? now,
    lastPongAt: now,
    rttMs: !sane
      ? beat.rttMs
      : beat.rttMs === null
      ? sinceMs
      : beat.rttMs + 0.3 * (sinceMs - beat.rttMs),
    captured: pong.captured,
    still: beat.lastPongAt !== null && pong.captured === beat.captured,
    network: pong.network ?? null,
    format: pong.format ?? null,
    patches: pong.patches ?? null,
    choice: pong.choice ?? null,
  };
}

/** Takes a heartbeat of a peer. */
export function peerPong(d: Draft, peerId: number, pong: ControlOf<"pong">): void {
  const found = find(d, peerId);
  if (found !== null) patchPeer(d, peerId, { beat: beatPong(found.peer.beat, pong, d.now) });
}

/** Takes statistics; a newly selected candidate pair is told to the server. */
export function peerStats(d: Draft, peerId: number, stats: PeerStats): void {
  const found = find(d, peerId);
  if (found === null) return;
  const { peer } = found;
  patchPeer(d, peerId, { stats });
  const { candidatePair } = stats;
  if (
    candidatePair !== null && !peer.dead && peer.connection === "connected" &&
    !samePair(candidatePair, peer.stats?.candidatePair ?? null)
  ) report(d, peer, "connected", { candidatePair });
}

/** Whether the carrier can take control messages now. */
export const carrierWorks = (session: SessionState): boolean =>
  session.carrier !== null && !session.carrier.dead && session.carrier.readyAt !== null;

/** When the carrier's heartbeat will have proved it, or null while it has not begun. */
export function provenAt(session: SessionState): number | null {
  const first = session.carrier?.beat.firstPongAt ?? null;
  return first === null ? null : first + pick(PROOF_MS, session.transport.relapses);
}

/** Deadlines of both peers. */
export function peersTick(d: Draft): void {
  const { attempt } = d.session ?? {};
  if (attempt != null && d.now >= attempt.startedAt + ATTEMPT_TIMEOUT_MS) {
    peerDied(d, attempt.id, "connect-timeout", {});
  }
  carrierTick(d);
  const { session } = d;
  if (session === null || session.request.kind !== "approved" || session.caps === null) return;
  const wanted = session.repairAt !== null && d.now >= session.repairAt;
  if (
    wanted && session.attempt === null && d.online && session.agentOnline !== false &&
    session.capsOfSession && webrtcPossible(session.caps, d.state.environment)
  ) {
    if (session.generation > 0) {
      d.note("note", "Trying the direct connection again", { reason: "retry" });
    }
    startAttempt(d);
  }
}

function carrierTick(d: Draft): void {
  const carrier = d.session?.carrier;
  if (carrier == null || carrier.dead || carrier.readyAt === null) return;
  const silentSince = carrier.beat.lastPongAt ?? carrier.readyAt;
  if (carrier.disconnectedAt !== null && d.now >= carrier.disconnectedAt + DISCONNECTED_MS) {
    peerDied(d, carrier.id, "ice-disconnected", {
      disconnectedMs: Math.round(d.now - carrier.disconnectedAt),
    });
  } else if (d.now >= silentSince + PEER_TIMEOUT_MS) {
    peerDied(d, carrier.id, "heartbeat-lost", { silentMs: Math.round(d.now - silentSince) });
  } else if (d.now >= carrier.beat.nextPingAt) {
    const id = carrier.beat.lastId + 1;
    const waitMs = carrier.beat.still ? PEER_STILL_HEARTBEAT_MS : PEER_HEARTBEAT_MS;
    patchPeer(d, carrier.id, {
      beat: { ...carrier.beat, lastId: id, nextPingAt: d.now + waitMs },
    });
    d.emit({
      type: "peer-send",
      peerId: carrier.id,
      text: JSON.stringify({ op: "ping", id, at: d.now }),
    });
  }
}

/** The moments at which a peer wants to be looked at. */
export function peersDeadlines(session: SessionState): (number | null)[] {
  const { attempt, carrier, repairAt } = session;
  const deadlines: (number | null)[] = [repairAt];
  if (attempt !== null) deadlines.push(attempt.startedAt + ATTEMPT_TIMEOUT_MS);
  if (carrier !== null && !carrier.dead && carrier.readyAt !== null) {
    deadlines.push(
      carrier.beat.nextPingAt,
      (carrier.beat.lastPongAt ?? carrier.readyAt) + PEER_TIMEOUT_MS,
      carrier.disconnectedAt === null ? null : carrier.disconnectedAt + DISCONNECTED_MS,
    );
  }
  return deadlines;
}

/** Closes every peer of the session. */
export function closePeers(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  const ids = [session.carrier?.id, session.attempt?.id, ...session.retired];
  for (const peerId of ids) if (peerId !== undefined) d.emit({ type: "peer-close", peerId });
  d.patch({ carrier: null, attempt: null, retired: [], repairAt: null });
}
