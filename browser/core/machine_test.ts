/// <reference lib="deno.ns" />
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { CLOSE, codedError, retryLater } from "@farglass/protocol";
import { caps, ConsoleHarness, DESKTOP_ID, summary } from "../../tests/support/console_harness.ts";
import { inputPath, nextDeadline } from "./machine.ts";
import { viewOf } from "./view.ts";

const policy = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" } as const;

Deno.test("connect before the link is online waits for it and for the list", () => {
  const h = new ConsoleHarness();
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  deepEqual(h.session.phase, { kind: "waiting", text: "Connecting to the server" });
  h.online();
  equal(h.messages("SESSION_REQUEST").length, 0);
  h.list(summary());
  equal(h.messages("SESSION_REQUEST").length, 1);
  equal(h.session.desktopName, "Office");
});

Deno.test("a server of another version → reload the page, until one of this version answers", () => {
  const h = new ConsoleHarness();
  h.live();
  h.offline(CLOSE.wrongVersion);
  deepEqual(viewOf(h.state).link, { state: "outdated" });
  equal(h.session.transport, "rtp", "the picture has its own path");
  h.advance(6_000);
  h.online();
  deepEqual(viewOf(h.state).link, { state: "online" });
});

Deno.test("silent: told when an answer is late, before another way is tried, and over with the next", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(3_000);
  const beating = [...h.world.beating];
  h.world.beating.clear();
  h.advance(600);
  equal(h.session.silent, false);
  let waitedMs = 600;
  for (; !h.session.silent && waitedMs < 3_000; waitedMs += 100) h.advance(100);
  ok(waitedMs <= 2_000, `told after ${waitedMs} ms`);
  equal(h.session.transport, "rtp");
  for (const peer of beating) h.world.beating.add(peer);
  h.advance(600);
  deepEqual([h.session.silent, h.session.transport], [false, "rtp"]);
});

Deno.test("playout: why pictures wait is told while there is video, and then only", () => {
  const h = new ConsoleHarness();
  h.live();
  equal(h.session.hud.playout, "playout-zero");
  h.do({ type: "choose", choice: "diff" });
  h.advance(3_000);
  deepEqual([h.session.transport, h.session.hud.playout], ["diff-dc", null]);
});

Deno.test("an offline desktop is asked for as soon as its agent is back", () => {
  const h = new ConsoleHarness();
  h.online();
  h.list(summary({ online: false }));
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  match(JSON.stringify(h.session.phase), /agent is offline; waiting for it to come back/);
  h.advance(60_000);
  equal(h.messages("SESSION_REQUEST").length, 0);
  h.list(summary());
  equal(h.messages("SESSION_REQUEST").length, 1);
});

Deno.test("agent offline, media alive → live with a note; media dead → recovering; back → live", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(2_000);
  h.list(summary({ online: false }));
  deepEqual(h.session.phase, { kind: "live" });
  ok(h.session.timeline.some((e) => /agent is offline/.test(e.text)));
  h.world.beating.clear();
  h.advance(3_000);
  deepEqual(h.session.phase, {
    kind: "recovering",
    text: "The agent is offline; waiting for it to come back",
  });
  equal(h.session.transport, "rtp", "the last picture stays");
  h.advance(20_000);
  equal(h.session.transport, "rtp");
  h.ended("agent-restarted");
  h.list(summary());
  h.advance(1);
  h.accepted();
  h.approved();
  equal(h.session.transport, "rtp");
  h.connected();
  deepEqual(h.session.phase, { kind: "live" });
  equal(h.state.session?.generation, 1, "generations count within a session");
  equal(h.openPeers.size, 1);
});

Deno.test("server restart: the link is new, the session is asked for again, video goes on", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(15_000);
  const old = h.lastPeer;
  h.offline();
  deepEqual(viewOf(h.state).link.state, "offline");
  deepEqual(h.session.phase, { kind: "live" }, "video does not need the server");
  h.advance(300);
  h.online();
  deepEqual(h.session.phase, { kind: "live" });
  equal(h.messages("SESSION_REQUEST").length, 1, "the old list proves nothing");
  h.list();
  h.list(summary());
  equal(h.messages("SESSION_REQUEST").length, 2);
  h.accepted();
  h.approved();
  ok(h.openPeers.has(old));
  h.connected();
  equal(h.session.transport, "rtp");
  equal(h.openPeers.has(old), false);
  deepEqual(h.shownHistory, ["none", "rtp"], "never a black frame");
});

Deno.test("a resumed link sends again what was missed and keeps the session", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(2_000);
  h.offline();
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  equal(h.session.transport, "rtp", "there is no way to ask for the relay");
  h.advance(400);
  h.online(true);
  equal(h.session.transport, "diff-ws");
  equal(h.messages("PEER_STATE").at(-1)?.payload.state, "failed");
  equal(h.messages("SESSION_REQUEST").length, 1);
});

Deno.test("on the relay a resume asks for the whole picture", () => {
  const h = new ConsoleHarness({ webrtc: false, videoCodecs: [] });
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  h.accepted();
  h.approved();
  h.offline();
  match(JSON.stringify(h.session.phase), /recovering.*server cannot be reached/);
  h.advance(400);
  h.online(true);
  deepEqual(h.session.phase, { kind: "live" });
  ok(h.controls.some(({ message }) => message.op === "refresh"));
});

for (const reason of ["killed", "owner-stopped", "denied-by-policy"] as const) {
  Deno.test(`SESSION_ENDED ${reason} is final; connect starts afresh`, () => {
    const h = new ConsoleHarness();
    h.live();
    h.ended(reason);
    deepEqual(h.session.phase, { kind: "ended", reason, error: null });
    equal(h.openPeers.size, 0);
    equal(inputPath(h.state), null);
    h.advance(60_000);
    equal(h.messages("SESSION_REQUEST").length, 1);
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    equal(h.messages("SESSION_REQUEST").length, 2);
  });
}

Deno.test("DESKTOP_KILL ends its session or the whole desktop", () => {
  for (const scope of ["session", "desktop"] as const) {
    const h = new ConsoleHarness();
    h.live();
    h.inSession({ type: "DESKTOP_KILL", payload: { scope, reason: "killed" } });
    equal(h.session.phase.kind, "ended");
  }
});

Deno.test("denied and timed-out decisions end the session with their reason", () => {
  for (
    const [decision, reason] of [["deny", "denied-by-owner"], [
      "timeout",
      "consent-timeout",
    ]] as const
  ) {
    const h = new ConsoleHarness();
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    h.accepted();
    match(JSON.stringify(h.session.phase), /owner or its policy/);
    h.inSession({
      type: "SESSION_DECISION",
      payload: { decision, by: "owner", reason, viewOnly: false },
    });
    deepEqual(h.session.phase, { kind: "ended", reason, error: null });
    // What the server makes of it adds no connection that failed.
    const told = h.session.timeline.length;
    h.inSession({
      type: "DESKTOP_WEBRTC_STATE",
      payload: {
        stage: "failed",
        previous: "requested",
        reason,
        at: h.now,
        elapsedMs: 10,
        retries: 0,
        candidatePair: null,
        transport: "none",
      },
    });
    deepEqual([h.session.stage, h.session.timeline.length], ["failed", told]);
  }
});

Deno.test("a refused request: offline waits, a full desktop is told", () => {
  for (
    const [code, kind] of [["desktop-offline", "waiting"], ["too-many-sessions", "ended"]] as const
  ) {
    const h = new ConsoleHarness();
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    const { requestId } = h.messages("SESSION_REQUEST")[0].payload;
    h.server({
      type: "ERROR",
      payload: { code, message: "x", advice: "x", retryable: true, requestId },
    });
    equal(h.session.phase.kind, kind);
  }
});

Deno.test("a newer server's unknown message is passed over, and what follows is heard", () => {
  const h = new ConsoleHarness();
  h.live();
  h.server({ type: "SOMETHING_NEW", payload: {} } as never);
  equal(viewOf(h.state).link.state, "online");
  h.list(summary({ name: "Renamed" }));
  equal(viewOf(h.state).desktops?.[0]?.name, "Renamed");
  equal(h.session.phase.kind, "live");
});

Deno.test("a store that is away is said until the server speaks of the desktops again", () => {
  const h = new ConsoleHarness();
  h.live();
  const { code, message, advice, retryable } = codedError("store-unavailable");
  const payload = { code, message, advice, retryable };
  const bare = (message: object) => h.text(JSON.stringify({ seq: 0, ack: 0, ts: 0, ...message }));
  bare({ type: "ERROR", payload });
  equal(viewOf(h.state).link.state, "waiting");
  equal(h.session.phase.kind, "live");
  ok(h.session.timeline.some((e) => e.kind === "error" && e.text === message));
  bare({ type: "PONG", payload: {} });
  equal(viewOf(h.state).link.state, "waiting");
  h.list(summary());
  equal(viewOf(h.state).link.state, "online");
});

Deno.test("a limit's error names its time: nothing is asked before, and the operator reads it", () => {
  const h = new ConsoleHarness();
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  const { requestId } = h.messages("SESSION_REQUEST")[0].payload;
  const error = retryLater("rate-limited", { ms: 7_000, detail: "sessions" });
  h.server({ type: "ERROR", payload: { ...error, requestId } });
  const noted = h.session.timeline.find((e) => e.kind === "error");
  equal(noted?.text, error.message);
  match(noted?.detail ?? "", /Wait a moment.*in 7 s.*rate-limited/);
  h.advance(6_000);
  equal(h.messages("SESSION_REQUEST").length, 1);
  h.advance(2_000);
  equal(h.messages("SESSION_REQUEST").length, 2);
});

Deno.test("the server forgot the session → asked for again, with growing waits", () => {
  const h = new ConsoleHarness();
  h.live();
  const times: number[] = [];
  for (let round = 0; round < 6; round++) {
    const since = h.now;
    const requests = h.messages("SESSION_REQUEST").length;
    h.inSession({
      type: "ERROR",
      payload: { code: "session-not-found", message: "x", advice: "x", retryable: true },
    });
    while (h.messages("SESSION_REQUEST").length === requests && h.now - since < 20_000) {
      h.advance(500);
    }
    times.push(h.now - since);
    h.accepted();
  }
  deepEqual(times, [0, 500, 1_000, 2_000, 5_000, 5_000]);
});

Deno.test("input: by channels while they live, else through the server, never without a grant", () => {
  const h = new ConsoleHarness();
  h.live();
  deepEqual(inputPath(h.state), { via: "dc", peerId: h.lastPeer });
  h.do({ type: "set-view-only", viewOnly: true });
  equal(inputPath(h.state), null);
  h.do({ type: "set-view-only", viewOnly: false });
  const released = () => h.effects.filter((e) => e.type === "release-input").length;
  const before = released();
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  deepEqual(inputPath(h.state), { via: "ws", sessionId: h.session.sessionId });
  equal(released(), before + 1, "a change of way releases everything");
  h.agent(null, { op: "grants", input: false });
  equal(inputPath(h.state), null);
  equal(h.session.inputGranted, false);
});

for (
  const [name, description, decided] of [
    ["policy", caps({ policy: { ...policy, viewOnly: true } }), false],
    ["decision", caps(), true],
    ["no input device", caps({ input: { pointer: false, keyboard: false } }), false],
  ] as const
) {
  Deno.test(`input is refused by ${name}`, () => {
    const h = new ConsoleHarness();
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    h.accepted();
    h.approved(description, decided);
    h.connected();
    equal(h.session.inputGranted, false);
    equal(inputPath(h.state), null);
  });
}

Deno.test("disconnect tells the server and closes everything", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "disconnect" });
  equal(viewOf(h.state).session, null);
  deepEqual(h.messages("SESSION_ENDED")[0].payload, {
    reason: "operator-disconnect",
    by: "operator",
  });
  equal(h.openPeers.size, 0);
});

Deno.test("the HUD: rates of the shown video, the path, the relay's heartbeat", () => {
  const h = new ConsoleHarness();
  h.live(caps({
    webrtc: {
      enabled: true,
      iceServers: [],
      iceTransportPolicy: "all",
      relayHint: "turn",
      token: { issuedAt: 1, expiresAt: 601, ttlSeconds: 600 },
    },
  }));
  for (let i = 0; i < 12; i++) {
    h.stats(i * 15);
    h.advance(500);
  }
  const { hud } = h.session;
  ok(hud.fps !== null && Math.abs(hud.fps - 30) < 0.5, `${hud.fps}`);
  ok(hud.bitrateKbps !== null && Math.abs(hud.bitrateKbps - 240) < 5, `${hud.bitrateKbps}`);
  equal(hud.decodeMs, 2);
  equal(hud.jitterBufferMs, 4);
  equal(hud.loss, 0);
  equal(hud.rttMs, 1);
  equal(hud.relayHint, "turn");
  equal(hud.turnExpiresAtMs, 601_000);
  deepEqual(hud.candidatePair, { local: "host", remote: "host", protocol: "udp" });
  h.do({ type: "choose", choice: "diff" });
  h.do({ type: "exact", proved: true });
  const since = h.session.hud.exactSinceMs;
  h.advance(500);
  h.do({ type: "exact", proved: true });
  equal(h.session.hud.exactSinceMs, since);
  for (let i = 0; i < 12; i++) {
    h.do({ type: "diff-stats", frames: i * 30, bytes: i * 62_500 });
    h.advance(500);
  }
  equal(Math.round(h.session.hud.fps ?? 0), 60);
  ok(Math.abs((h.session.hud.bitrateKbps ?? 0) - 1_000) < 10);
  h.do({ type: "exact", proved: false });
  equal(h.session.hud.exactSinceMs, null);
});

Deno.test("PEER_STATE tells the selected pair once", () => {
  const h = new ConsoleHarness();
  h.live();
  for (let i = 0; i < 5; i++) h.stats(i);
  const states = h.messages("PEER_STATE").map((m) => m.payload);
  deepEqual(states.map((s) => s.state), ["connecting", "connected", "connected"]);
  deepEqual(states[2].candidatePair, { local: "host", remote: "host", protocol: "udp" });
});

Deno.test("PEER_STATE tells what ICE and DTLS did, how long ago, and that a lost peer is closed", () => {
  const h = new ConsoleHarness();
  h.live();
  const peerId = h.state.session?.carrier?.id ?? 0;
  h.do({ type: "peer-layer", peerId, change: { layer: "ice", state: "disconnected" } });
  h.advance(30);
  h.do({ type: "peer-state", peerId, state: "disconnected" });
  const last = () => h.messages("PEER_STATE").at(-1)?.payload;
  deepEqual(last()?.layers, [{ layer: "ice", state: "disconnected", agoMs: 30 }]);
  h.do({ type: "peer-state", peerId, state: "failed" });
  deepEqual(last()?.layers?.map((x) => `${x.layer} ${x.state}`), ["ice closed", "dtls closed"]);
});

Deno.test("a malformed picture is told and asked for again, at most once a second", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "choose", choice: "diff" });
  for (let i = 0; i < 5; i++) h.do({ type: "diff-fault", code: "malformed" });
  equal(h.controls.filter(({ message }) => message.op === "refresh").length, 1);
  ok(h.session.timeline.some((e) => e.kind === "error"));
});

Deno.test("a console that slept does not believe that everything died", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(5_000);
  h.now += 3_600_000;
  h.do({ type: "tick" });
  equal(h.session.transport, "rtp");
  equal(viewOf(h.state).link.state, "online");
  h.world.beating.clear();
  h.advance(3_000);
  equal(h.session.transport, "diff-ws", "but real silence counts from then on");
});

Deno.test("a late answer or candidate of an older generation is ignored", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  h.advance(1_000);
  const before = h.effects.length;
  h.inSession({
    type: "DESKTOP_WEBRTC_SIGNAL",
    payload: { kind: "answer", generation: 1, sdp: "v=0" },
  });
  h.do({ type: "peer-state", peerId: 1, state: "connected" });
  h.do({ type: "channel", peerId: 77, channel: "control", open: true });
  deepEqual(h.effects.slice(before).filter((e) => e.type.startsWith("peer-")), []);
});

Deno.test("nextDeadline lies ahead of the last step", () => {
  const h = new ConsoleHarness();
  h.live();
  for (let i = 0; i < 200; i++) {
    const at = nextDeadline(h.state);
    ok(at !== null && at > h.state.at);
    h.now = at;
    h.do({ type: "tick" });
  }
});

Deno.test("a server that is stopping (1012) → back within half a second, and the link is resumed", () => {
  const h = new ConsoleHarness();
  h.live();
  const { linkId } = h.state.link;
  h.do({ type: "socket-closed", epoch: h.state.link.epoch, code: CLOSE.serviceRestart });
  const { phase } = h.state.link;
  ok(phase.kind === "waiting" && phase.retryAt - h.now <= 500);
  equal(h.state.link.linkId, linkId);
  equal(h.session.transport, "rtp", "the picture goes on");
});

for (const told of ["by the peer", "through the server"] as const) {
  Deno.test(`a screen that cannot be read, ${told}: said until pictures come again`, () => {
    const h = new ConsoleHarness();
    h.live();
    h.do({ type: "choose", choice: "diff" });
    const path = told === "by the peer" ? h.lastPeer : null;
    h.world.captured = 10;
    h.advance(3_000);
    // More pictures than the last heartbeat told, then no more.
    h.world.captured = 12;
    h.agent(path, { op: "fault", code: "capture-failed" });
    match(JSON.stringify(h.session.phase), /recovering.*cannot read its screen/);
    h.advance(5_000);
    // Each vain attempt is told again.
    h.agent(path, { op: "fault", code: "capture-failed" });
    h.advance(5_000);
    match(JSON.stringify(h.session.phase), /recovering.*cannot read its screen/);
    h.world.captured = 13;
    h.advance(5_000);
    deepEqual(h.session.phase, { kind: "live" });
    match(h.session.timeline.at(-1)?.text ?? "", /reads its screen again/);
  });
}
