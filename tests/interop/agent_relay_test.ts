/** Agent and server for real, a scripted console: the diff path without data channels, and control. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ControlMessage,
  decodeDiff,
  decodeRelay,
  type DiffAck,
  encodeDiffAck,
  encodeInput,
  encodeRelay,
  type InputMessage,
} from "@farglass/protocol";
import { JsonLog } from "../../server/adapters/json_log.ts";
import { startServer } from "../../server/app.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { syntheticLayout } from "../../agent/core/synthetic_layout.ts";
import { connectConsole, type LinkClient } from "../../server/testing/link_client.ts";
import { type Fixture, withServer } from "../../server/testing/server_fixture.ts";
import { type InProcessAgent, startInProcess } from "../support/agent_in_process.ts";
import { DiffReceiver } from "../support/diff_receiver.ts";
import { poll } from "../support/process.ts";

/** A console without WebRTC: it sees, answers and types through the server's relay. */
class RelayConsole {
  readonly picture = new DiffReceiver();
  exact = false;
  #read = 0;
  #seen = 0;
  #seq = 0;
  constructor(
    readonly client: LinkClient,
    readonly desktopId: string,
    readonly sessionId: string,
    readonly cookie: string,
    /** Which diff messages are lost on the way. */
    readonly loses: (count: number) => boolean = () => false,
  ) {}

  static async open(
    server: Fixture["server"],
    { desktopId }: InProcessAgent,
    loses?: (count: number) => boolean,
  ): Promise<RelayConsole> {
    const { client, cookie } = await connectConsole(server);
    await client.next(
      "DESKTOP_LIST",
      0,
      (m) => m.payload.desktops.some((d) => d.desktopId === desktopId && d.online),
    );
    const requestId = randomUUID();
    client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
    const { sessionId = "" } = await client.next("SESSION_REQUEST");
    const decision = await client.next("SESSION_DECISION");
    assert.equal(decision.payload.decision, "accept");
    await client.next("DESKTOP_CAPS");
    return new RelayConsole(client, desktopId, sessionId, cookie, loses);
  }

  control(payload: ControlMessage): void {
    const { desktopId, sessionId } = this;
    this.client.send({ type: "VIEWER_CONTROL", desktopId, sessionId, payload });
  }

  input(input: InputMessage): void {
    this.client.raw(encodeRelay("input", this.sessionId, encodeInput(input)));
  }

  click(x: number, y: number): void {
    for (const down of [true, false]) {
      this.input({ kind: "button", seq: ++this.#seq, x, y, button: 1, down });
    }
  }

  /** Switches the moving object off: only a still screen can be compared. */
  holdStill(): void {
    const { x, y } = syntheticLayout(this.picture.width, this.picture.height).checkbox;
    this.click(x + 5, y + 5);
  }

  /** The answers to control messages that came so far. */
  controls<Op extends ControlMessage["op"]>(op: Op): Extract<ControlMessage, { op: Op }>[] {
    return this.client.messages.flatMap((m) =>
      m.type === "VIEWER_CONTROL" && m.payload.op === op
        ? [m.payload as Extract<ControlMessage, { op: Op }>]
        : []
    );
  }

  /** Takes what has come and answers it. */
  #work(): void {
    for (; this.#read < this.client.binary.length; this.#read++) {
      const relay = decodeRelay(this.client.binary[this.#read]);
      assert.ok(relay.ok && relay.value.kind === "diff");
      assert.equal(relay.value.sessionId, this.sessionId);
      if (this.loses(this.#seen++)) continue;
      const message = decodeDiff(relay.value.payload);
      assert.ok(message.ok);
      const ack = this.picture.receive(relay.value.payload);
      if (ack !== null) this.#answer(ack, message.value.hash !== null);
    }
  }

  #answer(ack: DiffAck, hashed: boolean): void {
    this.exact = hashed && ack.outcome === "painted";
    this.client.raw(encodeRelay("ack", this.sessionId, encodeDiffAck(ack)));
  }

  /** Works until `done`. */
  async until(done: () => boolean, what: string): Promise<void> {
    await this.client.until(() => {
      this.#work();
      return done();
    }, what);
  }
}

/** Chooses the relay, waits for the first picture, and stops what moves. */
async function showStill(view: RelayConsole, agent: InProcessAgent): Promise<void> {
  view.control({ op: "select", transport: "diff-ws", epoch: 1 });
  await view.until(() => view.picture.pixels.length > 0, "a first picture");
  view.holdStill();
  await isExact(view, agent);
}

/** The relay console's picture, proved by the agent's hash, is the agent's screen. */
async function isExact(view: RelayConsole, agent: InProcessAgent): Promise<void> {
  await view.until(
    () => view.exact && equal(view.picture.pixels, agent.screen()),
    "the exact picture",
  );
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

const typed = (text: string): InputMessage => ({
  kind: "text",
  codePoints: Array.from(text, (c) => c.codePointAt(0)!),
});

Deno.test("diff-ws: the picture is exact, and what is typed appears in it", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent);
    await showStill(view, agent);
    assert.deepEqual(view.controls("selected"), [{
      op: "selected",
      transport: "diff-ws",
      epoch: 1,
    }]);
    assert.deepEqual(view.controls("screen"), [
      { op: "screen", width: 800, height: 600, display: "synthetic-1" },
    ]);
    assert.deepEqual(view.controls("grants"), [{ op: "grants", input: true }]);
    assert.ok(view.controls("cursor").length >= 1);
    const before = view.picture.pixels.slice();
    view.input(typed("Ångström 42"));
    await view.until(() => !equal(view.picture.pixels, before), "typed text");
    await isExact(view, agent);
    assert.deepEqual(agent.agent.status().viewers.map((v) => v.transport), ["diff-ws"]);
    await view.client.close();
  });
});

/** A third of the first messages, in no rhythm: a proof sent every third message would never come. */
const LOST = new Set([1, 2, 5, 7, 11, 12, 15, 17, 20, 22, 25, 26, 30]);

Deno.test("diff-ws: lost messages are sent again, and the picture is exact in the end", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent, (count) => LOST.has(count));
    // What is lost before any answer is sent again after 5 s only: the link has to live that long.
    const heartbeat = setInterval(() => view.client.send({ type: "PING", payload: {} }), 1_000);
    try {
      await showStill(view, agent);
      for (const word of ["one", "two", "three", "four"]) {
        const before = view.picture.pixels.slice();
        view.input(typed(`${word} `));
        await view.until(() => !equal(view.picture.pixels, before), word);
      }
      await isExact(view, agent);
    } finally {
      clearInterval(heartbeat);
    }
    await view.client.close();
  });
});

Deno.test("two viewers of one desktop: each has its own reference", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const first = await RelayConsole.open(server, agent);
    await showStill(first, agent);
    const second = await RelayConsole.open(server, agent);
    second.control({ op: "select", transport: "diff-ws", epoch: 1 });
    await isExact(second, agent);
    second.input(typed("both"));
    second.exact = first.exact = false;
    await isExact(second, agent);
    await isExact(first, agent);
    await first.client.close();
    await second.client.close();
  });
});

Deno.test("view only: input changes nothing and is answered with a coded error", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server, policy: { viewOnly: true } });
    const view = await RelayConsole.open(server, agent);
    view.control({ op: "select", transport: "diff-ws", epoch: 1 });
    await view.until(() => view.picture.pixels.length > 0, "a first picture");
    assert.deepEqual(view.controls("grants"), [{ op: "grants", input: false }]);
    const before = fieldOf(agent);
    view.input(typed("no"));
    assert.equal((await view.client.next("ERROR")).payload.code, "view-only");
    view.control({ op: "ping", id: 1, at: 0 });
    await view.until(() => view.controls("pong").length === 1, "an answer to what came after");
    assert.ok(equal(fieldOf(agent), before));
    await view.client.close();
  });
});

/** The colours of the text field, where nothing moves; the caret's column stays out. */
function fieldOf(agent: InProcessAgent): Uint32Array {
  const { width, height } = agent.pipeline.screen;
  const { x, y, width: wide } = syntheticLayout(width, height).fieldLines[0];
  const row = y + 8;
  return agent.screen().slice(row * width + x + 20, row * width + x + wide);
}

Deno.test("the console leaves: the viewer is closed and the capture ends", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent);
    await showStill(view, agent);
    const { desktopId, sessionId, client } = view;
    client.send({
      type: "SESSION_ENDED",
      desktopId,
      sessionId,
      payload: { reason: "operator-disconnect", by: "operator" },
    });
    await poll("the viewer's end", 10_000, () => agent.agent.status().viewers.length === 0 || null);
    await client.close();
  });
});

Deno.test("the owner stops the agent: the console is told before it goes", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent);
    await showStill(view, agent);
    const from = view.client.messages.length;
    await agent.agent.stop();
    const { payload } = await view.client.next("SESSION_ENDED", from);
    assert.deepEqual(payload, { reason: "owner-stopped", by: "agent" });
    await view.client.next(
      "DESKTOP_LIST",
      from,
      (m) => m.payload.desktops.every((d) => !d.online),
    );
    await view.client.close();
  });
});

Deno.test("a heartbeat through the server is answered with the counters", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent);
    await showStill(view, agent);
    view.control({ op: "ping", id: 9, at: 123 });
    await view.until(() => view.controls("pong").length === 1, "pong");
    const [pong] = view.controls("pong");
    assert.deepEqual([pong.id, pong.at, pong.rtpFrames], [9, 123, 0]);
    assert.ok(pong.captured >= 1 && pong.diffFrames >= 1);
    await view.client.close();
  });
});

Deno.test("a select that the policy forbids is answered, and shows nothing", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server, policy: { videoOnly: true } });
    const view = await RelayConsole.open(server, agent);
    view.control({ op: "select", transport: "diff-ws", epoch: 1 });
    await view.until(() => view.controls("selected").length === 1, "selected");
    assert.deepEqual(view.controls("selected")[0].transport, "none");
    assert.equal((await view.client.next("ERROR")).payload.code, "caps-mismatch");
    assert.equal(view.client.binary.length, 0);
    await view.client.close();
  });
});

Deno.test("consent: the owner is asked, with the displays of now, and says no", async () => {
  await withServer({}, async ({ server }) => {
    const asked: (readonly string[])[] = [];
    await using agent = await startInProcess({
      server,
      policy: { consent: "ask" },
      consent: {
        ask: (_id, { displays }, onAnswer) => {
          asked.push(displays);
          onAnswer("denied-by-owner");
        },
        cancel: () => {},
      },
      // A second one was plugged in since the agent started.
      displays: () => 2,
    });
    const { client } = await connectConsole(server);
    await client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
    const { desktopId } = agent;
    client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId: randomUUID() } });
    const { payload } = await client.next("SESSION_DECISION");
    assert.deepEqual([payload.decision, payload.reason], ["deny", "denied-by-owner"]);
    assert.deepEqual(asked, [["Synthetic 1", "Synthetic 2"]]);
    assert.deepEqual(agent.agent.status().viewers, []);
    await client.close();
  });
});

Deno.test("the console's socket breaks: its link is resumed and the picture goes on", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent);
    await showStill(view, agent);
    await view.client.drop();
    const { resumed } = await connectConsole(server, view);
    assert.equal(resumed, true);
    const before = view.picture.pixels.slice();
    view.input(typed("again"));
    await view.until(() => !equal(view.picture.pixels, before), "typed text");
    await isExact(view, agent);
    await view.client.close();
  });
});

Deno.test("a wrong secret: refused again and again, with a sentence that says what to check", async () => {
  await withServer({}, async ({ server }) => {
    await using agent = await startInProcess({ server, secret: "not-the-secret-of-this-server" });
    const sentence = /refused this agent's secret; check server\.secretFile/;
    await poll(
      "the sentence",
      10_000,
      () => agent.logs.find((text) => sentence.test(text)) ?? null,
    );
    assert.equal(agent.agent.status().connected, false);
  });
});

Deno.test("the server restarts: the agent comes back by itself, and serves a new session", async () => {
  const directory = await mkdtemp(join(tmpdir(), "farglass-restart-"));
  const start = (port: number) =>
    startServer({
      settings: { ...DEFAULT_SETTINGS, port, dataDir: directory },
      log: new JsonLog("error", () => {}, Date.now),
      rootDirectory: directory,
    });
  let server = await start(0);
  try {
    await using agent = await startInProcess({ server });
    const view = await RelayConsole.open(server, agent);
    await showStill(view, agent);
    await server.close();
    await view.client.closed;
    await poll("the agent's loss", 10_000, () => agent.agent.status().connected ? null : true);
    server = await start(Number(new URL(server.baseUrl).port));
    const again = await RelayConsole.open(server, agent);
    await showStill(again, agent);
    await again.client.close();
  } finally {
    await server.close();
    await rm(directory, { recursive: true });
  }
});
