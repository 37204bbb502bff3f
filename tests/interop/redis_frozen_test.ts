/** A Redis that does not answer for a while, and one that comes back with nothing in it. */
import assert from "node:assert/strict";
import { RedisBus } from "../../server/adapters/redis_bus.ts";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { StoreUnavailable } from "../../server/core/ports.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { connectAgent, connectConsole } from "../../server/testing/link_client.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import {
  connectPeers,
  epochs,
  heartbeat,
  oneTo,
  openSession,
  readyOf,
  select,
} from "../support/node_session.ts";
import { startNodes, type TestNodes } from "../support/nodes.ts";
import { poll, within } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";

Deno.test("frozen: what waited arrives once and in order, and no session ends", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(a, b);
  const ids = { desktopId, sessionId };
  const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
  const signal = (name: Deno.Signal) => Deno.kill(all.redis.process.pid, name);
  try {
    for (let n = 1; n <= 20; n++) viewer.client.send(select(ids, n));
    await agent.client.until(() => epochs(agent.client).length === 20);
    signal("SIGSTOP");
    for (let n = 21; n <= 60; n++) viewer.client.send(select(ids, n));
    await poll("not ready", 10_000, async () => /^503/.test(await readyOf(b.server)) || null);
    await viewer.client.next("ERROR", 0, (m) => m.payload.code === "store-unavailable");
    for (let n = 61; n <= 100; n++) viewer.client.send(select(ids, n));
    signal("SIGCONT");
    await agent.client.until(() => epochs(agent.client).length >= 100, "what waited");
    assert.deepEqual(epochs(agent.client), oneTo(100));
    await poll("ready", 10_000, async () => await readyOf(b.server) === "200 ready" || null);
    assert.ok(!viewer.client.messages.some((m) => m.type === "SESSION_ENDED"));
  } finally {
    signal("SIGCONT");
    for (const stop of stops) stop();
  }
});

Deno.test("frozen: a subscription that got no answer is made once Redis answers", async () => {
  await using redis = await startRedis();
  const log = { write: () => {} };
  const client = await RedisClient.open({ ...DEFAULT_SETTINGS.redis, url: redis.url }, log);
  const bus = new RedisBus(client, () => {});
  try {
    await client.whenUp();
    Deno.kill(redis.process.pid, "SIGSTOP");
    const { promise: heard, resolve: hear } = Promise.withResolvers<unknown>();
    bus.subscribe("topic", hear);
    await assert.rejects(bus.settled("topic"), StoreUnavailable);
    assert.ok(client.up, "the connection stands");
    const { promise: gap, resolve } = Promise.withResolvers<void>();
    bus.onGap(resolve);
    Deno.kill(redis.process.pid, "SIGCONT");
    await within("links look for what they missed", 5_000, gap);
    await bus.settled("topic");
    await bus.publish("topic", "word");
    assert.equal(await within("the word", 5_000, heard), "word");
  } finally {
    Deno.kill(redis.process.pid, "SIGCONT");
    bus.close();
    client.close();
  }
});

const emptied: Readonly<Record<string, (all: TestNodes) => Promise<void>>> = {
  "FLUSHALL": async ({ redis }) => {
    assert.equal(await redis.cli("FLUSHALL"), "OK");
  },
  "a restart without its data": async (all) => {
    await all.redis.stop("SIGKILL");
    await Deno.remove(`${all.redis.dir}/appendonlydir`, { recursive: true });
    all.redis = await all.redis.again();
  },
};

for (const [name, empty] of Object.entries(emptied)) {
  Deno.test(`emptied by ${name}: agents announce themselves anew, nothing stale is left`, async () => {
    await using all = await startNodes(2);
    const [a, b] = all.nodes;
    const session = await openSession(a, b);
    const { agent, viewer, desktopId } = session;
    await connectPeers(session);
    const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
    try {
      await empty(all);
      const codes = await Promise.all([agent.client.closed, viewer.client.closed]);
      assert.deepEqual(codes, [{ code: 1013 }, { code: 1013 }]);
      // What clients do then: they come back, are not known, and begin anew.
      const again = await connectAgent(a.server, agent);
      assert.equal(again.resumed, false);
      agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
      const from = viewer.client.messages.length;
      assert.equal((await connectConsole(b.server, viewer)).resumed, false);
      const { payload } = await viewer.client.next(
        "DESKTOP_LIST",
        from,
        (m) => m.payload.desktops.some((d) => d.online && d.desktopId === desktopId),
      );
      assert.equal(payload.desktops[0].viewers, 0);
      await approve(viewer.client, agent.client, desktopId);
    } finally {
      for (const stop of stops) stop();
    }
  });
}
