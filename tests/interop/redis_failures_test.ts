/** A node that dies with its clients, and values in Redis that are not ours. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { SecurityEvent } from "@farglass/protocol";
import { stateKey } from "../../server/adapters/redis_keys.ts";
import { connectAgent, connectConsole } from "../../server/testing/link_client.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { startNodes } from "../support/nodes.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";
import { startServer } from "../support/stack.ts";
import type { RunningServer } from "../../server/app.ts";
import type { Settings } from "../../server/settings_schema.ts";

Deno.test("death: an agent that dies with its node is offline for the others within 3 s", async () => {
  await using redis = await startRedis();
  const dataDir = await Deno.makeTempDir({ prefix: "farglass-death-" });
  const start = (name: string) => {
    const sinks = [{ type: "file", path: `${name}.jsonl` }];
    return startServer({ dataDir, config: { redis: { url: redis.url }, telemetry: { sinks } } });
  };
  const told = async (name: string): Promise<SecurityEvent[]> => {
    const text = await Deno.readTextFile(`${dataDir}/${name}.jsonl`);
    return text.trim().split("\n").map((line) => JSON.parse(line));
  };
  const dying = await start("dying");
  await using living = await start("living");
  const asServer = (server: typeof dying) =>
    ({
      ...{ baseUrl: server.origin, signalUrl: server.signalUrl },
      agentSecretFile: server.agentSecretFile,
      newConsoleUrl: () => server.freshLink(),
    }) as RunningServer;
  const desktopId = randomUUID();
  const agent = await connectAgent(asServer(dying));
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(asServer(living));
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  await approve(viewer.client, agent.client, desktopId);
  // A node says nothing of others before it has beaten through one lease itself.
  await poll(
    "one lease",
    5_000,
    async () => Number(await redis.cli("ZCARD", "fg:{nodes}:beats")) === 2 || null,
  );
  const from = viewer.client.messages.length;
  await dying.process.stop("SIGKILL");
  const diedAt = performance.now();
  await viewer.client.next("PEER_PRESENCE", from, (m) => !m.payload.online);
  console.log(`death: noticed after ${Math.round(performance.now() - diedAt)} ms`);
  const lost = await poll("the event of it", 5_000, async () => {
    return (await told("living")).find((e) => e.action === "node-lost") ?? null;
  });
  const [up] = await told("dying");
  assert.deepEqual([lost.outcome, lost.details], ["failure", { lostNode: up.node }]);
  assert.notEqual(lost.node, up.node, "each has a name of its own");
  await viewer.client.next("DESKTOP_LIST", from, (m) => m.payload.desktops.every((d) => !d.online));
  const back = await connectAgent(asServer(living), agent);
  assert.equal(back.resumed, true);
  await viewer.client.next("PEER_PRESENCE", from, (m) => m.payload.online);
  assert.ok(!viewer.client.messages.some((m) => m.type === "SESSION_ENDED"));
  await Promise.all([agent.client.close(), viewer.client.close()]);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("stop: a node that says goodbye is not taken for a lost one", async () => {
  const telemetry: Settings["telemetry"] = { format: "native", sinks: [{ type: "stdout" }] };
  await using all = await startNodes(2, {}, { telemetry });
  const [leaving, staying] = all.nodes;
  await leaving.server.close();
  await poll("the goodbye", 10_000, () => {
    return staying.lines.some((line) => line.includes('"node-left"')) || null;
  });
  await staying.server.close();
  const actions = (node: typeof leaving) =>
    node.stdout.join("").trim().split("\n").map((line) => JSON.parse(line).action);
  assert.deepEqual([leaving, staying].map(actions), [
    ["node-up", "node-down"],
    ["node-up", "node-down"],
  ]);
});

Deno.test("corrupt: a foreign session ends for its ends, the other one goes on", async () => {
  const telemetry: Settings["telemetry"] = { format: "native", sinks: [{ type: "stdout" }] };
  await using all = await startNodes(2, {}, { telemetry });
  const [a, b] = all.nodes;
  const desktopId = randomUUID();
  const agent = await connectAgent(a.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const one = await connectConsole(b.server);
  await one.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  const two = await connectConsole(b.server);
  const broken = await approve(one.client, agent.client, desktopId);
  const whole = await approve(two.client, agent.client, desktopId);
  const key = stateKey(desktopId);
  const text = await all.redis.cli("HGET", key, `s:${broken.sessionId}`);
  const foreign = JSON.stringify({ ...JSON.parse(text), stage: "dancing" });
  await all.redis.cli("HSET", key, `s:${broken.sessionId}`, foreign);
  // A foreign hand does not count revisions; the next one that reads anew finds it.
  await all.redis.cli("HINCRBY", key, "rev", "1");
  const select = (session: typeof whole, epoch: number) =>
    ({
      type: "VIEWER_CONTROL",
      ...session,
      payload: { op: "select", transport: "rtp", epoch },
    }) as const;
  two.client.send(select(whole, 1));
  await agent.client.next("VIEWER_CONTROL", 0, (m) => m.sessionId === whole.sessionId);
  two.client.send({
    type: "PEER_STATE",
    ...whole,
    payload: { generation: 0, state: "connecting" },
  });
  for (const { client } of [one, agent]) {
    await client.next("SESSION_ENDED", 0, (m) => m.sessionId === broken.sessionId);
  }
  two.client.send(select(whole, 2));
  await agent.client.next(
    "VIEWER_CONTROL",
    0,
    (m) => m.payload.op === "select" && m.payload.epoch === 2,
  );
  assert.ok(!two.client.messages.some((m) => m.type === "SESSION_ENDED"));
  const lines = [...a.lines, ...b.lines].filter((line) => line.includes("store-corrupt"));
  assert.ok(lines.length > 0);
  const told = await poll("the event", 5_000, () => {
    const texts = [a, b].flatMap(({ stdout }) => stdout.join("").split("\n"));
    return texts.find((text) => text.includes("stored-value-refused")) ?? null;
  });
  const event = JSON.parse(told);
  assert.deepEqual([event.details.value, event.sessionId, event.reason], [
    "session",
    broken.sessionId,
    "malformed",
  ]);

  await all.redis.cli("HSET", key, "d", "foreign");
  await all.redis.cli("HINCRBY", key, "rev", "1");
  two.client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId: randomUUID() } });
  assert.equal((await agent.client.closed).code, 1013);
  // It announces the desktop again, as an agent whose link is new does.
  const again = await connectAgent(a.server, agent);
  assert.equal(again.resumed, false);
  const from = one.client.messages.length;
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  await one.client.next("DESKTOP_LIST", from, (m) => m.payload.desktops.some((d) => d.online));
  await approve(one.client, agent.client, desktopId);
});

Deno.test("stop: SIGTERM while Redis is away still ends a node with 0 within 10 s", async () => {
  await using redis = await startRedis();
  const server = await startServer({ config: { redis: { url: redis.url } } });
  await redis.stop("SIGKILL");
  await poll("word of it", 10_000, async () => {
    const answer = await fetch(`${server.origin}/readyz`);
    await answer.body?.cancel();
    return answer.status === 503 || null;
  });
  // By then a beat is under way that waits for Redis; nothing else shows it.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  Deno.kill(server.process.pid, "SIGTERM");
  await server.process.waitForLine(/server-stopped/, 10_000);
  await server.stop();
});
