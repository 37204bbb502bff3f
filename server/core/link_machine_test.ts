/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  CLOSE,
  type Draft,
  LINK_HEARTBEAT_MS,
  LINK_RESUME_MS,
  LINK_TIMEOUT_MS,
  linkSend,
  type LinkState,
  MAX_UNACKED_MESSAGES,
  newLink,
} from "@farglass/protocol";
import {
  linkDeadline,
  type LinkEffect,
  type LinkEvent,
  linkStep,
  newServerLink,
} from "./link_machine.ts";

const IDS = {
  desktopId: "11111111-1111-4111-8111-111111111111",
  sessionId: "22222222-2222-4222-8222-222222222222",
};
const position: Draft = {
  type: "VIEWER_CONTROL",
  ...IDS,
  payload: { op: "cursor-position", x: 1, y: 1 },
};
const selected: Draft = {
  type: "VIEWER_CONTROL",
  ...IDS,
  payload: { op: "selected", transport: "rtp", epoch: 1 },
};

/** A console's link with a client that numbers its messages as the protocol does. */
class Driver {
  now = 10_000;
  client: LinkState = newLink;
  effects: readonly LinkEffect[] = [];
  state = newServerLink({
    linkId: "link",
    role: "agent",
    limits: { rate: { perSecond: 100, burst: 200 }, maxBadMessages: 3 },
  }, this.now);

  run(event: LinkEvent): this {
    [this.state, this.effects] = linkStep(this.state, event, this.now);
    return this;
  }

  say(draft: Draft): this {
    const sent = linkSend(this.client, draft, this.now);
    if (!sent.ok) throw new Error(sent.error.code);
    this.client = sent.value.link;
    return this.run({ kind: "text", text: sent.value.text });
  }

  get kinds(): string[] {
    return this.effects.map((e) => e.kind === "write" ? `write ${e.type ?? "again"}` : e.kind);
  }

  get written(): { type: string; seq: number; ack: number; payload: Record<string, unknown> }[] {
    return this.effects.flatMap((e) => e.kind === "write" ? [JSON.parse(e.text)] : []);
  }
}

const open = () => new Driver().run({ kind: "attach", lastSeq: null });

Deno.test("link: a new one is welcomed, numbered and acknowledged", () => {
  const d = open();
  assert.equal(d.written[0].payload.resumed, false);
  d.run({ kind: "send", draft: selected }).run({ kind: "send", draft: selected });
  assert.deepEqual([d.written[0].seq, d.written[0].ack], [2, 0]);
  assert.deepEqual(d.say(selected).kinds, ["deliver"]);
  assert.equal(d.say({ type: "PING", payload: {} }).written[0].ack, 0, "not dealt with yet");
  d.run({ kind: "handled", seq: 1 });
  assert.equal(d.say({ type: "PING", payload: {} }).written[0].ack, 1);
  assert.deepEqual(d.say({ type: "PONG", payload: {} }).kinds, []);
});

Deno.test("link: a long run is acknowledged before the client asks", () => {
  const d = open();
  const kinds = Array.from(
    { length: 64 },
    (_, i) => d.say(selected).run({ kind: "handled", seq: i + 1 }).kinds.join(" "),
  );
  assert.equal(kinds.at(-1), "write PONG");
  assert.equal(kinds.filter((k) => k === "").length, 63);
});

Deno.test("link: only what is dealt with, and all before it, is acknowledged", () => {
  const d = open();
  for (let i = 0; i < 3; i++) d.say(selected);
  d.run({ kind: "handled", seq: 2 });
  assert.equal(d.state.link.received, 0);
  d.run({ kind: "handled", seq: 1 });
  assert.equal(d.state.link.received, 2);
  d.run({ kind: "detach", final: false }).run({ kind: "attach", lastSeq: 0 });
  assert.equal(d.written[0].payload.lastSeq, 2, "the third is asked for again");
  d.run({ kind: "handled", seq: 3 });
  assert.equal(d.state.link.received, 3);
});

Deno.test("link: more than 256 messages that wait for the store close the socket, not the link", () => {
  const d = new Driver();
  d.state = { ...d.state, limits: { ...d.state.limits, rate: { perSecond: 1e6, burst: 1e6 } } };
  d.state = { ...d.state, bucket: { ...d.state.bucket, tokens: 1e6 } };
  d.run({ kind: "attach", lastSeq: null });
  for (let i = 0; i < 256; i++) assert.deepEqual(d.say(selected).kinds, ["deliver"]);
  assert.deepEqual(d.say(selected).kinds, ["close"]);
  assert.equal(d.state.heard, 256);
  assert.equal(d.state.dead, false);
});

Deno.test("link: one taken over goes on where the client is", () => {
  const d = open();
  for (let i = 0; i < 3; i++) d.run({ kind: "send", draft: selected });
  for (let i = 0; i < 5; i++) d.say(selected);
  const { sent, unacked } = d.state.link;
  const { linkId, role, limits } = d.state;
  d.state = newServerLink({ linkId, role, limits }, d.now, { sent, unacked });
  d.run({ kind: "attach", lastSeq: 1 });
  assert.deepEqual(d.written.map((m) => m.seq), [0, 2, 3]);
  // The client has dropped what the other node acknowledged: its next number is the sixth.
  assert.deepEqual(d.say(selected).kinds, ["deliver"]);
  d.run({ kind: "handled", seq: 6 });
  assert.equal(d.state.link.received, 6);
  assert.deepEqual(d.run({ kind: "send", draft: selected }).written.map((m) => m.seq), [4]);
});

Deno.test("link: resume sends again what was not seen, once", () => {
  const d = open();
  for (let i = 0; i < 3; i++) d.run({ kind: "send", draft: selected });
  d.run({ kind: "detach", final: false });
  assert.deepEqual(d.run({ kind: "send", draft: selected }).kinds, [], "kept for later");
  assert.deepEqual(d.run({ kind: "send", draft: position }).kinds, [], "not worth keeping");
  d.run({ kind: "attach", lastSeq: 1 });
  assert.deepEqual(d.kinds, ["write WELCOME", "write again", "write again", "write again"]);
  assert.deepEqual(d.written.map((m) => m.seq), [0, 2, 3, 4]);
  assert.equal(d.written[0].payload.resumed, true);
  d.run({ kind: "attach", lastSeq: 4 });
  assert.deepEqual(d.kinds, ["write WELCOME"]);
});

Deno.test("link: duplicates are dropped, a gap closes the socket but not the link", () => {
  const d = open().say(selected);
  const before = d.client;
  d.say(selected);
  d.client = before;
  assert.deepEqual(d.say(selected).kinds, []);
  d.client = { ...d.client, sent: 7 };
  d.say(selected);
  assert.deepEqual(d.effects, [
    { kind: "rejected", code: "sequence-gap" },
    { kind: "close", code: CLOSE.policyViolation, reason: "sequence-gap" },
  ]);
  assert.equal(d.state.dead, false);
});

Deno.test("link: bad messages use up their number and get an ERROR; too many end the link", () => {
  const d = open();
  const bad = (text: string) => d.run({ kind: "text", text });
  bad(JSON.stringify({ type: "FUTURE", seq: 1, ack: 0, ts: 0 }));
  assert.deepEqual(d.kinds, ["rejected", "write ERROR"]);
  assert.deepEqual(
    [d.written[0].payload.code, d.written[0].payload.refSeq, d.written[0].payload.refType],
    ["unknown-type", 1, "FUTURE"],
  );
  d.client = { ...d.client, sent: 1 };
  assert.deepEqual(d.say(selected).kinds, ["deliver"], "no gap after it");
  assert.equal(bad("{").written[0].payload.code, "malformed");
  assert.equal(bad(JSON.stringify({ type: "WELCOME" })).written[0].payload.code, "wrong-direction");
  assert.equal(bad("]").written[0].payload.code, "malformed", "the unknown one was no offence");
  assert.deepEqual(bad("[").kinds, ["rejected", "close", "gone"]);
  assert.deepEqual(d.say(selected).kinds, [], "a dead link does nothing");
});

Deno.test("link: HELLO comes once", () => {
  const d = open().say({
    type: "HELLO",
    payload: { version: 1, role: "agent", software: "x" },
  });
  assert.equal(d.written[0].payload.code, "out-of-state");
});

Deno.test("link: too many messages in a short time are refused and later taken again", () => {
  const d = open();
  let delivered = 0;
  while (d.say(selected).effects.some((e) => e.kind === "deliver")) delivered++;
  assert.equal(delivered, 200);
  assert.equal(d.written[0].payload.code, "rate-limited");
  d.now += 1_000;
  assert.ok(d.say(selected).effects.some((e) => e.kind === "deliver"));
});

Deno.test("link: silence closes the socket, absence ends the link", () => {
  const d = open();
  d.now += LINK_TIMEOUT_MS - 1;
  assert.deepEqual(d.run({ kind: "tick" }).kinds, []);
  assert.deepEqual(d.run({ kind: "binary" }).kinds, []);
  d.now += LINK_TIMEOUT_MS - 1;
  assert.deepEqual(d.run({ kind: "tick" }).kinds, []);
  d.now += 1;
  assert.deepEqual(d.run({ kind: "tick" }).kinds, ["close"]);
  d.run({ kind: "detach", final: false });
  d.now += LINK_RESUME_MS - 1;
  assert.deepEqual(d.run({ kind: "tick" }).kinds, []);
  d.now += 1;
  assert.deepEqual(d.run({ kind: "tick" }).kinds, ["gone"]);
});

Deno.test("link: a goodbye ends it at once", () => {
  assert.deepEqual(open().run({ kind: "detach", final: true }).kinds, ["gone"]);
});

Deno.test("link: a peer that acknowledges nothing is cut off, positions are dropped before", () => {
  const d = open();
  let sent = 0;
  while (!d.state.dead) {
    d.run({ kind: "send", draft: selected });
    sent++;
    if (sent === MAX_UNACKED_MESSAGES / 2 + 2) {
      assert.deepEqual(d.run({ kind: "send", draft: position }).kinds, []);
    }
  }
  assert.equal(sent, MAX_UNACKED_MESSAGES + 1);
  assert.deepEqual(d.kinds, ["rejected", "close", "gone"]);
  const [, close] = d.effects;
  assert.ok(close.kind === "close" && close.code === CLOSE.tryAgainLater);
});

Deno.test("link: too many bytes in a short time are refused, with the time to wait", () => {
  const d = new Driver();
  d.state = newServerLink({
    linkId: "link",
    role: "agent",
    limits: {
      rate: { perSecond: 100, burst: 200 },
      bytes: { perSecond: 1_000, burst: 1_000 },
      maxBadMessages: 3,
    },
  }, d.now);
  d.run({ kind: "attach", lastSeq: null });
  while (d.say(selected).effects.some((e) => e.kind === "deliver"));
  const { code, retryAfterMs } = d.written[0].payload;
  assert.equal(code, "rate-limited");
  assert.ok(typeof retryAfterMs === "number" && retryAfterMs > 0 && retryAfterMs <= 1_000);
  d.now += retryAfterMs;
  assert.ok(d.say(selected).effects.some((e) => e.kind === "deliver"));
});

Deno.test("link: a heartbeat that the server slows down gives the link more time, and back", () => {
  const d = open();
  const ping = (heartbeatMs: number) => {
    const sent = linkSend(d.client, { type: "PING", payload: {} }, d.now);
    if (!sent.ok) throw new Error(sent.error.code);
    return d.run({ kind: "text", text: sent.value.text, heartbeatMs }).written[0].payload;
  };
  assert.deepEqual(ping(10_000), { heartbeatMs: 10_000 });
  assert.deepEqual(ping(10_000), {});
  assert.equal(linkDeadline(d.state), d.now + 30_000);
  d.now += 29_999;
  assert.deepEqual(d.run({ kind: "tick" }).kinds, []);
  assert.deepEqual(ping(LINK_HEARTBEAT_MS), { heartbeatMs: LINK_HEARTBEAT_MS });
  assert.equal(linkDeadline(d.state), d.now + LINK_TIMEOUT_MS);
});
