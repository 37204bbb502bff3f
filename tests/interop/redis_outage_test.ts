/** Redis goes away, comes back, or another server becomes the master: what is acknowledged stays. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { RunningServer } from "../../server/app.ts";
import { connectAgent, connectConsole, type LinkClient } from "../../server/testing/link_client.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { startNodes, type TestNode } from "../support/nodes.ts";
import { poll } from "../support/process.ts";
import { startSentinelGroup } from "../support/sentinel.ts";

/** An agent at one node, a console at the other. */
async function openSession(agents: TestNode, consoles: TestNode) {
  const desktopId = randomUUID();
  const agent = await connectAgent(agents.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(consoles.server);
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  const session = await approve(viewer.client, agent.client, desktopId);
  return { agent, viewer, ...session };
}

const select = (ids: { desktopId: string; sessionId: string }, epoch: number) =>
  ({
    type: "VIEWER_CONTROL",
    desktopId: ids.desktopId,
    sessionId: ids.sessionId,
    payload: { op: "select", transport: "rtp", epoch },
  }) as const;

const epochs = (client: LinkClient): number[] =>
  client.messages.flatMap((m) =>
    m.type === "VIEWER_CONTROL" && m.payload.op === "select" ? [m.payload.epoch] : []
  );

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

async function readyOf(server: RunningServer): Promise<string> {
  const answer = await fetch(`${server.baseUrl}/readyz`);
  return `${answer.status} ${(await answer.json()).status}`;
}

/** Keeps a link alive as a client does, until called off. */
function heartbeat(client: LinkClient): () => void {
  const timer = setInterval(() => {
    if (client.socket?.readyState === WebSocket.OPEN) {
      client.send({ type: "PING", payload: {} });
    }
  }, 1_000);
  return () => clearInterval(timer);
}

Deno.test("outage: signalling waits and says so, then goes on without a loss", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(a, b);
  const ids = { desktopId, sessionId };
  const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
  try {
    for (let n = 1; n <= 20; n++) viewer.client.send(select(ids, n));
    await agent.client.until(() => epochs(agent.client).length === 20);
    assert.equal(await readyOf(b.server), "200 ready");
    await all.redis.stop("SIGKILL");
    const { payload } = await viewer.client.next("ERROR");
    assert.equal(payload.code, "store-unavailable");
    await poll("not ready", 5_000, async () => /^503 store/.test(await readyOf(b.server)) || null);
    for (let n = 21; n <= 120; n++) viewer.client.send(select(ids, n));
    // A new client is refused with a code and told to come back.
    const refused = await fetch(
      `${b.server.baseUrl}/api/v1/remote-desktop/agents/challenge`,
      { method: "POST", body: JSON.stringify({ agentId: randomUUID() }) },
    );
    const { error } = await refused.json();
    assert.deepEqual([refused.status, error.code], [503, "store-unavailable"]);
    const scraped = await fetch(b.server.metricsUrl);
    assert.match(await scraped.text(), /^farglass_connected_consoles 1$/m);
    // Both links live on through more than a heartbeat's timeout.
    const seen = viewer.client.messages.length;
    await viewer.client.until(
      () => viewer.client.messages.slice(seen).filter((m) => m.type === "PONG").length >= 6,
      "six heartbeats",
    );
    assert.equal(epochs(agent.client).length, 20);
    all.redis = await all.redis.again();
    await agent.client.until(() => epochs(agent.client).length >= 120, "what waited");
    assert.deepEqual(epochs(agent.client), oneTo(120));
    await poll("ready", 5_000, async () => await readyOf(b.server) === "200 ready" || null);
    assert.ok(!viewer.client.messages.some((m) => m.type === "SESSION_ENDED"));
    assert.ok(!viewer.client.messages.some((m) => m.type === "PEER_PRESENCE"));
  } finally {
    for (const stop of stops) stop();
  }
});

Deno.test("outage: more than a link may hold closes its socket with 1013, and nothing is lost", async () => {
  const limits = { ...DEFAULT_SETTINGS.limits, consoleMessagesPerSecond: 10_000 };
  await using all = await startNodes(1, {}, { limits });
  const [node] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(node, node);
  const ids = { desktopId, sessionId };
  await all.redis.stop("SIGKILL");
  await viewer.client.next("ERROR", 0, (m) => m.payload.code === "store-unavailable");
  for (let n = 1; n <= 300; n++) viewer.client.send(select(ids, n));
  assert.equal((await viewer.client.closed).code, 1013);
  all.redis = await all.redis.again();
  await poll("ready", 5_000, async () => await readyOf(node.server) === "200 ready" || null);
  // While the first 256 are worked off the rest may be too early once more.
  await poll("all messages", 10_000, async () => {
    if (epochs(agent.client).length >= 300) return true;
    if (viewer.client.socket?.readyState === WebSocket.OPEN) return null;
    const back = await connectConsole(node.server, viewer);
    assert.equal(back.resumed, true);
    return null;
  });
  assert.deepEqual(epochs(agent.client), oneTo(300));
});

Deno.test("full: Redis that takes no writes holds signalling up, says so, and goes on", async () => {
  await using all = await startNodes(1);
  const [node] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(node, node);
  const ids = { desktopId, sessionId };
  await all.redis.cli("CONFIG", "SET", "maxmemory", "1");
  await viewer.client.next("ERROR", 0, (m) => m.payload.code === "store-unavailable");
  await poll("not ready", 5_000, async () => /^503 store/.test(await readyOf(node.server)) || null);
  for (let n = 1; n <= 20; n++) viewer.client.send(select(ids, n));
  await all.redis.cli("CONFIG", "SET", "maxmemory", "0");
  await agent.client.until(() => epochs(agent.client).length >= 20, "what waited");
  assert.deepEqual(epochs(agent.client), oneTo(20));
});

Deno.test({
  name: "Sentinel: another server becomes the master under a session",
  // The library's connections to the Sentinels keep timers for a while after they are closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: failover,
});

async function failover(): Promise<void> {
  await using group = await startSentinelGroup();
  await using all = await startNodes(2, {
    url: "redis://127.0.0.1",
    sentinels: [...group.sentinels],
    sentinelName: group.name,
  });
  const [a, b] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(a, b);
  const ids = { desktopId, sessionId };
  const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
  try {
    for (let n = 1; n <= 20; n++) viewer.client.send(select(ids, n));
    await agent.client.until(() => epochs(agent.client).length === 20);
    const master = await group.master();
    // Redis replicates after it has answered: what this test counts on is with the replicas.
    await poll(
      "replicas up to date",
      5_000,
      async () => await master.cli("WAIT", "2", "1000") === "2" || null,
    );
    await master.stop("SIGKILL");
    for (let n = 21; n <= 60; n++) viewer.client.send(select(ids, n));
    await poll(
      "another master",
      20_000,
      async () => (await group.master()).port !== master.port || null,
    );
    await poll("all messages", 20_000, () => epochs(agent.client).length >= 60 || null);
    assert.deepEqual(epochs(agent.client), oneTo(60));
    await poll("ready", 10_000, async () => await readyOf(b.server) === "200 ready" || null);
    assert.ok(!viewer.client.messages.some((m) => m.type === "SESSION_ENDED"));
  } finally {
    for (const stop of stops) stop();
  }
}
