/** Single-use secrets in Redis, good at every node. Only their digests are key names. */
import { createHash } from "node:crypto";
import { MAX_ONCE_ENTRIES } from "../core/once.ts";
import type { OnceStore } from "../core/ports.ts";
import { type RedisClient, scriptOf } from "./redis_client.ts";
import { ONCE_ALL_KEY, onceKey } from "./redis_keys.ts";

const INDEX_MS = 10 * 60 * 1000;

/** KEYS: secret, index. ARGV: digest, value, ttlMs, most, indexMs. */
const PUT = scriptOf(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('ZCOUNT', KEYS[2], now, '+inf') >= tonumber(ARGV[4]) then return 0 end
-- The first write takes memory, so that a Redis without any refuses it: later ones it would let pass.
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
`);

/** KEYS: secret, index. ARGV: digest. */
const TAKE = scriptOf(`
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('GETDEL', KEYS[1])
`);

const digestOf = (token: string): string => createHash("sha256").update(token).digest("hex");

/** The once-store port on Redis. */
export class RedisOnceStore implements OnceStore {
  readonly #client: RedisClient;

  constructor(client: RedisClient) {
    this.#client = client;
  }

  async put(token: string, value: string, ttlMs: number): Promise<boolean> {
    const digest = digestOf(token);
    const args = [digest, value, ttlMs, MAX_ONCE_ENTRIES, Math.max(INDEX_MS, ttlMs)];
    return await this.#client.run(PUT, [onceKey(digest), ONCE_ALL_KEY], args) === 1;
  }

  async take(token: string): Promise<string | null> {
    const digest = digestOf(token);
    const value = await this.#client.run(TAKE, [onceKey(digest), ONCE_ALL_KEY], [digest]);
    return typeof value === "string" ? value : null;
  }
}
