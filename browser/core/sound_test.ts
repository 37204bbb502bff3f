/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import type { DesktopCaps } from "@farglass/protocol";
import { caps, ConsoleHarness } from "../../tests/support/console_harness.ts";
import { heardPeer } from "./sound.ts";

const sounding = (audio: DesktopCaps["audio"]) => caps({ audio });
const asks = (h: ConsoleHarness) =>
  h.controls.flatMap(({ message }) => message.op === "sound" ? [message.on] : []);
const offersSound = (h: ConsoleHarness) =>
  h.effects.flatMap((effect) => effect.type === "peer-open" ? [effect.sound] : []);
const heard = (h: ConsoleHarness) => heardPeer(h.state.soundOn, h.state.session);

Deno.test("sound is offered where it may ever come, and asked for by the operator only", () => {
  const h = new ConsoleHarness();
  h.live(sounding({ available: true }));
  deepEqual(offersSound(h), [true]);
  deepEqual(asks(h), []);
  equal(h.session.soundRefusal, null);
  equal(heard(h), null);
  h.do({ type: "set-sound", on: true });
  h.do({ type: "set-sound", on: true });
  deepEqual(asks(h), [true]);
  equal(heard(h), h.lastPeer);
  h.do({ type: "set-sound", on: false });
  deepEqual(asks(h), [true, false]);
  equal(heard(h), null);
});

Deno.test("sound that is not shared is neither offered nor asked for", () => {
  for (
    const audio of [{ available: false }, { available: false, reason: "not-allowed" }] as const
  ) {
    const h = new ConsoleHarness();
    h.live(sounding(audio));
    h.do({ type: "set-sound", on: true });
    deepEqual(offersSound(h), [false]);
    deepEqual(asks(h), []);
    ok(h.session.soundRefusal?.includes("does not share"));
  }
});

Deno.test("sound that is muted by the owner comes back without another peer", () => {
  const h = new ConsoleHarness();
  h.live(sounding({ available: false, reason: "muted-by-owner" }));
  h.do({ type: "set-sound", on: true });
  deepEqual(offersSound(h), [true]);
  deepEqual(asks(h), [true]);
  equal(heard(h), null);
  ok(h.session.soundRefusal?.includes("muted"));
  const peers = h.openPeers.size;
  h.inSession({ type: "DESKTOP_CAPS", payload: sounding({ available: true }) });
  equal(heard(h), h.lastPeer);
  equal(h.openPeers.size, peers);
});

Deno.test("a wish of before the session, and after a repair, is told to the agent that serves it", () => {
  const h = new ConsoleHarness();
  h.do({ type: "set-sound", on: true });
  h.live(sounding({ available: true }));
  ok(asks(h).length > 0 && asks(h).every((on) => on));
  const before = asks(h).length;
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  equal(heard(h), null);
  ok(h.session.soundRefusal?.includes("WebRTC"));
  h.advance(2_000);
  h.connected();
  h.advance(5_000);
  equal(heard(h), h.lastPeer);
  ok(asks(h).length > before);
});

Deno.test("a browser that wants a click first is taken at its word", () => {
  const h = new ConsoleHarness();
  h.live(sounding({ available: true }));
  h.do({ type: "set-sound", on: true });
  h.do({ type: "sound-blocked" });
  equal(h.session.soundOn, false);
  deepEqual(asks(h), [true, false]);
  ok(h.session.timeline.some(({ text }) => text.includes("only after a click")));
});

Deno.test("the sound's delay joins the agent's clock with what was handed over to be played", () => {
  const h = new ConsoleHarness();
  h.live(sounding({ available: true }));
  h.do({ type: "set-sound", on: true });
  const peerId = h.lastPeer;
  const agentAt = 5_000;
  const start = 0xffffff00;
  h.do({
    type: "control-text",
    peerId,
    text: JSON.stringify({
      ...{ op: "pong", id: 900, at: h.now, agentAt, captured: 1, rtpFrames: 1, diffFrames: 0 },
      sound: { rtpTime: start, at: agentAt },
    }),
  });
  const reading = (bytesReceived: number) => {
    // A second later by RTP, whose time has wrapped, and 40 ms more until it is handed over.
    const rtpTime = (start + 48_000) % 2 ** 32;
    const counters = { bytesReceived, jitterMs: 1.5, heard: { rtpTime, at: h.now + 1_040 } };
    const stats = { video: null, videoCodec: null, sound: counters, rttMs: 1, candidatePair: null };
    h.do({ type: "peer-stats", peerId, stats });
  };
  reading(1_000);
  equal(h.session.hud.sound?.delayMs, 40);
  equal(h.session.hud.sound?.behindMs, null, "no picture's latency is known");
  h.now += 1_000;
  reading(13_000);
  // 96 kb/s, smoothed from nothing.
  equal(h.session.hud.sound?.kbps, 38);
  equal(h.session.hud.sound?.jitterMs, 1.5);
});
