/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  LINK_RESUME_MS,
  MAX_BUFFERED_SIGNALS,
  type Message,
  type Signal,
} from "@farglass/protocol";
import { CONSENT_TIMEOUT_MS } from "./consent.ts";
import { sessionsDeadline, stepSessions } from "./session_table.ts";
import {
  newSessionTable,
  type SessionEffect,
  type SessionEvent,
  type SessionTable,
} from "./session_types.ts";

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const DESKTOP = uuid(1);
const S = uuid(2);
const FINGERPRINT = `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`;
const ICE = `a=ice-ufrag:test\r\na=ice-pwd:${"p".repeat(22)}`;
const SDP = `v=0\r\n${ICE}\r\n${FINGERPRINT}\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n`;
const line = (address: string) => `candidate:1 1 udp 2130706431 ${address} 50000 typ host`;
const NEAR = line("192.0.2.7");

const policy = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" as const };
const fresh = (changes: Partial<SessionTable> = {}): SessionTable => ({
  ...newSessionTable({
    desktopId: DESKTOP,
    policy,
    canAsk: false,
    loopbackOnly: false,
    loopbackToo: false,
    relayOnly: false,
    videoCodecs: [],
  }),
  ...changes,
});
type Body = Omit<Message, "seq" | "ack" | "ts" | "desktopId" | "sessionId">;
const got = (body: Body, sessionId: string | undefined = S): SessionEvent => ({
  kind: "message",
  message: { desktopId: DESKTOP, sessionId, seq: 5, ack: 0, ts: 0, ...body } as Message,
});
const request = got({
  type: "SESSION_REQUEST",
  payload: { requestId: uuid(3), operator: { name: "Ada" } },
} as Body);
const signal = (payload: Signal) => got({ type: "DESKTOP_WEBRTC_SIGNAL", payload } as Body);
const offer = (generation: number, sdp = SDP) => signal({ kind: "offer", generation, sdp });
const candidate = (generation: number, text = NEAR) =>
  signal({
    kind: "ice-candidate",
    generation,
    candidate: text,
    sdpMid: "0",
    sdpMLineIndex: 0,
  });
const caps = got({
  type: "DESKTOP_CAPS",
  payload: {
    name: "d",
    transports: ["webrtc", "diff"],
    encoders: [],
    displays: [{ id: "0", name: "d", width: 1, height: 1, primary: true }],
    input: { pointer: true, keyboard: true },
    audio: { available: false },
    capture: "x11",
    policy,
    webrtc: {
      enabled: true,
      iceServers: [{ urls: ["stun:stun.example.com"] }],
      iceTransportPolicy: "relay",
    },
  },
} as Body);
const answered = (generation: number): SessionEvent => ({
  kind: "answered",
  sessionId: S,
  generation,
  sdp: "answer",
});
const peerState = (
  generation: number,
  state: "connected" | "failed" | "disconnected" | "connecting",
): SessionEvent => ({ kind: "peer-state", sessionId: S, generation, state });

function run(
  table: SessionTable,
  events: readonly SessionEvent[],
  now = 0,
): [SessionTable, SessionEffect[]] {
  const all: SessionEffect[] = [];
  for (const event of events) {
    const [next, effects] = stepSessions(table, event, now);
    table = next;
    all.push(...effects);
  }
  return [table, all];
}
const sent = (effects: readonly SessionEffect[]) =>
  effects.flatMap((e) => e.kind === "send" ? [e.draft] : []);
/** One word per effect; messages by type, signals by kind, errors by code. */
const words = (effects: readonly SessionEffect[]) =>
  effects.map((e) => {
    if (e.kind === "close-peer" || e.kind === "open-peer" || e.kind === "add-candidate") {
      return `${e.kind} ${e.generation}`;
    }
    if (e.kind !== "send") return e.kind;
    const { draft } = e;
    if (draft.type === "DESKTOP_WEBRTC_SIGNAL") return draft.payload.kind;
    if (draft.type === "ERROR") return draft.payload.code;
    if (draft.type === "PEER_STATE") return `${draft.payload.generation} ${draft.payload.state}`;
    if (draft.type === "SESSION_DECISION") return draft.payload.decision;
    return draft.type;
  });
const [accepted] = run(fresh(), [request, caps]);

Deno.test("request → decision by policy", () => {
  const rows = [
    ["allow", false, ["open-viewer", "accept"]],
    ["deny", true, ["log", "deny"]],
    ["ask", false, ["log", "deny"]],
    ["ask", true, ["ask"]],
  ] as const;
  for (const [consent, canAsk, expected] of rows) {
    const table = fresh({ policy: { ...policy, consent }, canAsk });
    assert.deepEqual(words(run(table, [request])[1]), expected, `${consent} ${canAsk}`);
  }
});

Deno.test("a denial without a terminal says how to allow", () => {
  const [, effects] = run(fresh({ policy: { ...policy, consent: "ask" } }), [request]);
  const log = effects.find((e) => e.kind === "log");
  assert.ok(log?.text.includes("--allow"));
});

Deno.test("ask: yes, no, no answer in time, taken back", () => {
  const [asking] = run(fresh({ policy: { ...policy, consent: "ask" }, canAsk: true }), [request]);
  assert.equal(sessionsDeadline(asking), CONSENT_TIMEOUT_MS);
  const answer = (a: "allowed-by-owner" | "denied-by-owner"): SessionEvent => ({
    kind: "consent",
    sessionId: S,
    answer: a,
  });
  assert.deepEqual(words(run(asking, [answer("allowed-by-owner")])[1]), ["open-viewer", "accept"]);
  assert.deepEqual(words(run(asking, [answer("denied-by-owner")])[1]), ["deny"]);
  const [late, effects] = run(asking, [{ kind: "tick" }], CONSENT_TIMEOUT_MS);
  assert.deepEqual(words(effects), ["stop-asking", "timeout"]);
  assert.deepEqual(run(late, [answer("allowed-by-owner")])[1], []);
  const ended = got({
    type: "SESSION_ENDED",
    payload: { reason: "operator-disconnect", by: "operator" },
  } as Body);
  assert.deepEqual(words(run(asking, [ended])[1]), ["stop-asking"]);
});

Deno.test("the same request again → duplicate, nothing changed", () => {
  const [table, effects] = run(accepted, [request]);
  assert.equal(table, accepted);
  assert.deepEqual(words(effects), ["duplicate"]);
});

Deno.test("a message for another desktop is ignored", () => {
  const foreign: SessionEvent = {
    kind: "message",
    message: {
      type: "DESKTOP_KILL",
      desktopId: uuid(77),
      seq: 1,
      ack: 0,
      ts: 0,
      payload: { scope: "desktop", reason: "killed" },
    },
  };
  const [table, effects] = run(accepted, [foreign]);
  assert.equal(table, accepted);
  assert.deepEqual(words(effects), ["log"]);
});

Deno.test("offer → peer with the session's servers → answer, candidates of both sides in order", () => {
  const [offered, opening] = run(accepted, [offer(1)]);
  const open = opening[0];
  assert.ok(open.kind === "open-peer");
  assert.deepEqual(open.iceServers, [{ urls: ["stun:stun.example.com"] }]);
  assert.equal(open.relayOnly, true);
  const local = (n: number): SessionEvent => ({
    kind: "local-candidate",
    sessionId: S,
    generation: 1,
    candidate: { candidate: `local ${n}`, sdpMid: "0", sdpMLineIndex: 0 },
  });
  const [waiting, quiet] = run(offered, [
    candidate(1, line("192.0.2.1")),
    local(1),
    candidate(1, line("192.0.2.2")),
    local(2),
    peerState(1, "connecting"),
  ]);
  assert.deepEqual(words(quiet), ["1 connecting"]);
  const [after, flushed] = run(waiting, [answered(1)]);
  assert.deepEqual(words(flushed), [
    "answer",
    "ice-candidate",
    "ice-candidate",
    "add-candidate 1",
    "add-candidate 1",
  ]);
  assert.deepEqual(
    flushed.flatMap((e) => e.kind === "add-candidate" ? [e.candidate?.candidate] : []),
    [line("192.0.2.1"), line("192.0.2.2")],
  );
  const [, direct] = run(after, [
    candidate(1),
    signal({ kind: "ice-end", generation: 1 }),
    local(3),
    { kind: "local-candidate", sessionId: S, generation: 1, candidate: null },
  ]);
  assert.deepEqual(words(direct), [
    "add-candidate 1",
    "add-candidate 1",
    "ice-candidate",
    "ice-end",
  ]);
});

Deno.test("offers that are refused", () => {
  const [offered] = run(accepted, [offer(2)]);
  const off = { ...accepted.sessions.get(S)!, webrtc: false };
  const rows: [string, SessionTable, SessionEvent, string][] = [
    ["older", offered, offer(1), "stale-generation"],
    ["same", offered, offer(2), "duplicate"],
    [
      "no fingerprint",
      accepted,
      offer(1, "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"),
      "sdp-no-fingerprint",
    ],
    ["no codec of ours", { ...accepted, videoCodecs: ["vp8"] }, offer(1), "caps-mismatch"],
    ["hostile", accepted, offer(1, "v=0\r\na=x\u0007"), "sdp-invalid"],
    ["switched off", { ...accepted, sessions: new Map([[S, off]]) }, offer(1), "webrtc-disabled"],
    ["answer", accepted, signal({ kind: "answer", generation: 1, sdp: SDP }), "out-of-state"],
  ];
  for (const [name, table, event, code] of rows) {
    const [next, effects] = run(table, [event]);
    assert.deepEqual(words(effects), [code], name);
    assert.equal(next, table, name);
    const [error] = sent(effects);
    assert.ok(error.type === "ERROR" && error.payload.refSeq === 5);
  }
});

Deno.test("not yet accepted → out-of-state", () => {
  const [asking] = run(fresh({ policy: { ...policy, consent: "ask" }, canAsk: true }), [request]);
  assert.deepEqual(words(run(asking, [offer(1)])[1]), ["out-of-state"]);
});

Deno.test("candidates: bad ones are refused, loopback obeys the setting, late ones are ignored", () => {
  const [table] = run(accepted, [offer(2), answered(2)]);
  assert.deepEqual(words(run(table, [candidate(2, "candidate:x")])[1]), ["candidate-invalid"]);
  assert.deepEqual(words(run(table, [candidate(2, line("127.0.0.1"))])[1]), []);
  assert.deepEqual(words(run(table, [candidate(1)])[1]), []);
  const [looped] = run({ ...accepted, loopbackOnly: true }, [offer(2), answered(2)]);
  assert.deepEqual(words(run(looped, [candidate(2, line("127.0.0.1"))])[1]), ["add-candidate 2"]);
  assert.deepEqual(words(run(looped, [candidate(2)])[1]), []);
});

Deno.test("candidates inside the offer obey the same rule", () => {
  const sdp = `${SDP}a=${line("127.0.0.1")}\r\na=${NEAR}\r\n`;
  const [, effects] = run(accepted, [offer(1, sdp)]);
  assert.ok(effects[0].kind === "open-peer" && effects[0].sdp === `${SDP}a=${NEAR}\r\n`);
});

Deno.test("more candidates than the buffer holds → buffer-full", () => {
  const [table] = run(accepted, [offer(1), ...Array(MAX_BUFFERED_SIGNALS).fill(candidate(1))]);
  assert.deepEqual(words(run(table, [candidate(1)])[1]), ["buffer-full"]);
});

Deno.test("a newer offer: the connected peer stays until the new one connects", () => {
  const [first] = run(accepted, [offer(1), answered(1), peerState(1, "connected")]);
  const [second, effects] = run(first, [offer(2), answered(2)]);
  assert.deepEqual(words(effects), ["open-peer 2", "answer"]);
  assert.deepEqual(words(run(second, [peerState(2, "connected")])[1]), [
    "2 connected",
    "close-peer 1",
  ]);
  assert.deepEqual(words(run(second, [peerState(1, "failed")])[1]), ["1 failed", "close-peer 1"]);
});

Deno.test("a newer offer: a peer that is not connected is dropped at once", () => {
  for (const state of ["connecting", "disconnected"] as const) {
    const [first] = run(accepted, [offer(1), answered(1), peerState(1, state)]);
    assert.deepEqual(words(run(first, [offer(2)])[1]), ["close-peer 1", "open-peer 2"]);
  }
});

Deno.test("restart → the peer of that negotiation is dropped", () => {
  const [table] = run(accepted, [offer(1), answered(1)]);
  const restart = signal({ kind: "restart", generation: 1, reason: "heartbeat-lost" });
  assert.deepEqual(words(run(table, [restart])[1]), ["close-peer 1"]);
  assert.deepEqual(words(run(table, [restart, restart])[1]), ["close-peer 1"]);
});

Deno.test("a peer that cannot answer → coded error and failed", () => {
  const [table] = run(accepted, [offer(1)]);
  const [next, effects] = run(table, [{ kind: "peer-error", sessionId: S, generation: 1 }]);
  assert.deepEqual(words(effects), ["close-peer 1", "peer-failed", "1 failed"]);
  assert.deepEqual(run(next, [answered(1)])[1], []);
});

Deno.test("ends: by operator, by kill of session or desktop, by the owner", () => {
  const [table] = run(accepted, [offer(1), answered(1)]);
  const closing = ["close-peer 1", "close-viewer"];
  const rows: [SessionEvent, string[]][] = [
    [
      got(
        {
          type: "SESSION_ENDED",
          payload: { reason: "operator-disconnect", by: "operator" },
        } as Body,
      ),
      closing,
    ],
    [
      got({ type: "DESKTOP_KILL", payload: { scope: "session", reason: "killed" } } as Body),
      closing,
    ],
    [
      got(
        { type: "DESKTOP_KILL", payload: { scope: "desktop", reason: "killed" } } as Body,
        undefined,
      ),
      [...closing, "desktop-killed"],
    ],
    [{ kind: "stop", sessionId: null, reason: "owner-stopped" }, ["SESSION_ENDED", ...closing]],
  ];
  for (const [event, expected] of rows) {
    const [next, effects] = run(table, [event]);
    assert.deepEqual(words(effects), expected);
    assert.equal(next.sessions.size, 0);
    assert.deepEqual(run(next, [offer(2), candidate(1), answered(1)])[1], []);
  }
});

Deno.test("the server forgot: media goes on for ten seconds, signalling does not", () => {
  const [table] = run(accepted, [offer(1), answered(1), { kind: "link-lost" }]);
  const [orphaned, quiet] = run(table, [{ kind: "link-up", resumed: false }], 1_000);
  assert.deepEqual(quiet, []);
  assert.equal(sessionsDeadline(orphaned), 11_000);
  assert.deepEqual(words(run(orphaned, [peerState(1, "connected")])[1]), []);
  const [gone, effects] = run(orphaned, [{ kind: "tick" }], 11_000);
  assert.deepEqual(words(effects), ["close-peer 1", "close-viewer"]);
  assert.equal(gone.sessions.size, 0);
  assert.equal(sessionsDeadline(gone), null);
});

Deno.test("the link broke: resumed → nothing; not back in time → closed", () => {
  const [lost] = run(accepted, [{ kind: "link-lost" }], 500);
  const [back, effects] = run(lost, [{ kind: "link-up", resumed: true }], 900);
  assert.deepEqual([effects, sessionsDeadline(back)], [[], null]);
  assert.equal(sessionsDeadline(lost), 500 + LINK_RESUME_MS);
  assert.deepEqual(words(run(lost, [{ kind: "tick" }], 500 + LINK_RESUME_MS)[1]), ["close-viewer"]);
});

Deno.test("console's presence and messages reach the viewer", () => {
  const presence = got(
    { type: "PEER_PRESENCE", payload: { peer: "console", online: false } } as Body,
  );
  const control = got({ type: "VIEWER_CONTROL", payload: { op: "refresh" } } as Body);
  assert.deepEqual(words(run(accepted, [presence, control])[1]), [
    "console-presence",
    "viewer-message",
  ]);
});

Deno.test("property: every peer and viewer that was opened is closed in the end, once", () => {
  const events: fc.Arbitrary<SessionEvent> = fc.oneof(
    fc.constantFrom<SessionEvent>(
      request,
      caps,
      got({ type: "SESSION_ENDED", payload: { reason: "killed", by: "server" } } as Body),
      { kind: "link-lost" },
      { kind: "link-up", resumed: false },
      { kind: "link-up", resumed: true },
      { kind: "tick" },
    ),
    fc.integer({ min: 1, max: 6 }).map((g) => offer(g)),
    fc.integer({ min: 1, max: 6 }).map((g) => candidate(g)),
    fc.integer({ min: 1, max: 6 }).map(answered),
    fc.tuple(
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom("connected", "failed", "disconnected", "connecting"),
    )
      .map(([g, s]) => peerState(g, s as "connected")),
  );
  fc.assert(fc.property(fc.array(fc.tuple(events, fc.nat(20_000)), { maxLength: 60 }), (list) => {
    let table = fresh();
    let now = 0;
    const open = new Set<string>();
    const steps: [SessionEvent, number][] = [
      ...list,
      [{ kind: "stop", sessionId: null, reason: "owner-stopped" }, 0],
    ];
    for (const [event, pause] of steps) {
      now += pause;
      const [next, effects] = stepSessions(table, event, now);
      table = next;
      for (const effect of effects) {
        if (effect.kind === "open-peer") {
          assert.ok(open.has("viewer"));
          assert.ok(!open.has(`peer ${effect.generation}`));
          open.add(`peer ${effect.generation}`);
        } else if (effect.kind === "close-peer") {
          assert.ok(open.delete(`peer ${effect.generation}`));
        } else if (effect.kind === "open-viewer") open.add("viewer");
        else if (effect.kind === "close-viewer") assert.ok(open.delete("viewer"));
        else if (effect.kind === "add-candidate") assert.ok(open.has(`peer ${effect.generation}`));
      }
      assert.ok(open.size <= 4);
    }
    assert.deepEqual([...open], []);
  }));
});

Deno.test("ICE and DTLS are told with the next peer state, with their ages", () => {
  const layer = (layer: "ice" | "dtls", state: "connected"): SessionEvent => ({
    kind: "peer-layer",
    sessionId: S,
    generation: 1,
    change: { layer, state },
  });
  let [table] = run(accepted, [offer(1), answered(1)], 1_000);
  const [first, none] = run(table, [layer("ice", "connected")], 1_200);
  assert.deepEqual(none, []);
  const [second, told] = run(first, [layer("dtls", "connected"), peerState(1, "connected")], 1_250);
  const payloads = (effects: readonly SessionEffect[]) =>
    sent(effects).flatMap((d) => d.type === "PEER_STATE" ? [d.payload] : []);
  assert.deepEqual(payloads(told), [{
    generation: 1,
    state: "connected",
    layers: [
      { layer: "ice", state: "connected", agoMs: 50 },
      { layer: "dtls", state: "connected", agoMs: 0 },
    ],
  }]);
  table = second;
  assert.deepEqual(payloads(run(table, [peerState(1, "disconnected")])[1]), [
    { generation: 1, state: "disconnected" },
  ]);
  const many = Array.from({ length: 40 }, () => layer("ice", "connected"));
  const [, flood] = run(table, [...many, peerState(1, "failed")]);
  assert.equal(payloads(flood)[0].layers?.length, 16);
});
