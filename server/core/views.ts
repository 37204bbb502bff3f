/** What the outside sees of the state: the desktop list and the REST documents. */
import type { DesktopSummary } from "@farglass/protocol";
import type { DesktopState, EndedSession, SessionState } from "./state.ts";
import { traceIdOf } from "./trace.ts";

/** One entry of DESKTOP_LIST. */
export function summaryOf(desktop: DesktopState): DesktopSummary {
  const { agent, caps, link } = desktop;
  const display = caps.displays.find((d) => d.primary) ?? caps.displays[0];
  return {
    desktopId: desktop.desktopId,
    agentId: agent.agentId,
    name: caps.name,
    hostname: agent.hostname,
    os: agent.os,
    online: link.at === "online",
    viewers: Object.values(desktop.sessions).filter((s) => s.stage !== "requested").length,
    width: display.width,
    height: display.height,
    capture: caps.capture,
    policy: caps.policy,
    since: link.sinceMs,
  };
}

/** Characters of a DESKTOP_LIST payload that surely fit into an envelope. */
const MAX_LIST_CHARACTERS = 60_000;
const MAX_LIST_ENTRIES = 256;

/** All desktops, online ones first, then by name; what does not fit into one message is left out. */
export function desktopList(desktops: readonly DesktopSummary[]): DesktopSummary[] {
  const all = [...desktops].sort((a, b) =>
    Number(b.online) - Number(a.online) || compare(a.name, b.name) ||
    compare(a.desktopId, b.desktopId)
  );
  const list: DesktopSummary[] = [];
  let characters = 0;
  for (const summary of all.slice(0, MAX_LIST_ENTRIES)) {
    // Escapes in JSON count, and bytes beyond ASCII are at most three per UTF-16 unit.
    characters += JSON.stringify(summary).replace(/[^\x20-\x7e]/g, "___").length + 1;
    if (characters > MAX_LIST_CHARACTERS) break;
    list.push(summary);
  }
  return list;
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;

/** `/agents`: agents with their desktops. */
export function agentViews(desktops: readonly DesktopState[]) {
  const byAgent = new Map<string, DesktopState[]>();
  for (const desktop of desktops) {
    const { agentId } = desktop.agent;
    byAgent.set(agentId, [...byAgent.get(agentId) ?? [], desktop]);
  }
  return [...byAgent.values()].map((own) => {
    const { agentId, name, hostname, os, software } = own[0].agent;
    return {
      agentId,
      name,
      hostname,
      os,
      software,
      online: own.some((d) => d.link.at === "online"),
      desktops: own.map((d) => ({ ...summaryOf(d), caps: d.caps })),
    };
  });
}

/** `/sessions`: one live session, without signals or candidates. */
export const sessionView = (session: SessionState) => ({
  sessionId: session.sessionId,
  desktopId: session.desktopId,
  operator: session.operator.name,
  stage: session.stage,
  transport: session.transport,
  createdAt: session.createdAtMs,
  stageSince: session.stageSinceMs,
  retries: session.retries,
  viewOnly: session.viewOnly,
  generation: session.negotiation.generation,
  candidatePair: session.candidatePair,
  lastCandidate: session.negotiation.lastCandidate ?? null,
  consoleOnline: session.console.at === "online",
  traceId: traceIdOf(session),
  ended: null,
});

/** `/sessions`: one ended session. */
export const endedView = (session: EndedSession) => ({
  sessionId: session.sessionId,
  desktopId: session.desktopId,
  operator: session.operator.name,
  stage: session.stage,
  createdAt: session.createdAtMs,
  retries: session.retries,
  traceId: traceIdOf(session),
  ended: { at: session.endedAtMs, reason: session.reason, by: session.by },
});
