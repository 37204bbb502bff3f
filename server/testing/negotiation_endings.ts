/** The part of the negotiation's table that is about ends: by somebody, by a link, by time. */
import { DEFAULT_POLICY } from "../core/policy.ts";
import { AGENT_LINK, CONSOLE_LINK, on } from "./controller_driver.ts";
import { type Group, row } from "./negotiation_rows.ts";

export const ENDINGS: readonly Group[] = [
  {
    title: "Ends",
    text:
      "DESKTOP_KILL ends a session in every stage, for both sides, its relay and its credentials.",
    rows: [
      row("kill", "By REST.", () => on.kill(), "closed*9 !session-ended*2"),
      row(
        "kill desktop",
        "By REST, all sessions and the desktop.",
        () => on.kill(null),
        "closed*9 =*2",
      ),
      row(
        "agent kill",
        "The owner stops the session.",
        () => on.agentKill("session"),
        "closed*9 !session-ended*2",
      ),
      row(
        "agent kill desktop",
        "The owner shares the desktop no longer.",
        () => on.agentKill("desktop"),
        "closed*9 =*2",
      ),
      row(
        "offer after kill",
        "Nothing brings a session back.",
        (g) => [on.kill(), on.offer(g + 1)],
        "!session-ended*11",
      ),
      row("console ends", "", () => on.ended("console"), "closed*9 =*2"),
      row("agent ends", "", () => on.ended("agent", "owner-stopped"), "closed*9 =*2"),
      row(
        "agent error",
        "The console is told what the agent could not do; the session goes on.",
        () => on.agentError(),
        "=*11",
      ),
      row(
        "agent error by stranger",
        "",
        () => on.agentError("other-link"),
        "=*11",
      ),
      row("agent fails", "", () => on.ended("agent", "agent-lost"), "failed*9 =*2"),
    ],
  },
  {
    title: "Links",
    text: "A link that breaks is waited for; one that is gone ends its sessions.",
    rows: [
      row("agent lost", "", () => on.link(AGENT_LINK, "lost"), "=*11"),
      row("agent gone", "", () => on.link(AGENT_LINK, "gone"), "failed*9 =*2"),
      row(
        "agent replaced",
        "The agent was restarted.",
        () => on.link(AGENT_LINK, "replaced"),
        "failed*9 =*2",
      ),
      row("console lost", "", () => on.link(CONSOLE_LINK, "lost"), "=*11"),
      row("console gone", "", () => on.link(CONSOLE_LINK, "gone"), "failed*9 =*2"),
      row(
        "console replaced",
        "Its page was loaded anew and does not resume its link.",
        () => on.link(CONSOLE_LINK, "replaced"),
        "failed*9 =*2",
      ),
      row(
        "agent back in time",
        "What waited for it is sent.",
        () => [on.link(AGENT_LINK, "lost"), on.link(AGENT_LINK, "resumed")],
        "=*11",
        { afterMs: DEFAULT_POLICY.resumeMs - 1 },
      ),
      row(
        "console back in time",
        "",
        () => [on.link(CONSOLE_LINK, "lost"), on.link(CONSOLE_LINK, "resumed")],
        "=*11",
        { afterMs: DEFAULT_POLICY.resumeMs - 1 },
      ),
    ],
  },
  {
    title: "Time that passes",
    text:
      "Nothing waits for ever: each wait has an end, and a session whose picture comes is not " +
      "ended by one of the negotiation.",
    rows: [
      row(
        "no connection in time",
        "Neither an offer after the approval, nor a connection after an offer.",
        () => on.tick,
        "= failed*4 =*2 degraded =*3",
        { afterMs: DEFAULT_POLICY.negotiationMs },
      ),
      row(
        "no decision in time",
        "The agent has asked its owner in vain.",
        () => on.tick,
        "failed*5 =*2 degraded =*3",
        { afterMs: DEFAULT_POLICY.consentMs },
      ),
      row(
        "agent lost for too long",
        "",
        () => [on.link(AGENT_LINK, "lost"), on.tick],
        "failed*9 =*2",
        { afterMs: DEFAULT_POLICY.resumeMs },
      ),
      row(
        "console lost for too long",
        "",
        () => [on.link(CONSOLE_LINK, "lost"), on.tick],
        "failed*9 =*2",
        { afterMs: DEFAULT_POLICY.resumeMs },
      ),
    ],
  },
];
