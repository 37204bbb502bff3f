/** What a live session does when its desktop's abilities or policy change under it. */
import type { SessionState } from "./state.ts";
import { onRestart } from "./signals.ts";
import { brokenStage } from "./transports.ts";
import { changeStage, issueCaps, put, route, type Work } from "./work.ts";

/** `work.desktop.caps` is new: both ends are told, and what they can no longer do is given up. */
export function capsChanged(work: Work, session: SessionState): void {
  let next = session;
  // A policy that grew stricter binds at once; one that was relaxed widens no earlier decision.
  const tighter = work.desktop.caps.policy.viewOnly && !session.viewOnly;
  if (tighter) next = put(work, { ...next, viewOnly: true });
  if (next.stage === "requested") return;
  next = put(work, issueCaps(work, next));
  if (tighter) route(work, next);
  if (!work.desktop.caps.transports.includes("webrtc")) return withoutWebrtc(work, next);
  if (lostCodec(work, next)) {
    const { generation } = next.negotiation;
    const given = { ...next, negotiation: { ...next.negotiation, videoCodecs: [] } };
    onRestart(work, given, "agent", { kind: "restart", generation, reason: "caps-changed" });
  }
}

/** A negotiation that cannot end well is given up; a connection that stands is the agent's to end. */
function withoutWebrtc(work: Work, session: SessionState): void {
  const { stage } = session;
  const open = stage === "offered" || stage === "answered" || stage === "connecting" ||
    stage === "restarting";
  if (!open) return;
  const next = { ...session, toAgent: [], toConsole: [], negotiateByMs: null };
  changeStage(work, next, brokenStage(next), "webrtc-unavailable");
}

/** Whether the agent can no longer encode anything that the last offer takes. */
function lostCodec(work: Work, session: SessionState): boolean {
  const { encoders, policy } = work.desktop.caps;
  const { videoCodecs } = session.negotiation;
  return videoCodecs.length > 0 && !policy.diffOnly &&
    !encoders.some((e) => videoCodecs.includes(e.codec.toUpperCase()));
}
