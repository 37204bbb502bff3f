/** Desktops in Redis: one script decides, writes, and publishes what leaves. */
import * as v from "valibot";
import { type DesktopSummary, desktopSummarySchema } from "@farglass/protocol";
import type {
  Bus,
  DesktopNotice,
  DesktopStore,
  DesktopWrite,
  HistoryLimits,
  Log,
  Saved,
  Stored,
} from "../core/ports.ts";
import { newlyEnded, StoreNewer } from "../core/ports.ts";
import { summaryOf } from "../core/views.ts";
import type { DesktopState, EndedRecord, EndedSession } from "../core/state.ts";
import type { OnCorrupt } from "./corruption.ts";
import type { RedisWriter } from "./redis_batch.ts";
import { isWrongType, type RedisClient, scriptOf } from "./redis_client.ts";
import {
  applyTold,
  decodeDesktop,
  type Fields,
  toFields,
  type Told,
  toldOf,
} from "./redis_codec.ts";
import { RedisHistory } from "./redis_history.ts";
import { DESKTOPS_KEY, sessionKey, stateKey } from "./redis_keys.ts";
import { SAVE, saveArguments } from "./redis_save.ts";

/** A list that is put together from notices is compared with Redis when it is this old. */
const LIST_MS = 5_000;

/**
 * KEYS: state. ARGV: fields that are known. The others: ended sessions are most of a desktop, and
 * two nodes that decide in turn would read them for each decision.
 */
const LOAD = scriptOf(`
local known, wanted, found = {}, {}, {}
for _, field in ipairs(ARGV) do known[field] = true end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if not known[field] then wanted[#wanted + 1] = field end
end
if #wanted == 0 then return found end
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(wanted))) do
  found[2 * i - 1], found[2 * i] = wanted[i], value
end
return found
`);

/** Desktops that this node remembers, to save a read for each decision. */
const MAX_REMEMBERED = 20_000;

export interface RedisStoreOptions {
  readonly client: RedisClient;
  /** Where writes go that may share their way; `client` when left out. */
  readonly writer?: RedisWriter;
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
  /** Another node's write that does not follow what is known. */
  readonly #ahead = new Map<string, Told>();
  /** Ended sessions as last seen, also of desktops that another node has written since. */
  readonly #ended = new Map<string, readonly EndedSession[]>();
  /** Desktops by the last whole list and what was heard since; null when that may be wrong. */
  #members: Set<string> | null = null;
  #listedAt = -Infinity;
  /** Entries of the list as notices tell them, of desktops that others have written since. */
  readonly #told = new Map<string, ToldEntry>();
  /** What is heard while a list is being read. */
  readonly #hearing = new Set<Set<string>>();

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#history = new RedisHistory(options.client, options.history, options.writer);
  }

  async load(desktopId: string): Promise<Stored | null> {
    const known = new Map(this.#ended.get(desktopId)?.map((s) => [s.sessionId, s]));
    const fields = await this.#fields(desktopId, [...known.keys()]);
    const decoded = decodeDesktop(desktopId, fields, known);
    switch (decoded.kind) {
      case "none":
        this.#forget(desktopId);
        return null;
      case "desktop":
        this.#remember(desktopId, decoded.stored);
        for (const { sessionId } of decoded.stored.corrupt ?? []) {
          this.#options.onCorrupt({ value: "session", desktopId, sessionId });
        }
        return decoded.stored;
      case "newer":
        this.#drop(desktopId);
        this.#options.log.write("debug", "store-newer", { desktopId });
        throw new StoreNewer("desktop");
      case "broken":
        return await this.#discard(desktopId);
    }
  }

  async recall(desktopId: string): Promise<Stored | null> {
    // What came between was not heard.
    if (this.#ahead.has(desktopId)) this.#drop(desktopId);
    return this.#known.get(desktopId) ?? await this.load(desktopId);
  }

  async save(desktopId: string, revision: number, write: DesktopWrite): Promise<Saved> {
    const { client, desktopMs, linkMs } = this.#options;
    const writer: RedisWriter = this.#options.writer ?? client;
    // The change is written, not the whole, so what it is based on must be known.
    const base = revision === 0 ? null : await this.recall(desktopId);
    if (revision !== (base?.revision ?? 0)) return this.#outdated(desktopId, revision, "conflict");
    const direct = (write.direct ?? []).filter(({ entries }) => entries.length > 0);
    const times = { before: base, desktopMs, linkMs, boxes: writer.boxes === true };
    const { keys, args } = saveArguments(desktopId, { ...write, direct }, times);
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
        writer.run(SAVE, keys, args),
        ...[...new Set(named)].map((id) =>
          writer.call("SET", sessionKey(id), desktopId, "PX", this.#sessionMs)
        ),
        // So is the record of a session that this write does not end after all: what lives is
        // asked first.
        ...this.#history.keep(desktopId, ended),
      ]);
      if (saved === "duplicate" || saved === "conflict") {
        return this.#outdated(desktopId, revision, saved);
      }
      const posted = Array.isArray(saved) ? saved : [];
      direct.forEach(({ settle }, i) => settle(!posted.includes(i + 1)));
    } catch (error) {
      this.#drop(desktopId);
      // Nothing was written: decide again without it.
      if (isWrongType(error)) {
        const mail = keys.filter((key) => key !== keys[0] && !key.endsWith(":link"));
        // A foreign value under a link's own key is found by the link when it writes itself.
        if (await this.#discardMail(mail) || direct.length > 0) return "conflict";
      }
      throw error;
    }
    if (write.desktop === null) {
      this.#forget(desktopId);
      await client.call("ZREM", DESKTOPS_KEY, desktopId);
    } else if ((this.#known.get(desktopId)?.revision ?? 0) <= revision) {
      this.#remember(desktopId, { revision: revision + 1, desktop: write.desktop });
    }
    return "saved";
  }

  /** A write was refused: what it was based on is forgotten, unless something newer is known. */
  #outdated(desktopId: string, revision: number, saved: Saved): Saved {
    if ((this.#known.get(desktopId)?.revision ?? 0) <= revision) this.#drop(desktopId);
    return saved;
  }

  /** What another node has written, as its mail says; it need not be read then. */
  changed(desktopId: string, change: unknown): void {
    const known = this.#known.get(desktopId);
    const told = toldOf(change);
    if (known === undefined || told !== null && told.rev <= known.revision) return;
    const next = told === null ? null : applyTold(known, told);
    if (next !== null) return this.#remember(desktopId, next);
    // Perhaps a write of this node between the two has not been answered yet.
    if (told !== null && told.rev > known.revision + 1) this.#ahead.set(desktopId, told);
    else this.#drop(desktopId);
  }

  async list(): Promise<readonly DesktopState[]> {
    const heard = new Set<string>();
    this.#hearing.add(heard);
    try {
      const desktops = await this.#list();
      this.#members = new Set([...desktops.map(({ desktopId }) => desktopId), ...heard]);
      // What was read may be newer than what was told; what is heard from now on is told again.
      for (const id of this.#told.keys()) if (!heard.has(id)) this.#told.delete(id);
      this.#listedAt = performance.now();
      return desktops;
    } finally {
      this.#hearing.delete(heard);
    }
  }

  async summaries(): Promise<readonly DesktopSummary[]> {
    const members = this.#members;
    if (members === null || performance.now() - this.#listedAt > LIST_MS) {
      return (await this.list()).map(summaryOf);
    }
    const found = await Promise.all([...members].map((id) => this.#summary(id)));
    return found.flatMap((summary) => summary ?? []);
  }

  async #summary(desktopId: string): Promise<DesktopSummary | null> {
    const known = this.#known.get(desktopId);
    const told = this.#told.get(desktopId);
    if (told !== undefined && told.revision > (known?.revision ?? 0)) {
      told.summary ??= v.is(desktopSummarySchema, told.said) ? told.said : "foreign";
      // A newer node's may be of another kind; then the desktop itself is read.
      if (told.summary !== "foreign") return told.summary;
    }
    const stored = known ?? await this.#load(desktopId) ?? null;
    return stored === null ? null : summaryOf(stored.desktop);
  }

  /** A DesktopNotice of any node, several of them, or what passes for such. */
  heard(notice: unknown): void {
    if (Array.isArray(notice)) return notice.forEach((one) => this.#hear(one));
    this.#hear(notice);
  }

  #hear(notice: unknown): void {
    if (!isNotice(notice)) {
      this.#members = null;
      return;
    }
    const { desktopId, revision, summary } = notice;
    const known = this.#known.get(desktopId);
    const isTold = revision !== null && revision > (known?.revision ?? 0) &&
      this.#told.size < MAX_REMEMBERED;
    if (isTold) this.#told.set(desktopId, { revision, said: summary });
    else this.#told.delete(desktopId);
    if (known !== undefined && known.revision < (revision ?? Infinity)) {
      this.#drop(desktopId);
    }
    for (const heard of this.#hearing) heard.add(desktopId);
    if (revision === null) this.#members?.delete(desktopId);
    else this.#members?.add(desktopId);
  }

  /** Undefined when only newer nodes can read it, and so list it. */
  #load(desktopId: string): Promise<Stored | null | undefined> {
    return this.load(desktopId).catch((error) => {
      if (error instanceof StoreNewer) return undefined;
      throw error;
    });
  }

  async #list(): Promise<readonly DesktopState[]> {
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
      return this.#load(id);
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

  async #index(desktopId: string): Promise<void> {
    const { client, desktopMs } = this.#options;
    // Its score is for people who look: what has expired is removed when the list is read.
    const until = Math.round(Date.now() / 1000 + desktopMs / 1000);
    await client.calls([
      ["ZADD", DESKTOPS_KEY, until, desktopId],
      ["PEXPIRE", DESKTOPS_KEY, desktopMs],
    ]);
  }

  /** All fields but those of these ended sessions. */
  async #fields(desktopId: string, ended: readonly string[]): Promise<Fields> {
    const { client } = this.#options;
    const key = stateKey(desktopId);
    const answer = ended.length === 0
      ? client.call("HGETALL", key)
      : client.run(LOAD, [key], ended.map((id) => `e:${id}`));
    return toFields(await answer.catch((error) => this.#ours(error, { foreign: "" })));
  }

  #forget(desktopId: string): void {
    this.#drop(desktopId);
    this.#ended.delete(desktopId);
  }

  #drop(desktopId: string): void {
    this.#known.delete(desktopId);
    this.#ahead.delete(desktopId);
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
    this.#forget(desktopId);
    await client.calls([["DEL", stateKey(desktopId)], ["ZREM", DESKTOPS_KEY, desktopId]]);
    onLost?.(desktopId);
    return null;
  }

  #remember(desktopId: string, stored: Stored): void {
    this.#known.delete(desktopId);
    if (this.#known.size >= MAX_REMEMBERED) {
      const [oldest] = this.#known.keys();
      this.#forget(oldest);
    }
    const told = this.#ahead.get(desktopId);
    if ((this.#told.get(desktopId)?.revision ?? 0) <= stored.revision) this.#told.delete(desktopId);
    this.#ahead.delete(desktopId);
    this.#known.set(desktopId, stored);
    this.#ended.set(desktopId, stored.desktop.ended);
    if (told !== undefined) this.changed(desktopId, told);
  }
}

interface ToldEntry {
  readonly revision: number;
  readonly said: unknown;
  /** Checked once, when it is asked for: most are followed by the next one before. */
  summary?: DesktopSummary | "foreign";
}

/** Anybody may publish there. */
const isNotice = (notice: unknown): notice is NonNullable<DesktopNotice> =>
  typeof notice === "object" && notice !== null && "desktopId" in notice &&
  typeof notice.desktopId === "string" && "revision" in notice &&
  (notice.revision === null || typeof notice.revision === "number");

/** Ids of the sessions that a write begins. */
function newSessions(before: DesktopState | null, after: DesktopState | null): string[] {
  if (after === null || after === before) return [];
  const begun = Object.keys(after.sessions).filter((id) => before?.sessions[id] === undefined);
  if (after.ended === before?.ended) return begun;
  const known = new Set(before?.ended.map((s) => s.sessionId));
  const ended = after.ended.filter(({ sessionId: id }) =>
    before?.sessions[id] === undefined && !known.has(id)
  );
  return [...begun, ...ended.map((s) => s.sessionId)];
}
