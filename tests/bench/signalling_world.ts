/** The processes of bench:signalling: Redis, server nodes, load, plain relay. */
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percentile, progress, round } from "../support/bench.ts";
import { spawnProcess } from "../support/process.ts";
import type { TestRedis } from "../support/redis.ts";
import type { Target } from "./signalling_client.ts";
import type { Command } from "./signalling_load.ts";
import type { LoadAnswer } from "./signalling_plan.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LOAD_TIMEOUT_MS = 120_000;

/** Limits that the load does not meet. */
const LIMITS = {
  connections: 15_000,
  sessionsPerDesktop: 64,
  sessionsPerOperator: 10_000,
  offersInFlight: 64,
  consoleMessagesPerSecond: 10_000,
  agentMessagesPerSecond: 100_000,
  consoleBytesPerSecond: 1_073_741_824,
  agentBytesPerSecond: 1_073_741_824,
};

/** What `deno task server` tells the engine; the plain relay gets the same. */
const serverFlags = async (): Promise<readonly string[]> => {
  const { tasks } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  return String(tasks.server).split(" ").filter((word) => word.startsWith("--v8-flags="));
};

const program = (
  name: string,
  script: string,
  { args = [], flags = [] }: {
    readonly args?: readonly string[];
    readonly flags?: readonly string[];
  } = {},
) =>
  spawnProcess({
    name,
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", ...flags, join(ROOT, script), ...args],
    cwd: ROOT,
  });

/** A process that makes load; ask it with `ask`. */
export const startLoad = () => program("load", "tests/bench/signalling_load.ts");
export type Load = ReturnType<typeof startLoad>;

export async function ask(load: Load, command: Command): Promise<LoadAnswer> {
  const [line] = await load.ask(JSON.stringify(command), /^\{"done":.*\}$/, LOAD_TIMEOUT_MS);
  const answer: LoadAnswer = JSON.parse(line);
  if (answer.failed > 0) { for (const words of load.stderrLines.slice(-3)) progress(words); }
  return answer;
}

export async function startRelay() {
  const relay = program("relay", "tests/bench/plain_relay.ts", { flags: await serverFlags() });
  const [line] = await relay.waitForLine(/^\{"port".*\}$/, 30_000);
  return {
    pid: relay.pid,
    port: Number(JSON.parse(line).port),
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

export interface Node extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
  /** Commands that the node has sent to Redis so far. */
  redisCommands(): Promise<number>;
}

/** A data directory: nodes with the same one have the same secrets. */
export async function dataDirectory() {
  const path = await mkdtemp(join(tmpdir(), "farglass-bench-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** Writes a second that tell how quick the disk is. */
const SYNCS_PER_SECOND = 10;

/** A directory for Redis' data below `parent`, and how long a small write to its disk takes. */
export async function redisDirectory(parent: string) {
  const path = await mkdtemp(join(parent, "farglass-bench-redis-"));
  const times: number[] = [];
  const file = await open(join(path, "sync"), "a");
  let running: Promise<void> | null = null;
  const sync = async () => {
    await file.write(new Uint8Array(4_096));
    const start = performance.now();
    await file.datasync();
    times.push(performance.now() - start);
    running = null;
  };
  const timer = setInterval(() => running ??= sync(), 1_000 / SYNCS_PER_SECOND);
  const of = (share: number) => round(percentile(times, share), 2);
  return {
    path,
    /** Of all writes since the last call. */
    syncMs() {
      const told = { p50: of(0.5), p99: of(0.99) };
      times.length = 0;
      return told;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
      await file.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Starts a node; without Redis its state is in its memory. */
export async function startNode(
  dataDir: string,
  options: { readonly redis?: TestRedis | null; readonly desktops?: number } = {},
): Promise<Node> {
  const { redis = null, desktops = 500 } = options;
  const config = join(dataDir, `config-${crypto.randomUUID()}.json`);
  await writeFile(
    config,
    JSON.stringify({
      port: 0,
      dataDir,
      limits: { ...LIMITS, desktops },
      log: { level: "warn" },
      ...(redis === null ? {} : { redis: { url: redis.url } }),
    }),
  );
  const server = program("server", "server/main.ts", {
    args: ["--json", "--config", config],
    flags: await serverFlags(),
  });
  const [line] = await server.waitForLine(/^\{"consoleUrl".*\}$/, 30_000);
  const ready = JSON.parse(line);
  const baseUrl = new URL(ready.consoleUrl).origin;
  const signedIn = await fetch(ready.consoleUrl, { redirect: "manual" });
  await signedIn.body?.cancel();
  return {
    target: {
      signalUrl: ready.signalUrl,
      baseUrl,
      agentSecret: (await readFile(ready.agentSecretFile, "utf8")).trim(),
      cookie: signedIn.headers.getSetCookie()[0].split(";")[0],
    },
    pid: server.pid,
    async redisCommands() {
      const text = await (await fetch(`${baseUrl}/metrics`)).text();
      return Number(/^farglass_redis_commands_total (\d+)/m.exec(text)?.[1] ?? 0);
    },
    async [Symbol.asyncDispose]() {
      for (const words of server.stderrLines.slice(0, 3)) progress(words);
      await server.stop("SIGINT");
    },
  };
}

/** What Redis itself has counted so far. */
export interface RedisCounters {
  /** All commands, those that scripts call included. */
  readonly commands: number;
  /** Reads from its clients' sockets: what arrives together is one. */
  readonly reads: number;
}

export async function redisCounters(redis: TestRedis): Promise<RedisCounters> {
  const text = await redis.cli("INFO", "stats");
  const value = (key: string) => Number(new RegExp(`^${key}:(\\d+)`, "m").exec(text)?.[1]);
  return { commands: value("total_commands_processed"), reads: value("total_reads_processed") };
}

/** Memory of a process, in bytes. */
export async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** The soft limit of open files of this process and its children, or null. */
export async function openFiles(): Promise<number | null> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const match = /^Max open files\s+(\d+)/m.exec(limits);
  return match === null ? null : Number(match[1]);
}
