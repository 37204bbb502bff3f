/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import * as v from "valibot";
import { type EventDraft, securityEventSchema } from "@farglass/protocol";
import {
  AGENT,
  CONSOLE_LINK,
  ControllerDriver,
  DESKTOP,
  on,
  SCRIPTS,
  SESSION,
} from "../../testing/controller_driver.ts";
import { CAPS, sampleCandidate } from "../../testing/samples.ts";
import type { ControllerEvent } from "../events.ts";
import type { EventOrigin } from "./drafts.ts";
import { stepEvents } from "./step_events.ts";

const AGENT_ORIGIN: EventOrigin = {
  actor: { kind: "agent", id: AGENT, name: "test agent" },
  source: { address: "192.0.2.5" },
};
const CONSOLE_ORIGIN: EventOrigin = {
  actor: { kind: "operator", id: "op", name: "operator" },
  source: { address: "192.0.2.9", userAgent: "browser" },
};

const originOf = (event: ControllerEvent): EventOrigin | null => {
  if (event.kind === "tick") return null;
  if (event.kind === "caps" || event.kind === "agent-error") return AGENT_ORIGIN;
  if (event.kind === "message") return event.from === "agent" ? AGENT_ORIGIN : CONSOLE_ORIGIN;
  return CONSOLE_ORIGIN;
};

/** Runs events one by one; each one must make valid events. */
function tell(driver: ControllerDriver, ...events: readonly ControllerEvent[]): EventDraft[] {
  return events.flatMap((heard) => {
    const event = heard.kind === "request" ? { ...heard, source: CONSOLE_ORIGIN.source } : heard;
    const before = driver.desktop;
    driver.run(event);
    const { desktop: after, effects, now } = driver;
    const told = stepEvents({
      before,
      after,
      event,
      effects,
      origin: originOf(event),
      now,
      ttlSeconds: 600,
    });
    for (const draft of told) {
      const whole = { ...draft, id: "55555555-5555-4555-8555-555555555555", node: "n" };
      assert.deepEqual(v.parse(securityEventSchema, whole), whole, draft.action);
    }
    return [...told];
  });
}

const actions = (drafts: readonly EventDraft[]) =>
  drafts.map((d) => d.action === "desktop-webrtc-state" ? d.details.stage : d.action);
const only = <A extends EventDraft["action"]>(drafts: readonly EventDraft[], action: A) =>
  drafts.filter((d): d is Extract<EventDraft, { action: A }> => d.action === action);

Deno.test("stepEvents: a whole session", () => {
  const driver = new ControllerDriver({ credentialTtlMs: 600_000 });
  const told = tell(driver, ...SCRIPTS.connected);
  driver.now += 5_000;
  told.push(
    ...tell(
      driver,
      on.restored("none", "rtp"),
      on.fallback("rtp", "diff-ws"),
      on.restored("diff-ws", "rtp"),
    ),
  );
  driver.now += 60_000;
  told.push(...tell(driver, on.ended("console")));
  assert.deepEqual(actions(told), [
    "session-requested",
    "requested",
    "session-decided",
    "approved",
    "turn-credential-issued",
    "offered",
    "answered",
    "connecting",
    "connected",
    "session-started",
    "control-taken",
    "connected",
    "desktop-transport-fallback",
    "fallback",
    "desktop-transport-restored",
    "connected",
    "closed",
    "control-released",
    "session-ended",
    "turn-credential-refused",
  ]);
  for (const draft of told) {
    assert.equal(draft.sessionId, SESSION);
    assert.equal(draft.target?.desktopId, DESKTOP);
    assert.equal(draft.target?.agentId, AGENT);
    assert.equal(draft.operator?.id, "op");
    assert.equal(draft.traceId, SESSION.replaceAll("-", ""));
    assert.deepEqual(draft.policy, CAPS.policy);
    // Whoever's report it was: an operator is never said to be where the agent is.
    const from = draft.actor.kind === "agent" ? AGENT_ORIGIN : CONSOLE_ORIGIN;
    assert.deepEqual(draft.source, from.source, draft.action);
  }
  const by = (action: EventDraft["action"]) => only(told, action).map((e) => e.actor.kind);
  assert.deepEqual(by("desktop-webrtc-state").slice(0, 4), [
    "operator",
    "agent",
    "operator",
    "agent",
  ]);
  for (const action of ["session-started", "control-taken"] as const) {
    assert.deepEqual(by(action), ["operator"]);
  }
  assert.deepEqual(by("turn-credential-issued"), ["server"]);
  const [requested] = only(told, "session-requested");
  assert.deepEqual([requested.actor.kind, requested.source], ["operator", CONSOLE_ORIGIN.source]);
  assert.deepEqual(only(told, "session-decided")[0].actor, AGENT_ORIGIN.actor);
  const [fallback] = only(told, "desktop-transport-fallback");
  assert.deepEqual([fallback.reason, fallback.evidence], ["rtp-stalled", { ms: 1 }]);
  assert.equal(only(told, "control-released")[0].details.heldMs, 65_000);
  const [end] = only(told, "session-ended");
  assert.deepEqual(
    [end.outcome, end.actor.kind, end.reason, end.details.durationMs],
    ["success", "operator", "operator-disconnect", 65_000],
  );
});

Deno.test("stepEvents: an operator who comes back from elsewhere", () => {
  const driver = new ControllerDriver();
  tell(driver, ...SCRIPTS.connected, on.link(CONSOLE_LINK, "lost"));
  const source = { address: "192.0.2.200", userAgent: "another" };
  tell(driver, { kind: "link", linkId: CONSOLE_LINK, change: "resumed", source });
  const [heard] = tell(driver, on.choice({ kind: "sound", on: true }));
  assert.deepEqual([heard.action, heard.source], ["sound-started", source]);
});

Deno.test("stepEvents: a view-only session takes no control", () => {
  const driver = new ControllerDriver();
  const [caps, request] = SCRIPTS.requested;
  const rest = SCRIPTS.connected.slice(3);
  const told = tell(driver, caps, request, on.decision("accept", true), ...rest, on.kill());
  const seen = actions(told);
  assert.ok(seen.includes("session-started"));
  assert.ok(!seen.includes("control-taken") && !seen.includes("control-released"));
});

Deno.test("stepEvents: who ended it", () => {
  const rows: readonly (readonly [ControllerEvent, string, string])[] = [
    [on.ended("console"), "operator", "success"],
    [on.ended("agent", "owner-stopped"), "owner", "success"],
    [on.ended("agent", "agent-restarted"), "agent", "failure"],
    [on.kill(), "operator", "success"],
  ];
  for (const [event, kind, outcome] of rows) {
    const driver = new ControllerDriver();
    tell(driver, ...SCRIPTS.connected);
    const [end] = only(tell(driver, event), "session-ended");
    assert.deepEqual([end.actor.kind, end.outcome], [kind, outcome]);
  }
});

Deno.test("stepEvents: DESKTOP_KILL by REST and by the owner", () => {
  const byRest = new ControllerDriver();
  tell(byRest, ...SCRIPTS.connected);
  const [rest] = only(tell(byRest, on.kill()), "desktop-killed");
  assert.deepEqual([rest.actor, rest.details.scope, rest.sessionId, rest.reason], [
    CONSOLE_ORIGIN.actor,
    "session",
    SESSION,
    "killed",
  ]);
  const byOwner = new ControllerDriver();
  tell(byOwner, ...SCRIPTS.connected);
  const [owner] = only(tell(byOwner, on.agentKill("desktop")), "desktop-killed");
  assert.deepEqual([owner.actor.kind, owner.details.scope], ["owner", "desktop"]);
  const refused = new ControllerDriver();
  tell(refused, on.caps());
  assert.deepEqual(actions(tell(refused, on.kill())), ["message-rejected"]);
});

Deno.test("stepEvents: nobody decides, and the credential is rotated, without a sender", () => {
  const driver = new ControllerDriver({ credentialTtlMs: 600_000 });
  tell(driver, ...SCRIPTS.requested);
  driver.now += 1_000_000;
  const timeout = tell(driver, on.tick);
  const [decision] = only(timeout, "session-decided");
  assert.deepEqual([decision.actor.kind, decision.outcome], ["server", "failure"]);
  assert.equal(only(timeout, "session-ended")[0].actor.kind, "server");
  const lasting = new ControllerDriver({ credentialTtlMs: 600_000 });
  tell(lasting, ...SCRIPTS.connected);
  lasting.now += 500_000;
  assert.deepEqual(actions(tell(lasting, on.tick)), ["turn-credential-rotated"]);
});

Deno.test("stepEvents: limits and other refusals, with who and which message", () => {
  const driver = new ControllerDriver({ maxSessionsPerDesktop: 1 });
  tell(driver, ...SCRIPTS.connected);
  const other = "66666666-6666-4666-8666-666666666666";
  const [limit] = tell(driver, on.request(other, other));
  assert.deepEqual([limit.action, limit.reason, limit.actor.kind], [
    "limit-hit",
    "too-many-sessions",
    "operator",
  ]);
  const [stale] = tell(driver, on.answer(7));
  assert.equal(stale.action, "message-rejected");
  assert.deepEqual(stale.details, { messageType: "DESKTOP_WEBRTC_SIGNAL", count: 1 });
  assert.deepEqual(stale.actor, AGENT_ORIGIN.actor);
  assert.equal(stale.outcome, "failure");
});

Deno.test("stepEvents: the owner's new policy", () => {
  const driver = new ControllerDriver();
  assert.deepEqual(tell(driver, on.caps()), []);
  assert.deepEqual(tell(driver, on.caps()), []);
  const policy = { ...CAPS.policy, viewOnly: true, consent: "ask" as const };
  const [changed] = tell(driver, on.caps({ ...CAPS, policy }));
  assert.deepEqual(changed.details, { scope: "desktop", keys: "policy.viewOnly,policy.consent" });
  assert.deepEqual(changed.policy, policy);
});

Deno.test("stepEvents: control that the owner takes away and gives back", () => {
  const driver = new ControllerDriver();
  tell(driver, ...SCRIPTS.connected);
  driver.now += 7_000;
  const viewOnly = { ...CAPS, policy: { ...CAPS.policy, viewOnly: true } };
  const [released] = only(tell(driver, on.caps(viewOnly)), "control-released");
  assert.deepEqual([released.details.heldMs, released.reason, released.sessionId], [
    7_000,
    "policy",
    SESSION,
  ]);
  const ending = actions(tell(driver, on.ended("console")));
  assert.ok(!ending.includes("control-released"), "it was released before");
});

Deno.test("stepEvents: descriptions and candidates are in no event", () => {
  const driver = new ControllerDriver();
  const told = tell(
    driver,
    ...SCRIPTS.answered,
    on.candidate("console", 1),
    on.candidate("agent", 1),
    on.offer(1),
    on.peer("console", "failed"),
    on.kill(),
  );
  const text = JSON.stringify(told);
  for (const secret of ["v=0", "fingerprint", sampleCandidate(40_000), "candidate:"]) {
    assert.ok(!text.includes(secret), secret);
  }
});

Deno.test("stepEvents: who listens to the desktop, until the session's end", () => {
  const driver = new ControllerDriver();
  tell(driver, ...SCRIPTS.connected);
  const sound = (on_: boolean) => on.choice({ kind: "sound", on: on_ });
  const [started, ...more] = tell(driver, sound(true), sound(true));
  assert.deepEqual(more, []);
  assert.equal(started.action, "sound-started");
  assert.deepEqual(
    [started.actor, started.source, started.operator?.id, started.sessionId],
    [CONSOLE_ORIGIN.actor, CONSOLE_ORIGIN.source, "op", SESSION],
  );
  assert.equal(started.target?.desktopId, DESKTOP);
  assert.deepEqual(actions(tell(driver, sound(false), sound(false))), ["sound-stopped"]);
  tell(driver, sound(true));
  const told = actions(tell(driver, on.ended("console")));
  assert.deepEqual(told.slice(-3), ["control-released", "sound-stopped", "session-ended"]);
  // What the agent says of a session that is over is no news, and no error.
  assert.deepEqual(tell(driver, sound(false)), []);
});

Deno.test("stepEvents: which display is shown, by whose choice", () => {
  const driver = new ControllerDriver();
  tell(driver, ...SCRIPTS.connected);
  const [chosen, removed, none] = tell(
    driver,
    on.choice({ kind: "display", from: "DP-1", to: "all", reason: "operator-choice" }),
    on.choice({ kind: "display", from: "all", to: "DP-2", reason: "display-removed" }),
    on.choice({ kind: "display", from: "DP-2", to: null }),
  );
  assert.deepEqual(only([chosen], "display-changed")[0].details, { from: "DP-1", to: "all" });
  assert.deepEqual([chosen.actor, chosen.reason], [CONSOLE_ORIGIN.actor, "operator-choice"]);
  assert.deepEqual([removed.actor, removed.reason], [AGENT_ORIGIN.actor, "display-removed"]);
  assert.equal(removed.operator?.id, "op");
  assert.deepEqual(only([none], "display-changed")[0].details, { from: "DP-2" });
});

Deno.test("stepEvents: choices are told of approved sessions only, and by their agent", () => {
  const driver = new ControllerDriver();
  tell(driver, ...SCRIPTS.requested);
  const choice = on.choice({ kind: "sound", on: true });
  assert.deepEqual(actions(tell(driver, choice)), ["message-rejected"]);
  tell(driver, on.decision("accept"));
  assert.ok(choice.kind === "message");
  assert.deepEqual(actions(tell(driver, { ...choice, linkId: "stranger" })), ["message-rejected"]);
  assert.deepEqual(actions(tell(driver, choice)), ["sound-started"]);
});
