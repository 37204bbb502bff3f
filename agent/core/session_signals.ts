/** Offers, answers, candidates and peers of a session, by generation. Pure. */
import {
  checkCandidate,
  checkSdp,
  type CodedError,
  codedError,
  MAX_BUFFERED_SIGNALS,
  MAX_LAYER_CHANGES,
  type MessageOf,
  never,
  type Signal,
} from "@farglass/protocol";
import { acceptAddress, type LoopbackPolicy } from "./ice_policy.ts";
import { prepareOffer } from "./offer_sdp.ts";
import {
  type Candidate,
  errorTo,
  type PeerEntry,
  peerStateDraft,
  send,
  type SessionEffect,
  type SessionEntry,
  type SessionEvent,
  type SessionStep,
  type SessionTable,
  withPeer,
  withSession,
} from "./session_types.ts";

/** Negotiations of one session that may overlap. */
const MAX_PEERS = 3;

// --- signals --------------------------------------------------------------------------------

export function onSignal(
  table: SessionTable,
  session: SessionEntry,
  message: MessageOf<"DESKTOP_WEBRTC_SIGNAL">,
): SessionStep {
  const signal = message.payload;
  const refuse = (error: CodedError): SessionStep => [
    table,
    [errorTo(table, session.sessionId, error, message)],
  ];
  if (session.decision !== "accepted") return refuse(codedError("out-of-state"));
  const peer = session.peers.find((p) => p.generation === signal.generation);
  switch (signal.kind) {
    case "offer": {
      if (!session.webrtc) return refuse(codedError("webrtc-disabled"));
      if (signal.generation === session.newestGeneration) return refuse(codedError("duplicate"));
      if (signal.generation < session.newestGeneration) {
        return refuse(codedError("stale-generation"));
      }
      return onOffer(table, session, signal, refuse);
    }
    case "ice-candidate": {
      const checked = checkCandidate(signal.candidate);
      if (!checked.ok) return refuse(checked.error);
      if (!acceptAddress(checked.value.address, table)) return [table, []];
      const { candidate, sdpMid, sdpMLineIndex } = signal;
      return onRemoteCandidate(table, session, peer, { candidate, sdpMid, sdpMLineIndex }, refuse);
    }
    case "ice-end":
      return onRemoteCandidate(table, session, peer, null, refuse);
    case "restart":
      if (peer === undefined) return [table, []];
      return dropPeers(table, session, (p) => p.generation <= signal.generation);
    case "answer":
      return refuse(codedError("out-of-state", "the agent answers, it does not offer"));
    default:
      return never(signal);
  }
}

function onOffer(
  table: SessionTable,
  session: SessionEntry,
  signal: Extract<Signal, { kind: "offer" }>,
  refuse: (error: CodedError) => SessionStep,
): SessionStep {
  const checked = checkSdp(signal.sdp);
  if (!checked.ok) return refuse(checked.error);
  const { videoCodecs } = table;
  if (
    videoCodecs.length > 0 && checked.value.media.includes("video") &&
    prepareOffer(signal.sdp, { videoCodecs }).video === null
  ) return refuse(codedError("caps-mismatch", "no video format in common"));
  const { sessionId } = session;
  // The newest connected peer stays until the new one connects; others have no use any more.
  const connected = session.peers.findLast((p) => p.state === "connected");
  const [cleared, effects] = dropPeers(
    table,
    session,
    (p) => p !== connected || session.peers.length >= MAX_PEERS,
  );
  const current = cleared.sessions.get(sessionId) ?? session;
  const peer: PeerEntry = {
    generation: signal.generation,
    state: "answering",
    layers: [],
    remote: [],
    local: [],
  };
  return [
    withSession(cleared, {
      ...current,
      peers: [...current.peers, peer],
      newestGeneration: signal.generation,
    }),
    [...effects, {
      kind: "open-peer",
      sessionId,
      generation: signal.generation,
      sdp: withoutForeignCandidates(signal.sdp, table),
      iceServers: session.iceServers,
      relayOnly: session.relayOnly || table.relayOnly,
    }],
  ];
}

/** Candidates inside an offer obey the same rule as those that come alone. */
function withoutForeignCandidates(sdp: string, policy: LoopbackPolicy): string {
  return sdp.split(/(?<=\n)/).filter((line) => {
    if (!line.startsWith("a=candidate:")) return true;
    const checked = checkCandidate(line.slice(2).trimEnd());
    return checked.ok && acceptAddress(checked.value.address, policy);
  }).join("");
}

function onRemoteCandidate(
  table: SessionTable,
  session: SessionEntry,
  peer: PeerEntry | undefined,
  candidate: Candidate | null,
  refuse: (error: CodedError) => SessionStep,
): SessionStep {
  // Late ones of an older negotiation are normal; the peer they were for is gone.
  if (peer === undefined) return [table, []];
  if (peer.state !== "answering") {
    return [table, [{
      kind: "add-candidate",
      sessionId: session.sessionId,
      generation: peer.generation,
      candidate,
    }]];
  }
  if (peer.remote.length >= MAX_BUFFERED_SIGNALS) return refuse(codedError("buffer-full"));
  const waiting = { ...peer, remote: [...peer.remote, candidate] };
  return [withSession(table, withPeer(session, waiting)), []];
}

function dropPeers(
  table: SessionTable,
  session: SessionEntry,
  which: (peer: PeerEntry) => boolean,
): SessionStep {
  const dropped = session.peers.filter(which);
  if (dropped.length === 0) return [table, []];
  const peers = session.peers.filter((p) => !dropped.includes(p));
  return [
    withSession(table, { ...session, peers }),
    dropped.map((p): SessionEffect => ({
      kind: "close-peer",
      sessionId: session.sessionId,
      generation: p.generation,
    })),
  ];
}

// --- our peers ------------------------------------------------------------------------------

function findPeer(
  table: SessionTable,
  sessionId: string,
  generation: number,
): { session: SessionEntry; peer: PeerEntry } | null {
  const session = table.sessions.get(sessionId);
  const peer = session?.peers.find((p) => p.generation === generation);
  return session === undefined || peer === undefined ? null : { session, peer };
}

function signalDraft(table: SessionTable, sessionId: string, payload: Signal): SessionEffect {
  return send({ type: "DESKTOP_WEBRTC_SIGNAL", desktopId: table.desktopId, sessionId, payload });
}

const candidateSignal = (generation: number, candidate: Candidate | null): Signal =>
  candidate === null
    ? { kind: "ice-end", generation }
    : { kind: "ice-candidate", generation, ...candidate };

export function onAnswered(
  table: SessionTable,
  sessionId: string,
  generation: number,
  sdp: string,
): SessionStep {
  const found = findPeer(table, sessionId, generation);
  if (found === null || found.session.orphanUntilMs !== null) return [table, []];
  const { session, peer } = found;
  const state = peer.state === "answering" ? "answered" : peer.state;
  return [
    withSession(table, withPeer(session, { ...peer, state, remote: [], local: [] })),
    [
      signalDraft(table, sessionId, { kind: "answer", generation, sdp }),
      ...peer.local.map((c) => signalDraft(table, sessionId, candidateSignal(generation, c))),
      ...peer.remote.map((candidate): SessionEffect => ({
        kind: "add-candidate",
        sessionId,
        generation,
        candidate,
      })),
    ],
  ];
}

export function onLocalCandidate(
  table: SessionTable,
  sessionId: string,
  generation: number,
  candidate: Candidate | null,
): SessionStep {
  const found = findPeer(table, sessionId, generation);
  if (found === null || found.session.orphanUntilMs !== null) return [table, []];
  const { session, peer } = found;
  if (peer.state !== "answering") {
    return [table, [signalDraft(table, sessionId, candidateSignal(generation, candidate))]];
  }
  if (peer.local.length >= MAX_BUFFERED_SIGNALS) return [table, []];
  const waiting = { ...peer, local: [...peer.local, candidate] };
  return [withSession(table, withPeer(session, waiting)), []];
}

export function onPeerError(
  table: SessionTable,
  sessionId: string,
  generation: number,
): SessionStep {
  const found = findPeer(table, sessionId, generation);
  if (found === null) return [table, []];
  const [next, effects] = dropPeers(table, found.session, (p) => p.generation === generation);
  if (found.session.orphanUntilMs !== null) return [next, effects];
  return [next, [
    ...effects,
    errorTo(table, sessionId, codedError("peer-failed"), null),
    peerStateDraft(table, sessionId, generation, { state: "failed" }),
  ]];
}

type PeerNews<K extends "peer-state" | "peer-layer"> = Omit<
  Extract<SessionEvent, { kind: K }>,
  "kind"
>;

/** Kept until the next word about the peer's state: no message of its own is worth it. */
export function onPeerLayer(
  table: SessionTable,
  { sessionId, generation, change }: PeerNews<"peer-layer">,
  now: number,
): SessionStep {
  const found = findPeer(table, sessionId, generation);
  if (found === null || found.peer.layers.length >= MAX_LAYER_CHANGES) return [table, []];
  const { session, peer } = found;
  const layers = [...peer.layers, { ...change, atMs: now }];
  return [withSession(table, withPeer(session, { ...peer, layers })), []];
}

export function onPeerState(
  table: SessionTable,
  { sessionId, generation, state }: PeerNews<"peer-state">,
  now: number,
): SessionStep {
  const found = findPeer(table, sessionId, generation);
  if (found === null || found.peer.state === state) return [table, []];
  const { session, peer } = found;
  const next = peer.state === "answering" && state === "connecting" ? peer.state : state;
  const told = session.orphanUntilMs === null;
  const layers = told ? [] : peer.layers;
  const updated = withPeer(session, { ...peer, state: next, layers });
  const report = told
    ? [peerStateDraft(table, sessionId, generation, { state, layers: peer.layers, now })]
    : [];
  const over = (p: PeerEntry) =>
    state === "connected"
      ? p.generation < generation
      : (state === "failed" || state === "closed") && p.generation === generation;
  const [after, effects] = dropPeers(withSession(table, updated), updated, over);
  return [after, [...report, ...effects]];
}
