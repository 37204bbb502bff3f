/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  type DesktopCaps,
  MAX_BUFFERED_SIGNAL_BYTES,
  MAX_BUFFERED_SIGNALS,
} from "@farglass/protocol";
import {
  AGENT_LINK,
  CONSOLE_LINK,
  ControllerDriver,
  DESKTOP,
  on,
  SCRIPTS,
  SESSION,
} from "../testing/controller_driver.ts";
import { CAPS, sampleCandidate, sampleSdp } from "../testing/samples.ts";
import { nextDeadline, step } from "./controller.ts";
import { isTerminal } from "./stages.ts";
import { sessionView } from "./views.ts";

const driver = (stage: keyof typeof SCRIPTS, policy = {}) =>
  new ControllerDriver(policy).run(...SCRIPTS[stage]);

Deno.test("controller: an unknown desktop answers requests and forgets the rest", () => {
  for (
    const [event, code] of [
      [on.request(), "desktop-not-found"],
      [on.attach(), "session-not-found"],
      [on.ended("console"), "session-not-found"],
      [on.kill(), "session-not-found"],
      [on.tick, undefined],
      [on.link(AGENT_LINK, "lost"), undefined],
    ] as const
  ) {
    const d = new ControllerDriver().run(event);
    assert.equal(d.desktop, null);
    assert.equal(d.rejection, code);
  }
});

Deno.test("controller: a request reaches both ends, in order", () => {
  const d = new ControllerDriver().run(on.caps(), on.request());
  assert.deepEqual(d.sent(CONSOLE_LINK), ["SESSION_REQUEST", "DESKTOP_WEBRTC_STATE"]);
  assert.deepEqual(d.sent(AGENT_LINK), ["SESSION_REQUEST"]);
  d.run(on.decision("accept"));
  assert.deepEqual(d.sent(CONSOLE_LINK), ["SESSION_DECISION", "DESKTOP_WEBRTC_STATE"]);
  const order = d.effects.map((e) => e.kind);
  assert.ok(order.indexOf("issue-caps") > order.indexOf("send"), "credentials after the decision");
  const caps = d.effects.find((e) => e.kind === "issue-caps");
  assert.deepEqual(caps?.linkIds, [CONSOLE_LINK, AGENT_LINK]);
  assert.ok(d.has("route"));
});

Deno.test("controller: a desktop takes so many sessions, and none when it is offline", () => {
  const d = new ControllerDriver({ maxSessionsPerDesktop: 1 }).run(on.caps(), on.request());
  d.run(on.request("55555555-5555-4555-8555-555555555555", "66666666-6666-4666-8666-666666666666"));
  assert.equal(d.rejection, "too-many-sessions");
  assert.equal(retryAfterMs(d), 10_000);
  d.run(on.link(AGENT_LINK, "gone"), on.request());
  assert.equal(d.rejection, "desktop-offline");
});

const SOUND = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
const listening = sampleSdp() + `${SOUND}a=recvonly\r\n`;
const sounding = (audio: DesktopCaps["audio"]): DesktopCaps => ({ ...CAPS, audio });

Deno.test("controller: an offer is checked against the desktop's caps", () => {
  const encoders = CAPS.encoders;
  const rows: readonly (readonly [DesktopCaps, string, string | undefined])[] = [
    [CAPS, sampleSdp({ codecs: ["VP8", "H264"] }), undefined],
    [CAPS, sampleSdp({ codecs: ["VP8"] }), "caps-mismatch"],
    [CAPS, sampleSdp({ codecs: [] }), undefined],
    [CAPS, sampleSdp() + `${SOUND}a=recvonly\r\n`, "caps-mismatch"],
    [sounding({ available: false, reason: "not-allowed" }), listening, "caps-mismatch"],
    // What keeps it away for now may end without another negotiation.
    [sounding({ available: false, reason: "muted-by-owner" }), listening, undefined],
    [sounding({ available: true }), listening, undefined],
    [sounding({ available: true }), sampleSdp() + `${SOUND}a=inactive\r\n`, undefined],
    [sounding({ available: true }), sampleSdp() + SOUND, "caps-mismatch"],
    [sounding({ available: true }), sampleSdp() + `${SOUND}a=sendonly\r\n`, "caps-mismatch"],
    [sounding({ available: true }), listening + SOUND, "sdp-invalid"],
    [CAPS, "v=1", "sdp-invalid"],
    [CAPS, `v=0\r\n${"a=x\r\n".repeat(6000)}`, "sdp-too-large"],
    [{ ...CAPS, transports: ["diff"] }, sampleSdp(), "webrtc-disabled"],
    [{ ...CAPS, encoders: [] }, sampleSdp(), "caps-mismatch"],
    [
      { ...CAPS, encoders: [{ ...encoders[0], codec: "vp8" }] },
      sampleSdp({ codecs: ["VP8"] }),
      undefined,
    ],
    [
      { ...CAPS, encoders: [], policy: { ...CAPS.policy, diffOnly: true } },
      sampleSdp(),
      undefined,
    ],
    [
      { ...CAPS, policy: { ...CAPS.policy, videoOnly: true } },
      sampleSdp({ codecs: [] }),
      "caps-mismatch",
    ],
  ];
  for (const [caps, sdp, code] of rows) {
    const d = new ControllerDriver().run(on.caps(caps), on.request(), on.decision("accept"));
    d.run(on.offer(1, sdp));
    assert.equal(d.rejection, code);
    assert.equal(d.stage, code === undefined ? "offered" : "approved");
    // A rejected offer has not used up its generation.
    if (code === undefined) assert.deepEqual(d.sent(AGENT_LINK), ["offer"]);
    else assert.equal(d.session?.negotiation.generation, 0);
  }
});

Deno.test("controller: loopback candidates only where the policy allows them", () => {
  const d = driver("offered", { loopbackCandidates: false });
  assert.equal(d.run(on.candidate("console", 1)).rejection, "candidate-invalid");
  const sdp = sampleSdp() + "a=candidate:1 1 udp 1 127.0.0.1 40000 typ host\r\n";
  assert.equal(d.run(on.offer(2, sdp)).rejection, "candidate-invalid");
});

Deno.test("controller: candidates wait for their description, both ways, and come in order", () => {
  const d = driver("approved");
  d.run(on.candidate("console", 1, 40_001), on.candidate("console", 1, 40_002));
  assert.deepEqual(d.sent(AGENT_LINK), []);
  assert.equal(d.run(on.candidate("console", 1, 40_002)).rejection, "duplicate");
  d.run(on.offer(1));
  assert.deepEqual(d.sent(AGENT_LINK), ["offer", "ice-candidate", "ice-candidate"]);
  assert.equal(d.run(on.candidate("console", 1, 40_001)).rejection, "duplicate");
  d.run(on.candidate("agent", 1, 40_003), on.iceEnd("agent", 1));
  assert.deepEqual(d.sent(CONSOLE_LINK), []);
  d.run(on.answer(1));
  assert.deepEqual(
    d.sent(CONSOLE_LINK),
    ["answer", "ice-candidate", "ice-end", "DESKTOP_WEBRTC_STATE"],
  );
  assert.equal(d.run(on.iceEnd("agent", 1)).rejection, "duplicate");
  assert.equal(d.run(on.candidate("agent", 1, 40_004)).rejection, "out-of-state");
});

Deno.test("controller: the buffer for an end that is away is bounded, and flushed when it is back", () => {
  const d = driver("offered").run(on.link(AGENT_LINK, "lost"));
  assert.deepEqual(d.sent(CONSOLE_LINK), ["PEER_PRESENCE"]);
  let taken = 0;
  while (d.run(on.candidate("console", 1, 41_000 + taken)).rejection === undefined) {
    assert.deepEqual(d.sent(AGENT_LINK), []);
    taken++;
  }
  assert.equal(d.rejection, "buffer-full");
  assert.equal(taken, MAX_BUFFERED_SIGNALS - 1);
  assert.equal(retryAfterMs(d), 1_000);
  d.run(on.link(AGENT_LINK, "resumed"));
  assert.equal(d.sent(AGENT_LINK).length, taken);
  assert.equal(d.session?.toAgent.length, 0);
});

const retryAfterMs = (d: ControllerDriver): number | undefined => {
  const [effect] = d.effects;
  return effect.kind === "reject" ? effect.error.retryAfterMs : undefined;
};

Deno.test("controller: the last candidate and its time are known, and told without its address", () => {
  const d = driver("answered");
  assert.equal(d.session?.negotiation.lastCandidate, undefined);
  d.now += 40;
  d.run(on.candidate("console", 1));
  const told = () => d.session === undefined ? null : sessionView(d.session).lastCandidate;
  assert.deepEqual(told(), { from: "console", type: "host", at: d.now });
  const { now } = d;
  d.now += 60;
  assert.equal(d.run(on.candidate("console", 1)).rejection, "duplicate");
  assert.equal(told()?.at, now);
  d.run(on.iceEnd("agent", 1));
  assert.deepEqual(told(), { from: "agent", type: "end", at: d.now });
  d.run(on.offer(2));
  assert.equal(told(), null, "of this negotiation");
});

Deno.test("controller: what waits is bounded by its bytes, too, and a description has room beside it", () => {
  const long = (n: number) =>
    on.signal("console", {
      kind: "ice-candidate",
      generation: 1,
      candidate: `${sampleCandidate(40_000 + n)}${` ${"y".repeat(60)}`.repeat(9)}`.slice(0, 480),
      sdpMid: "0",
      sdpMLineIndex: 0,
    });
  const d = driver("approved");
  let taken = 0;
  while (d.run(long(taken)).rejection === undefined) taken++;
  assert.equal(d.rejection, "buffer-full");
  assert.ok((retryAfterMs(d) ?? 0) > 0);
  assert.equal(taken, Math.floor(MAX_BUFFERED_SIGNAL_BYTES / 481));
  assert.ok(taken < MAX_BUFFERED_SIGNALS / 2 + 4, `${taken} candidates`);
  // The offer that they wait for goes before them, and makes room.
  d.run(on.offer(1));
  assert.equal(d.rejection, undefined);
  assert.equal(d.sent(AGENT_LINK).length, taken + 1);
  assert.equal(d.run(on.candidate("console", 1)).rejection, undefined);
});

Deno.test("controller: a newer offer drops what the older one left waiting", () => {
  const d = driver("answered").run(on.link(CONSOLE_LINK, "lost"), on.candidate("agent", 1));
  d.run(on.link(AGENT_LINK, "lost"), on.candidate("console", 1), on.offer(2));
  assert.equal(d.stage, "restarting");
  assert.deepEqual(d.session?.toAgent.map((s) => s.kind), ["offer"]);
  assert.deepEqual(d.session?.toConsole, []);
  assert.equal(d.session?.retries, 1);
  d.run(on.link(AGENT_LINK, "resumed"));
  assert.deepEqual(d.sent(AGENT_LINK), ["offer"]);
});

Deno.test("controller: repair by a new generation, on the diff relay meanwhile", () => {
  const d = driver("fallback");
  assert.deepEqual(d.sent(CONSOLE_LINK), ["DESKTOP_TRANSPORT_FALLBACK", "DESKTOP_WEBRTC_STATE"]);
  const { transport } = d.session ?? {};
  assert.equal(transport, "diff-ws");
  const stages: unknown[] = [];
  for (
    const event of [
      on.offer(2),
      on.peer("agent", "closed", 1),
      on.answer(2),
      on.peer("agent", "connecting", 2),
      on.peer("console", "connected", 2),
      on.restored("diff-ws", "rtp"),
    ]
  ) {
    assert.equal(d.run(event).rejection, undefined);
    stages.push(d.stage);
  }
  assert.deepEqual(stages, [
    "restarting",
    "restarting",
    "answered",
    "connecting",
    "connected",
    "connected",
  ]);
  assert.deepEqual(d.sent(CONSOLE_LINK), ["DESKTOP_TRANSPORT_RESTORED"]);
  assert.equal(d.session?.transport, "rtp");
});

Deno.test("controller: transports that the policy excludes are refused", () => {
  const rows = [
    [{ diffOnly: true }, on.restored("none", "rtp"), "caps-mismatch"],
    [{ diffOnly: true }, on.restored("none", "diff-dc"), undefined],
    [{ diffOnly: true }, on.restored("none", "hybrid"), "caps-mismatch"],
    [{ videoOnly: true }, on.restored("none", "hybrid"), "caps-mismatch"],
    [{}, on.fallback("hybrid", "rtp"), undefined],
    [{}, on.fallback("rtp", "hybrid"), "malformed"],
    [{ videoOnly: true }, on.fallback("rtp", "diff-ws"), "caps-mismatch"],
    [{}, on.fallback("rtp", "rtp"), "malformed"],
    [{}, on.fallback("rtp", "none"), "malformed"],
    [{}, on.restored("rtp", "diff-dc"), "malformed"],
    [{}, on.fallback("rtp", "diff-dc", "operator-choice"), undefined],
  ] as const;
  for (const [policy, event, code] of rows) {
    const caps = { ...CAPS, policy: { ...CAPS.policy, ...policy } };
    const d = driver("connected").run(on.caps(caps), event);
    assert.equal(d.rejection, code);
  }
});

Deno.test("controller: a wrong clock at the console does not reach the log", () => {
  const d = driver("connected");
  d.now += 60_000;
  d.run(on.fallback("rtp", "diff-ws"));
  const events = d.session?.events.filter((e) => e.type === "DESKTOP_TRANSPORT_FALLBACK") ?? [];
  assert.equal(events[0].at, d.now);
});

Deno.test("controller: deadlines", () => {
  const reason = (d: ControllerDriver) => d.desktop?.ended.at(-1)?.reason;
  const consent = driver("requested").expire();
  assert.equal(consent.now, 1_000_000 + 35_000);
  assert.equal(reason(consent), "consent-timeout");
  assert.deepEqual(consent.sent(CONSOLE_LINK), [
    "SESSION_DECISION",
    "DESKTOP_WEBRTC_STATE",
    "SESSION_ENDED",
  ]);
  assert.deepEqual(consent.sent(AGENT_LINK), ["SESSION_ENDED"]);

  for (const stage of ["approved", "offered", "answered", "connecting"] as const) {
    const d = driver(stage).expire();
    assert.equal(d.now, 1_000_000 + 15_000);
    assert.equal(reason(d), "negotiation-deadline", stage);
  }
  // What shows a picture goes on.
  assert.equal(driver("restarting").expire().stage, "degraded");
  assert.equal(driver("fallback").run(on.offer(2)).expire().stage, "fallback");
  const quiet = driver("approved").run(
    on.control("agent", { op: "selected", transport: "diff-ws", epoch: 1 }),
  ).expire();
  assert.equal(quiet.stage, "fallback");
  assert.equal(quiet.session?.transport, "diff-ws");

  const agent = driver("connected").run(on.link(AGENT_LINK, "lost")).expire();
  assert.equal(agent.now, 1_000_000 + 30_000);
  assert.equal(reason(agent), "agent-lost");
  agent.expire();
  assert.equal(agent.desktop, null, "forgotten after a day");
  const viewer = driver("connected").run(on.link(CONSOLE_LINK, "lost")).expire();
  assert.equal(reason(viewer), "console-lost");
  assert.deepEqual(viewer.sent(AGENT_LINK), ["SESSION_ENDED"]);
  const unattached = new ControllerDriver().run(on.caps(), on.restRequest(), on.decision("accept"));
  assert.equal(reason(unattached.expire()), "console-lost");
  assert.equal(unattached.now, 1_000_000 + 60_000);
});

Deno.test("controller: credentials are renewed at 80 % of their life, until the session ends", () => {
  const d = driver("connected", { credentialTtlMs: 100_000 });
  for (let i = 1; i <= 3; i++) {
    d.expire();
    assert.equal(d.now, 1_000_000 + i * 80_000);
    const caps = d.effects.find((e) => e.kind === "issue-caps");
    assert.deepEqual(caps?.linkIds, [CONSOLE_LINK, AGENT_LINK]);
  }
  d.run(on.kill());
  assert.ok(d.has("revoke"));
  assert.ok(d.has("unroute"));
  assert.equal(nextDeadline(d.desktop, d.now, d.policy), null);
});

Deno.test("controller: DESKTOP_KILL of a desktop takes it out of the list until its agent says so", () => {
  const d = driver("connected").run(on.kill(null));
  assert.deepEqual(d.sent(AGENT_LINK), ["DESKTOP_KILL"]);
  assert.equal(d.run(on.request()).rejection, "desktop-offline");
  d.run(on.caps(), on.request());
  assert.equal(d.stage, "requested");
  d.run(on.agentKill("desktop"));
  assert.equal(d.desktop?.link.at, "gone");
});

Deno.test("controller: the agent's errors reach the session's console", () => {
  const d = driver("offered");
  const payload = {
    code: "peer-failed",
    message: "m",
    advice: "a",
    retryable: true,
    refSeq: 7,
  } as const;
  d.run({ kind: "agent-error", linkId: AGENT_LINK, error: { sessionId: SESSION, payload } });
  assert.deepEqual(d.sent(CONSOLE_LINK), ["ERROR"]);
  d.run({ kind: "agent-error", linkId: "other", error: { sessionId: SESSION, payload } });
  assert.deepEqual(d.effects, []);
});

Deno.test("controller: nobody acts on a desktop or session that is not theirs", () => {
  const d = driver("connected");
  const before = d.desktop;
  for (
    const event of [on.offer(2), on.ended("console"), on.ended("agent"), on.agentKill("desktop")]
  ) {
    if (event.kind !== "message") throw new Error("unreachable");
    [d.desktop, d.effects] = step(d.desktop, { ...event, linkId: "other" }, d.now, d.policy);
    assert.ok(d.rejection === "session-not-found" || d.rejection === "forbidden");
    assert.equal(d.desktop, before);
  }
  const other = { ...on.caps(CAPS, "other-link") };
  if (other.kind !== "caps") throw new Error("unreachable");
  const agent = { ...other.agent, agentId: "77777777-7777-4777-8777-777777777777" };
  assert.equal(d.run({ ...other, agent }).rejection, "forbidden");
});

Deno.test("controller: a session made by REST is attached with all it needs", () => {
  const d = new ControllerDriver().run(on.caps(), on.restRequest(), on.decision("accept"));
  assert.equal(d.has("route"), false);
  d.run(on.attach());
  assert.deepEqual(d.sent(CONSOLE_LINK), [
    "SESSION_REQUEST",
    "SESSION_DECISION",
    "DESKTOP_WEBRTC_STATE",
  ]);
  assert.ok(d.has("route"));
  assert.ok(d.has("issue-caps"));
  assert.equal(d.run(on.attach("op", "second-console")).rejection, "out-of-state");
});

Deno.test("controller: histories are bounded and ended sessions stay readable", () => {
  const d = new ControllerDriver().run(on.caps());
  for (let i = 0; i < 40; i++) {
    d.run(on.request(), on.decision("deny"));
    assert.equal(d.rejection, undefined);
  }
  assert.equal(d.desktop?.ended.length, 32);
  assert.ok(d.desktop?.ended.every((s) => isTerminal(s.stage) && s.desktopId === DESKTOP));
  d.run(...SCRIPTS.connected.slice(1));
  const began = d.session?.events;
  for (let i = 0; i < 120; i++) {
    d.now += 1_000;
    d.run(on.peer("console", "disconnected"), on.peer("console", "connected"));
  }
  // What is left out is of the middle: the beginning and the newest stay.
  const { events = [], omittedEvents = 0 } = d.session ?? {};
  assert.equal(events.length, 200);
  assert.equal(omittedEvents, (began?.length ?? 0) + 240 - 200);
  assert.deepEqual(events.slice(0, began?.length), began);
  assert.equal(events.at(-1)?.at, d.now);
});

Deno.test("controller: offers have a budget, refilled over time, and the error says when", () => {
  const d = driver("offered");
  for (let g = 2; g <= 10; g++) assert.equal(d.run(on.offer(g)).rejection, undefined, `offer ${g}`);
  d.run(on.offer(11));
  assert.equal(d.rejection, "rate-limited");
  assert.equal(retryAfterMs(d), 2_000);
  d.now += 2_000;
  assert.equal(d.run(on.offer(11)).rejection, undefined);
});

Deno.test("controller: attempts without a connection are limited; one that stands gives them back", () => {
  const d = driver("offered", { maxRetries: 3 });
  d.run(on.offer(2), on.offer(3), on.offer(4));
  assert.equal(d.rejection, "retries-exhausted");
  d.run(on.answer(3), on.peer("console", "connected", 3));
  assert.equal(d.stage, "connected");
  assert.equal(d.run(on.offer(4)).rejection, undefined);
});

Deno.test("controller: a desktop has so many offers without an answer", () => {
  const other = "99999999-9999-4999-8999-999999999999";
  const d = driver("offered", { maxOffersInFlight: 1 });
  d.run(on.request(other, other));
  const second = (event: ReturnType<typeof on.offer>) => {
    if (event.kind !== "message") throw new Error("unreachable");
    const message = { ...event.message, sessionId: other } as typeof event.message;
    return { ...event, message };
  };
  d.run(second(on.decision("accept")), second(on.offer(1)));
  assert.equal(d.rejection, "rate-limited");
  assert.equal(retryAfterMs(d), 1_000);
  assert.equal(d.run(on.answer(1), second(on.offer(1))).rejection, undefined);
});

Deno.test("controller: a policy that turns view-only binds live sessions and their relay", () => {
  const d = driver("connected");
  d.run(on.caps({ ...CAPS, policy: { ...CAPS.policy, viewOnly: true } }));
  assert.equal(d.session?.viewOnly, true);
  assert.ok(d.effects.some((e) => e.kind === "route" && e.viewOnly));
  assert.equal(d.run(on.caps()).session?.viewOnly, true);
});

Deno.test("controller: without the offered codec the console restarts once", () => {
  const d = driver("connected");
  const vp8 = { ...CAPS, encoders: [{ ...CAPS.encoders[0], codec: "vp8" as const }] };
  d.run(on.caps(vp8));
  assert.deepEqual(d.sent(CONSOLE_LINK), ["restart", "DESKTOP_WEBRTC_STATE"]);
  assert.deepEqual(d.run(on.caps(vp8)).sent(CONSOLE_LINK), []);
  assert.equal(d.run(on.offer(2)).rejection, "caps-mismatch");
  d.run(on.offer(2, sampleSdp({ codecs: ["VP8"] })), on.answer(2));
  assert.equal(d.stage, "answered");
});
