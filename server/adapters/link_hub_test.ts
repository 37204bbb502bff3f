import assert from "node:assert/strict";
import { type Draft, PROTOCOL_VERSION } from "@farglass/protocol";
import { LinkHub } from "./link_hub.ts";
import type { Identity, LinkSocket } from "./link_types.ts";
import { MemoryBus } from "./memory_store.ts";
import { linkTopic } from "../core/ports.ts";
import { agentInfo } from "../testing/samples.ts";

const AGENT = "0f4a4c9e-5d7a-4c1e-9f53-6f0e4f8f1a2b";
const LINKS = ["1", "2", "3"].map((c) => `${c.repeat(8)}-0000-4000-8000-000000000000`);
const LIMITS = { rate: { perSecond: 100, burst: 100 }, maxBadMessages: 20 };

class FakeSocket implements LinkSocket {
  readonly sent: { type: string; payload: { code?: string; resumed?: boolean } }[] = [];
  closedWith: number | null = null;
  buffered = 0;
  onClose: (code: number) => void = () => {};

  sendTexts(texts: readonly string[]): void {
    if (this.closedWith === null) this.sent.push(...texts.map((text) => JSON.parse(text)));
  }
  sendBinary(): void {}
  bufferedBytes(): number {
    return this.buffered;
  }
  close(code: number): void {
    if (this.closedWith !== null) return;
    this.closedWith = code;
    this.onClose(code);
  }
  get types(): string[] {
    return this.sent.map((m) => m.type);
  }
}

async function withHub(
  run: (fixture: {
    hub: LinkHub;
    bus: MemoryBus;
    log: string[];
    connect: (resume?: { linkId: string; lastSeq: number }) => Promise<FakeSocket>;
    open: (identity?: Identity) => { socket: FakeSocket; text: (text: string) => void };
  }) => Promise<void>,
): Promise<void> {
  const log: string[] = [];
  const bus = new MemoryBus();
  let given = 0;
  const hub = new LinkHub({
    bus,
    log: { write: (_level, event) => log.push(event) },
    metrics: {
      message: () => {},
      rejected: (code) => log.push(`rejected ${code}`),
      sessionEvent: () => {},
      connections: () => {},
      relayed: () => {},
      relaySkipped: () => {},
      mediaDecisions: () => {},
      dropped: () => {},
    },
    clock: () => 1_000,
    newId: () => LINKS[given++],
    limits: { agent: LIMITS, console: LIMITS },
    checkTicket: () => Promise.resolve(true),
    handlers: {
      opened: (link, resumed) => void log.push(`opened ${link.linkId[0]} ${resumed}`),
      message: (_link, message) => void log.push(message.type),
      binary: () => log.push("binary"),
      lost: (link) => void log.push(`lost ${link.linkId[0]}`),
      gone: (link, replaced) => void log.push(`gone ${link.linkId[0]} ${replaced}`),
    },
  });
  const open = (identity: Identity = { role: "agent", agentId: AGENT }) => {
    const socket = new FakeSocket();
    const events = hub.accept(socket, identity);
    socket.onClose = events.closed;
    return { socket, text: events.text };
  };
  const connect = async (resume?: { linkId: string; lastSeq: number }) => {
    const { socket, text } = open();
    text(hello({ resume }));
    // HELLO is checked by promises that are already resolved.
    for (let i = 0; i < 10 && socket.sent.length === 0; i++) await Promise.resolve();
    return socket;
  };
  try {
    await run({ hub, bus, log, connect, open });
  } finally {
    hub.close();
  }
}

const hello = (more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    type: "HELLO",
    seq: 0,
    ack: 0,
    ts: 0,
    payload: {
      version: PROTOCOL_VERSION,
      role: "agent",
      software: "x",
      agent: agentInfo(AGENT),
      ...more,
    },
  });
const numbered: Draft = {
  type: "SESSION_ENDED",
  desktopId: LINKS[1],
  sessionId: LINKS[2],
  payload: { reason: "operator-disconnect", by: "operator" },
};
const list: Draft = { type: "DESKTOP_LIST", payload: { desktops: [] } };

Deno.test("hub: a resume takes the link over from its old socket without a loss", async () => {
  await withHub(async ({ bus, log, connect }) => {
    const first = await connect();
    await bus.publish(linkTopic(LINKS[0]), { draft: list });
    await bus.publish(linkTopic(LINKS[0]), { draft: numbered });
    assert.deepEqual(first.types, ["WELCOME", "DESKTOP_LIST", "SESSION_ENDED"]);
    const second = await connect({ linkId: LINKS[0], lastSeq: 0 });
    assert.equal(first.closedWith, 4000);
    // A console that comes back is sent a fresh list by whoever handles `opened`.
    assert.deepEqual(second.types, ["WELCOME", "SESSION_ENDED"]);
    assert.equal(second.sent[0].payload.resumed, true);
    assert.deepEqual(log, ["opened 1 false", "opened 1 true"]);
  });
});

Deno.test("hub: a socket that breaks while it is greeted leaves the link to be resumed", async () => {
  await withHub(async ({ log, open }) => {
    const operator = { operatorId: "op", name: "op" };
    const greet = (resume?: { linkId: string; lastSeq: number }) => {
      const { socket, text } = open({ role: "console", operator });
      text(hello({ role: "console", ticket: "t", agent: undefined, resume }));
      return socket;
    };
    const settled = async () => {
      for (let i = 0; i < 10; i++) await Promise.resolve();
    };
    const first = greet();
    await settled();
    first.close(1006);
    const resume = { linkId: LINKS[0], lastSeq: 0 };
    greet(resume).close(1006);
    await settled();
    const third = greet(resume);
    await settled();
    assert.equal(third.sent[0].payload.resumed, true);
    assert.ok(!log.some((line) => line.startsWith("gone")), log.join(", "));
  });
});

Deno.test("hub: a new link of the same agent replaces the old one", async () => {
  await withHub(async ({ log, connect }) => {
    const first = await connect();
    await connect({ linkId: LINKS[2], lastSeq: 5 });
    assert.equal(first.closedWith, 4000);
    assert.deepEqual(log, ["opened 1 false", "gone 1 true", "opened 2 false"]);
  });
});

Deno.test("hub: a broken socket leaves the link to be resumed, a goodbye does not", async () => {
  await withHub(async ({ log, connect, hub }) => {
    (await connect()).close(1006);
    assert.deepEqual(hub.socketOf(LINKS[0]), null);
    (await connect({ linkId: LINKS[0], lastSeq: 0 })).close(1001);
    assert.deepEqual(log, ["opened 1 false", "lost 1", "opened 1 true", "gone 1 false"]);
  });
});

Deno.test("hub: a peer that does not read is cut off before its text piles up", async () => {
  await withHub(async ({ bus, log, connect }) => {
    const socket = await connect();
    socket.buffered = 1024 * 1024 + 1;
    await bus.publish(linkTopic(LINKS[0]), { draft: list });
    assert.equal(socket.closedWith, 1013);
    assert.deepEqual(socket.types, ["WELCOME"]);
    assert.deepEqual(log.slice(1), ["rejected buffer-full", "slow-peer", "lost 1"]);
  });
});

Deno.test("hub: nothing before HELLO, nothing between HELLO and WELCOME", async () => {
  await withHub(async ({ open }) => {
    const ping = JSON.stringify({ type: "PING", seq: 0, ack: 0, ts: 0, payload: {} });
    const rows: readonly (readonly [readonly string[], number, string])[] = [
      [[ping], 1008, "out-of-state"],
      [["{"], 1008, "malformed"],
      [[hello({ version: 2 })], 4002, "wrong-version"],
      [[hello({ agent: agentInfo(LINKS[0]) })], 4001, "unauthorized"],
      [[hello({ role: "console" })], 4001, "unauthorized"],
    ];
    for (const [texts, code, error] of rows) {
      const { socket, text } = open();
      for (const t of texts) text(t);
      for (let i = 0; i < 10 && socket.closedWith === null; i++) await Promise.resolve();
      assert.equal(socket.closedWith, code, error);
      const refusal = socket.sent.find((m) => m.type === "ERROR");
      assert.equal(refusal?.payload.code, error);
    }
    // A console's ticket is being looked up; an agent is welcomed before anything else is read.
    const console_ = open({ role: "console", operator: { operatorId: "1", name: "Ada" } });
    console_.text(hello({ role: "console", ticket: "t", agent: undefined }));
    console_.text(ping);
    assert.equal(console_.socket.closedWith, 1008);
    const agent = open();
    agent.text(hello());
    agent.text(ping);
    assert.deepEqual(agent.socket.types, ["WELCOME", "PONG"]);
  });
});
