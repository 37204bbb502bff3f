/**
 * The connections to Redis: some for commands, one that listens. Nothing queues while Redis is
 * away: a command then fails at once with StoreUnavailable, and whoever must wait waits for
 * `whenUp`, so that an outage costs no memory.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { type Log, StoreUnavailable } from "../core/ports.ts";
import { SharedTimeout } from "./shared_timeout.ts";

/** The `redis` block of the settings. */
export interface RedisSettings {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly sentinels: readonly string[];
  readonly sentinelName: string;
  readonly sentinelPassword: string;
  readonly cluster: readonly string[];
  readonly tls: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly serverName: string;
  };
}

/** A Lua script with its digest, so that only its name travels. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export const scriptOf = (text: string): Script => ({
  text,
  sha: createHash("sha1").update(text).digest("hex"),
});

/** Hears how each command went and how long it took. */
export type CommandObserver = (outcome: "ok" | "error", seconds: number) => void;

type Client = Redis | Cluster;
type Argument = string | number | Uint8Array;

/** A frozen Redis counts as away after this. */
const COMMAND_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 2_000;
/**
 * Connections for commands. Redis reads 16 KiB of each before it writes to its disk, and with
 * `appendfsync always` that write is what takes time: with one connection it is the limit. A
 * Sentinel's and a Cluster's are fewer, since each has to find its way after a fail-over.
 */
const LANES = 4;
const MAX_RECONNECT_MS = 500;
/** A connection that the library gave up begins anew after this. */
const REVIVE_MS = 100;
/** Redis answers so when it cannot take a write now; what lives goes on. */
const REFUSALS = /^(?:-?)(READONLY|OOM|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|MISCONF|TRYAGAIN)/;

/** One Redis, Sentinel group or Cluster. */
export class RedisClient {
  /** Commands about the same hash tag always take the same one, so that they keep their order. */
  readonly #lanes: readonly Client[];
  readonly listener: Client;
  readonly #log: Log;
  readonly #onCommand: CommandObserver;
  readonly #upListeners = new Set<() => void>();
  readonly #downListeners = new Set<() => void>();
  #waiting = Promise.withResolvers<void>();
  readonly #patience = new SharedTimeout(COMMAND_TIMEOUT_MS);
  readonly #revivals = new Map<Client, ReturnType<typeof setTimeout>>();
  #up = false;
  #closed = false;
  #sent = 0;

  private constructor(make: ClientMaker, log: Log, onCommand: CommandObserver) {
    this.#log = log;
    this.#onCommand = onCommand;
    // Rejected at close, also when nobody waits.
    this.#waiting.promise.catch(() => {});
    this.#lanes = Array.from({ length: make.lanes }, () => make.commands());
    for (const lane of this.#lanes) if (lane instanceof Redis) patient(lane);
    this.listener = make.listener(this.#lanes[0]);
    for (const client of [...this.#lanes, this.listener]) {
      client.on("error", (cause: Error) => {
        // Addresses stay out of the log; the code says enough.
        const code = (cause as { code?: string }).code ?? cause.name;
        if (!this.#closed) this.#log.write("debug", "redis-error", { code });
      });
      client.on("ready", () => this.#changed());
      client.on("close", () => this.#changed());
      client.on("end", () => this.#revive(client));
    }
  }

  /** Starts to connect; resolves at once, Redis may still be away. */
  static async open(
    settings: RedisSettings,
    log: Log,
    onCommand: CommandObserver = () => {},
  ): Promise<RedisClient> {
    const make = await clientMaker(settings);
    return new RedisClient(make, log, onCommand);
  }

  /** Whether all connections are ready. */
  get up(): boolean {
    return this.#up;
  }

  /** Commands sent so far, those that failed included. */
  get sent(): number {
    return this.#sent;
  }

  /** Resolves when Redis is there; rejects with StoreUnavailable at close. */
  whenUp(): Promise<void> {
    return this.#up ? Promise.resolve() : this.#waiting.promise;
  }

  /** Calls back each time Redis comes (back). Returns the way to stop. */
  onUp(listener: () => void): () => void {
    this.#upListeners.add(listener);
    return () => this.#upListeners.delete(listener);
  }

  /** Calls back each time Redis goes away. */
  onDown(listener: () => void): () => void {
    this.#downListeners.add(listener);
    return () => this.#downListeners.delete(listener);
  }

  /** One command; rejects with StoreUnavailable when Redis cannot do it now. */
  call(command: string, ...args: Argument[]): Promise<unknown> {
    return this.#call([command, ...args], false);
  }

  #call(command: readonly [string, ...Argument[]], atOnce: boolean): Promise<unknown> {
    this.#sent++;
    const start = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const fail = (cause: unknown) => {
      if (wait.onLate === null) return;
      this.#patience.end(wait);
      this.#onCommand("error", (performance.now() - start) / 1_000);
      reject(this.#explain(cause));
    };
    const wait = this.#patience.begin(start, () => fail(new Error("No answer in time")));
    // The library takes any bytes; its type names Node's Buffer only.
    const asked = command as readonly [string, ...(string | number)[]];
    const lane = this.#laneOf(command);
    if (!atOnce) gather(lane);
    lane.call(...asked).then((answer) => {
      if (wait.onLate === null) return;
      this.#patience.end(wait);
      this.#onCommand("ok", (performance.now() - start) / 1_000);
      resolve(answer);
    }, fail);
    return promise;
  }

  /** Several commands in one round trip where they go to one server. */
  async calls(commands: readonly (readonly [string, ...Argument[]])[]): Promise<unknown[]> {
    return await Promise.all(commands.map(([command, ...args]) => this.call(command, ...args)));
  }

  /** Listens to channels; rejects as `call` does. */
  async listen(channels: readonly string[]): Promise<void> {
    try {
      await this.listener.subscribe(...channels);
    } catch (cause) {
      throw this.#explain(cause);
    }
  }

  /**
   * Runs a script by its digest, and by its text where Redis has forgotten it. `atOnce`: nothing
   * else is asked in this turn of the event loop that it could share its way with.
   */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    { atOnce = false }: { readonly atOnce?: boolean } = {},
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    try {
      return await this.#call(["EVALSHA", script.sha, ...rest], atOnce);
    } catch (error) {
      if (!/^NOSCRIPT/.test((error as Error).message)) throw error;
      return await this.#call(["EVAL", script.text, ...rest], atOnce);
    }
  }

  #laneOf(command: readonly [string, ...Argument[]]): Client {
    const { length } = this.#lanes;
    if (length === 1) return this.#lanes[0];
    const key = String(command[command[0].startsWith("EVAL") ? 3 : 1] ?? "");
    return this.#lanes[laneHash(key) % length];
  }

  close(): void {
    this.#closed = true;
    this.#up = false;
    this.#waiting.reject(new StoreUnavailable("closed"));
    this.#patience.close();
    for (const timer of this.#revivals.values()) clearTimeout(timer);
    for (const client of [...this.#lanes, this.listener]) client.disconnect();
  }

  /**
   * The library ends a connection for good when a Sentinel announces a fail-over while it asks
   * one for the master, whatever its retry strategy says.
   */
  #revive(client: Client): void {
    this.#changed();
    if (this.#closed) return;
    clearTimeout(this.#revivals.get(client));
    const again = () =>
      client.connect().catch(() => {
        // "error" and "end" have told.
      });
    this.#revivals.set(client, setTimeout(again, REVIVE_MS));
  }

  #changed(): void {
    const up = !this.#closed &&
      [...this.#lanes, this.listener].every(({ status }) => status === "ready");
    if (up === this.#up) return;
    this.#up = up;
    if (this.#closed) return;
    this.#log.write(up ? "info" : "warn", up ? "redis-up" : "redis-down");
    if (up) {
      this.#waiting.resolve();
      for (const listener of [...this.#upListeners]) listener();
    } else {
      this.#waiting = Promise.withResolvers<void>();
      this.#waiting.promise.catch(() => {});
      for (const listener of [...this.#downListeners]) listener();
    }
  }

  #explain(cause: unknown): unknown {
    if (!(cause instanceof Error)) return cause;
    return cause.name === "ReplyError" || REFUSALS.test(cause.message)
      ? replyError(cause.message, cause)
      : new StoreUnavailable("unreachable", { cause });
  }
}

/** Redis' word about a command: it cannot take it now, or a defect here or a key of another type. */
export function replyError(message: string, cause: Error = new Error(message)): Error {
  const refusal = REFUSALS.exec(message);
  return refusal === null ? cause : new StoreUnavailable(refusal[1], { cause });
}

/** Of a connection that stands RedisClient waits itself; the library for what makes it one. */
function patient(lane: Redis): void {
  lane.on("ready", () => lane.options.commandTimeout = undefined);
  lane.on("close", () => lane.options.commandTimeout = COMMAND_TIMEOUT_MS);
}

/** Of the hash tag where there is one, as a Cluster does. */
function laneHash(key: string): number {
  const open = key.indexOf("{");
  const close = key.indexOf("}", open + 1);
  const [from, to] = open < 0 || close <= open + 1 ? [0, key.length] : [open + 1, close];
  let hash = 0;
  for (let i = from; i < to; i++) hash = (hash * 31 + key.charCodeAt(i)) >>> 0;
  return hash;
}

/**
 * What is asked in one turn of the event loop leaves in one write: a call of the kernel costs more
 * than the command. Nothing waits longer, and what cannot be sent fails as it would have.
 */
function gather(lane: Client): void {
  if (!(lane instanceof Redis)) return;
  const { stream } = lane;
  if (stream === undefined || stream === null || stream.writableCorked > 0) return;
  stream.cork();
  setImmediate(() => stream.uncork());
}

interface ClientMaker {
  /** How many connections take commands. */
  readonly lanes: number;
  readonly commands: () => Client;
  readonly listener: (commands: Client) => Client;
}

const both = (make: () => Client, lanes = 1): ClientMaker => ({
  ...{ commands: make, listener: make, lanes },
});

async function clientMaker(settings: RedisSettings): Promise<ClientMaker> {
  const url = new URL(settings.url);
  const tls = url.protocol === "rediss:" ? await tlsOf(settings, hostOf(url)) : undefined;
  const shared: RedisOptions = {
    username: settings.username || decodeURIComponent(url.username) || undefined,
    password: settings.password || decodeURIComponent(url.password) || undefined,
    db: Number(url.pathname.slice(1) || 0),
    tls,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 5_000,
    retryStrategy: (times) => Math.min(50 * times, MAX_RECONNECT_MS),
    // A master that became a replica: look for the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  if (settings.sentinels.length > 0) {
    return both(() =>
      new Redis({
        ...shared,
        name: settings.sentinelName,
        sentinels: settings.sentinels.map(endpointOf),
        sentinelPassword: settings.sentinelPassword || undefined,
        sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
        sentinelRetryStrategy: (times) => Math.min(50 * times, MAX_RECONNECT_MS),
        failoverDetector: true,
        ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
      })
    );
  }
  const port = Number(url.port || 6379);
  if (settings.cluster.length > 0) {
    const { enableOfflineQueue, retryStrategy: _own, db: _only0, ...redisOptions } = shared;
    const seeds = [{ host: hostOf(url), port }, ...settings.cluster.map(endpointOf)];
    return {
      lanes: 1,
      commands: () =>
        new Cluster(seeds, {
          enableOfflineQueue,
          clusterRetryStrategy: (times) => Math.min(50 * times, MAX_RECONNECT_MS),
          redisOptions,
        }),
      listener: (commands) => clusterListener(shared, seeds, commands as Cluster),
    };
  }
  return both(() => new Redis({ ...shared, host: hostOf(url), port }), LANES);
}

/**
 * Every server of a Cluster passes on what is published at any. The library's own listener changes
 * its server without a word, and what was published meanwhile would be lost unnoticed; this one
 * breaks like any connection, then tries the next server.
 */
function clusterListener(
  options: RedisOptions,
  seeds: readonly Endpoint[],
  commands: Cluster,
): Redis {
  let turn = 0;
  const next = (): Endpoint => {
    const known = commands.nodes().flatMap(({ options: { host, port } }) =>
      host === undefined || port === undefined ? [] : [{ host, port }]
    );
    const all = [...seeds, ...known];
    return all[turn++ % all.length];
  };
  const listener: Redis = new Redis({
    ...options,
    ...next(),
    retryStrategy: (times) => {
      Object.assign(listener.options, next());
      return Math.min(50 * times, MAX_RECONNECT_MS);
    },
  });
  return listener;
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");

function endpointOf(endpoint: string): Endpoint {
  const at = endpoint.lastIndexOf(":");
  const host = endpoint.slice(0, at).replace(/^\[|\]$/g, "");
  return { host, port: Number(endpoint.slice(at + 1)) };
}

async function tlsOf(settings: RedisSettings, host: string) {
  const { caFile, certFile, keyFile, serverName } = settings.tls;
  const read = (path: string) => path === "" ? undefined : readFile(path, "utf8");
  const [ca, cert, key] = await Promise.all([read(caFile), read(certFile), read(keyFile)]);
  // An address is no server name (RFC 6066 section 3).
  const name = serverName || (/^[\d.]+$|:/.test(host) ? undefined : host);
  return { ca, cert, key, ...(name === undefined ? {} : { servername: name }) };
}

/** Whether a key holds another kind of value than ours. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof Error && /WRONGTYPE/.test(error.message);
