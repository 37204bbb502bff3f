/** What Sentinels say at the worst moment does not keep a node from its store. */
import assert from "node:assert/strict";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { poll, within } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";
import { startSentinelDouble } from "../support/sentinel_double.ts";

Deno.test({
  name: "Sentinel: a fail-over announced while the client asks for the master",
  // The library's connections to the Sentinels keep timers for a while after they are closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: announcedWhileAsking,
});

async function announcedWhileAsking(): Promise<void> {
  await using sentinel = await startSentinelDouble();
  await using first = await startRedis();
  await using second = await startRedis();
  sentinel.answer(first.port);
  const settings = {
    ...DEFAULT_SETTINGS.redis,
    url: "redis://127.0.0.1",
    sentinels: [sentinel.address],
    sentinelName: "farglass",
  };
  const client = await RedisClient.open(settings, { write: () => {} });
  try {
    await client.whenUp();
    await poll("both listen", 5_000, () => sentinel.listeners.size === 2 || null);
    sentinel.answer(null);
    await first.stop();
    await poll("both ask", 5_000, () => sentinel.asked.length === 2 || null);
    assert.equal(client.up, false);
    sentinel.announce();
    // They have heard it when they hang up.
    await poll("both heard", 5_000, () => sentinel.listeners.size === 0 || null);
    sentinel.answer(second.port);
    await within("up", 10_000, client.whenUp());
    assert.equal(await client.call("PING"), "PONG");
    assert.match(await second.cli("INFO", "clients"), /connected_clients:3/);
  } finally {
    client.close();
  }
}
