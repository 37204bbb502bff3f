/** The ways to reach Redis: TLS with a client certificate and an ACL user, and Cluster. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { corruptionReporter } from "../../server/adapters/corruption.ts";
import { RedisBatch, type RedisWriter } from "../../server/adapters/redis_batch.ts";
import { RedisBus } from "../../server/adapters/redis_bus.ts";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { RedisLinkStore } from "../../server/adapters/redis_links.ts";
import { RedisOnceStore } from "../../server/adapters/redis_once_store.ts";
import { RedisDesktopStore } from "../../server/adapters/redis_store.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { ControllerDriver, DESKTOP, on, SCRIPTS } from "../../server/testing/controller_driver.ts";
import { freePort } from "../support/coturn.ts";
import { startRedis } from "../support/redis.ts";
import { startRedisCluster } from "../support/redis_cluster.ts";

const log = { write: () => {} };
const connected = new ControllerDriver().run(...SCRIPTS.connected).desktop!;
const ended = new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop!;
const LINK = "77777777-7777-4777-8777-777777777777";

/** Uses every script and command once, with mail over the bus. */
async function useAll(client: RedisClient, writer: RedisWriter = client): Promise<void> {
  await client.whenUp();
  const onCorrupt = corruptionReporter(log, () => {});
  const bus = new RedisBus(client, onCorrupt);
  const history = { keepMs: 60_000, perDesktop: 3 };
  const times = { desktopMs: 60_000, linkMs: 60_000, history };
  const store = new RedisDesktopStore({ client, writer, bus, log, onCorrupt, ...times });
  const links = new RedisLinkStore({ client, writer, nodeId: "node", linkMs: 60_000 });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const stop = bus.subscribe(`link:${LINK}`, resolve);
  await bus.settled(`link:${LINK}`);
  const draft = { type: "PING", payload: {} } as const;
  const out = [{ kind: "mail", linkId: LINK, draft }] as const;
  const handled = [{ linkId: LINK, seq: 1 }];
  assert.equal(await store.save(DESKTOP, 0, { desktop: connected, out, handled }), "saved");
  assert.deepEqual(await promise, { desktopId: DESKTOP, n: 1, draft });
  assert.equal(await store.save(DESKTOP, 1, { desktop: ended }), "saved");
  assert.deepEqual(await store.list(), [ended]);
  await links.create(LINK, "one", "agent");
  await links.addDesktop(LINK, "one", DESKTOP);
  const mail = { desktopId: DESKTOP, n: 1 };
  const batch = { entries: [{ seq: 1, text: "hello", mail }], acked: 0 };
  assert.equal(await links.append(LINK, "one", batch), true);
  assert.equal(await links.claim(LINK, "two", "another"), null);
  const record = await links.claim(LINK, "two", "agent");
  assert.deepEqual(record?.unacked, [{ seq: 1, text: "hello" }]);
  assert.deepEqual([...record?.taken ?? []], [[DESKTOP, 1]]);
  assert.equal(await links.append(LINK, "one", batch), false, "it has another owner");
  assert.equal(await links.remove(LINK, "one"), false);
  assert.equal(await links.remove(LINK, "two"), true);
  const once = new RedisOnceStore(client);
  await once.put("token", "value", 10_000);
  assert.equal(await once.take("token"), "value");
  stop();
  bus.close();
}

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** A CA, and a certificate of it for server and client. */
async function certificates(dir: string) {
  const file = (name: string) => join(dir, name);
  const days = ["-days", "2"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    ...["req", "-x509", ...key, ...days, "-subj", "/CN=Farglass test CA"],
    ...["-keyout", file("ca.key"), "-out", file("ca.pem")],
  );
  await openssl(
    ...["req", "-x509", ...key, ...days, "-subj", "/CN=localhost"],
    ...["-CA", file("ca.pem"), "-CAkey", file("ca.key")],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", file("peer.key"), "-out", file("peer.pem")],
  );
  return { caFile: file("ca.pem"), certFile: file("peer.pem"), keyFile: file("peer.key") };
}

Deno.test("rediss: TLS with a client certificate, as an ACL user with the keys it needs", async () => {
  const dir = await Deno.makeTempDir({ prefix: "farglass-tls-" });
  const { caFile, certFile, keyFile } = await certificates(dir);
  const port = await freePort();
  await using redis = await startRedis({
    args: [
      ...["--tls-port", String(port), "--tls-auth-clients", "yes"],
      ...["--tls-ca-cert-file", caFile, "--tls-cert-file", certFile, "--tls-key-file", keyFile],
    ],
  });
  const rules = ["on", ">p:w/d", "~fg:*", "&fg:*", "+@all", "-@dangerous", "+info"];
  await redis.cli("ACL", "SETUSER", "farglass", ...rules);
  await redis.cli("ACL", "SETUSER", "default", "off");
  const settings = {
    ...DEFAULT_SETTINGS.redis,
    url: `rediss://farglass:${encodeURIComponent("p:w/d")}@localhost:${port}`,
    tls: { caFile, certFile, keyFile, serverName: "" },
  };
  const client = await RedisClient.open(settings, log);
  await useAll(client, new RedisBatch(client));
  client.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test({
  name: "Cluster: every script keeps to one slot",
  // The library's connections to the nodes keep timers for a while after they are closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using cluster = await startRedisCluster();
    const url = cluster.servers[0].url;
    const settings = { ...DEFAULT_SETTINGS.redis, url, cluster: cluster.hosts.slice(1) };
    const client = await RedisClient.open(settings, log);
    await useAll(client);
    client.close();
  },
});
