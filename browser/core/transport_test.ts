/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import type { TransportChoice } from "@farglass/protocol";
import { caps, ConsoleHarness, DESKTOP_ID, summary } from "../../tests/support/console_harness.ts";

const policy = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" } as const;

/** What was told to the server, as `from→to reason`. */
const reports = (h: ConsoleHarness): string[] =>
  h.sent.flatMap((m) =>
    m.type === "DESKTOP_TRANSPORT_FALLBACK" || m.type === "DESKTOP_TRANSPORT_RESTORED"
      ? [`${m.type.slice(18)} ${m.payload.from}→${m.payload.to} ${m.payload.reason}`]
      : []
  );
const evidence = (h: ConsoleHarness) =>
  h.sent.findLast((m) =>
    m.type === "DESKTOP_TRANSPORT_FALLBACK" || m.type === "DESKTOP_TRANSPORT_RESTORED"
  )?.payload as { readonly evidence: Record<string, number> };

Deno.test("the first picture is video, selected as soon as the channels are open", () => {
  const h = new ConsoleHarness();
  h.live();
  equal(h.session.transport, "rtp");
  deepEqual(h.session.phase, { kind: "live" });
  deepEqual(h.selects, ["rtp"]);
  deepEqual(reports(h), ["RESTORED none→rtp transport-selected"]);
  equal(h.elapsedMs, 0);
});

const FIRST: readonly (readonly [
  name: string,
  patch: Parameters<typeof caps>[0],
  choice: TransportChoice,
  expected: string,
  choices: string,
])[] = [
  ["auto", {}, "auto", "rtp", "auto video diff"],
  ["video", {}, "video", "rtp", "auto video diff"],
  ["diff", {}, "diff", "diff-dc", "auto video diff"],
  ["diff only", { policy: { ...policy, diffOnly: true } }, "auto", "diff-dc", "diff"],
  [
    "video only",
    { policy: { ...policy, videoOnly: true }, transports: ["webrtc"] },
    "diff",
    "rtp",
    "video",
  ],
];
for (const [name, patch, choice, expected, choices] of FIRST) {
  Deno.test(`first transport: ${name} → ${expected}`, () => {
    const h = new ConsoleHarness();
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    h.do({ type: "choose", choice });
    h.accepted();
    h.approved(caps(patch));
    h.connected();
    equal(h.session.transport, expected);
    equal(h.session.choices.join(" "), choices);
  });
}

for (const videoCodecs of [[], ["vp8"], ["av1"]] as const) {
  Deno.test(`a browser with ${videoCodecs.join() || "no video format"}, an agent with H.264 → diff`, () => {
    const h = new ConsoleHarness({ webrtc: true, videoCodecs });
    h.live();
    equal(h.session.transport, "diff-dc");
    equal(h.effects.some((e) => e.type === "peer-open" && e.video), false);
  });
}

Deno.test("a browser without H.264, an agent with VP8, too → video", () => {
  const h = new ConsoleHarness({ webrtc: true, videoCodecs: ["vp8"] });
  const [h264] = caps().encoders;
  h.live(caps({ encoders: [h264, { ...h264, name: "libvpx", codec: "vp8" }] }));
  equal(h.session.transport, "rtp");
});

for (
  const [name, environment, webrtc] of [
    ["no RTCPeerConnection", { webrtc: false, videoCodecs: [] }, caps().webrtc],
    ["switched off by the server", { webrtc: true, videoCodecs: ["h264"] }, {
      enabled: false,
      iceServers: [],
      iceTransportPolicy: "all",
    }],
    ["no webrtc block", { webrtc: true, videoCodecs: ["h264"] }, undefined],
  ] as const
) {
  Deno.test(`webrtc-unavailable (${name}) → diff-ws at once`, () => {
    const h = new ConsoleHarness(environment);
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    h.accepted();
    h.approved(caps({ webrtc: webrtc === undefined ? undefined : { ...webrtc, iceServers: [] } }));
    equal(h.session.transport, "diff-ws");
    deepEqual(reports(h), ["FALLBACK none→diff-ws webrtc-unavailable"]);
    equal(h.openPeers.size, 0);
  });
}

Deno.test("connect-timeout: no connection 5 s after approval → diff-ws, then back to video", () => {
  const h = new ConsoleHarness();
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  h.accepted();
  h.approved();
  h.advance(4_999);
  equal(h.session.transport, "none");
  h.advance(1);
  equal(h.session.transport, "diff-ws");
  deepEqual(reports(h), ["FALLBACK none→diff-ws connect-timeout"]);
  equal(evidence(h).evidence.waitedMs, 5_000);
  h.connected();
  equal(h.session.transport, "diff-ws");
  h.advance(900);
  equal(h.session.transport, "diff-ws");
  h.advance(200);
  equal(h.session.transport, "rtp");
  equal(reports(h).at(-1), "RESTORED diff-ws→rtp transport-recovered");
  ok(evidence(h).evidence.provenMs >= 1_000);
});

/** Each trigger on a live video session: what happens, why, and after how long at most. */
const TRIGGERS: readonly (readonly [
  reason: string,
  to: string,
  withinMs: number,
  trigger: (h: ConsoleHarness) => void,
])[] = [
  ["ice-failed", "diff-ws", 0, (h) => {
    h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  }],
  ["ice-disconnected", "diff-ws", 2_000, (h) => {
    h.do({ type: "peer-state", peerId: h.lastPeer, state: "disconnected" });
  }],
  ["heartbeat-lost", "diff-ws", 3_000, (h) => h.world.beating.clear()],
  ["channel-closed", "diff-ws", 0, (h) => {
    h.do({ type: "channel", peerId: h.lastPeer, channel: "diff", open: false });
  }],
  ["decoder-error", "diff-dc", 0, (h) => h.do({ type: "video-fault" })],
  ["rtp-stalled", "diff-dc", 0, (h) => {
    h.agent(h.lastPeer, { op: "fault", code: "encoder-failed" });
  }],
  ["negotiation-error", "diff-ws", 0, (h) => {
    const { generation } = h.state.session!;
    h.inSession({
      type: "DESKTOP_WEBRTC_SIGNAL",
      payload: { kind: "restart", generation, reason: "negotiation-error" },
    });
  }],
];
for (const [reason, to, withinMs, trigger] of TRIGGERS) {
  Deno.test(`live rtp + ${reason} → ${to} with evidence, then RESTORED`, () => {
    const h = new ConsoleHarness();
    h.live();
    h.advance(10_000);
    trigger(h);
    h.advance(withinMs);
    equal(h.session.transport, to);
    equal(reports(h).at(-1), `FALLBACK rtp→${to} ${reason}`);
    const numbers = Object.values(evidence(h).evidence);
    ok(numbers.length > 0 && numbers.every(Number.isFinite));
    deepEqual(h.shownHistory, ["none", "rtp", to], "the old picture stays until the new one");
    const before = h.lastPeer;
    h.advance(1_100);
    equal(h.lastPeer, before + 1, "a new peer connection after one second");
    equal(h.state.session?.generation, 2);
    h.connected();
    h.advance(1_100);
    equal(h.session.transport, "rtp");
    equal(reports(h).at(-1), `RESTORED ${to}→rtp transport-recovered`);
    equal(h.openPeers.size, 1, "replaced peers are closed");
  });
}

Deno.test("ICE that heals within 2 s changes nothing", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "disconnected" });
  h.advance(1_900);
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "connected" });
  h.advance(10_000);
  equal(h.session.transport, "rtp");
  equal(reports(h).length, 1);
});

Deno.test("rtp-stalled: the desktop changes, nothing is decoded → keyframe, then diff-dc", () => {
  const h = new ConsoleHarness();
  h.live();
  for (let tick = 0; tick < 16; tick++) {
    h.world.captured += 15;
    h.world.rtpFrames += 15;
    h.stats(Math.min(tick, 4) * 15);
    h.advance(500);
  }
  equal(h.session.transport, "diff-dc");
  equal(reports(h).at(1), "FALLBACK rtp→diff-dc rtp-stalled");
  ok(h.controls.some(({ message }) => message.op === "keyframe"));
  const numbers = h.messages("DESKTOP_TRANSPORT_FALLBACK")[0].payload.evidence;
  ok(numbers.stalledMs >= 2_000 && numbers.rtpFramesSince > 0);
});

Deno.test("a still desktop never stalls", () => {
  const h = new ConsoleHarness();
  h.live();
  h.stats(20);
  for (let tick = 0; tick < 40; tick++) {
    h.stats(20);
    h.advance(500);
  }
  equal(h.session.transport, "rtp");
});

Deno.test("a refused offer → negotiation-error → diff-ws; caps-mismatch is not tried again", () => {
  for (const [code, again] of [["sdp-invalid", true], ["caps-mismatch", false]] as const) {
    const h = new ConsoleHarness();
    h.online();
    h.list(summary());
    h.do({ type: "connect", desktopId: DESKTOP_ID });
    h.accepted();
    h.approved();
    h.do({ type: "peer-offer", peerId: h.lastPeer, sdp: "v=0" });
    const offer = h.messages("DESKTOP_WEBRTC_SIGNAL")[0];
    h.inSession({
      type: "ERROR",
      payload: {
        code,
        message: "no",
        advice: "no",
        retryable: false,
        refSeq: offer.seq,
        refType: "DESKTOP_WEBRTC_SIGNAL",
      },
    });
    equal(h.session.transport, "diff-ws");
    equal(reports(h)[0], "FALLBACK none→diff-ws negotiation-error");
    const peers = h.lastPeer;
    h.advance(5_000);
    equal(h.lastPeer > peers, again, code);
  }
});

Deno.test("a refused candidate changes nothing", () => {
  const h = new ConsoleHarness();
  h.live();
  h.inSession({
    type: "ERROR",
    payload: {
      code: "candidate-invalid",
      message: "no",
      advice: "no",
      retryable: false,
      refSeq: 99,
      refType: "DESKTOP_WEBRTC_SIGNAL",
    },
  });
  equal(h.session.transport, "rtp");
});

Deno.test("the browser cannot make an offer → negotiation-error → diff-ws", () => {
  const h = new ConsoleHarness();
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  h.accepted();
  h.approved();
  h.do({ type: "peer-error", peerId: h.lastPeer });
  equal(reports(h)[0], "FALLBACK none→diff-ws negotiation-error");
});

Deno.test("repairs back off 1, 2, 4, 8, 16, 30, 30 s; retry-now tries at once", () => {
  const h = new ConsoleHarness();
  h.live();
  h.advance(1_000);
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  let peer = h.lastPeer;
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    h.advance(seconds * 1000 - 1);
    equal(h.lastPeer, peer, `not before ${seconds} s`);
    h.advance(1);
    equal(h.lastPeer, ++peer, `after ${seconds} s`);
    h.do({ type: "peer-state", peerId: peer, state: "failed" });
  }
  h.do({ type: "retry-now" });
  equal(h.lastPeer, peer + 1);
  equal(h.state.session?.generation, 9);
});

Deno.test("an attempt that leads nowhere ends after 15 s", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  h.advance(1_000);
  const peer = h.lastPeer;
  h.advance(15_000);
  equal(h.openPeers.has(peer), false);
  h.advance(2_000);
  equal(h.lastPeer, peer + 1);
});

Deno.test("hysteresis: after two quick relapses the proof takes 5 s, then 15 s", () => {
  const h = new ConsoleHarness();
  h.live();
  const proofs: number[] = [];
  for (let round = 0; round < 4; round++) {
    h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
    deepEqual(h.shownHistory.at(-1), "diff-ws");
    const peer = h.lastPeer;
    for (let waited = 0; h.lastPeer === peer && waited < 60; waited++) h.advance(1_000);
    h.connected();
    const since = h.now;
    while (h.session.transport !== "rtp" && h.now - since < 60_000) h.advance(100);
    proofs.push(Math.round((h.now - since) / 1000));
  }
  deepEqual(proofs, [1, 1, 5, 15]);
});

Deno.test("hysteresis ends when the better transport holds", () => {
  const h = new ConsoleHarness();
  h.live();
  for (let round = 0; round < 4; round++) {
    h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
    h.advance(1_000);
    h.connected();
    h.advance(1_100);
    equal(h.session.transport, "rtp", `round ${round}`);
    h.advance(40_000);
  }
});

Deno.test("the old transport stays until the new one has painted", () => {
  const h = new ConsoleHarness();
  h.live();
  h.world.paints = false;
  h.do({ type: "choose", choice: "diff" });
  equal(h.session.transport, "rtp");
  const { epoch } = h.state.session!.transport.pending!;
  h.do({ type: "painted", epoch: epoch - 1 });
  equal(h.session.transport, "rtp");
  h.agent(h.lastPeer, { op: "selected", transport: "diff-dc", epoch });
  equal(h.session.transport, "rtp");
  h.do({ type: "painted", epoch });
  equal(h.session.transport, "diff-dc");
  equal(reports(h).at(-1), "FALLBACK rtp→diff-dc operator-choice");
  h.world.paints = true;
  h.do({ type: "choose", choice: "video" });
  equal(reports(h).at(-1), "RESTORED diff-dc→rtp operator-choice");
});

Deno.test("a better transport that does not paint is given up, the shown one is asked for again", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "peer-state", peerId: h.lastPeer, state: "failed" });
  h.advance(1_000);
  h.world.paints = false;
  h.connected();
  h.advance(1_100);
  equal(h.state.session?.transport.pending?.to, "rtp");
  h.advance(4_000);
  equal(h.session.transport, "diff-ws");
  equal(h.selects.at(-1), "diff-dc", "the channels still live");
  h.world.paints = true;
  h.advance(4_100);
  deepEqual(h.selects.slice(-1), ["diff-ws"], "the relay is asked for again");
  equal(h.session.transport, "diff-ws");
});

Deno.test("bytes of a large first picture are progress", () => {
  const h = new ConsoleHarness({ webrtc: false, videoCodecs: [] });
  h.world.paints = false;
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID });
  h.accepted();
  h.approved();
  for (let i = 1; i < 30; i++) {
    h.do({ type: "diff-stats", frames: 0, bytes: i * 1000 });
    h.advance(500);
  }
  deepEqual(h.selects, ["diff-ws"]);
  h.advance(5_000);
  deepEqual(h.selects, ["diff-ws", "diff-ws"], "and silence is none");
});

Deno.test("on a hidden page decoded frames count as painted", () => {
  const h = new ConsoleHarness();
  h.world.paints = false;
  h.do({ type: "visibility", hidden: true });
  h.live();
  equal(h.session.transport, "none");
  h.agent(h.lastPeer, { op: "selected", transport: "rtp", epoch: 1 });
  h.stats(0);
  equal(h.session.transport, "none");
  h.stats(1);
  equal(h.session.transport, "rtp");
});

Deno.test("a still desktop is asked for its heartbeat once a second, a changing one twice", () => {
  const h = new ConsoleHarness();
  h.live();
  const pings = () => h.controls.filter(({ message }) => message.op === "ping").length;
  h.advance(2_000);
  const still = pings();
  h.advance(10_000);
  equal(pings() - still, 10);
  for (let i = 0; i < 4; i++) {
    h.world.captured++;
    h.advance(500);
  }
  const changing = pings();
  for (let i = 0; i < 20; i++) {
    h.world.captured++;
    h.do({ type: "tick" });
    h.advance(500);
  }
  ok(pings() - changing >= 19, `${pings() - changing} beats in 10 s`);
});
