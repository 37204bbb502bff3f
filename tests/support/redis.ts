/** A redis-server on a free loopback port, with data of its own. */
import { freePort } from "./coturn.ts";
import { poll, type SpawnedProcess, spawnProcess } from "./process.ts";

export interface RedisOptions {
  /** A free one when left out. */
  readonly port?: number;
  /** Kept when given, so that a server started again has the old data. */
  readonly dir?: string;
  /** Further arguments, such as `["--requirepass", "x"]`. */
  readonly args?: readonly string[];
  /** Password for this helper's own commands. */
  readonly auth?: string;
}

export interface TestRedis extends AsyncDisposable {
  readonly port: number;
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly dir: string;
  readonly process: SpawnedProcess;
  /** One command by redis-cli; the answer as text. */
  cli(...args: readonly string[]): Promise<string>;
  /** Ends it, SIGTERM (it saves) or SIGKILL; the data stays for `again`. */
  stop(signal?: Deno.Signal): Promise<void>;
  /** Starts it anew on the same port with the same data. */
  again(): Promise<TestRedis>;
}

/** Starts redis-server; resolves when it answers PING. Each write is on disk before its answer. */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const port = options.port ?? await freePort();
  const dir = options.dir ?? await Deno.makeTempDir({ prefix: "farglass-redis-" });
  const child = spawnProcess({
    name: "redis",
    command: "redis-server",
    args: [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", dir],
      ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
      ...options.args ?? [],
    ],
  });
  const cli = async (...args: readonly string[]) => {
    const auth = options.auth === undefined ? [] : ["-a", options.auth, "--no-auth-warning"];
    const { stdout } = await new Deno.Command("redis-cli", {
      args: ["-h", "127.0.0.1", "-p", String(port), ...auth, ...args],
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    await poll("redis-server", 20_000, async () => /PONG|NOAUTH/.test(await cli("PING")) || null);
  } catch (error) {
    await child.stop("SIGKILL");
    throw error;
  }
  let stopped = false;
  return {
    port,
    dir,
    process: child,
    url: `redis://127.0.0.1:${port}`,
    cli,
    async stop(signal = "SIGTERM") {
      stopped = true;
      await child.stop(signal);
    },
    again: () => startRedis({ ...options, port, dir }),
    async [Symbol.asyncDispose]() {
      if (!stopped) await child.stop("SIGKILL");
      await Deno.remove(dir, { recursive: true }).catch((error) => {
        // A server started again on the same data has removed it already.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    },
  };
}
