/** Which ends are there: DESKTOP_CAPS of agents, links that break, come back and die. */
import type { ControllerEvent } from "./events.ts";
import { capsChanged } from "./capability.ts";
import { presence, sourceIn } from "./sessions.ts";
import { flush } from "./signals.ts";
import type { DesktopState, SessionState } from "./state.ts";
import {
  endSession,
  headerOf,
  put,
  record,
  reject,
  route,
  sendConsole,
  type Work,
} from "./work.ts";

type EventOf<K extends ControllerEvent["kind"]> = Extract<ControllerEvent, { kind: K }>;

/** The first DESKTOP_CAPS of a desktop makes it known. */
export function newDesktop(event: EventOf<"caps">, now: number): DesktopState {
  return {
    desktopId: event.desktopId,
    agent: event.agent,
    caps: event.caps,
    link: { at: "online", linkId: event.linkId, sinceMs: now },
    sessions: {},
    ended: [],
  };
}

/** DESKTOP_CAPS of a desktop that is known already. */
export function onCaps(work: Work, event: EventOf<"caps">): void {
  const { desktop, now } = work;
  const { link } = desktop;
  if (desktop.agent.agentId !== event.agent.agentId && link.at !== "gone") {
    const to = { linkId: event.linkId, ref: event.ref, sessionId: null };
    return reject(work, to, "forbidden");
  }
  if (link.at !== "gone" && link.linkId !== event.linkId) endAll(work, "agent-restarted");
  const sinceMs = link.at === "online" && link.linkId === event.linkId ? link.sinceMs : now;
  work.desktop = {
    ...work.desktop,
    agent: event.agent,
    caps: event.caps,
    link: { at: "online", linkId: event.linkId, sinceMs },
  };
  for (const session of Object.values(work.desktop.sessions)) capsChanged(work, session);
  work.effects.push({ kind: "desktops-changed" });
}

/** A link's change, for the desktop's agent or for any of its consoles. */
export function onLink(work: Work, event: EventOf<"link">): void {
  const { link } = work.desktop;
  if (link.at !== "gone" && link.linkId === event.linkId) onAgentLink(work, event.change);
  for (const session of Object.values(work.desktop.sessions)) {
    if (session.console.at === "unattached" || session.console.linkId !== event.linkId) continue;
    onConsoleLink(work, session, event);
  }
}

function onAgentLink(work: Work, change: EventOf<"link">["change"]): void {
  const { desktop, now } = work;
  if (desktop.link.at === "gone") return;
  const { linkId } = desktop.link;
  switch (change) {
    case "lost":
      if (desktop.link.at === "away") return;
      work.desktop = { ...desktop, link: { at: "away", linkId, sinceMs: now } };
      return agentPresence(work, false);
    case "resumed":
      if (desktop.link.at === "online") return;
      work.desktop = { ...desktop, link: { at: "online", linkId, sinceMs: now } };
      return agentPresence(work, true);
    case "gone":
    case "replaced":
      work.desktop = { ...desktop, link: { at: "gone", sinceMs: now } };
      endAll(work, change === "gone" ? "agent-lost" : "agent-restarted");
      work.effects.push({ kind: "desktops-changed" });
      return;
  }
}

function agentPresence(work: Work, online: boolean): void {
  for (const session of Object.values(work.desktop.sessions)) {
    const payload = { peer: "agent", online } as const;
    sendConsole(work, session, { type: "PEER_PRESENCE", ...headerOf(session), payload });
    const next = record(work, session, { type: "PEER_PRESENCE", at: work.now, ...payload });
    if (online) put(work, flush(work, next));
  }
  work.effects.push({ kind: "desktops-changed" });
}

/** The agent will not take up its sessions again: it restarted, or it stayed away too long. */
export function endAll(work: Work, reason: "agent-lost" | "agent-restarted"): void {
  for (const session of Object.values(work.desktop.sessions)) {
    endSession(work, session, { stage: "failed", reason, by: "server", tell: ["console"] });
  }
}

function onConsoleLink(
  work: Work,
  session: SessionState,
  event: EventOf<"link">,
): void {
  if (session.console.at === "unattached") return;
  const { linkId } = session.console;
  const note = (online: boolean) =>
    ({ type: "PEER_PRESENCE", at: work.now, peer: "console", online }) as const;
  switch (event.change) {
    case "lost": {
      if (session.console.at === "away") return;
      const next = { ...session, console: { at: "away", linkId, sinceMs: work.now } } as const;
      record(work, next, note(false));
      return presence(work, next, false);
    }
    case "resumed": {
      if (session.console.at === "online") return;
      const next: SessionState = {
        ...session,
        ...sourceIn(event),
        console: { at: "online", linkId },
      };
      presence(work, next, true);
      put(work, flush(work, record(work, next, note(true))));
      return route(work, next);
    }
    case "gone":
    case "replaced":
      return endSession(work, session, {
        stage: "failed",
        reason: "console-lost",
        by: "server",
        tell: ["agent"],
      });
  }
}
