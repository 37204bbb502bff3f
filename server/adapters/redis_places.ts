/** Places of operators in Redis, so that a limit holds over all nodes. */
import type { OperatorPlaces } from "../core/ports.ts";
import type { RedisWriter } from "./redis_batch.ts";
import { scriptOf } from "./redis_client.ts";
import { placesKey } from "./redis_keys.ts";

/** KEYS: places. ARGV: session, most, ttlMs. One when taken, else the holders and their ages. */
export const TAKE = scriptOf(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end
local holders = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 2, #holders, 2 do holders[i] = tostring(now - tonumber(holders[i])) end
return holders
`);

/** A session is stored long before this, unless its node died meanwhile. */
const YOUNG_MS = 10_000;

/** The port on Redis. */
export class RedisOperatorPlaces implements OperatorPlaces {
  readonly #client: RedisWriter;
  readonly #keepMs: number;

  constructor(client: RedisWriter, keepMs: number) {
    this.#client = client;
    this.#keepMs = keepMs;
  }

  async take(operatorId: string, sessionId: string, limit: number) {
    const args = [sessionId, limit, this.#keepMs];
    const answer = await this.#client.run(TAKE, [placesKey(operatorId)], args);
    if (!Array.isArray(answer)) return { taken: true, holders: [] };
    const holders: { sessionId: string; young: boolean }[] = [];
    for (let i = 0; i + 1 < answer.length; i += 2) {
      const ageMs = Number(answer[i + 1]);
      // Redis' clock may have been set back.
      holders.push({ sessionId: String(answer[i]), young: ageMs >= 0 && ageMs < YOUNG_MS });
    }
    return { taken: false, holders };
  }

  async free(operatorId: string, sessionIds: readonly string[]): Promise<void> {
    if (sessionIds.length === 0) return;
    await this.#client.call("ZREM", placesKey(operatorId), ...sessionIds);
  }

  /** Keeps the places of an operator who is there but makes no new sessions. */
  async touch(operatorId: string): Promise<void> {
    await this.#client.call("PEXPIRE", placesKey(operatorId), this.#keepMs);
  }
}
