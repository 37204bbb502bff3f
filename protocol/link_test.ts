/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { linkAck, linkReceive, linkResume, linkSend, type LinkState, newLink } from "./link.ts";
import { MAX_UNACKED_BYTES, MAX_UNACKED_MESSAGES } from "./limits.ts";
import { decodeMessage, type Draft, type Message } from "./messages.ts";

const ID = "01234567-89ab-4def-8123-456789abcdef";
/** A sequenced message that carries a number. */
const draft = (n: number): Draft => ({
  type: "SESSION_ENDED",
  desktopId: ID,
  sessionId: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  payload: { reason: "killed", by: "agent" },
});
const numberOf = (message: Message): number => Number(message.sessionId?.slice(-12));

function send(link: LinkState, what: Draft): { link: LinkState; text: string } {
  const sent = linkSend(link, what, 5);
  assert.ok(sent.ok);
  return sent.value;
}

function parse(text: string): Message {
  const decoded = decodeMessage(text, "agent");
  assert.ok(decoded.ok, JSON.stringify(decoded));
  return decoded.value;
}

Deno.test("linkSend numbers, acknowledges and stamps", () => {
  const { link, text } = send({ ...newLink, received: 7 }, draft(1));
  const message = parse(text);
  assert.deepEqual([message.seq, message.ack, message.ts], [1, 7, 5]);
  assert.deepEqual([...link.unacked], [{ seq: 1, text }]);
  assert.equal(link.unacked.bytes, text.length);
});

Deno.test("linkSend leaves heartbeats outside the sequence", () => {
  const { link, text } = send(newLink, { type: "PING", payload: {} });
  assert.equal(parse(text).seq, 0);
  assert.equal(link, newLink);
});

Deno.test("linkSend refuses what nobody acknowledges for too long, by number", () => {
  let link = newLink;
  for (let i = 0; i < MAX_UNACKED_MESSAGES; i++) ({ link } = send(link, draft(i)));
  const refused = linkSend(link, draft(0), 0);
  assert.equal(refused.ok ? "ok" : refused.error.code, "buffer-full");
  assert.ok(linkSend(link, { type: "PING", payload: {} }, 0).ok);
  assert.ok(linkSend(linkAck(link, 1), draft(0), 0).ok);
});

Deno.test("linkSend refuses what nobody acknowledges for too long, by size", () => {
  const large: Draft = {
    type: "DESKTOP_WEBRTC_SIGNAL",
    desktopId: ID,
    sessionId: ID,
    payload: { kind: "offer", generation: 1, sdp: "v".repeat(16_000) },
  };
  let link = newLink;
  let count = 0;
  for (let sent = linkSend(link, large, 0); sent.ok; sent = linkSend(link, large, 0)) {
    link = sent.value.link;
    count++;
  }
  assert.ok(link.unacked.bytes <= MAX_UNACKED_BYTES);
  assert.ok(count >= 60 && count < MAX_UNACKED_MESSAGES, `${count}`);
});

const RECEIPTS: readonly { received: number; seq: number; kind: string; after: number }[] = [
  { received: 0, seq: 1, kind: "deliver", after: 1 },
  { received: 5, seq: 6, kind: "deliver", after: 6 },
  { received: 5, seq: 5, kind: "duplicate", after: 5 },
  { received: 5, seq: 1, kind: "duplicate", after: 5 },
  { received: 5, seq: 7, kind: "gap", after: 5 },
  { received: 0, seq: 2, kind: "gap", after: 0 },
  { received: 5, seq: 0, kind: "deliver", after: 5 },
];

for (const { received, seq, kind, after } of RECEIPTS) {
  Deno.test(`linkReceive: received ${received} + message ${seq} → ${kind}`, () => {
    const message = { ...parse(send(newLink, draft(1)).text), seq };
    const receipt = linkReceive({ ...newLink, received }, message);
    assert.equal(receipt.kind, kind);
    assert.equal(receipt.link.received, after);
  });
}

Deno.test("linkReceive takes the acknowledgement of a gap and of a duplicate too", () => {
  for (const seq of [1, 9]) {
    const { link } = send({ ...newLink, received: 1 }, draft(1));
    const message = { ...parse(send(newLink, draft(1)).text), seq, ack: 1 };
    assert.equal(linkReceive(link, message).link.unacked.length, 0);
  }
});

Deno.test("linkAck ignores the past and what was never sent", () => {
  let link = newLink;
  for (let i = 0; i < 3; i++) ({ link } = send(link, draft(i)));
  assert.equal(linkAck(link, 0), link);
  assert.equal(linkAck(link, 4), link);
  const two = linkAck(link, 2);
  assert.deepEqual([...two.unacked].map(({ seq }) => seq), [3]);
  assert.equal(two.unacked.bytes, two.unacked.first?.text.length);
  assert.equal(linkAck(two, 2), two);
  assert.equal(linkAck(two, 3).unacked.length, 0);
  assert.equal(linkAck(two, 3).unacked.bytes, 0);
});

Deno.test("linkResume gives back, to the letter, what the peer has not seen", () => {
  let link = newLink;
  const texts: string[] = [];
  for (let i = 0; i < 4; i++) {
    const sent = send(link, draft(i));
    link = sent.link;
    texts.push(sent.text);
  }
  assert.deepEqual(linkResume(link, 2).resend, texts.slice(2));
  assert.deepEqual(linkResume(link, 4).resend, []);
  assert.deepEqual(linkResume(newLink, 0).resend, []);
});

/** One end of the two-sided test. */
interface End {
  link: LinkState;
  sentCount: number;
  delivered: number[];
  /** What travels towards this end. */
  inbox: string[];
}

type Step =
  | { readonly kind: "send" | "heartbeat"; readonly end: 0 | 1 }
  /** The first `count` texts of an inbox arrive. */
  | { readonly kind: "arrive"; readonly end: 0 | 1; readonly count: number }
  /** The network gives the first text twice. */
  | { readonly kind: "duplicate"; readonly end: 0 | 1 }
  /** The network drops a text in the middle: TCP would not, but a gap must be noticed. */
  | { readonly kind: "drop"; readonly end: 0 | 1 }
  /** Everything under way is lost; both sides come back and say what they saw. */
  | { readonly kind: "reconnect" };

const endIndex = fc.constantFrom<0 | 1>(0, 1);
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("send" as const), end: endIndex }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("heartbeat" as const), end: endIndex }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      end: endIndex,
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("duplicate" as const), end: endIndex }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), end: endIndex }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reconnect" as const) }) },
);

/** Two ends and the network between them. */
class Pair {
  readonly ends: readonly [End, End] = [newEnd(), newEnd()];

  run(step: Step): void {
    if (step.kind === "reconnect") return this.reconnect();
    const end = this.ends[step.end];
    const other = this.ends[1 - step.end];
    switch (step.kind) {
      case "send": {
        const sent = linkSend(end.link, draft(end.sentCount + 1), 0);
        if (!sent.ok) return;
        end.sentCount++;
        end.link = sent.value.link;
        other.inbox.push(sent.value.text);
        break;
      }
      case "heartbeat": {
        const sent = send(end.link, { type: "PING", payload: {} });
        end.link = sent.link;
        other.inbox.push(sent.text);
        break;
      }
      case "arrive":
        for (let i = 0; i < step.count && end.inbox.length > 0; i++) this.arrive(end);
        break;
      case "duplicate":
        if (end.inbox.length > 0) end.inbox.unshift(end.inbox[0]);
        break;
      case "drop":
        end.inbox.splice(Math.floor(end.inbox.length / 2), 1);
        break;
    }
  }

  arrive(end: End): void {
    const message = parse(end.inbox.shift()!);
    const receipt = linkReceive(end.link, message);
    end.link = receipt.link;
    // A gap closes the socket: everything under way is lost.
    if (receipt.kind === "gap") return this.reconnect();
    if (receipt.kind === "deliver" && message.seq > 0) end.delivered.push(numberOf(message));
  }

  reconnect(): void {
    const [a, b] = this.ends;
    a.inbox = [];
    b.inbox = [];
    const [fromA, fromB] = [
      linkResume(a.link, b.link.received),
      linkResume(b.link, a.link.received),
    ];
    a.link = fromA.link;
    b.link = fromB.link;
    b.inbox.push(...fromA.resend);
    a.inbox.push(...fromB.resend);
  }

  /** Lets everything arrive that was sent. */
  settle(): void {
    this.reconnect();
    while (this.ends.some((end) => end.inbox.length > 0)) {
      for (const end of this.ends) if (end.inbox.length > 0) this.arrive(end);
    }
  }
}

const newEnd = (): End => ({ link: newLink, sentCount: 0, delivered: [], inbox: [] });
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

Deno.test("two links deliver everything exactly once and in order, whatever the network does", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 120 }), (steps) => {
      const pair = new Pair();
      for (const step of steps) {
        pair.run(step);
        for (const [index, end] of pair.ends.entries()) {
          // At any moment: a prefix of what the other end has sent.
          assert.deepEqual(end.delivered, upTo(end.delivered.length));
          assert.ok(end.delivered.length <= pair.ends[1 - index].sentCount);
          const { unacked } = end.link;
          const bytes = [...unacked].reduce((sum, { text }) => sum + text.length, 0);
          assert.equal(unacked.bytes, bytes);
        }
      }
      pair.settle();
      for (const [index, end] of pair.ends.entries()) {
        assert.deepEqual(end.delivered, upTo(pair.ends[1 - index].sentCount));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("linkSend: a list that goes to many links is each time the whole envelope", () => {
  const list: Draft = { type: "DESKTOP_LIST", payload: { desktops: [] } };
  for (const received of [3, 4]) {
    const sent = linkSend({ ...newLink, received }, list, 5);
    assert.ok(sent.ok);
    assert.deepEqual(JSON.parse(sent.value.text), { ...list, seq: 0, ack: received, ts: 5 });
    assert.equal(sent.value.link.sent, 0);
  }
});
