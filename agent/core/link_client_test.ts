/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { CLOSE, type Draft, LINK_TIMEOUT_MS, linkSend, newLink } from "@farglass/protocol";
import {
  type LinkClient,
  linkDeadline,
  type LinkEffect,
  type LinkEvent,
  newLinkClient,
  stepLink,
} from "./link_client.ts";

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const agent = { agentId: uuid(1), name: "a", hostname: "h", os: "linux", software: "0" };
const ended = (seqOfSession: number): Draft => ({
  type: "SESSION_ENDED",
  desktopId: uuid(2),
  sessionId: uuid(seqOfSession),
  payload: { reason: "killed", by: "server" },
});

/** Drives one client; keeps what came out. */
class Driver {
  state: LinkClient = newLinkClient(agent);
  now = 0;
  out: LinkEffect[] = [];
  server = newLink;
  do(event: LinkEvent): LinkEffect[] {
    const [state, effects] = stepLink(this.state, event, { now: this.now, random: 0.5 });
    this.state = state;
    this.out.push(...effects);
    return [...effects];
  }
  text(message: Record<string, unknown>): LinkEffect[] {
    return this.do({ kind: "text", epoch: this.state.epoch, text: JSON.stringify(message) });
  }
  fromServer(draft: Draft): string {
    const sent = linkSend(this.server, draft, 0);
    assert.ok(sent.ok);
    this.server = sent.value.link;
    return sent.value.text;
  }
  deliver(text: string): LinkEffect[] {
    return this.do({ kind: "text", epoch: this.state.epoch, text });
  }
  toGreeting(): LinkEffect[] {
    if (this.state.phase.kind === "stopped") this.do({ kind: "start" });
    this.do({ kind: "nonce", epoch: this.state.epoch, nonce: "n" });
    return this.do({ kind: "opened", epoch: this.state.epoch });
  }
  welcome(resumed: boolean, lastSeq = 0): LinkEffect[] {
    return this.text({
      type: "WELCOME",
      seq: 0,
      ack: 0,
      ts: 0,
      payload: {
        version: 1,
        software: "s",
        linkId: uuid(9),
        resumed,
        lastSeq,
        heartbeatMs: 1500,
      },
    });
  }
  retryNow(): void {
    this.now = linkDeadline(this.state)!;
    this.do({ kind: "tick" });
  }
}
const kinds = (effects: readonly LinkEffect[]) => effects.map((e) => e.kind);
const written = (effects: readonly LinkEffect[]) =>
  effects.flatMap((e) => e.kind === "write" ? [JSON.parse(e.text)] : []);

Deno.test("start → challenge → open → HELLO → WELCOME → up", () => {
  const d = new Driver();
  assert.deepEqual(d.do({ kind: "start" }), [{ kind: "challenge", epoch: 1 }]);
  assert.deepEqual(d.do({ kind: "nonce", epoch: 1, nonce: "abc" }), [
    { kind: "open", epoch: 1, nonce: "abc" },
  ]);
  const [hello] = written(d.do({ kind: "opened", epoch: 1 }));
  assert.equal(hello.type, "HELLO");
  assert.equal(hello.payload.role, "agent");
  assert.equal(hello.payload.resume, undefined);
  assert.deepEqual(d.welcome(false), [{ kind: "up", resumed: false }]);
});

Deno.test("unreachable: one sentence per attempt, pauses double up to ten seconds, for ever", () => {
  const d = new Driver();
  d.do({ kind: "start" });
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    const effects = d.do({ kind: "failed", epoch: d.state.epoch, failure: "unreachable" });
    assert.deepEqual(kinds(effects), ["log"]);
    pauses.push(linkDeadline(d.state)! - d.now);
    d.retryNow();
    assert.equal(d.state.phase.kind, "challenging");
  }
  assert.deepEqual(pauses.slice(0, 4), [188, 375, 750, 1500]);
  assert.equal(pauses.at(-1), 7500);
});

Deno.test("refused secret → slow attempts and a sentence that says what to check", () => {
  const d = new Driver();
  d.do({ kind: "start" });
  const [log] = d.do({ kind: "failed", epoch: 1, failure: "unauthorized" });
  assert.ok(log.kind === "log" && log.text.includes("server.secretFile"));
  assert.equal(linkDeadline(d.state)! - d.now, 7_500);
});

Deno.test("callbacks of an older attempt are ignored", () => {
  const d = new Driver();
  d.do({ kind: "start" });
  d.do({ kind: "failed", epoch: 1, failure: "unreachable" });
  d.retryNow();
  const before = d.state;
  for (
    const event of [
      { kind: "nonce", epoch: 1, nonce: "x" },
      { kind: "closed", epoch: 1, code: 1006 },
      { kind: "text", epoch: 1, text: "{}" },
    ] as const
  ) {
    assert.deepEqual(d.do(event), []);
  }
  assert.equal(d.state, before);
});

Deno.test("messages are delivered once and in order; a gap closes with 1008 and resumes", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  const one = d.fromServer(ended(11));
  const two = d.fromServer(ended(12));
  assert.deepEqual(kinds(d.deliver(one)), ["deliver"]);
  assert.deepEqual(kinds(d.deliver(one)), []);
  d.fromServer(ended(13));
  const four = d.fromServer(ended(14));
  assert.deepEqual(kinds(d.deliver(two)), ["deliver"]);
  const effects = d.deliver(four);
  assert.deepEqual(effects[0], { kind: "close", code: CLOSE.policyViolation });
  assert.deepEqual(kinds(effects), ["close", "down", "log"]);
  d.retryNow();
  const [hello] = written(d.toGreeting());
  assert.deepEqual(hello.payload.resume, { linkId: uuid(9), lastSeq: 2 });
});

Deno.test("sent while away → sent again on resume, not when the server begins anew", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  assert.equal(written(d.do({ kind: "send", draft: ended(21) })).length, 1);
  d.do({ kind: "closed", epoch: d.state.epoch, code: 1006 });
  assert.deepEqual(d.do({ kind: "send", draft: ended(22) }), []);
  d.retryNow();
  d.toGreeting();
  const effects = d.welcome(true, 1);
  assert.deepEqual(written(effects).map((m) => [m.seq, m.sessionId]), [[2, uuid(22)]]);
  assert.deepEqual(effects.at(-1), { kind: "up", resumed: true });

  d.do({ kind: "closed", epoch: d.state.epoch, code: 1006 });
  d.do({ kind: "send", draft: ended(23) });
  d.retryNow();
  d.toGreeting();
  assert.deepEqual(d.welcome(false), [{ kind: "up", resumed: false }]);
  assert.equal(written(d.do({ kind: "send", draft: ended(24) }))[0].seq, 1);
});

Deno.test("heartbeat: PING each interval, silence → closed as dead", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  d.now = 1500;
  assert.deepEqual(written(d.do({ kind: "tick" })).map((m) => m.type), ["PING"]);
  d.now = 1600;
  d.text({ type: "PONG", seq: 0, ack: 0, ts: 0, payload: {} });
  d.now = 1600 + LINK_TIMEOUT_MS - 1;
  assert.deepEqual(kinds(d.do({ kind: "tick" })), ["write"]);
  d.now++;
  assert.deepEqual(d.do({ kind: "tick" })[0], { kind: "close", code: CLOSE.heartbeatLost });
});

Deno.test("a message of an unknown type counts, so that the next one is no gap", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  const known = d.fromServer(ended(31));
  assert.deepEqual(kinds(d.text({ ...JSON.parse(known), type: "FUTURE" })), ["log"]);
  assert.deepEqual(kinds(d.deliver(d.fromServer(ended(32)))), ["deliver"]);
  assert.deepEqual(kinds(d.deliver("no json")), ["log"]);
});

Deno.test("nothing acknowledged: cursor positions are dropped first, then the link begins anew", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  const position: Draft = {
    type: "VIEWER_CONTROL",
    desktopId: uuid(2),
    sessionId: uuid(3),
    payload: { op: "cursor-position", x: 1, y: 1 },
  };
  for (let i = 0; i < 1000; i++) d.do({ kind: "send", draft: position });
  assert.equal(d.state.link.unacked.length, 128);
  assert.equal(d.state.phase.kind, "online");
  for (let i = 0; i < 512; i++) d.do({ kind: "send", draft: ended(3) });
  assert.equal(d.state.phase.kind, "waiting");
  assert.equal(d.state.linkId, null);
});

Deno.test("attempts start from the beginning only after a link that held", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  d.now += 10;
  d.do({ kind: "closed", epoch: d.state.epoch, code: 1006 });
  assert.equal(d.state.attempts, 1);
  d.retryNow();
  d.toGreeting();
  d.welcome(true);
  d.now += 10;
  d.do({ kind: "closed", epoch: d.state.epoch, code: 1006 });
  assert.equal(d.state.attempts, 2);
  d.retryNow();
  d.toGreeting();
  d.welcome(true);
  d.now += 6_000;
  d.do({ kind: "closed", epoch: d.state.epoch, code: 1006 });
  assert.equal(d.state.attempts, 1);
});

Deno.test("stop → closed as going away, and silent from then on", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  assert.deepEqual(d.do({ kind: "stop" }), [{ kind: "close", code: CLOSE.goingAway }]);
  assert.equal(linkDeadline(d.state), null);
  assert.deepEqual(d.do({ kind: "tick" }), []);
});

Deno.test("heartbeat: the server slows it down, silence is judged by it, and it comes back", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  d.deliver(d.fromServer({ type: "PONG", payload: { heartbeatMs: 10_000 } }));
  assert.equal(linkDeadline(d.state), 10_000);
  d.now = 10_000;
  assert.deepEqual(written(d.do({ kind: "tick" })).map((m) => m.type), ["PING"]);
  assert.equal(d.state.phase.kind, "online", "silent for less than three heartbeats");
  d.deliver(d.fromServer({ type: "PONG", payload: { heartbeatMs: 1_500 } }));
  assert.equal(linkDeadline(d.state), 11_500);
});

Deno.test("a server that is stopping (1012) → back within half a second, and the link is resumed", () => {
  const d = new Driver();
  d.toGreeting();
  d.welcome(false);
  d.now = 60_000;
  d.do({ kind: "closed", epoch: d.state.epoch, code: CLOSE.serviceRestart });
  assert.equal(linkDeadline(d.state), 60_250);
  d.retryNow();
  d.toGreeting();
  const hello = written(d.out).findLast((m) => m.type === "HELLO");
  assert.equal(hello?.payload.resume.linkId, uuid(9));
});
