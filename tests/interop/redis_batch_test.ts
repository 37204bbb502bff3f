/** Writes that share their way to Redis, on a real redis-server. */
import assert from "node:assert/strict";
import { MAX_BATCH_SIZE, MAX_BATCH_WRITES, RedisBatch } from "../../server/adapters/redis_batch.ts";
import { RedisBus } from "../../server/adapters/redis_bus.ts";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { linkKey, mailKey, stateKey } from "../../server/adapters/redis_keys.ts";
import { RedisLinkStore } from "../../server/adapters/redis_links.ts";
import { SAVE, saveArguments } from "../../server/adapters/redis_save.ts";
import { linkTopic, nodeTopic, StoreUnavailable } from "../../server/core/ports.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { ControllerDriver, SCRIPTS } from "../../server/testing/controller_driver.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";

const connected = new ControllerDriver().run(...SCRIPTS.connected).desktop!;
const LINK = "99999999-9999-4999-8999-999999999999";
const draft = { type: "ERROR", payload: { message: "é\u{1f680}" } } as never;

async function open() {
  const redis = await startRedis();
  const client = await RedisClient.open(
    { ...DEFAULT_SETTINGS.redis, url: redis.url },
    { write: () => {} },
  );
  await client.whenUp();
  const batch = new RedisBatch(client);
  /** One write of this desktop with mail, as the store makes it. */
  const save = (desktopId: string, revision = 0, linkIds = [LINK]) => {
    const desktop = { ...connected, desktopId };
    const before = revision === 0 ? null : { revision, desktop };
    const out = linkIds.map((linkId) => ({ kind: "mail", linkId, draft }) as const);
    const times = { before, desktopMs: 60_000, linkMs: 60_000, boxes: true };
    const { keys, args } = saveArguments(desktopId, { desktop, out, away: linkIds }, times);
    return batch.run(SAVE, keys, args);
  };
  const close = async () => {
    client.close();
    await redis[Symbol.asyncDispose]();
  };
  return { redis, client, batch, save, close };
}

Deno.test("batch: what links of one node get is one message, also of several desktops; older owners get theirs one by one", async () => {
  const { client, batch, save, close } = await open();
  const bus = new RedisBus(client, () => {});
  const links = (nodeId: string) =>
    new RedisLinkStore({ client, writer: batch, nodeId, linkMs: 60_000 });
  await links("one").create("x", "owner", "agent x");
  await links("one").create("y", "owner", "agent y");
  await links("two").create("z", "owner", "agent z");
  await links("one").create("old", "owner", "agent old");
  // An older node has taken it over, and says nothing of a box.
  await client.call("HSET", linkKey("old"), "token", "older", "node", "three");
  const heard: unknown[] = [];
  const topics = [...["one", "two", "three"].map(nodeTopic), linkTopic("old"), linkTopic("x")];
  for (const topic of topics) bus.subscribe(topic, (message) => heard.push([topic, message]));
  await Promise.all(topics.map((topic) => bus.settled(topic)));
  const answers = await outcomes([
    save("a", 0, ["x", "x", "y", "old", "old"]),
    save("a"),
    save("b", 0, ["x", "z"]),
  ]);
  assert.deepEqual(answers, ["saved", "conflict", "saved"]);
  await poll("messages", 5_000, () => heard.length === 4 || null);
  const changeOf = (desktopId: string) => (told: unknown) => {
    const { change, ...mail } = told as { change?: { rev: number } };
    return { ...mail, desktopId, ...(change === undefined ? {} : { rev: change.rev }) };
  };
  const a = { desktopId: "a", n: 1 };
  const [first, second, third, fourth] = heard as [string, unknown][];
  assert.deepEqual([first, second].map(([topic, mail]) => [topic, changeOf("a")(mail)]), [
    [linkTopic("old"), { ...a, draft, rev: 1 }],
    [linkTopic("old"), { ...a, n: 2, draft }],
  ]);
  const boxes = new Map([third, fourth].map(([topic, list]) => [topic, list as object[]]));
  assert.deepEqual(
    boxes.get(nodeTopic("one"))?.map((mail) => changeOf((mail as typeof a).desktopId)(mail)),
    [
      // The node is told a change once.
      { linkId: "x", ...a, drafts: [draft, draft], rev: 1 },
      { linkId: "y", ...a, drafts: [draft] },
      { linkId: "x", ...a, desktopId: "b", drafts: [draft], rev: 1 },
    ],
  );
  assert.deepEqual(boxes.get(nodeTopic("two"))?.map(changeOf("b")), [
    { linkId: "z", ...a, desktopId: "b", drafts: [draft], rev: 1 },
  ]);
  bus.close();
  await close();
});

const outcomes = async (writes: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(writes)).map((one) =>
    one.status === "fulfilled" ? one.value : one.reason
  );

Deno.test("batch: what is asked at once is one command, and each write has its own answer", async () => {
  const { client, batch, save, close } = await open();
  assert.equal(await save("taken"), "saved");
  await client.call("SET", mailKey("foreign", LINK), "foreign");
  const sent = client.sent;
  const answers = await outcomes([
    save("a"),
    save("taken"),
    save("foreign"),
    batch.call("SET", "fg:text", "é"),
    batch.call("NOSUCH", "fg:text"),
    save("b"),
  ]);
  assert.equal(client.sent - sent, 1);
  assert.deepEqual(answers.map((answer) => answer instanceof Error ? "refused" : answer), [
    ...["saved", "conflict", "refused", "OK", "refused", "saved"],
  ]);
  assert.match(answers[2].message, /WRONGTYPE/);
  assert.match(answers[4].message, /Unknown Redis command/);
  for (const id of ["a", "b"]) {
    assert.equal(await client.call("HGET", stateKey(id), "rev"), "1");
    assert.equal(await client.call("HGET", mailKey(id, LINK), "m:1"), JSON.stringify(draft));
  }
  assert.equal(await client.call("EXISTS", stateKey("foreign")), 0);
  assert.equal(await client.call("GET", "fg:text"), "é");
  await close();
});

Deno.test("batch: links keep their messages in it, and an owner that lost its link learns so alone", async () => {
  const { client, batch, close } = await open();
  const links = new RedisLinkStore({ client, writer: batch, nodeId: "node", linkMs: 60_000 });
  await links.create("mine", "owner", "agent a");
  await links.create("lost", "another", "agent b");
  // Redis has never seen the script before.
  await batch.call("SET", "fg:first", 1);
  const entries = [{ seq: 1, text: "ünumbered", mail: null }];
  const sent = client.sent;
  assert.deepEqual(
    await Promise.all([
      links.append("lost", "owner", { entries, acked: 0 }),
      links.append("mine", "owner", { entries, acked: 0 }),
      links.fill("lost", "owner", [{ seq: 2, text: "filler" }]),
      links.fill("mine", "owner", [{ seq: 2, text: "filler" }]),
    ]),
    [false, true, null, ["filler"]],
  );
  assert.equal(client.sent - sent, 1);
  assert.deepEqual(await client.call("HMGET", linkKey("mine"), "sent", "u:1"), ["2", "ünumbered"]);
  await close();
});

Deno.test("batch: it is bounded by writes and by size, and what does not fit follows", async () => {
  const { client, batch, close } = await open();
  const sets = (count: number, value: string) =>
    Array.from({ length: count }, (_, i) => batch.call("SET", `fg:${i}`, value));
  assert.equal(await batch.call("SET", "fg:first", "1"), "OK");
  let sent = client.sent;
  await Promise.all(sets(3 * MAX_BATCH_WRITES + 1, "x"));
  assert.equal(client.sent - sent, 4);
  sent = client.sent;
  await Promise.all(sets(5, "x".repeat(MAX_BATCH_SIZE / 2 - 100)));
  assert.equal(client.sent - sent, 3);
  sent = client.sent;
  await Promise.all(sets(2, "x".repeat(2 * MAX_BATCH_SIZE)));
  assert.equal(client.sent - sent, 2, "one that is too large goes alone");
  await close();
});

Deno.test("batch: what comes while one is under way goes in the next, together", async () => {
  const { client, batch, close } = await open();
  const sent = client.sent;
  const first = batch.call("SET", "fg:1", 1);
  await new Promise((resolve) => setImmediate(resolve));
  const later: Promise<unknown>[] = [];
  for (const i of [2, 3, 4]) {
    later.push(batch.call("SET", `fg:${i}`, i));
    await Promise.resolve();
  }
  await Promise.all([first, ...later]);
  // EVALSHA of the first one, its EVAL as Redis has never seen the script, and the others.
  assert.equal(client.sent - sent, 3);
  await close();
});

Deno.test("batch: without memory for it each write that adds is refused, what deletes is done", async () => {
  const { redis, client, batch, save, close } = await open();
  assert.equal(await save("a"), "saved");
  await redis.cli("CONFIG", "SET", "maxmemory", "1");
  const answers = await outcomes([
    batch.call("HDEL", mailKey("a", LINK), "m:1"),
    save("b"),
    save("a", 1),
  ]);
  assert.deepEqual(
    answers.map((answer) => answer instanceof StoreUnavailable ? answer.message : answer),
    [1, "OOM", "OOM"],
  );
  await redis.cli("CONFIG", "SET", "maxmemory", "0");
  assert.equal(await client.call("HGET", stateKey("a"), "rev"), "1");
  assert.equal(await save("b"), "saved");
  await close();
});

Deno.test("batch: at a server that became a replica all of it is refused and the connection begins anew", async () => {
  const { redis, client, save, close } = await open();
  assert.equal(await save("a"), "saved");
  await redis.cli("REPLICAOF", "127.0.0.1", "1");
  const { promise: down, resolve } = Promise.withResolvers<void>();
  client.onDown(resolve);
  for (const answer of await outcomes([save("b"), save("c")])) {
    assert.ok(answer instanceof StoreUnavailable);
    assert.equal(answer.message, "READONLY");
  }
  await down;
  await redis.cli("REPLICAOF", "NO", "ONE");
  await client.whenUp();
  assert.equal(await save("b"), "saved");
  await close();
});

Deno.test("batch: when Redis goes away in the middle, what was sent and what waited fails at once", async () => {
  const { redis, client, batch, save, close } = await open();
  assert.equal(await save("warm"), "saved");
  Deno.kill(redis.process.pid, "SIGSTOP");
  const sent = save("sent");
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const before = client.sent;
  const answers = outcomes([sent, save("waits"), batch.call("SET", "fg:waits", 1)]);
  await redis.stop("SIGKILL");
  for (const answer of await answers) {
    assert.ok(answer instanceof StoreUnavailable, String(answer));
  }
  assert.equal(client.sent, before, "nothing more was sent");
  await using _again = await redis.again();
  await client.whenUp();
  assert.equal(await save("waits"), "saved");
  await close();
});
