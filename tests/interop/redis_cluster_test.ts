/** A Redis Cluster under whole servers: a master dies and its replica takes over. */
import assert from "node:assert/strict";
import { BEATS_KEY, stateKey } from "../../server/adapters/redis_keys.ts";
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
import { type RedisCluster, startRedisCluster } from "../support/redis_cluster.ts";

Deno.test({
  name: "Cluster: masters die under a session, and nothing acknowledged is lost",
  // The library's connections to the servers keep timers for a while after they are closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: failovers,
});

async function failovers(): Promise<void> {
  await using cluster = await startRedisCluster({ replicas: 1 });
  const url = cluster.servers[0].url;
  await using all = await startNodes(2, { url, cluster: cluster.hosts.slice(1) });
  const [a, b] = all.nodes;
  const session = await openSession(a, b);
  const { agent, viewer, desktopId } = session;
  await connectPeers(session);
  const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
  try {
    let sent = 0;
    const say = (count: number) => {
      for (let n = 0; n < count; n++) viewer.client.send(select(session, ++sent));
    };
    say(20);
    await agent.client.until(() => epochs(agent.client).length === sent);
    // Asked before a master dies: afterwards its shard has no replica left.
    const oneShard = await cluster.masterOf(BEATS_KEY) ===
      await cluster.masterOf(stateKey(desktopId));
    await failOver(cluster, stateKey(desktopId), () => say(40));
    await poll("all messages", 20_000, () => epochs(agent.client).length >= sent || null);
    // The servers' own leases are elsewhere, unless it was the same shard.
    if (!oneShard) await failOver(cluster, BEATS_KEY, () => say(40));
    await poll("all messages", 20_000, () => epochs(agent.client).length >= sent || null);
    assert.deepEqual(epochs(agent.client), oneTo(sent));
    for (const { server, lines } of [a, b]) {
      await poll("ready", 10_000, async () => await readyOf(server) === "200 ready" || null);
      assert.ok(!lines.some((line) => line.includes('"node-lost"')), "nobody was declared dead");
    }
    for (const { client } of [agent, viewer]) {
      assert.ok(!client.messages.some((m) => m.type === "SESSION_ENDED"));
    }
  } finally {
    for (const stop of stops) stop();
  }
}

/** Kills the master of a key's slot, once its replica has everything; waits for the next one. */
async function failOver(cluster: RedisCluster, key: string, meanwhile: () => void): Promise<void> {
  // Asked anew each time: on a busy machine the replicas may have taken over by themselves.
  const master = await poll("a replica up to date", 20_000, async () => {
    const now = await cluster.masterOf(key).catch(() => null);
    return now !== null && Number(await now.cli("WAIT", "1", "1000")) >= 1 ? now : null;
  });
  await master.stop("SIGKILL");
  meanwhile();
  const killedAt = performance.now();
  await poll("another master", 30_000, async () => {
    const now = await cluster.masterOf(key).catch(() => null);
    return now !== null && now !== master || null;
  });
  console.log(`Cluster: another master after ${Math.round(performance.now() - killedAt)} ms`);
}
