/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { type CandidatePair, REASON_CODES, STAGES, TRANSPORTS } from "@farglass/protocol";
import type { ConsoleView, SessionView } from "../core/mod.ts";
import { pendingSession } from "./pending_session.ts";
import {
  choiceHint,
  endAdvice,
  pathWords,
  phaseTone,
  phaseWords,
  reasonWords,
  relayHintWords,
  stageWords,
  titleWords,
  transportWords,
  UNKNOWN,
} from "./words.ts";

const ID = "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a01";
const policy = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" } as const;
const desktop = {
  desktopId: ID,
  agentId: ID,
  name: "Build server",
  hostname: "build-01",
  os: "Debian",
  online: true,
  viewers: 0,
  width: 1920,
  height: 1080,
  capture: "x11",
  policy,
  since: 0,
};
const view: ConsoleView = { link: { state: "online" }, desktops: [desktop], session: null };
const session: SessionView = {
  ...pendingSession(ID, view),
  stage: "connected",
  phase: { kind: "live" },
};

const pair = (over: Partial<CandidatePair>): CandidatePair => ({
  local: "host",
  remote: "host",
  protocol: "udp",
  ...over,
});

const PATHS: readonly [
  name: string,
  got: ReturnType<typeof pathWords>,
  text: string,
  data: string,
][] = [
  ["unknown", pathWords(null, "rtp"), UNKNOWN, ""],
  ["direct", pathWords(pair({}), "rtp"), "Direct, UDP", "direct/udp"],
  ["NAT", pathWords(pair({ remote: "srflx" }), "rtp"), "Direct through NAT, UDP", "direct/udp"],
  ["peer reflexive", pathWords(pair({ remote: "prflx" }), "rtp"), "Direct, UDP", "direct/udp"],
  ["far relay", pathWords(pair({ remote: "relay" }), "rtp"), "Relayed by TURN, UDP", "relay/udp"],
  [
    "own relay over TLS",
    pathWords(pair({ local: "relay", relayProtocol: "tls" }), "diff-dc"),
    "Relayed by TURN, TLS",
    "relay/tls",
  ],
  ["server", pathWords(pair({}), "diff-ws"), "Via server, WebSocket", "server/ws"],
];
for (const [name, got, text, data] of PATHS) {
  Deno.test(`pathWords: ${name} → ${text}`, () => assert.deepEqual(got, { text, data }));
}

Deno.test("words: every stage, transport and reason has its own sentence", () => {
  assert.equal(new Set(STAGES.map(stageWords)).size, STAGES.length);
  assert.equal(new Set(TRANSPORTS.map(transportWords)).size, TRANSPORTS.length);
  for (const reason of REASON_CODES) {
    assert.ok(reasonWords(reason).length > 0);
    assert.doesNotMatch(endAdvice(reason), /\.$/, "the dialog adds the full stop");
  }
});

Deno.test("relayHintWords: known hints in words, others as they are, none as a dash", () => {
  assert.equal(relayHintWords(null), UNKNOWN);
  assert.match(relayHintWords("turn"), /TURN/);
  assert.equal(relayHintWords("eu-west"), "eu-west");
});

Deno.test("choiceHint: a choice left out says whose decision that is", () => {
  const caps = {
    name: "x",
    transports: ["webrtc" as const, "diff" as const],
    encoders: [],
    displays: [],
    input: { pointer: true, keyboard: true },
    audio: { available: false },
    capture: "x11",
    policy: { ...policy, diffOnly: true },
  };
  const limited = { ...session, choices: ["diff" as const], caps };
  assert.match(choiceHint("video", limited), /^Not available: .*diff only$/);
  assert.doesNotMatch(choiceHint("diff", limited), /Not available/);
  assert.match(
    choiceHint("diff", {
      ...limited,
      choices: [],
      caps: { ...caps, policy: { ...policy, videoOnly: true } },
    }),
    /video only$/,
  );
  assert.match(
    choiceHint("video", { ...limited, caps: { ...caps, policy, transports: ["diff"] } }),
    /no video$/,
  );
});

Deno.test("titleWords: the tab tells where one is and how it stands", () => {
  assert.equal(titleWords({ state: "online" }, null), "Desktops · Farglass");
  assert.equal(titleWords({ state: "signed-out" }, null), "Signed out · Farglass");
  assert.equal(titleWords({ state: "online" }, session), "Build server – Connected · Farglass");
});

Deno.test("phaseWords and phaseTone: recovering and ended outrank the stage", () => {
  const recovering = { ...session, phase: { kind: "recovering", text: "x" } } as const;
  assert.deepEqual([phaseWords(recovering), phaseTone(recovering)], ["Reconnecting", "warn"]);
  const ended = { ...session, phase: { kind: "ended", reason: "killed", error: null } } as const;
  assert.deepEqual([phaseWords(ended), phaseTone(ended)], ["Ended", "bad"]);
  assert.deepEqual([phaseWords(session), phaseTone(session)], ["Connected", "good"]);
  const silent = { ...session, silent: true };
  assert.deepEqual([phaseWords(silent), phaseTone(silent)], ["Not answering", "warn"]);
  // The picture comes, whatever is tried in the background.
  const relayed = { ...session, transport: "diff-ws", stage: "connecting" } as const;
  assert.deepEqual([phaseWords(relayed), phaseTone(relayed)], ["Connected by the server", "warn"]);
});

const PENDING: readonly [name: string, view: ConsoleView, text: RegExp][] = [
  ["no link yet", { ...view, link: { state: "connecting" } }, /Connecting to the server/],
  [
    "link lost",
    { ...view, link: { state: "offline", retryAtMs: 1, attempts: 1 } },
    /Waiting for the server/,
  ],
  ["no list yet", { ...view, desktops: null }, /Reading the list/],
  ["unknown desktop", { ...view, desktops: [] }, /does not know this desktop yet/],
  ["offline desktop", { ...view, desktops: [{ ...desktop, online: false }] }, /offline/],
  ["about to ask", view, /Asking for the desktop/],
];
for (const [name, given, text] of PENDING) {
  Deno.test(`pendingSession: ${name} → ${text.source}`, () => {
    const pending = pendingSession(ID, given);
    assert.equal(pending.phase.kind, "waiting");
    assert.match(pending.phase.kind === "waiting" ? pending.phase.text : "", text);
  });
}
