/** Three Redis servers, one of them the master, and three Sentinels, all on loopback. */
import { join } from "node:path";
import { freePort } from "./coturn.ts";
import { poll, type SpawnedProcess, spawnProcess } from "./process.ts";
import { startRedis, type TestRedis } from "./redis.ts";

export interface SentinelGroup extends AsyncDisposable {
  /** `127.0.0.1:PORT` of each Sentinel. */
  readonly sentinels: readonly string[];
  readonly name: string;
  /** The server that is the master now. */
  master(): Promise<TestRedis>;
}

const COUNT = 3;
const NAME = "farglass";

/** Starts the group; resolves when all Sentinels know of both replicas and of each other. */
export async function startSentinelGroup(): Promise<SentinelGroup> {
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await startRedis());
  const replicas: TestRedis[] = [];
  for (let i = 1; i < COUNT; i++) {
    const args = ["--replicaof", "127.0.0.1", String(first.port)];
    replicas.push(stack.use(await startRedis({ args })));
  }
  const servers = [first, ...replicas];
  const dir = await Deno.makeTempDir({ prefix: "farglass-sentinel-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ports: number[] = [];
  const processes: SpawnedProcess[] = [];
  for (let i = 0; i < COUNT; i++) {
    const port = await freePort();
    const file = join(dir, `sentinel-${i}.conf`);
    await Deno.writeTextFile(
      file,
      [
        ...[`port ${port}`, "bind 127.0.0.1", `dir ${dir}`],
        `sentinel monitor ${NAME} 127.0.0.1 ${first.port} 2`,
        `sentinel down-after-milliseconds ${NAME} 1000`,
        `sentinel failover-timeout ${NAME} 5000`,
        "",
      ].join("\n"),
    );
    const child = spawnProcess({
      name: `sentinel ${i}`,
      command: "redis-server",
      args: [file, "--sentinel"],
    });
    stack.use(child);
    ports.push(port);
    processes.push(child);
  }
  const ask = async (port: number, ...args: string[]) => {
    const { stdout } = await new Deno.Command("redis-cli", {
      args: ["-h", "127.0.0.1", "-p", String(port), ...args],
      stdin: "null",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  await poll("sentinels that know each other", 30_000, async () => {
    const answers = await Promise.all(ports.map((port) => ask(port, "INFO", "sentinel")));
    return answers.every((text) => /slaves=2,sentinels=3/.test(text)) || null;
  });
  const owned = stack.move();
  return {
    sentinels: ports.map((port) => `127.0.0.1:${port}`),
    name: NAME,
    async master() {
      const answer = await ask(ports[0], "SENTINEL", "get-master-addr-by-name", NAME);
      const port = Number(answer.split("\n")[1]);
      const found = servers.find((server) => server.port === port);
      if (found === undefined) throw new Error(`No server has port ${port}`);
      return found;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
