/** Messages that are kept with the decision's own write, on a real redis-server. */
import assert from "node:assert/strict";
import { corruptionReporter } from "../../server/adapters/corruption.ts";
import { RedisBatch } from "../../server/adapters/redis_batch.ts";
import { RedisBus } from "../../server/adapters/redis_bus.ts";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { linkKey } from "../../server/adapters/redis_keys.ts";
import { RedisLinkStore } from "../../server/adapters/redis_links.ts";
import { RedisDesktopStore } from "../../server/adapters/redis_store.ts";
import { linkTopic, nodeTopic } from "../../server/core/ports.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { ControllerDriver, DESKTOP, SCRIPTS } from "../../server/testing/controller_driver.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";

const LINK = "99999999-9999-4999-8999-999999999999";
const OWNER = "owner";
const WHO = "agent a";
const desktop = new ControllerDriver().run(...SCRIPTS.connected).desktop!;
const draft = { type: "PING", payload: {} } as const;
const textOf = (seq: number) =>
  JSON.stringify({ type: "ERROR", payload: { message: ',"seq":é' }, seq, ack: 7, ts: 9 });
const fillers = (...seqs: number[]) => seqs.map((seq) => ({ seq, text: `filler ${seq}` }));

async function open() {
  const redis = await startRedis();
  const log = { write: () => {} };
  const client = await RedisClient.open({ ...DEFAULT_SETTINGS.redis, url: redis.url }, log);
  await client.whenUp();
  const onCorrupt = corruptionReporter(log, () => {});
  const bus = new RedisBus(client, onCorrupt);
  const writer = new RedisBatch(client);
  const times = { writer, desktopMs: 60_000, linkMs: 60_000 };
  const history = { keepMs: 60_000, perDesktop: 3 };
  const store = new RedisDesktopStore({ client, bus, log, onCorrupt, history, ...times });
  const links = new RedisLinkStore({ client, writer, nodeId: "node", linkMs: 60_000 });
  await links.create(LINK, OWNER, WHO);
  await links.addDesktop(LINK, OWNER, DESKTOP);
  const published: unknown[] = [];
  bus.subscribe(linkTopic(LINK), (message) => published.push(message));
  bus.subscribe(nodeTopic("node"), (list) => published.push(...list as unknown[]));
  await Promise.all([linkTopic(LINK), nodeTopic("node")].map((topic) => bus.settled(topic)));
  let revision = 0;
  /** Saves with these numbers of the link; whether they were kept. */
  const save = async (seqs: readonly number[], { acked = 0, owner = OWNER } = {}) => {
    let kept = false;
    const entries = seqs.map((seq) => ({ seq, text: textOf(seq) }));
    const settle = (isKept: boolean) => void (kept ||= isKept);
    const direct = [{ linkId: LINK, owner, acked, entries, settle }];
    assert.equal(await store.save(DESKTOP, revision++, { desktop, direct }), "saved");
    return kept;
  };
  const close = async () => {
    bus.close();
    client.close();
    await redis[Symbol.asyncDispose]();
  };
  return { client, store, links, published, save, close };
}

Deno.test("direct: messages for a link are kept with the decision, and any node goes on with them", async () => {
  const { client, links, published, save, close } = await open();
  assert.equal(await save([1, 2]), true);
  assert.equal(await save([3, 4], { acked: 1 }), true);
  assert.ok(Number(await client.call("PTTL", linkKey(LINK))) > 0);
  const record = await links.claim(LINK, "another", WHO);
  assert.equal(record?.sent, 4);
  assert.deepEqual(record?.unacked, [2, 3, 4].map((seq) => ({ seq, text: textOf(seq) })));
  assert.deepEqual(await links.missed(LINK, DESKTOP, 0), []);
  assert.deepEqual(published, [{ movedTo: "another" }]);
  await close();
});

Deno.test("direct: after mail that the link has not taken yet they are mail, too, in order", async () => {
  const { store, links, save, close } = await open();
  const out = [{ kind: "mail", linkId: LINK, draft }] as const;
  assert.equal(await save([]), false);
  assert.equal(await store.save(DESKTOP, 1, { desktop, out }), "saved");
  const { length } = await links.missed(LINK, DESKTOP, 0);
  assert.equal(length, 1);
  await store.load(DESKTOP);
  const settled: boolean[] = [];
  const entries = [1, 2].map((seq) => ({ seq, text: textOf(seq) }));
  const settle = (kept: boolean) => void settled.push(kept);
  const direct = [{ linkId: LINK, owner: OWNER, acked: 0, entries, settle }];
  assert.equal(await store.save(DESKTOP, 2, { desktop, direct }), "saved");
  assert.deepEqual(settled, [false]);
  const mail = await links.missed(LINK, DESKTOP, 0);
  const { seq: _seq, ack: _ack, ts: _ts, ...said } = JSON.parse(textOf(1));
  assert.deepEqual(mail.map((m) => m.draft as unknown), [draft, said, said]);
  // Once the link has taken all of it, its next messages are kept directly again.
  const taken = { desktopId: DESKTOP, n: 3 };
  const batch = { entries: [{ seq: 3, text: textOf(3), mail: taken }], acked: 0 };
  assert.equal(await links.append(LINK, OWNER, batch), true);
  assert.equal(
    await store.save(DESKTOP, 3, {
      desktop,
      direct: [{ ...direct[0], entries: [{ seq: 4, text: textOf(4) }] }],
    }),
    "saved",
  );
  assert.deepEqual(settled, [false, true]);
  await close();
});

Deno.test("direct: a link that another node has taken gets mail", async () => {
  const { links, published, save, close } = await open();
  await links.claim(LINK, "another", WHO);
  assert.equal(await save([1]), false);
  assert.equal((await links.missed(LINK, DESKTOP, 0)).length, 1);
  await poll("both", 5_000, () => published.length === 2 || null);
  assert.equal(await links.fill(LINK, OWNER, fillers(1)), null);
  await close();
});

Deno.test("direct: of a write whose answer was lost, fill finds what it did; what comes later is mail", async () => {
  const { links, save, close } = await open();
  assert.equal(await save([1, 2]), true);
  assert.deepEqual(await links.fill(LINK, OWNER, fillers(1, 2)), [textOf(1), textOf(2)]);
  assert.deepEqual(await links.fill(LINK, OWNER, fillers(3, 4)), ["filler 3", "filler 4"]);
  // The write that 3 and 4 were for was only late.
  assert.equal(await save([3, 4]), false);
  assert.equal((await links.missed(LINK, DESKTOP, 0)).length, 2);
  const record = await links.claim(LINK, "another", WHO);
  assert.deepEqual(record?.unacked.map(({ text }) => text), [
    ...[textOf(1), textOf(2)],
    ...["filler 3", "filler 4"],
  ]);
  await close();
});
