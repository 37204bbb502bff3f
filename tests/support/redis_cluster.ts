/** A Redis Cluster on loopback: three masters and, if wanted, a replica of each. */
import { freePort } from "./coturn.ts";
import { poll } from "./process.ts";
import { startRedis, type TestRedis } from "./redis.ts";

export interface RedisCluster extends AsyncDisposable {
  readonly servers: readonly TestRedis[];
  /** `127.0.0.1:PORT` of each. */
  readonly hosts: readonly string[];
  /** The server that is the master of this key's slot, as the servers that live see it. */
  masterOf(key: string): Promise<TestRedis>;
}

const MASTERS = 3;

/** Starts it; resolves when all servers know of each other and the replicas are up to date. */
export async function startRedisCluster(
  options: { readonly replicas?: 0 | 1 } = {},
): Promise<RedisCluster> {
  const { replicas = 0 } = options;
  await using stack = new AsyncDisposableStack();
  const servers: TestRedis[] = [];
  for (let i = 0; i < MASTERS * (1 + replicas); i++) {
    // The usual bus port, 10000 higher, may be none.
    const bus = ["--cluster-port", String(await freePort())];
    const args = [
      ...["--cluster-enabled", "yes", "--cluster-node-timeout", "3000", ...bus],
      ...["--repl-diskless-sync-delay", "0"],
    ];
    servers.push(stack.use(await startRedis({ args })));
  }
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`);
  const wanted = ["--cluster-replicas", String(replicas), "--cluster-yes"];
  await servers[0].cli("--cluster", "create", ...hosts, ...wanted);
  for (const server of servers) {
    await poll("the cluster", 30_000, async () => {
      const info = await server.cli("CLUSTER", "INFO");
      const nodes = (await server.cli("CLUSTER", "NODES")).split("\n");
      return /cluster_state:ok/.test(info) && nodes.length === servers.length &&
          nodes.filter((line) => / slave|,slave /.test(line)).length === MASTERS * replicas || null;
    });
  }
  for (const server of replicas === 0 ? [] : servers) {
    await poll("replicas up to date", 30_000, async () => {
      const info = await server.cli("INFO", "replication");
      return /role:master/.test(info) || /master_link_status:up/.test(info) || null;
    });
  }
  const owned = stack.move();
  return {
    servers,
    hosts,
    async masterOf(key) {
      for (const server of servers) {
        const slot = Number(await server.cli("CLUSTER", "KEYSLOT", key));
        const nodes = (await server.cli("CLUSTER", "NODES")).split("\n");
        for (const line of nodes) {
          const [, address, flags, , , , , state, ...ranges] = line.split(" ");
          if (!/master/.test(flags ?? "") || /fail/.test(flags) || state !== "connected") continue;
          const owns = ranges.some((range) => {
            const [from, to = from] = range.split("-").map(Number);
            return slot >= from && slot <= to;
          });
          const port = Number(/:(\d+)@/.exec(address)?.[1]);
          const found = servers.find((s) => s.port === port);
          if (owns && found !== undefined) return found;
        }
      }
      throw new Error(`No server owns the slot of ${key}`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
