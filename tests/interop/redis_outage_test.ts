/** Redis goes away, comes back, or another server becomes the master: what is acknowledged stays. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connectConsole } from "../../server/testing/link_client.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import {
  connectPeers,
  epochs,
  heartbeat,
  oneTo,
  openSession,
  readyOf,
  select,
} from "../support/node_session.ts";
import { startNodes } from "../support/nodes.ts";
import { poll } from "../support/process.ts";
import { startSentinelGroup } from "../support/sentinel.ts";

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

/** How Redis refuses writes while it answers, and how it takes them again. */
const REFUSALS = {
  "out of memory": [["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
  "a replica, so read-only": [["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
  "without the replicas it must have": [
    ["CONFIG", "SET", "min-replicas-to-write", "1"],
    ["CONFIG", "SET", "min-replicas-to-write", "0"],
  ],
} as const;

for (const [name, [refuse, accept]] of Object.entries(REFUSALS)) {
  Deno.test(`full: Redis ${name} → what lives is kept, new work gets a code`, async () => {
    await using all = await startNodes(2);
    const [a, b] = all.nodes;
    const session = await openSession(a, b);
    const { agent, viewer } = session;
    await connectPeers(session);
    const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
    try {
      const reason = await fetchReason(b.server.baseUrl);
      assert.equal(reason, "200 ");
      await all.redis.cli(...refuse);
      await viewer.client.next("ERROR", 0, (m) => m.payload.code === "store-unavailable");
      for (const { server } of [a, b]) {
        await poll(
          "not ready",
          5_000,
          async () => /^503 store/.test(await readyOf(server)) || null,
        );
        assert.equal(await fetchReason(server.baseUrl), "503 store-unavailable");
      }
      for (let n = 1; n <= 20; n++) viewer.client.send(select(session, n));
      const seen = viewer.client.messages.length;
      await viewer.client.until(
        () => viewer.client.messages.slice(seen).filter((m) => m.type === "PONG").length >= 3,
        "heartbeats",
      );
      assert.equal(epochs(agent.client).length, 0);
      await all.redis.cli(...accept);
      await agent.client.until(() => epochs(agent.client).length >= 20, "what waited");
      assert.deepEqual(epochs(agent.client), oneTo(20));
      for (const { server } of [a, b]) {
        await poll("ready", 5_000, async () => await readyOf(server) === "200 ready" || null);
      }
      for (const { client } of [agent, viewer]) {
        assert.ok(!client.messages.some((m) => m.type === "SESSION_ENDED"));
        assert.ok(!client.messages.some((m) => m.type === "PEER_PRESENCE"));
      }
    } finally {
      for (const stop of stops) stop();
    }
  });
}

/** Status and code of what a new agent is told. */
async function fetchReason(origin: string): Promise<string> {
  const answer = await fetch(`${origin}/api/v1/remote-desktop/agents/challenge`, {
    method: "POST",
    body: JSON.stringify({ agentId: randomUUID() }),
  });
  return `${answer.status} ${(await answer.json()).error?.code ?? ""}`;
}

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
    const replication = () => master.cli("INFO", "replication");
    const written = numbersOf(await replication(), /^master_repl_offset:(\d+)/gm)[0];
    await poll("replicas up to date", 5_000, async () => {
      const offsets = numbersOf(await replication(), /^slave\d:.*,offset=(\d+)/gm);
      return offsets.length === 2 && offsets.every((offset) => offset >= written) || null;
    });
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

/** What the first group of the pattern says, wherever it fits. */
const numbersOf = (text: string, pattern: RegExp): readonly number[] =>
  [...text.matchAll(pattern)].map(([, digits]) => Number(digits));
