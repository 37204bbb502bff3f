/** Everybody comes back at once: the only node dies, and another takes its place. */
import assert from "node:assert/strict";
import { backoffDelayMs } from "../../agent/core/backoff.ts";
import type { RunningServer } from "../../server/app.ts";
import { connectAgent, connectConsole, type LinkClient } from "../../server/testing/link_client.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { connectPeers, epochs, oneTo, select } from "../support/node_session.ts";
import { startRedis } from "../support/redis.ts";
import { seededRandom } from "../support/random.ts";
import { fuzzSeed, testScale } from "../support/seed.ts";
import { startServer, type TestServer } from "../support/stack.ts";

const AGENTS = 300 * testScale();
const SESSIONS = 30;
/** Handshakes at once, to begin with. */
const AT_ONCE = 20;
/** The agent's own. */
const BACKOFF = { minMs: 250, maxMs: 10_000 };

const asServer = (server: TestServer) =>
  ({
    ...{ baseUrl: server.origin, signalUrl: server.signalUrl, metricsUrl: server.metricsUrl },
    agentSecretFile: server.agentSecretFile,
    newConsoleUrl: () => server.freshLink(),
  }) as RunningServer;

async function inTurns<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
  }));
}

Deno.test("reconnects: hundreds come back after a node's death, each once, with its link", async () => {
  const random = seededRandom(fuzzSeed("reconnects"));
  await using redis = await startRedis();
  const dataDir = await Deno.makeTempDir({ prefix: "farglass-reconnects-" });
  const start = (port = 0) =>
    startServer({
      ...{ dataDir, port },
      config: {
        redis: { url: redis.url },
        limits: { desktops: 2 * AGENTS, connections: 2 * AGENTS },
      },
    });
  let server = await start();
  let beat: ReturnType<typeof setInterval> | undefined;
  try {
    const first = asServer(server);
    const agents: Awaited<ReturnType<typeof connectAgent>>[] = [];
    const viewers: Awaited<ReturnType<typeof connectConsole>>[] = [];
    /** Said HELLO and got WELCOME: only then a client speaks. */
    const online = new Set<LinkClient>();
    beat = setInterval(() => {
      for (const { client } of [...agents, ...viewers]) {
        if (online.has(client)) client.send({ type: "PING", payload: {} });
      }
    }, 1_500);
    await inTurns(oneTo(AGENTS), async () => {
      const agent = await connectAgent(first);
      agent.client.send({ type: "DESKTOP_CAPS", desktopId: agent.agentId, payload: CAPS });
      agents.push(agent);
      online.add(agent.client);
    });
    const viewer = await connectConsole(first);
    viewers.push(viewer);
    online.add(viewer.client);
    const sessions = [];
    for (const agent of agents.slice(0, SESSIONS)) {
      const own = await connectConsole(first);
      viewers.push(own);
      online.add(own.client);
      const ids = await approve(own.client, agent.client, agent.agentId);
      const session = { agent, viewer: own, ...ids };
      await connectPeers(session);
      own.client.send(select(session, 1));
      sessions.push(session);
    }
    const { port } = server;
    await server.process.stop("SIGKILL");
    const diedAt = performance.now();
    const starting = start(port);
    const attempts: number[] = [];
    const comeBack = async (client: LinkClient, open: () => Promise<{ resumed: boolean }>) => {
      await client.closed;
      online.delete(client);
      for (let attempt = 0;; attempt++) {
        const waitMs = backoffDelayMs(attempt, random(), BACKOFF);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        attempts.push(Math.round(performance.now() - diedAt));
        const opened = await open().catch(() => null);
        if (opened === null) continue;
        assert.equal(opened.resumed, true);
        online.add(client);
        return;
      }
    };
    const target = {
      ...first,
      newConsoleUrl: () => Promise.reject(new Error("signed in already")),
    };
    await Promise.all([
      ...agents.map((a) => comeBack(a.client, () => connectAgent(target, a))),
      ...viewers.map((v) => comeBack(v.client, () => connectConsole(target, v))),
      starting.then((again) => server = again),
    ]);
    const backMs = Math.round(performance.now() - diedAt);
    console.log(`reconnects: ${AGENTS + viewers.length} links back after ${backMs} ms`);
    assert.ok(new Set(attempts).size > attempts.length / 10, "they do not come in step");
    for (const session of sessions) {
      session.viewer.client.send(select(session, 2));
      await session.agent.client.until(() => epochs(session.agent.client).length >= 2);
      assert.deepEqual(epochs(session.agent.client), [1, 2]);
      const states = session.viewer.client.messages.flatMap((m) =>
        m.type === "DESKTOP_WEBRTC_STATE" ? [`${m.payload.stage} ${m.payload.previous}`] : []
      );
      assert.equal(new Set(states).size, states.length, `twice: ${states.join(", ")}`);
      assert.ok(!session.viewer.client.messages.some((m) => m.type === "SESSION_ENDED"));
    }
    const metrics = await (await fetch(server.metricsUrl)).text();
    assert.match(metrics, new RegExp(`^farglass_connected_agents ${AGENTS}$`, "m"));
    await Promise.all([...agents, ...viewers].map(({ client }) => client.close()));
  } finally {
    clearInterval(beat);
    await server.stop();
    await Deno.remove(dataDir, { recursive: true });
  }
});
