/** Ended sessions in Redis, for longer than their desktop's state remembers them. */
import type { HistoryLimits } from "../core/ports.ts";
import type { EndedRecord } from "../core/state.ts";
import type { RedisWriter } from "./redis_batch.ts";
import { type RedisClient, scriptOf } from "./redis_client.ts";
import { decodeRecord } from "./redis_codec.ts";
import { endedPrefix, historyKey, sessionKey } from "./redis_keys.ts";

/**
 * KEYS: history, then the records. ARGV: keepMs, perDesktop, prefix of records, (end, session,
 * record)… The records that are forgotten are named only here; they share the desktop's slot.
 */
export const KEEP = scriptOf(`
local keepMs, most, prefix = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
for i = 2, #KEYS do
  local at = 3 * (i - 2) + 4
  redis.call('SET', KEYS[i], ARGV[at + 2], 'PX', keepMs)
  redis.call('ZADD', KEYS[1], ARGV[at], ARGV[at + 1])
end
local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(newest[2]) - keepMs)
local over = redis.call('ZCARD', KEYS[1]) - most
if over > 0 then
  for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, over - 1)) do
    redis.call('DEL', prefix .. session)
  end
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1)
end
redis.call('PEXPIRE', KEYS[1], keepMs)
return #KEYS - 1
`);

/** Keeps and finds records of ended sessions. */
export class RedisHistory {
  readonly #client: RedisClient;
  readonly #limits: HistoryLimits;
  readonly #writer: RedisWriter;

  constructor(client: RedisClient, limits: HistoryLimits, writer: RedisWriter = client) {
    this.#client = client;
    this.#limits = limits;
    this.#writer = writer;
  }

  /** How long a session's desktop has to be known. */
  get keepMs(): number {
    return this.#limits.keepMs;
  }

  /** The commands that keep these; all fail alike when Redis is away. */
  keep(desktopId: string, ended: readonly EndedRecord[]): Promise<unknown>[] {
    if (ended.length === 0) return [];
    const { keepMs, perDesktop } = this.#limits;
    const prefix = endedPrefix(desktopId);
    const ids = ended.map(({ session }) => session.sessionId);
    const keys = [historyKey(desktopId), ...ids.map((id) => `${prefix}${id}`)];
    const records = ended.flatMap((record) => {
      const { endedAtMs, sessionId } = record.session;
      return [endedAtMs, sessionId, JSON.stringify(record)];
    });
    return [
      this.#writer.run(KEEP, keys, [keepMs, perDesktop, prefix, ...records]),
    ];
  }

  async find(sessionId: string): Promise<EndedRecord | null> {
    const desktopId = await this.#client.call("GET", sessionKey(sessionId));
    if (typeof desktopId !== "string") return null;
    const text = await this.#client.call("GET", `${endedPrefix(desktopId)}${sessionId}`);
    return typeof text === "string" ? decodeRecord(text) : null;
  }
}
