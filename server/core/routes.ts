/** The way of a session's diff relay frames, from the state alone: any node may need it. */
import type { Effect } from "./events.ts";
import { agentLinkId, consoleLinkId, type DesktopState, isApproved } from "./state.ts";

export type Route = Extract<Effect, { kind: "route" }>;

/** Null while an end is missing or the agent has not accepted. */
export function routeOf(desktop: DesktopState, sessionId: string): Route | null {
  const session = desktop.sessions[sessionId];
  if (session === undefined || !isApproved(session)) return null;
  const agent = agentLinkId(desktop);
  const viewer = consoleLinkId(session);
  if (agent === null || viewer === null) return null;
  return {
    kind: "route",
    desktopId: desktop.desktopId,
    sessionId,
    agentLinkId: agent,
    consoleLinkId: viewer,
    viewOnly: session.viewOnly,
  };
}
