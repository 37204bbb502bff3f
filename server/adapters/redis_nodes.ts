/** Which nodes live: each beats in Redis, and each looks who has stopped. */
import type { Log } from "../core/ports.ts";
import { type RedisClient, scriptOf } from "./redis_client.ts";
import { BEATS_KEY, sweepKey } from "./redis_keys.ts";

const BEAT_MS = 500;
/** Silence after which a node is dead; with the beat it is noticed within 2.5 s. */
const LEASE_MS = 2_000;
const KEY_MS = 60 * 60 * 1000;
const SWEEP_MS = 10_000;
/** Score of a node that has said goodbye. */
const LEFT = 0;

/**
 * KEYS: beats. ARGV: node, keyMs. Says whether the node was known, what time it is, and everybody's
 * last beat. Only that a beat differs from the last one counts: Redis' own clock may jump.
 */
const BEAT = scriptOf(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
local beat = now
if last then beat = math.max(now, tonumber(last) + 1) end
redis.call('ZADD', KEYS[1], beat, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { last and 1 or 0, now, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES') }
`);

export interface RedisNodesOptions {
  readonly client: RedisClient;
  readonly log: Log;
  readonly nodeId: string;
  /**
   * Clears away after a node that is gone, `left` when it had said goodbye; another node may do the
   * same again.
   */
  readonly onGone: (nodeId: string, left: boolean) => Promise<void>;
  /** Redis is there but takes no writes; called once until it does again. */
  readonly onRefused: () => void;
  /** It takes writes again. */
  readonly onAccepted: () => void;
  /** The others took this node for dead: what it holds must be said again. */
  readonly onForgotten: () => Promise<void>;
  /** What time it is for Redis, and so for all nodes, in Unix ms; told with each beat. */
  readonly onTime?: (unixMs: number) => void;
}

interface Seen {
  readonly beat: string;
  /** When this beat was first seen, by `performance.now()`. */
  readonly at: number;
}

/** A node whose lease has ended. */
interface Gone {
  readonly nodeId: string;
  /** It had said goodbye. */
  readonly left: boolean;
}

/** The lease of this node. */
export class RedisNodes {
  readonly #options: RedisNodesOptions;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #beating: Promise<void> = Promise.resolve();
  /** This node's last beat, by `performance.now()`. */
  #last = -Infinity;
  #others: ReadonlyMap<string, Seen> = new Map();
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
    // Without Redis there is nobody to tell, and the beat would wait for it for ever.
    if (!this.#options.client.up) return;
    await this.#beating;
    await this.#options.client.call("ZADD", BEATS_KEY, LEFT, this.#options.nodeId).catch(() => {
      // Redis is away: the lease ends by itself.
    });
  }

  async #beat(): Promise<void> {
    const { client, nodeId, log, onTime } = this.#options;
    const startedAt = performance.now();
    try {
      await client.whenUp();
      const askedAt = performance.now();
      const [known, time, beats] = await client.run(
        BEAT,
        [BEATS_KEY],
        [nodeId, KEY_MS],
      ) as [number, number, string[]];
      const now = performance.now();
      onTime?.(time + (now - askedAt) / 2);
      if (known === 0 && this.#met) this.#background(this.#options.onForgotten());
      this.#met = true;
      if (this.#refused) this.#options.onAccepted();
      this.#refused = false;
      for (const gone of this.#silent(beats, now)) this.#background(this.#bury(gone));
      this.#last = now;
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

  /** Nodes without a new beat for a lease. After an outage everybody gets one lease's time. */
  #silent(beats: readonly string[], now: number): readonly Gone[] {
    const missed = now - this.#last > LEASE_MS;
    const others = new Map<string, Seen>();
    const silent: Gone[] = [];
    for (let i = 0; i + 1 < beats.length; i += 2) {
      const [id, beat] = [beats[i], beats[i + 1]];
      if (id === this.#options.nodeId) continue;
      const seen = this.#others.get(id);
      const same = !missed && seen?.beat === beat;
      others.set(id, same ? seen : { beat, at: now });
      const left = Number(beat) === LEFT;
      if (left || same && now - seen.at > LEASE_MS) silent.push({ nodeId: id, left });
    }
    this.#others = others;
    return silent;
  }

  async #bury({ nodeId, left }: Gone): Promise<void> {
    const { client, onGone, log } = this.#options;
    const mine = await client.call("SET", sweepKey(nodeId), 1, "NX", "PX", SWEEP_MS);
    if (mine === null) return;
    log.write(left ? "info" : "warn", left ? "node-left" : "node-lost", { nodeId });
    await onGone(nodeId, left);
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
