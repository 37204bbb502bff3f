/** The contract suites of the ports on a real redis-server. */
import assert from "node:assert/strict";
import { corruptionReporter } from "../../server/adapters/corruption.ts";
import { RedisBatch } from "../../server/adapters/redis_batch.ts";
import { RedisBus } from "../../server/adapters/redis_bus.ts";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { changeOf } from "../../server/adapters/redis_codec.ts";
import { mailKey, sessionKey, stateKey } from "../../server/adapters/redis_keys.ts";
import { RedisLinkStore } from "../../server/adapters/redis_links.ts";
import { RedisOnceStore } from "../../server/adapters/redis_once_store.ts";
import { RedisDesktopStore } from "../../server/adapters/redis_store.ts";
import {
  busContract,
  bytesContract,
  desktopStoreContract,
  onceStoreContract,
} from "../../server/adapters/store_contract.ts";
import { DESKTOPS_TOPIC, linkTopic } from "../../server/core/ports.ts";
import { summaryOf } from "../../server/core/views.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import {
  ControllerDriver,
  DESKTOP,
  on,
  SCRIPTS,
  SESSION,
} from "../../server/testing/controller_driver.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";

async function open(settings: Partial<typeof DEFAULT_SETTINGS.redis> = {}) {
  const redis = await startRedis();
  const lines: string[] = [];
  const log = { write: (_level: string, event: string) => void lines.push(event) };
  const client = await RedisClient.open(
    { ...DEFAULT_SETTINGS.redis, url: redis.url, ...settings },
    log,
  );
  await client.whenUp();
  const onCorrupt = corruptionReporter(log, () => {});
  const bus = new RedisBus(client, onCorrupt);
  const writer = new RedisBatch(client);
  const lost: string[] = [];
  const history = { keepMs: 60_000, perDesktop: 3 };
  const times = { desktopMs: 60_000, linkMs: 60_000 };
  const options = { client, writer, bus, log, onCorrupt, history, ...times };
  const store = new RedisDesktopStore({ ...options, onLost: (id) => lost.push(id) });
  const close = async () => {
    bus.close();
    client.close();
    await redis[Symbol.asyncDispose]();
  };
  return { redis, client, bus, store, options, lines, lost, close };
}

type Opened = Awaited<ReturnType<typeof open>>;

desktopStoreContract("RedisDesktopStore", open);
busContract("RedisBus", open);
bytesContract("RedisBus", open);
onceStoreContract("RedisOnceStore", async () => {
  const { client, close } = await open();
  // Redis keeps its own time: what expires there is waited for.
  const advance = async () => {
    await poll(
      "expiry",
      5_000,
      async () =>
        (await client.call("KEYS", "fg:{once}:????????*") as string[]).length === 0 || null,
    );
  };
  return { once: new RedisOnceStore(client), advance, close };
});

const connected = new ControllerDriver().run(...SCRIPTS.connected);
const desktop = connected.desktop!;

Deno.test("RedisDesktopStore: two nodes with caches of their own never both decide", async () => {
  const { store, options, close } = await open();
  const other = new RedisDesktopStore(options);
  assert.equal(await store.save(DESKTOP, 0, { desktop }), "saved");
  const seen = await other.load(DESKTOP);
  assert.deepEqual(seen, { revision: 1, desktop });
  const ended = new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop!;
  assert.equal(await other.save(DESKTOP, 1, { desktop: ended }), "saved");
  assert.equal((await store.recall(DESKTOP))?.revision, 1, "the first node does not know yet");
  assert.equal(await store.save(DESKTOP, 1, { desktop }), "conflict");
  assert.deepEqual(await store.load(DESKTOP), { revision: 2, desktop: ended });
  await close();
});

/** A second node's store that hears what the mail for a link of its own tells. */
async function openListener({ options, bus }: Pick<Opened, "options" | "bus">) {
  const other = new RedisDesktopStore(options);
  const revisions: (number | null)[] = [];
  let held: (() => void)[] | null = null;
  bus.subscribe(linkTopic("away"), (mail) => {
    const { desktopId, change } = mail as { desktopId: string; change?: { rev: number } };
    const hear = () => {
      revisions.push(change?.rev ?? null);
      if (change !== undefined) other.changed(desktopId, change);
    };
    if (held === null) hear();
    else held.push(hear);
  });
  await bus.settled(linkTopic("away"));
  return {
    other,
    heard: (count: number) => poll("mail", 5_000, () => revisions.length >= count || null),
    revisions,
    /** What comes waits until the answer of this call is called. */
    hold() {
      const waiting: (() => void)[] = held = [];
      return async (count: number) => {
        await poll("mail", 5_000, () => waiting.length >= count || null);
        held = null;
        for (const hear of waiting) hear();
      };
    },
  };
}

const draft = { type: "PING", payload: {} } as const;
const toAway = { out: [{ kind: "mail", linkId: "away", draft }], away: ["away"] } as const;

Deno.test("RedisDesktopStore: a node knows from its link's mail what another has written, and reads nothing", async () => {
  const opened = await open();
  const { store, client, options, close } = opened;
  const { other, heard, revisions } = await openListener(opened);
  const driver = new ControllerDriver();
  let revision = 0;
  const events = [...SCRIPTS.connected, on.kill(), ...SCRIPTS.connected.slice(1, 3)];
  for (const event of events) {
    const after = driver.run(event).desktop!;
    const two = { ...toAway, out: [...toAway.out, ...toAway.out] };
    assert.equal(await store.save(DESKTOP, revision++, { desktop: after, ...two }), "saved");
    if (revision === 1) await other.load(DESKTOP);
    await heard(2 * revision);
    const { sent } = client;
    const known = await other.recall(DESKTOP);
    assert.equal(client.sent, sent, "nothing was read");
    assert.deepEqual(known, await new RedisDesktopStore(options).load(DESKTOP));
    assert.equal(known?.revision, revision);
  }
  // The first message of a write tells it, the others need not.
  assert.deepEqual(revisions, events.flatMap((_, i) => [i + 1, null]));
  // It decides at once, and the first one hears of it by its conflict only.
  assert.equal(await other.save(DESKTOP, revision, { desktop: driver.desktop }), "saved");
  assert.equal(await store.save(DESKTOP, revision, { desktop: driver.desktop }), "conflict");
  assert.equal((await store.recall(DESKTOP))?.revision, revision + 1);
  await close();
});

Deno.test("RedisDesktopStore: a node that missed a write, or heard it before its own answer, is right all the same", async () => {
  const opened = await open();
  const { store, client, close } = opened;
  const { other, heard, hold } = await openListener(opened);
  const ended = new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop!;
  await store.save(DESKTOP, 0, { desktop });
  await other.load(DESKTOP);
  // Nobody tells this one.
  await store.save(DESKTOP, 1, { desktop: ended });
  await store.save(DESKTOP, 2, { desktop: ended, ...toAway });
  await heard(1);
  assert.deepEqual(await other.recall(DESKTOP), { revision: 3, desktop: ended });
  // Its own write is answered after what followed it was heard.
  const own = other.save(DESKTOP, 3, { desktop });
  const set = changeOf(desktop, ended).set.map(([field, text]) => [field, JSON.parse(text)]);
  other.changed(DESKTOP, { v: 1, rev: 5, set: Object.fromEntries(set) });
  assert.equal(await own, "saved");
  await store.load(DESKTOP);
  assert.equal(await store.save(DESKTOP, 4, { desktop: ended }), "saved");
  let { sent } = client;
  assert.deepEqual(await other.recall(DESKTOP), await store.recall(DESKTOP));
  assert.equal(client.sent, sent);
  // What it hears late changes nothing, and a refused write leaves the newer state known.
  const release = hold();
  await store.save(DESKTOP, 5, { desktop, ...toAway });
  assert.equal(await other.save(DESKTOP, 5, { desktop: ended }), "conflict");
  assert.equal((await other.recall(DESKTOP))?.revision, 6);
  await release(1);
  sent = client.sent;
  assert.deepEqual(await other.recall(DESKTOP), { revision: 6, desktop });
  assert.equal(client.sent, sent);
  // Foreign words make it look itself.
  other.changed(DESKTOP, { v: 1, rev: 7, set: { d: "foreign" } });
  assert.deepEqual(await other.recall(DESKTOP), { revision: 6, desktop });
  other.changed(DESKTOP, "foreign");
  other.changed(DESKTOP, { v: 1, rev: 9, set: {} });
  assert.deepEqual(await other.recall(DESKTOP), { revision: 6, desktop });
  await close();
});

Deno.test("RedisDesktopStore: a recent list follows what other nodes tell, and reads only that", async () => {
  const { store, options, bus, client, close } = await open();
  const other = new RedisDesktopStore(options);
  const told: unknown[] = [];
  bus.subscribe(DESKTOPS_TOPIC, (notice) => {
    other.heard(notice);
    told.push(notice);
  });
  await bus.settled(DESKTOPS_TOPIC);
  const heard = (count: number) => poll("notices", 5_000, () => told.length === count || null);
  const out = [{ kind: "notice", topic: DESKTOPS_TOPIC, message: null }] as const;
  assert.deepEqual(await other.summaries(), []);
  await store.save(DESKTOP, 0, { desktop, out });
  await heard(1);
  assert.deepEqual(await other.summaries(), [summaryOf(desktop)]);
  const ended = new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop!;
  await store.save(DESKTOP, 1, { desktop: ended, out });
  await heard(2);
  const before = client.sent;
  assert.deepEqual(await other.summaries(), [summaryOf(ended)]);
  assert.equal(client.sent, before, "the notice says it all");
  await store.save(DESKTOP, 2, { desktop: null, out });
  await heard(3);
  assert.deepEqual(await other.summaries(), []);
  assert.deepEqual(told, [
    ...[desktop, ended].map((one, i) => ({
      ...{ desktopId: DESKTOP, revision: i + 1, summary: summaryOf(one) },
    })),
    { desktopId: DESKTOP, revision: null },
  ]);
  // An older node says only that something has changed.
  await store.save(DESKTOP, 0, { desktop });
  assert.deepEqual(await other.summaries(), []);
  other.heard(null);
  assert.deepEqual(await other.summaries(), [summaryOf(desktop)]);
  // Or says nothing of the entry; and what is none is not shown.
  await store.save(DESKTOP, 1, { desktop: ended });
  other.heard([{ desktopId: DESKTOP, revision: 2, summary: { name: "foreign" } }]);
  assert.deepEqual(await other.summaries(), [summaryOf(ended)]);
  await store.save(DESKTOP, 2, { desktop });
  other.heard([{ desktopId: DESKTOP, revision: 3 }]);
  assert.deepEqual(await other.summaries(), [summaryOf(desktop)]);
  await close();
});

Deno.test("RedisDesktopStore: ended sessions are read once, whoever writes the desktop meanwhile", async () => {
  const { store, options, close } = await open();
  const other = new RedisDesktopStore(options);
  const ended = new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop!;
  await store.save(DESKTOP, 0, { desktop: ended });
  const first = await other.load(DESKTOP);
  assert.equal(first?.desktop.ended.length, 1);
  const more = { ...ended, ended: [...ended.ended, { ...ended.ended[0], sessionId: "newer" }] };
  await store.save(DESKTOP, 1, { desktop: more });
  assert.equal(await other.save(DESKTOP, 1, { desktop: ended }), "conflict");
  const second = await other.load(DESKTOP);
  assert.deepEqual(second, { revision: 2, desktop: more });
  assert.equal(second?.desktop.ended[0], first?.desktop.ended[0]);
  await store.save(DESKTOP, 2, { desktop: { ...more, ended: more.ended.slice(1) } });
  assert.deepEqual((await other.load(DESKTOP))?.desktop.ended.map((s) => s.sessionId), ["newer"]);
  await store.save(DESKTOP, 3, { desktop: null });
  assert.equal(await other.load(DESKTOP), null);
  await close();
});

Deno.test("RedisDesktopStore: a message is dealt with once, whoever brings it", async () => {
  const { store, options, client, close } = await open();
  const other = new RedisDesktopStore(options);
  const handled = [{ linkId: "link", seq: 3 }];
  assert.equal(await store.save(DESKTOP, 0, { desktop, handled }), "saved");
  await other.load(DESKTOP);
  assert.equal(await other.save(DESKTOP, 1, { desktop, handled }), "duplicate");
  assert.equal((await other.load(DESKTOP))?.revision, 1);
  assert.equal(
    await other.save(DESKTOP, 1, { desktop, handled: [{ linkId: "link", seq: 4 }] }),
    "saved",
  );
  const batch = [6, 7].map((seq) => ({ linkId: "link", seq }));
  const overlap = [...batch, { linkId: "other", seq: 1 }, { linkId: "link", seq: 8 }];
  assert.equal(await other.save(DESKTOP, 2, { desktop, handled: batch }), "saved");
  assert.equal(await other.save(DESKTOP, 3, { desktop, handled: overlap }), "duplicate");
  assert.ok(Number(await client.call("PTTL", mailKey(DESKTOP, "link"))) > 0);
  await close();
});

Deno.test("RedisDesktopStore: mail stays until it is taken, without a gap", async () => {
  const { store, client, close } = await open();
  const mail = { kind: "mail", linkId: "l", draft: { type: "PING", payload: {} } } as const;
  const links = new RedisLinkStore({ client, nodeId: "node", linkMs: 60_000 });
  await store.save(DESKTOP, 0, { desktop, out: [mail, mail] });
  await store.save(DESKTOP, 1, { desktop, out: [mail] });
  assert.deepEqual((await links.missed("l", DESKTOP, 1)).map((m) => m.n), [2, 3]);
  await close();
});

Deno.test("RedisDesktopStore: every key has a lifetime", async () => {
  const { store, client, close } = await open();
  const mail = { kind: "mail", linkId: "l", draft: { type: "PING", payload: {} } } as const;
  await store.save(DESKTOP, 0, { desktop, out: [mail], handled: [{ linkId: "m", seq: 1 }] });
  await new RedisOnceStore(client).put("t", "v", 1_000);
  const keys = await client.call("KEYS", "*") as string[];
  assert.ok(keys.length >= 6, keys.join(" "));
  for (const key of keys) assert.ok(Number(await client.call("PTTL", key)) > 0, key);
  await close();
});

Deno.test("RedisDesktopStore: a foreign session ends alone, a foreign desktop is forgotten", async () => {
  const { store, client, options, lines, lost, close } = await open();
  const two = new ControllerDriver().run(
    ...SCRIPTS.connected,
    on.request("55555555-5555-4555-8555-555555555555", "66666666-6666-4666-8666-666666666666"),
  ).desktop!;
  await store.save(DESKTOP, 0, { desktop: two });
  const broken = { ...two.sessions[SESSION], stage: "dancing" };
  for (const value of ["", "{", "null", "[]", JSON.stringify(broken), "\u0000"]) {
    await client.call("HSET", stateKey(DESKTOP), `s:${SESSION}`, value);
    const read = await new RedisDesktopStore(options).load(DESKTOP);
    assert.equal(Object.keys(read!.desktop.sessions).length, 1, value);
    assert.deepEqual(read!.corrupt, [{
      sessionId: SESSION,
      consoleLinkId: value.startsWith('{"') ? "console-link" : null,
    }]);
  }
  const cleaning = await store.load(DESKTOP);
  await store.save(DESKTOP, 1, { desktop: cleaning!.desktop });
  assert.equal((await store.load(DESKTOP))?.corrupt, undefined);
  assert.ok(lines.includes("store-corrupt"));
  assert.equal(await store.desktopOf(SESSION), null);
  await client.call("SET", sessionKey(SESSION), "foreign");
  assert.equal(await store.desktopOf(SESSION), null);

  await client.call("HSET", stateKey(DESKTOP), "d", "{}");
  assert.equal(await store.load(DESKTOP), null);
  assert.deepEqual(lost, [DESKTOP]);
  await store.save(DESKTOP, 0, { desktop });
  await client.call("SET", stateKey(DESKTOP), "a string");
  assert.deepEqual(await store.list(), []);
  assert.equal(await store.save(DESKTOP, 0, { desktop }), "saved");
  await close();
});

Deno.test("RedisClient: an outage rejects at once with a word, and is over when Redis is back", async () => {
  const { store, client, redis, close } = await open();
  await store.save(DESKTOP, 0, { desktop });
  await redis.stop();
  await poll("redis away", 5_000, () => !client.up || null);
  await assert.rejects(store.load(DESKTOP), { name: "StoreUnavailable" });
  await using _again = await redis.again();
  await client.whenUp();
  assert.deepEqual(await store.load(DESKTOP), { revision: 1, desktop });
  await client.call("CONFIG", "SET", "maxmemory", "1");
  await assert.rejects(store.save(DESKTOP, 1, { desktop }), {
    name: "StoreUnavailable",
    message: "OOM",
  });
  assert.deepEqual((await store.load(DESKTOP))?.desktop, desktop, "what lives is still read");
  await client.call("CONFIG", "SET", "maxmemory", "0");
  assert.equal(await store.save(DESKTOP, 1, { desktop }), "saved");
  await close();
});
