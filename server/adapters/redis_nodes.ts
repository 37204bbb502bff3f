/** Which nodes live: each beats in Redis, and each looks who has stopped. */
import type { Log } from "../core/ports.ts";
import { type RedisClient, scriptOf } from "./redis_client.ts";
import { BEATS_KEY, sweepKey } from "./redis_keys.ts";

const BEAT_MS = 500;
/** Silence after which a node is dead; with the beat it is noticed within 2.5 s. */
const LEASE_MS = 2_000;
const KEY_MS = 60 * 60 * 1000;
const SWEEP_MS = 10_000;

/** KEYS: beats. ARGV: node, leaseMs, keyMs. Says whether the node was known, and who is dead. */
const BEAT = scriptOf(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local added = redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { added, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2]) }
`);

export interface RedisNodesOptions {
  readonly client: RedisClient;
  readonly log: Log;
  readonly nodeId: string;
  /** Clears away after a dead node; another node may do the same again. */
  readonly onDead: (nodeId: string) => Promise<void>;
  /** Redis is there but takes no writes; called once until it does again. */
  readonly onRefused: () => void;
  /** The others took this node for dead: what it holds must be said again. */
  readonly onForgotten: () => Promise<void>;
}

/** The lease of this node. */
export class RedisNodes {
  readonly #options: RedisNodesOptions;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #beating: Promise<void> = Promise.resolve();
  /** When the unbroken run of beats began, and the last beat, by `performance.now()`. */
  #since: number | null = null;
  #last = -Infinity;
  #met = false;
  #refused = false;
  #closed = false;

  constructor(options: RedisNodesOptions) {
    this.#options = options;
    this.#beating = this.#beat();
  }

  /** Whether Redis took this node's last beat: then it is there and takes writes. */
  get healthy(): boolean {
    return performance.now() - this.#last < LEASE_MS;
  }

  /** Leaves at once: the others clear away without waiting for the lease. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer ?? undefined);
    await this.#beating;
    // Zero is older than any lease.
    await this.#options.client.call("ZADD", BEATS_KEY, 0, this.#options.nodeId).catch(() => {
      // Redis is away: the lease ends by itself.
    });
  }

  async #beat(): Promise<void> {
    const { client, nodeId, log } = this.#options;
    const startedAt = performance.now();
    try {
      await client.whenUp();
      const [added, dead] = await client.run(
        BEAT,
        [BEATS_KEY],
        [nodeId, LEASE_MS, KEY_MS],
      ) as [number, string[]];
      const now = performance.now();
      if (now - this.#last > LEASE_MS) this.#since = now;
      this.#last = now;
      if (added === 1 && this.#met) this.#background(this.#options.onForgotten());
      this.#met = true;
      this.#refused = false;
      // After an outage all beats are old: everybody gets one lease's time to beat again.
      if (this.#since !== null && now - this.#since > LEASE_MS) {
        for (const id of dead) if (id !== nodeId) this.#background(this.#bury(id));
      }
    } catch (cause) {
      if (!this.#closed && !this.#refused) {
        this.#refused = true;
        log.write("warn", "beat-failed", { error: String(cause) });
        this.#options.onRefused();
      }
    }
    if (this.#closed) return;
    const waitMs = Math.max(0, BEAT_MS - (performance.now() - startedAt));
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat();
    }, waitMs);
  }

  async #bury(nodeId: string): Promise<void> {
    const { client, onDead, log } = this.#options;
    const mine = await client.call("SET", sweepKey(nodeId), 1, "NX", "PX", SWEEP_MS);
    if (mine === null) return;
    log.write("warn", "node-down", { nodeId });
    await onDead(nodeId);
    await client.calls([["ZREM", BEATS_KEY, nodeId], ["DEL", sweepKey(nodeId)]]);
  }

  #background(work: Promise<void>): void {
    work.catch((cause) => {
      if (!this.#closed) {
        this.#options.log.write("warn", "node-sweep-failed", { error: String(cause) });
      }
    });
  }
}
