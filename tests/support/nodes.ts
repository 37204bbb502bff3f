/** Several nodes in this process on one Redis, with the secrets that they share. */
import { join } from "node:path";
import { JsonLog } from "../../server/adapters/json_log.ts";
import { type RunningServer, startServer } from "../../server/app.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../server/settings_schema.ts";
import { startRedis, type TestRedis } from "./redis.ts";

export interface TestNode {
  readonly server: RunningServer;
  /** Log lines, oldest first. */
  readonly lines: readonly string[];
  /** What a sink of type `stdout` has written, in pieces. */
  readonly stdout: readonly string[];
}

export interface TestNodes extends AsyncDisposable {
  redis: TestRedis;
  readonly nodes: TestNode[];
  /** Starts one more node; `clock` is what its machine believes, in Unix ms. */
  add(clock?: () => number): Promise<TestNode>;
}

/** Starts Redis and `count` nodes. */
export async function startNodes(
  count: number,
  redisSettings: Partial<Settings["redis"]> = {},
  settings: Partial<Settings> = {},
): Promise<TestNodes> {
  const redis = await startRedis();
  const directory = await Deno.makeTempDir({ prefix: "farglass-nodes-" });
  const add = async (clock?: () => number) => {
    const lines: string[] = [];
    const stdout: string[] = [];
    const server = await startServer({
      settings: {
        ...DEFAULT_SETTINGS,
        port: 0,
        dataDir: join(directory, "data"),
        redis: { ...DEFAULT_SETTINGS.redis, url: redis.url, ...redisSettings },
        ...settings,
      },
      log: new JsonLog("debug", (line) => lines.push(line), Date.now),
      rootDirectory: directory,
      stdout: (bytes) => {
        stdout.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
      ...(clock === undefined ? {} : { clock }),
    });
    const node = { server, lines, stdout };
    all.nodes.push(node);
    return node;
  };
  const all: TestNodes = {
    redis,
    nodes: [],
    add,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.nodes.map(({ server }) => server.close()));
      await all.redis[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
  for (let i = 0; i < count; i++) await add();
  return all;
}
