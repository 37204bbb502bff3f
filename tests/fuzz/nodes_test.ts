/**
 * Random disconnects, duplicates and node deaths: what an agent and a console say to each other
 * arrives once and in order, whatever node either is at. The seed is printed.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { RunningServer } from "../../server/app.ts";
import { connectAgent, connectConsole, LinkClient } from "../../server/testing/link_client.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { connectPeers } from "../support/node_session.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";
import { seededRandom } from "../support/random.ts";
import { fuzzSeed, testScale } from "../support/seed.ts";
import { startServer, type TestServer } from "../support/stack.ts";

const NODES = 3;
const STEPS = 150 * testScale();
const MAX_UNACKED = 64;
/** A step is a death only so often: a new process takes a second. */
const MAX_DEATHS = 4 * testScale();

/** What the link clients need of a server in another process. */
const asServer = (server: TestServer): RunningServer => ({
  port: server.port,
  baseUrl: server.origin,
  metricsUrl: server.metricsUrl,
  signalUrl: server.signalUrl,
  agentSecretFile: server.agentSecretFile,
  newConsoleUrl: () => server.freshLink(),
  drain: () => server.stop(),
  close: () => server.stop(),
});

class Peer {
  sent = 0;
  constructor(
    readonly client: LinkClient,
    readonly content: (n: number) => Parameters<LinkClient["send"]>[0],
    readonly open: (server: RunningServer) => Promise<{ readonly resumed: boolean }>,
    readonly from: () => Peer,
  ) {}

  say(): void {
    this.client.send(this.content(++this.sent));
  }

  /** Numbers of the other's messages, in the order they came. */
  get heard(): number[] {
    return this.client.messages.flatMap((m) =>
      m.type === "VIEWER_CONTROL" && (m.payload.op === "select" || m.payload.op === "selected")
        ? [m.payload.epoch]
        : []
    );
  }

  get isOpen(): boolean {
    return this.client.socket?.readyState === WebSocket.OPEN;
  }
}

Deno.test("fuzz: everything arrives once and in order, through any node and its death", async () => {
  const seed = fuzzSeed("nodes");
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random() * n);
  await using redis = await startRedis();
  const dataDir = await Deno.makeTempDir({ prefix: "farglass-fuzz-" });
  // What a client may say in a second is not what is tested.
  const limits = { consoleMessagesPerSecond: 10_000 };
  const start = () => startServer({ dataDir, config: { redis: { url: redis.url }, limits } });
  // One after the other: they share one settings file.
  const nodes: TestServer[] = [];
  for (let i = 0; i < NODES; i++) nodes.push(await start());
  const pick = () => asServer(nodes[below(nodes.length)]);
  try {
    const desktopId = randomUUID();
    const agent = await connectAgent(pick());
    agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
    const viewer = await connectConsole(pick());
    await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
    const { sessionId } = await approve(viewer.client, agent.client, desktopId);
    await connectPeers({ agent, viewer, desktopId, sessionId });
    const ids = { type: "VIEWER_CONTROL", desktopId, sessionId } as const;
    const peers: readonly [Peer, Peer] = [
      new Peer(
        agent.client,
        (epoch) => ({ ...ids, payload: { op: "selected", transport: "rtp", epoch } }),
        (server) => connectAgent(server, agent),
        () => peers[1],
      ),
      new Peer(
        viewer.client,
        (epoch) => ({ ...ids, payload: { op: "select", transport: "rtp", epoch } }),
        (server) => connectConsole(server, viewer),
        () => peers[0],
      ),
    ];
    const back = (peer: Peer) =>
      poll("a way back", 20_000, async () => {
        if (peer.isOpen) return true;
        // A dying node refuses; the next try goes anywhere.
        const opened = await peer.open(pick()).catch(() => null);
        if (opened === null) return null;
        assert.equal(opened.resumed, true, "the link was forgotten");
        return true;
      });
    const settled = (peer: Peer) =>
      poll("acknowledgement", 20_000, async () => {
        await back(peer);
        return peer.client.link.unacked.length < MAX_UNACKED || null;
      });
    let deaths = 0;
    for (let step = 0; step < STEPS; step++) {
      const peer = peers[below(2)];
      const choice = random();
      if (choice < 0.7) {
        // No faster than a client may.
        if (peer.client.link.unacked.length >= MAX_UNACKED) await settled(peer);
        peer.say();
      } else if (choice < 0.8) {
        const last = peer.client.link.unacked.last;
        if (last !== undefined && peer.isOpen) peer.client.raw(last.text);
      } else if (choice < 0.88) {
        await peer.client.drop();
      } else if (choice < 0.97) {
        await back(peer);
      } else if (deaths < MAX_DEATHS) {
        deaths++;
        const [dead] = nodes.splice(below(nodes.length), 1);
        await dead.process.stop("SIGKILL");
        nodes.push(await start());
      }
    }
    console.log(`nodes: ${deaths} deaths, ${peers.map((p) => p.sent).join(" + ")} messages`);
    for (const peer of peers) await back(peer);
    for (const peer of peers) {
      const { sent } = peer.from();
      await peer.client.until(() => peer.heard.length >= sent, `${sent} messages`).catch(
        (error) => {
          throw new Error(`seed ${seed}: ${peer.heard.join(" ")} of ${sent}`, { cause: error });
        },
      );
      assert.deepEqual(peer.heard, Array.from({ length: sent }, (_, i) => i + 1), `seed ${seed}`);
    }
    for (const peer of peers) await peer.client.close();
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await Deno.remove(dataDir, { recursive: true });
  }
});
