/** Links in Redis, so that a client may come back to any node. */
import type { Draft } from "@farglass/protocol";
import {
  type LinkBatch,
  type LinkRecord,
  type LinkStore,
  linkTopic,
  type MailRef,
} from "../core/ports.ts";
import type { OnCorrupt } from "./corruption.ts";
import type { RedisWriter } from "./redis_batch.ts";
import { isWrongType, type RedisClient, scriptOf } from "./redis_client.ts";
import { channelOf, linkKey, mailKey, nodeLinksKey } from "./redis_keys.ts";
import { STORE_VERSION, toFields } from "./redis_codec.ts";

/** KEYS: link. ARGV: owner, node, identity, ttlMs, channel, notice, version.
 * Null when it is another's or of a newer version. */
const CLAIM = scriptOf(`
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[3] then return false end
if (tonumber(redis.call('HGET', KEYS[1], 'v') or '1') or 0) > tonumber(ARGV[7]) then return false end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'node', ARGV[2], 'box', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return redis.call('HGETALL', KEYS[1])
`);

/** KEYS: link. ARGV: owner, ttlMs, acked, last, (seq, text, desktop or '', n)… */
export const APPEND = scriptOf(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local trimmed = tonumber(redis.call('HGET', KEYS[1], 'acked') or '0')
local acked = math.min(tonumber(ARGV[3]), tonumber(redis.call('HGET', KEYS[1], 'sent')))
for seq = trimmed + 1, acked do redis.call('HDEL', KEYS[1], 'u:' .. seq) end
if acked > trimmed then redis.call('HSET', KEYS[1], 'acked', acked) end
for i = 5, #ARGV, 4 do
  redis.call('HSET', KEYS[1], 'u:' .. ARGV[i], ARGV[i + 1])
  if ARGV[i + 2] ~= '' then redis.call('HSET', KEYS[1], 'c:' .. ARGV[i + 2], ARGV[i + 3]) end
end
redis.call('HSET', KEYS[1], 'sent', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`);

/** KEYS: link. ARGV: owner, ttlMs, (seq, filler)… What now stands under each number, or null. */
export const FILL = scriptOf(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return false end
local sent = tonumber(redis.call('HGET', KEYS[1], 'sent') or '0')
local texts = {}
for i = 3, #ARGV, 2 do
  local field = 'u:' .. ARGV[i]
  redis.call('HSETNX', KEYS[1], field, ARGV[i + 1])
  texts[#texts + 1] = redis.call('HGET', KEYS[1], field)
  sent = math.max(sent, tonumber(ARGV[i]))
end
redis.call('HSET', KEYS[1], 'sent', sent)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return texts
`);

/** KEYS: link. ARGV: owner, field, value. */
const SET_IF_OWNED = scriptOf(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3])
`);

/** KEYS: link. ARGV: owner. */
const REMOVE = scriptOf(`
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
`);

export interface RedisLinksOptions {
  readonly client: RedisClient;
  /** Where writes go that may share their way; `client` when left out. */
  readonly writer?: RedisWriter;
  readonly nodeId: string;
  readonly linkMs: number;
  readonly onCorrupt?: OnCorrupt;
}

/** What a node that clears away after a dead one needs of a link. */
export interface LinkGlance {
  readonly node: string;
  readonly desktopIds: readonly string[];
}

/** Mail of one desktop that waits to be deleted: a command for each would cost a third more. */
const MAX_NUMBERED = 32;

/** A dead node's link may be resumed this much longer; the controller's own wait is shorter. */
const SWEPT_MS = 60_000;

/** The port on Redis. */
export class RedisLinkStore implements LinkStore {
  readonly #options: RedisLinksOptions;
  /** Fields of mail that may be deleted, by link and desktop. */
  readonly #numbered = new Map<string, Map<string, string[]>>();

  constructor(options: RedisLinksOptions) {
    this.#options = options;
  }

  async create(linkId: string, owner: string, identity: string): Promise<void> {
    const { client, nodeId, linkMs } = this.#options;
    await client.calls([
      [
        ...["HSET", linkKey(linkId), "token", owner, "node", nodeId, "id", identity, "sent", 0],
        ...["box", owner],
      ] as const,
      ["PEXPIRE", linkKey(linkId), linkMs],
      ...this.#mine(linkId),
    ]);
  }

  async claim(linkId: string, owner: string, identity: string): Promise<LinkRecord | null> {
    const { client, nodeId, linkMs } = this.#options;
    const notice = JSON.stringify({ movedTo: owner });
    const channel = channelOf(linkTopic(linkId));
    const args = [owner, nodeId, identity, linkMs, channel, notice, STORE_VERSION];
    const answer = await client.run(CLAIM, [linkKey(linkId)], args)
      .catch((error) => this.#ours(error));
    if (answer === null) return null;
    if (!/^\d{1,15}$/.test(toFields(answer).sent ?? "")) {
      this.#corrupt();
      return null;
    }
    await client.calls(this.#mine(linkId));
    return recordOf(toFields(answer));
  }

  async append(linkId: string, owner: string, batch: LinkBatch): Promise<boolean> {
    const { client, writer = client, linkMs } = this.#options;
    const { entries, acked } = batch;
    const last = entries[entries.length - 1].seq;
    const rows = entries.flatMap(({ seq, text, mail }) => [
      seq,
      text,
      mail?.desktopId ?? "",
      mail?.n ?? 0,
    ]);
    const args = [owner, linkMs, acked, last, ...rows];
    if (await writer.run(APPEND, [linkKey(linkId)], args) !== 1) {
      this.#numbered.delete(linkId);
      return false;
    }
    for (const { mail } of entries) if (mail !== null) this.#note(linkId, mail);
    return true;
  }

  async fill(
    linkId: string,
    owner: string,
    fillers: readonly { readonly seq: number; readonly text: string }[],
  ): Promise<readonly string[] | null> {
    const { client, writer = client, linkMs } = this.#options;
    const args = [owner, linkMs, ...fillers.flatMap(({ seq, text }) => [seq, text])];
    return await writer.run(FILL, [linkKey(linkId)], args) as string[] | null;
  }

  /** Mail that has a number of the link now is needed no more, and is deleted some at a time. */
  #note(linkId: string, { desktopId, n }: MailRef): void {
    const byDesktop = this.#numbered.get(linkId) ?? new Map<string, string[]>();
    this.#numbered.set(linkId, byDesktop);
    const fields = byDesktop.get(desktopId) ?? [];
    byDesktop.set(desktopId, fields);
    if (fields.push(`m:${n}`) < MAX_NUMBERED) return;
    byDesktop.delete(desktopId);
    this.#delete(linkId, desktopId, fields);
  }

  #tidy(linkId: string): void {
    const byDesktop = this.#numbered.get(linkId) ?? [];
    this.#numbered.delete(linkId);
    for (const [desktopId, fields] of byDesktop) this.#delete(linkId, desktopId, fields);
  }

  #delete(linkId: string, desktopId: string, fields: readonly string[]): void {
    const { client, writer = client } = this.#options;
    writer.call("HDEL", mailKey(desktopId, linkId), ...fields).catch(() => {
      // The lifetime of the key takes what this could not; who reads it knows what is old.
    });
  }

  async addDesktop(linkId: string, owner: string, desktopId: string): Promise<void> {
    await this.#options.client.run(SET_IF_OWNED, [linkKey(linkId)], [owner, `c:${desktopId}`, 0]);
  }

  async missed(linkId: string, desktopId: string, after: number) {
    const fields = toFields(
      await this.#options.client.call("HGETALL", mailKey(desktopId, linkId)),
    );
    return Object.entries(fields)
      .filter(([field]) => field.startsWith("m:"))
      .map(([field, text]) => ({ n: Number(field.slice(2)), text }))
      .filter(({ n }) => n > after)
      .sort((a, b) => a.n - b.n)
      .flatMap(({ n, text }) => {
        const draft = this.#draftOf(text);
        return draft === null ? [] : [{ n, draft }];
      });
  }

  async drop(linkId: string, mail: MailRef): Promise<void> {
    await this.#options.client.call("HDEL", mailKey(mail.desktopId, linkId), `m:${mail.n}`);
  }

  async remove(linkId: string, owner: string): Promise<boolean> {
    const { client, nodeId } = this.#options;
    this.#tidy(linkId);
    const mine = await client.run(REMOVE, [linkKey(linkId)], [owner]) === 1;
    if (mine) await client.call("SREM", nodeLinksKey(nodeId), linkId);
    return mine;
  }

  async owns(linkId: string, owner: string): Promise<boolean> {
    const token = await this.#options.client.call("HGET", linkKey(linkId), "token");
    return token === null || token === owner;
  }

  /** Those of these links that the store has no record of. */
  async missing(linkIds: readonly string[]): Promise<readonly string[]> {
    const { client } = this.#options;
    const found = await client.calls(
      linkIds.map((id) => ["HEXISTS", linkKey(id), "token"] as const),
    );
    return linkIds.filter((_, i) => found[i] === 0);
  }

  async touch(linkId: string, desktopIds: Iterable<string>): Promise<void> {
    const { client, linkMs } = this.#options;
    this.#tidy(linkId);
    await client.calls([
      ["PEXPIRE", linkKey(linkId), linkMs],
      ...[...desktopIds].map((id) => ["PEXPIRE", mailKey(id, linkId), linkMs] as const),
      ...this.#mine(linkId),
    ]);
  }

  whenUp(): Promise<void> {
    return this.#options.client.whenUp();
  }

  /** Links of a node, for whoever clears away after it. */
  async linksOf(nodeId: string): Promise<readonly string[]> {
    return await this.#options.client.call("SMEMBERS", nodeLinksKey(nodeId)) as string[];
  }

  async glance(linkId: string): Promise<LinkGlance | null> {
    const fields = toFields(await this.#options.client.call("HGETALL", linkKey(linkId)));
    if (fields.node === undefined) return null;
    return { node: fields.node, desktopIds: [...recordOf(fields).taken.keys()] };
  }

  /** After its node's death a link waits for its client only a little longer. */
  async expireSoon(linkId: string): Promise<void> {
    const { client, linkMs } = this.#options;
    await client.call("PEXPIRE", linkKey(linkId), Math.min(SWEPT_MS, linkMs));
  }

  async forgetNode(nodeId: string): Promise<void> {
    await this.#options.client.call("DEL", nodeLinksKey(nodeId));
  }

  /** Mail that is none is passed over: what follows must not wait for it for ever. */
  #draftOf(text: string): Draft | null {
    try {
      const draft: unknown = JSON.parse(text);
      if (typeof draft === "object" && draft !== null && "type" in draft) return draft as Draft;
    } catch {
      // Not JSON, so not ours.
    }
    this.#corrupt();
    return null;
  }

  /** A key of another type is as good as none: the client begins a new link. */
  #ours(error: unknown): null {
    if (!isWrongType(error)) throw error;
    this.#corrupt();
    return null;
  }

  #corrupt(): void {
    this.#options.onCorrupt?.({ value: "link" });
  }

  #mine(linkId: string) {
    const key = nodeLinksKey(this.#options.nodeId);
    return [["SADD", key, linkId], ["PEXPIRE", key, this.#options.linkMs]] as const;
  }
}

function recordOf(fields: Readonly<Record<string, string>>): LinkRecord {
  const unacked: { seq: number; text: string }[] = [];
  const taken = new Map<string, number>();
  for (const [field, value] of Object.entries(fields)) {
    if (field.startsWith("u:")) unacked.push({ seq: Number(field.slice(2)), text: value });
    if (field.startsWith("c:")) taken.set(field.slice(2), Number(value));
  }
  unacked.sort((a, b) => a.seq - b.seq);
  return { sent: Number(fields.sent ?? 0), unacked, taken };
}
