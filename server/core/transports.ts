/** What the two peers and the console report of the media: PEER_STATE, fallbacks, VIEWER_CONTROL, VIEWER_CHOICE. */
import {
  type CodedError,
  codedError,
  type MessageOf,
  type Reason,
  type Stage,
  type Transport,
} from "@farglass/protocol";
import type { MessageRef } from "./events.ts";
import { recordLayers } from "./layers.ts";
import type { Negotiation, PeerState, SessionState } from "./state.ts";
import {
  announce,
  changeStage,
  headerOf,
  put,
  record,
  reject,
  sendAgent,
  sendConsole,
  type Work,
} from "./work.ts";

interface Source {
  readonly from: "agent" | "console";
  readonly linkId: string;
  readonly ref: MessageRef;
}

/** PEER_STATE: what one end's peer connection says drives connecting, connected and degraded. */
export function onPeerState(
  work: Work,
  before: SessionState,
  source: Source,
  payload: MessageOf<"PEER_STATE">["payload"],
): void {
  const { negotiation } = before;
  const to = { ...source, sessionId: before.sessionId };
  if (payload.generation > negotiation.generation) {
    return reject(work, to, codedError("out-of-state", "no such offer"));
  }
  // The old peer closes while the new one is made: not worth an error.
  if (payload.generation < negotiation.generation) return;
  const { layers: changes = [] } = payload;
  const session = recordLayers(work, before, { peer: source.from, changes });
  const known = source.from === "agent"
    ? { ...negotiation, agentPeer: payload.state }
    : { ...negotiation, consolePeer: payload.state };
  const candidatePair = source.from === "console" && payload.candidatePair !== undefined
    ? payload.candidatePair
    : session.candidatePair;
  const next = { ...session, negotiation: known, candidatePair };
  const target = targetStage(next, payload.state);
  if (target === null) return void put(work, next);
  const settled = target === "connecting" ? next : {
    ...next,
    negotiateByMs: null,
    attempts: target === "connected" ? 0 : next.attempts,
  };
  changeStage(work, settled, target, payload.reason ?? reasonOf(target, payload.state));
}

/** The stage that the two peers' words lead to, the last being `said`; null when it stays. */
function targetStage(session: SessionState, said: PeerState): Stage | null {
  const { stage, negotiation } = session;
  const word = summaryOf(negotiation);
  if (word === "connected") {
    const from: readonly Stage[] = ["answered", "connecting", "degraded", "restarting", "fallback"];
    const answered = negotiation.answered === negotiation.generation;
    // An old "connected" of the other end does not end a fallback.
    return said === "connected" && answered && from.includes(stage) ? "connected" : null;
  }
  if (word === "connecting") return stage === "answered" ? "connecting" : null;
  if (word === "broken") {
    const from: readonly Stage[] = [
      "offered",
      "answered",
      "connecting",
      "connected",
      "restarting",
    ];
    return from.includes(stage) ? brokenStage(session) : null;
  }
  return null;
}

function summaryOf(negotiation: Negotiation): "connected" | "connecting" | "broken" | null {
  const words = [negotiation.agentPeer, negotiation.consolePeer];
  if (words.some((w) => w === "failed" || w === "disconnected" || w === "closed")) return "broken";
  if (words.includes("connected")) return "connected";
  return words.includes("connecting") ? "connecting" : null;
}

function reasonOf(stage: Stage, state: PeerState): Reason {
  if (stage === "connecting") return "ice-checking";
  if (stage === "connected") return "peer-connected";
  if (state === "failed") return "ice-failed";
  return state === "closed" ? "channel-closed" : "ice-disconnected";
}

/** Where a session goes whose peer connection does not work: what still shows a picture decides. */
export const brokenStage = (session: SessionState): "fallback" | "degraded" =>
  session.transport === "diff-ws" ? "fallback" : "degraded";

/** From the best transport to the last resort. */
const RANK: Readonly<Record<Transport, number>> = {
  hybrid: 0,
  rtp: 1,
  "diff-dc": 2,
  "diff-ws": 3,
  none: 4,
};

type ChangeType = "DESKTOP_TRANSPORT_FALLBACK" | "DESKTOP_TRANSPORT_RESTORED";

/** The console's report of a switch: checked, recorded, and answered with the recorded event. */
export function onTransportChange(
  work: Work,
  session: SessionState,
  source: Source,
  report: { readonly type: ChangeType; readonly payload: MessageOf<ChangeType>["payload"] },
): void {
  const error = judge(work, session, report);
  if (error !== null) return reject(work, { ...source, sessionId: session.sessionId }, error);
  const { type } = report;
  const change = { ...report.payload, at: plausibleTime(report.payload.at, work.now) };
  const { to, from, reason } = change;
  let next: SessionState = { ...session, transport: to };
  const initial = type === "DESKTOP_TRANSPORT_RESTORED" && from === "none";
  if (!initial) {
    next = record(work, next, { type, ...change });
    sendConsole(work, next, { type, ...headerOf(session), payload: change });
  }
  if (to === "diff-ws") next = { ...next, negotiateByMs: null };
  if (to === "diff-ws" && next.stage !== "fallback") {
    changeStage(work, next, "fallback", reason);
  } else if (
    to !== "diff-ws" && next.stage === "fallback" && summaryOf(next.negotiation) === "connected"
  ) changeStage(work, next, "connected", reason);
  else if (initial) announce(work, next, next.stage, reason);
  else put(work, next);
}

/** The console saw it happen, so its time stands, unless its clock is plainly wrong. */
const plausibleTime = (at: number, now: number): number =>
  Math.abs(at - now) <= MAX_CLOCK_SKEW_MS ? at : now;
const MAX_CLOCK_SKEW_MS = 5_000;

function judge(
  work: Work,
  session: SessionState,
  report: { readonly type: ChangeType; readonly payload: MessageOf<ChangeType>["payload"] },
): CodedError | null {
  const { from, to, reason } = report.payload;
  const { policy } = work.desktop.caps;
  if (session.stage === "requested") return codedError("out-of-state", "not approved");
  if (to === "none" || from === to) return codedError("malformed", "from and to");
  if ((to === "rtp" || to === "hybrid") && policy.diffOnly) {
    return codedError("caps-mismatch", "diff only");
  }
  if (to !== "rtp" && policy.videoOnly) return codedError("caps-mismatch", "video only");
  if (to !== "diff-ws" && session.negotiation.answered === 0) {
    return codedError("out-of-state", "no answered offer");
  }
  const chosen = reason === "operator-choice" || reason === "policy" || from === "none";
  const down = RANK[to] > RANK[from];
  if (!chosen && down !== (report.type === "DESKTOP_TRANSPORT_FALLBACK")) {
    return codedError("malformed", "direction");
  }
  return null;
}

/** A control message of one end for the other, where there is no data channel. */
export function onViewerControl(
  work: Work,
  session: SessionState,
  source: Source,
  payload: MessageOf<"VIEWER_CONTROL">["payload"],
): void {
  if (session.stage === "requested") {
    return reject(work, { ...source, sessionId: session.sessionId }, "out-of-state");
  }
  const draft = { type: "VIEWER_CONTROL", ...headerOf(session), payload } as const;
  if (source.from === "console") return sendAgent(work, draft);
  sendConsole(work, session, draft);
  if (payload.op === "selected" && payload.transport !== session.selected) {
    put(work, { ...session, selected: payload.transport });
  }
}

/** What the operator listens to; which display is shown concerns nobody here but the audit. */
export function onViewerChoice(
  work: Work,
  session: SessionState,
  source: Source,
  payload: MessageOf<"VIEWER_CHOICE">["payload"],
): void {
  if (session.stage === "requested") {
    return reject(work, { ...source, sessionId: session.sessionId }, "out-of-state");
  }
  if (payload.kind !== "sound" || payload.on === (session.listening ?? false)) return;
  put(work, { ...session, listening: payload.on });
}
