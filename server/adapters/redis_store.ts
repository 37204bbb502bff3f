/** Desktops in Redis: one script decides, writes, and publishes what leaves. */
import type {
  Bus,
  DesktopStore,
  DesktopWrite,
  HistoryLimits,
  Log,
  Outgoing,
  Saved,
  Stored,
} from "../core/ports.ts";
import { linkTopic, newlyEnded, StoreNewer } from "../core/ports.ts";
import type { DesktopState, EndedRecord } from "../core/state.ts";
import type { OnCorrupt } from "./corruption.ts";
import { isWrongType, type RedisClient, scriptOf } from "./redis_client.ts";
import { changeOf, decodeDesktop, type Fields, toFields } from "./redis_codec.ts";
import { RedisHistory } from "./redis_history.ts";
import { channelOf, DESKTOPS_KEY, mailKey, sessionKey, stateKey } from "./redis_keys.ts";

/**
 * KEYS: state, then the link keys.
 * ARGV: revision, stateMs, linkMs, delete?, links with messages dealt with, (key index, first and
 * last number)…, sets, (field, value)…, drops, field…, mails, (key index, prefix, channel,
 * draft)…, notices, (channel, message)…
 */
const SAVE = scriptOf(`
local at = 1
local function take() at = at + 1 return ARGV[at - 1] end
local revision = tonumber(take())
local stateMs, linkMs, delete = take(), take(), take() == '1'
-- A foreign key breaks the script here, before anything is written.
for i = 2, #KEYS do redis.call('HLEN', KEYS[i]) end
local handled = {}
for i = 1, tonumber(take()) do
  handled[i] = { KEYS[tonumber(take())], tonumber(take()), take() }
  if tonumber(redis.call('HGET', handled[i][1], 'q') or '0') >= handled[i][2] then
    return 'duplicate'
  end
end
if tonumber(redis.call('HGET', KEYS[1], 'rev') or '0') ~= revision then return 'conflict' end
local sets = tonumber(take())
if delete then redis.call('DEL', KEYS[1]) end
for _ = 1, sets do
  local field, value = take(), take()
  redis.call('HSET', KEYS[1], field, value)
end
for _ = 1, tonumber(take()) do redis.call('HDEL', KEYS[1], take()) end
if not delete then
  redis.call('HSET', KEYS[1], 'rev', revision + 1)
  redis.call('PEXPIRE', KEYS[1], stateMs)
end
for _, one in ipairs(handled) do redis.call('HSET', one[1], 'q', one[3]) end
for _ = 1, tonumber(take()) do
  local key, prefix, channel, draft = KEYS[tonumber(take())], take(), take(), take()
  local n = redis.call('HINCRBY', key, 'n', 1)
  redis.call('HSET', key, 'm:' .. n, draft)
  redis.call('PUBLISH', channel, prefix .. n .. ',"draft":' .. draft .. '}')
end
for _ = 1, tonumber(take()) do
  local channel, message = take(), take()
  redis.call('PUBLISH', channel, message)
end
for i = 2, #KEYS do redis.call('PEXPIRE', KEYS[i], linkMs) end
return 'saved'
`);

/** Desktops that this node remembers, to save a read for each decision. */
const MAX_REMEMBERED = 20_000;

export interface RedisStoreOptions {
  readonly client: RedisClient;
  readonly bus: Bus;
  readonly log: Log;
  readonly desktopMs: number;
  readonly linkMs: number;
  readonly history: HistoryLimits;
  readonly onCorrupt: OnCorrupt;
  /** A desktop's value was foreign and is gone: whoever announces it must do so again. */
  readonly onLost?: (desktopId: string) => void;
}

/** The store port on Redis. */
export class RedisDesktopStore implements DesktopStore {
  readonly #options: RedisStoreOptions;
  readonly #history: RedisHistory;
  readonly #known = new Map<string, Stored>();

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#history = new RedisHistory(options.client, options.history);
  }

  async load(desktopId: string): Promise<Stored | null> {
    const fields = await this.#fields(desktopId);
    const decoded = decodeDesktop(desktopId, fields);
    switch (decoded.kind) {
      case "none":
        this.#known.delete(desktopId);
        return null;
      case "desktop":
        this.#remember(desktopId, decoded.stored);
        for (const { sessionId } of decoded.stored.corrupt ?? []) {
          this.#options.onCorrupt({ value: "session", desktopId, sessionId });
        }
        return decoded.stored;
      case "newer":
        this.#known.delete(desktopId);
        this.#options.log.write("debug", "store-newer", { desktopId });
        throw new StoreNewer("desktop");
      case "broken":
        return await this.#discard(desktopId);
    }
  }

  async recall(desktopId: string): Promise<Stored | null> {
    return this.#known.get(desktopId) ?? await this.load(desktopId);
  }

  async save(desktopId: string, revision: number, write: DesktopWrite): Promise<Saved> {
    const { client } = this.#options;
    // The change is written, not the whole, so what it is based on must be known.
    const base = revision === 0 ? null : await this.recall(desktopId);
    if (revision !== (base?.revision ?? 0)) {
      this.#known.delete(desktopId);
      return "conflict";
    }
    const { keys, args } = this.#arguments(desktopId, write, base);
    const ended = newlyEnded(base?.desktop ?? null, write.desktop);
    // A session's desktop is known from its start, and for as long as its record after its end.
    const named = [
      ...newSessions(base?.desktop ?? null, write.desktop),
      ...ended.map(({ session }) => session.sessionId),
    ];
    try {
      if (revision === 0) await this.#index(desktopId);
      // The index first: a session that is named but not there is harmless.
      const [saved] = await Promise.all([
        client.run(SAVE, keys, args),
        ...[...new Set(named)].map((id) =>
          client.call("SET", sessionKey(id), desktopId, "PX", this.#sessionMs)
        ),
        // So is the record of a session that this write does not end after all: what lives is
        // asked first.
        ...this.#history.keep(desktopId, ended),
      ]);
      if (saved !== "saved") {
        this.#known.delete(desktopId);
        return saved as Saved;
      }
    } catch (error) {
      this.#known.delete(desktopId);
      // Nothing was written: decide again without it.
      if (isWrongType(error) && await this.#discardMail(keys.slice(1))) return "conflict";
      throw error;
    }
    if (write.desktop === null) {
      this.#known.delete(desktopId);
      await client.call("ZREM", DESKTOPS_KEY, desktopId);
    } else this.#remember(desktopId, { revision: revision + 1, desktop: write.desktop });
    return "saved";
  }

  async list(): Promise<readonly DesktopState[]> {
    const { client } = this.#options;
    const ids = await client.call("ZRANGE", DESKTOPS_KEY, 0, -1) as string[];
    const revisions = await client.calls(ids.map((id) => ["HGET", stateKey(id), "rev"] as const))
      .catch((error) => this.#ours(error, ids.map(() => "?")));
    const found = await Promise.all(ids.map((id, i) => {
      if (revisions[i] === null) return null;
      const known = this.#known.get(id);
      // This node may have written meanwhile; then it knows more than was just read.
      const current = known !== undefined && known.revision >= Number(revisions[i]);
      if (current) return known;
      return this.load(id).catch((error) => {
        // Nodes of that version list it.
        if (error instanceof StoreNewer) return undefined;
        throw error;
      });
    }));
    const gone = ids.filter((_, i) => found[i] === null);
    if (gone.length > 0) await client.call("ZREM", DESKTOPS_KEY, ...gone);
    return found.flatMap((stored) =>
      stored === null || stored === undefined ? [] : [stored.desktop]
    );
  }

  async size(): Promise<number> {
    return Number(await this.#options.client.call("ZCARD", DESKTOPS_KEY));
  }

  async desktopOf(sessionId: string): Promise<string | null> {
    const { client } = this.#options;
    const desktopId = await client.call("GET", sessionKey(sessionId));
    if (typeof desktopId !== "string") return null;
    const [live, ended] = await client.call(
      ...["HMGET", stateKey(desktopId), `s:${sessionId}`, `e:${sessionId}`] as const,
    ) as (string | null)[];
    return live === null && ended === null ? null : desktopId;
  }

  recordOf(sessionId: string): Promise<EndedRecord | null> {
    return this.#history.find(sessionId);
  }

  whenUp(): Promise<void> {
    return this.#options.client.whenUp();
  }

  /** Keeps a desktop that is alive but quiet. */
  async touch(desktopId: string): Promise<void> {
    const { client, desktopMs } = this.#options;
    const sessions = Object.keys(this.#known.get(desktopId)?.desktop.sessions ?? {});
    await client.calls([
      ["PEXPIRE", stateKey(desktopId), desktopMs],
      ...sessions.map((id) => ["PEXPIRE", sessionKey(id), this.#sessionMs] as const),
    ]);
    await this.#index(desktopId);
  }

  get #sessionMs(): number {
    return Math.max(this.#options.desktopMs, this.#history.keepMs);
  }

  #arguments(
    desktopId: string,
    write: DesktopWrite,
    before: Stored | null,
  ) {
    const { desktop, out = [], handled = [] } = write;
    const { desktopMs, linkMs } = this.#options;
    const corrupt = (before?.corrupt ?? []).map((c) => `s:${c.sessionId}`);
    const change = desktop === null
      ? { set: [], drop: [] }
      // The list of sessions must no longer name the corrupt ones.
      : changeOf(before?.desktop ?? null, desktop, { head: corrupt.length > 0 });
    const keys = [stateKey(desktopId)];
    const keyOf = new Map<string, number>();
    const keyIndex = (linkId: string): number => {
      const known = keyOf.get(linkId);
      if (known !== undefined) return known;
      keys.push(mailKey(desktopId, linkId));
      keyOf.set(linkId, keys.length);
      return keys.length;
    };
    const runs = new Map<string, { readonly first: number; last: number }>();
    for (const { linkId, seq } of handled) {
      const run = runs.get(linkId);
      if (run === undefined) runs.set(linkId, { first: seq, last: seq });
      else run.last = seq;
    }
    const mails = out.filter((o): o is Extract<Outgoing, { kind: "mail" }> => o.kind === "mail");
    const notices = out.filter((o): o is Extract<Outgoing, { kind: "notice" }> =>
      o.kind === "notice"
    );
    const prefix = `{"desktopId":${JSON.stringify(desktopId)},"n":`;
    const drops = [...change.drop, ...corrupt];
    const args = [
      ...[before?.revision ?? 0, desktopMs, linkMs, desktop === null ? "1" : "0", runs.size],
      ...[...runs].flatMap(([linkId, { first, last }]) => [keyIndex(linkId), first, last]),
      ...[change.set.length, ...change.set.flat(), drops.length, ...drops, mails.length],
      ...mails.flatMap(({ linkId, draft }) => [
        keyIndex(linkId),
        prefix,
        channelOf(linkTopic(linkId)),
        JSON.stringify(draft),
      ]),
      notices.length,
      ...notices.flatMap(({ topic, message }) => [channelOf(topic), JSON.stringify(message)]),
    ];
    return { keys, args };
  }

  async #index(desktopId: string): Promise<void> {
    const { client, desktopMs } = this.#options;
    // Its score is for people who look: what has expired is removed when the list is read.
    const until = Math.round(Date.now() / 1000 + desktopMs / 1000);
    await client.calls([
      ["ZADD", DESKTOPS_KEY, until, desktopId],
      ["PEXPIRE", DESKTOPS_KEY, desktopMs],
    ]);
  }

  async #fields(desktopId: string): Promise<Fields> {
    const { client } = this.#options;
    const answer = await client.call("HGETALL", stateKey(desktopId))
      .catch((error) => this.#ours(error, { foreign: "" }));
    return toFields(answer);
  }

  /** A key of another type is a foreign value, not a failure. */
  #ours<T>(error: Error, foreign: T): T {
    if (isWrongType(error)) return foreign;
    throw error;
  }

  /** Removes what is no mail; whether there was any. */
  async #discardMail(keys: readonly string[]): Promise<boolean> {
    const { client, onCorrupt } = this.#options;
    const types = await client.calls(keys.map((key) => ["TYPE", key] as const));
    const foreign = keys.filter((_, i) => types[i] !== "hash" && types[i] !== "none");
    for (const key of foreign) {
      onCorrupt({ value: "mail", detail: key });
      // Its mail is counted on from a number that no link has taken yet.
      const above = Date.now();
      await client.calls([
        ["DEL", key],
        ["HSET", key, "n", above],
        ["PEXPIRE", key, this.#options.linkMs],
      ]);
    }
    return foreign.length > 0;
  }

  async #discard(desktopId: string): Promise<null> {
    const { client, onCorrupt, onLost } = this.#options;
    onCorrupt({ value: "desktop", desktopId });
    this.#known.delete(desktopId);
    await client.calls([["DEL", stateKey(desktopId)], ["ZREM", DESKTOPS_KEY, desktopId]]);
    onLost?.(desktopId);
    return null;
  }

  #remember(desktopId: string, stored: Stored): void {
    this.#known.delete(desktopId);
    if (this.#known.size >= MAX_REMEMBERED) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest);
    }
    this.#known.set(desktopId, stored);
  }
}

/** Ids of the sessions that a write begins. */
const newSessions = (before: DesktopState | null, after: DesktopState | null): string[] =>
  after === null ? [] : [...Object.keys(after.sessions), ...after.ended.map((s) => s.sessionId)]
    .filter((id) =>
      before?.sessions[id] === undefined && !before?.ended.some((s) => s.sessionId === id)
    );
