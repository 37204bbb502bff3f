/** Everything that happens because time passed. */
import { consentTimeout } from "./sessions.ts";
import { endAll } from "./presence.ts";
import type { ControllerPolicy } from "./policy.ts";
import { isNegotiating } from "./stages.ts";
import type { DesktopState, SessionState } from "./state.ts";
import { brokenStage } from "./transports.ts";
import { withoutFuture } from "./future_times.ts";
import { changeStage, endSession, issueCaps, put, type Work } from "./work.ts";

/** The next moment at which `tick` would do something, in Unix ms; null when never. */
export function deadlineOf(
  desktop: DesktopState,
  policy: ControllerPolicy,
  now: number,
): number | null {
  if (withoutFuture(desktop, policy, now) !== desktop) return now;
  const times: number[] = [];
  if (desktop.link.at === "away") times.push(desktop.link.sinceMs + policy.resumeMs);
  if (desktop.link.at === "gone") times.push(desktop.link.sinceMs + policy.forgetDesktopMs);
  for (const session of Object.values(desktop.sessions)) {
    for (const at of [session.consentByMs, session.negotiateByMs, session.rotateAtMs]) {
      if (at !== null) times.push(at);
    }
    const wait = consoleWait(session, policy);
    if (wait !== null) times.push(wait);
  }
  return times.length === 0 ? null : Math.min(...times);
}

function consoleWait(session: SessionState, policy: ControllerPolicy): number | null {
  if (session.console.at === "away") return session.console.sinceMs + policy.resumeMs;
  if (session.console.at === "unattached") return session.console.sinceMs + policy.attachMs;
  return null;
}

/** Runs what is due. Returns false when the desktop itself is to be forgotten. */
export function onTick(work: Work): boolean {
  const { now, policy } = work;
  work.desktop = withoutFuture(work.desktop, policy, now);
  const { link } = work.desktop;
  if (link.at === "away" && link.sinceMs + policy.resumeMs <= now) {
    work.desktop = { ...work.desktop, link: { at: "gone", sinceMs: now } };
    endAll(work, "agent-lost");
    work.effects.push({ kind: "desktops-changed" });
    return true;
  }
  if (link.at === "gone" && link.sinceMs + policy.forgetDesktopMs <= now) {
    work.effects.push({ kind: "desktops-changed" });
    return false;
  }
  for (const session of Object.values(work.desktop.sessions)) tickSession(work, session);
  return true;
}

function tickSession(work: Work, session: SessionState): void {
  const due = (at: number | null) => at !== null && at <= work.now;
  if (due(consoleWait(session, work.policy))) {
    return endSession(work, session, {
      stage: "failed",
      reason: "console-lost",
      by: "server",
      tell: ["agent"],
    });
  }
  if (due(session.consentByMs)) return consentTimeout(work, session);
  let next = session;
  if (due(next.rotateAtMs)) next = put(work, issueCaps(work, next));
  if (due(next.negotiateByMs)) onNegotiationDeadline(work, { ...next, negotiateByMs: null });
}

/** No connection in time: what shows a picture goes on; a session without any is over. */
function onNegotiationDeadline(work: Work, session: SessionState): void {
  const reason = "negotiation-deadline";
  if (!isNegotiating(session.stage)) return void put(work, session);
  if (session.transport !== "none") {
    // Approved sessions with a picture have left that stage, so the edge exists.
    return void changeStage(work, session, brokenStage(session), reason);
  }
  if (session.selected === "diff-ws") {
    return void changeStage(work, { ...session, transport: "diff-ws" }, "fallback", reason);
  }
  endSession(work, session, {
    stage: "failed",
    reason,
    by: "server",
    tell: ["console", "agent"],
  });
}
