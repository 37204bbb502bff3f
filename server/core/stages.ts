/** Which stage may follow which; a broken rule is a broken invariant and throws. */
import type { Stage } from "@farglass/protocol";

const REPAIR = ["restarting", "fallback", "closed", "failed"] as const;

/** Every legal edge of a session's WebRTC state (design section 3). */
export const STAGE_EDGES: Readonly<Record<Stage, readonly Stage[]>> = {
  requested: ["approved", "closed", "failed"],
  approved: ["offered", ...REPAIR],
  offered: ["answered", "degraded", ...REPAIR],
  answered: ["connecting", "connected", "degraded", ...REPAIR],
  connecting: ["connected", "degraded", ...REPAIR],
  connected: ["degraded", ...REPAIR],
  degraded: ["connected", ...REPAIR],
  restarting: ["answered", "connected", "degraded", "fallback", "closed", "failed"],
  // A session that began on the diff relay makes its first offer from here.
  fallback: ["offered", "connected", "degraded", "restarting", "closed", "failed"],
  closed: [],
  failed: [],
};

export const isLegalEdge = (from: Stage, to: Stage): boolean => STAGE_EDGES[from].includes(to);

/** Stages in which the session is over. */
export const isTerminal = (stage: Stage): boolean => stage === "closed" || stage === "failed";

/** Stages in which a connection is being made and must come about in time. */
export const isNegotiating = (stage: Stage): boolean =>
  stage === "approved" || stage === "offered" || stage === "answered" || stage === "connecting" ||
  stage === "restarting";
