/**
 * Random disconnects, duplicates, reorderings and node deaths: what an agent and a console say to
 * each other, candidates and controls, arrives once and in order, whatever node either is at. The
 * seed is printed.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { RunningServer } from "../../server/app.ts";
import { connectAgent, connectConsole, LinkClient } from "../../server/testing/link_client.ts";
import { CAPS, sampleCandidate } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { connectPeers, oneTo } from "../support/node_session.ts";
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
/** Of each side; a negotiation takes no more than 64. */
const MAX_CANDIDATES = 40;
const FIRST_PORT = 40_000;

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
  readonly sent = { controls: 0, candidates: 0 };
  constructor(
    readonly client: LinkClient,
    readonly ids: { readonly desktopId: string; readonly sessionId: string },
    readonly content: (n: number) => Parameters<LinkClient["send"]>[0],
    readonly open: (server: RunningServer) => Promise<{ readonly resumed: boolean }>,
    readonly from: () => Peer,
  ) {}

  /** The next control message or, while there are some left, the next candidate. */
  say(isCandidate: boolean): void {
    if (!isCandidate || this.sent.candidates >= MAX_CANDIDATES) {
      this.client.send(this.content(++this.sent.controls));
      return;
    }
    this.client.send({
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...this.ids,
      payload: {
        kind: "ice-candidate",
        generation: 1,
        candidate: sampleCandidate(FIRST_PORT + ++this.sent.candidates),
        sdpMid: "0",
        sdpMLineIndex: 0,
      },
    });
  }

  /** Two new messages, the second before the first: whoever hears that asks for both again. */
  swap(): void {
    const { client } = this;
    const { socket } = client;
    client.socket = null;
    this.say(true);
    this.say(false);
    client.socket = socket;
    const [first, second] = [...client.link.unacked].slice(-2);
    client.raw(second.text);
    client.raw(first.text);
  }

  /**
   * Numbers of the other's messages, in the order they came. For an end that is away candidates
   * wait with the session and controls with the link: each kind keeps its own order.
   */
  get heard(): { readonly controls: number[]; readonly candidates: number[] } {
    const { messages } = this.client;
    return {
      controls: messages.flatMap((m) =>
        m.type === "VIEWER_CONTROL" && (m.payload.op === "select" || m.payload.op === "selected")
          ? [m.payload.epoch]
          : []
      ),
      candidates: messages.flatMap((m) =>
        m.type === "DESKTOP_WEBRTC_SIGNAL" && m.payload.kind === "ice-candidate"
          ? [Number(m.payload.candidate.split(" ")[5]) - FIRST_PORT]
          : []
      ),
    };
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
        { desktopId, sessionId },
        (epoch) => ({ ...ids, payload: { op: "selected", transport: "rtp", epoch } }),
        (server) => connectAgent(server, agent),
        () => peers[1],
      ),
      new Peer(
        viewer.client,
        { desktopId, sessionId },
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
    let swaps = 0;
    for (let step = 0; step < STEPS; step++) {
      const peer = peers[below(2)];
      const choice = random();
      if (choice < 0.7) {
        // No faster than a client may.
        if (peer.client.link.unacked.length >= MAX_UNACKED) await settled(peer);
        peer.say(below(3) === 0);
      } else if (choice < 0.74) {
        if (peer.client.link.unacked.length < MAX_UNACKED - 1 && peer.isOpen) {
          swaps++;
          peer.swap();
        }
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
    const sums = peers.map(({ sent }) => `${sent.controls} and ${sent.candidates} candidates`);
    console.log(`nodes: ${deaths} deaths, ${swaps} swaps, ${sums.join(" + ")}`);
    for (const peer of peers) {
      const { sent } = peer.from();
      await poll("all messages", 20_000, async () => {
        // A swap may cost a socket late.
        for (const one of peers) await back(one);
        const { controls, candidates } = peer.heard;
        return controls.length >= sent.controls && candidates.length >= sent.candidates || null;
      }).catch((error) => {
        const got = JSON.stringify(peer.heard);
        throw new Error(`seed ${seed}: ${got} of ${JSON.stringify(sent)}`, { cause: error });
      });
      const expected = {
        controls: oneTo(sent.controls),
        candidates: oneTo(sent.candidates),
      };
      assert.deepEqual(peer.heard, expected, `seed ${seed}`);
    }
    for (const peer of peers) await peer.client.close();
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await Deno.remove(dataDir, { recursive: true });
  }
});
