/**
 * What signalling costs, with Redis (every write on disk before its answer) and the load in other
 * processes. Figures are processor time of each process, not only wall time, so that they say on
 * a small machine what was limiting.
 *
 *   deno task bench:signalling [idle] [setups] [nodes] [messages] [--agents 10000] [--seconds 10]
 *     [--rate 200] [--budget 30] [--dir /tmp]
 *
 * Redis keeps its data in a directory below `dir`; `syncMs` is what a write of 4 kB to that disk
 * takes meanwhile, since every step of a set-up waits for one. In memory (`/dev/shm`) it tells what the
 * rest takes.
 *
 * - `idle`: agents that are connected and do nothing: memory and processor time of the node.
 * - `setups`: complete session set-ups at a steady rate (request, decision, offer, answer, ten
 *   candidates each way); latency counts from the planned moment. `cost` counts, for set-ups one
 *   after the other, the commands that the node sends to Redis, those that Redis runs (its
 *   scripts' own included) and the reads from its sockets, which are round trips when nothing else
 *   goes on; what an idle node does in the same time is taken off.
 * - `nodes`: what two nodes carry over what one carries. Each node may use `budget` percent of a
 *   core (a control group), so that Redis and the load have cores to spare as they would on a
 *   larger machine; as many set-ups as go are under way. Rounds alternate; the factor is the
 *   median of the rounds' own. Agents and consoles are spread so that half of the sessions cross
 *   the nodes. Where groups cannot be made, `limited` is false and only `perNodeCpuSecond` tells.
 * - `messages`: processor time of one forwarded message over that of a plain `ws` relay in the
 *   same round, with the state in memory and in Redis; the median of the rounds.
 */
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import {
  cpuDuring,
  machine,
  pause,
  percentile,
  progress,
  round,
  usageDuring,
} from "../support/bench.ts";
import { startRedis } from "../support/redis.ts";
import { type CpuBudget, cpuBudget } from "./cpu_budget.ts";
import type { Plan } from "./signalling_plan.ts";
import {
  ask,
  dataDirectory,
  type Load,
  type Node,
  openFiles,
  redisCounters,
  redisDirectory,
  rssBytes,
  startLoad,
  startNode,
  startRelay,
} from "./signalling_world.ts";

const SECTIONS = { idle, setups, nodes, messages } as const;
type Section = keyof typeof SECTIONS;

/** Descriptors that are not agents: files, consoles, the accept queue. */
const RESERVED_FILES = 1_000;
const PAIRS = 50;
const FORWARD_PER_SECOND = 2_000;
const ROUNDS = 3;
/** Short and many: what else the machine does then falls on all three. */
const MESSAGE_ROUNDS = 9;

interface Flags {
  readonly agents: number;
  readonly seconds: number;
  readonly rate: number;
  readonly budget: number;
  readonly dir: string;
}

function flags(): Flags & { readonly sections: readonly Section[] } {
  const string = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: Deno.args.filter((arg) => arg !== "--"),
    allowPositionals: true,
    options: { agents: string, seconds: string, rate: string, budget: string, dir: string },
  });
  const number = (name: Exclude<keyof Flags, "dir">, otherwise: number) => {
    const value = Number(values[name] ?? otherwise);
    if (!(value > 0)) {
      throw new Error(`--${name} is "${values[name]}"; allowed is a positive number`);
    }
    return value;
  };
  const known = Object.keys(SECTIONS) as Section[];
  const unknown = positionals.find((word) => !known.includes(word as Section));
  if (unknown !== undefined) {
    throw new Error(`Section "${unknown}" is not one of ${known.join(", ")}`);
  }
  return {
    agents: number("agents", 10_000),
    seconds: number("seconds", 10),
    rate: number("rate", 200),
    budget: number("budget", 30),
    dir: values.dir ?? tmpdir(),
    sections: known.filter((name) => positionals.length === 0 || positionals.includes(name)),
  };
}

async function idle({ agents: wanted, seconds, dir }: Flags) {
  const files = await openFiles();
  const agents = files === null ? wanted : Math.min(wanted, files - RESERVED_FILES);
  await using disk = await redisDirectory(dir);
  await using redis = await startRedis({ dir: disk.path });
  await using data = await dataDirectory();
  await using node = await startNode(data.path, { redis, desktops: agents + 500 });
  await using load = startLoad();
  const connect = { op: "idle", target: node.target } as const;
  await ask(load, { ...connect, count: 50, lanes: 10 });
  await pause(2);
  const before = await rssBytes(node.pid);
  progress(`connecting ${agents} agents`);
  const { done, failed, seconds: took } = await ask(load, { ...connect, count: agents, lanes: 64 });
  // Heartbeats slow down as agents come; after this each has the pace of the whole fleet.
  await pause(15);
  const { usage, value: cpuPercent } = await usageDuring(
    node.pid,
    () => percentOf({ redis: redis.process.pid, load: load.pid }, seconds, () => pause(seconds)),
  );
  const after = await rssBytes(node.pid);
  return {
    wanted,
    agents: done - 50,
    failed,
    openFiles: files,
    connectPerSecond: round(agents / took, 0),
    bytesPerAgent: Math.round((after - before) / agents),
    cpuPercent: { node: usage.cpuPercent, ...cpuPercent },
    rssMb: usage.rssMb,
    peakRssMb: usage.peakRssMb,
  };
}

/** Processor time in percent of a core over so many seconds. */
async function percentOf<K extends string>(
  pids: Readonly<Record<K, number>>,
  seconds: number,
  work: () => Promise<unknown>,
): Promise<Record<K, number | null>> {
  const { cpuSeconds } = await cpuDuring(pids, work);
  return percents(cpuSeconds, seconds);
}

const percents = <K extends string>(cpuSeconds: Readonly<Record<K, number>>, seconds: number) =>
  Object.fromEntries(
    Object.entries<number>(cpuSeconds).map(([name, used]) => [name, round(used / seconds * 100)]),
  ) as Record<K, number | null>;

async function setups({ rate, seconds, dir }: Flags) {
  await using disk = await redisDirectory(dir);
  await using redis = await startRedis({ dir: disk.path });
  await using data = await dataDirectory();
  await using node = await startNode(data.path, { redis });
  await using load = startLoad();
  const plan = { op: "setups", targets: [node.target], pairs: PAIRS } as const;
  await ask(load, { ...plan, perSecond: Math.min(50, rate), seconds: 2 });
  await ask(load, { ...plan, perSecond: rate, seconds: 4 });
  progress(`set-ups, ${rate} a second`);
  const pids = { node: node.pid, redis: redis.process.pid, load: load.pid };
  disk.syncMs();
  const { cpuSeconds, value } = await cpuDuring(
    pids,
    () => ask(load, { ...plan, perSecond: rate, seconds }),
  );
  const syncMs = disk.syncMs();
  progress("set-ups, one after the other");
  await ask(load, { ...plan, pairs: 1, inFlight: 1, seconds: 0.2 });
  const cost = await costOf(async () => {
    const { done } = await ask(load, { ...plan, pairs: 1, inFlight: 1, seconds: 2 });
    return done;
  }, { node, redis });
  return {
    syncMs,
    wantedPerSecond: rate,
    ...value,
    perSecond: round(value.done / value.seconds),
    cpuPercent: percents(cpuSeconds, value.seconds),
    cost,
  };
}

/** What each of the set-ups in `work` cost Redis; `work` says how many there were. */
async function costOf(
  work: () => Promise<number>,
  { node, redis }: { readonly node: Node; readonly redis: Awaited<ReturnType<typeof startRedis>> },
) {
  const count = async () => ({
    sent: await node.redisCommands(),
    ...await redisCounters(redis),
    at: performance.now(),
  });
  const first = await count();
  await pause(1);
  const second = await count();
  const done = await work();
  const third = await count();
  const of = (key: "sent" | "commands" | "reads") => {
    const perMs = (second[key] - first[key]) / (second.at - first.at);
    return round((third[key] - second[key] - perMs * (third.at - second.at)) / done);
  };
  return {
    setUps: done,
    commandsSent: of("sent"),
    commandsRun: of("commands"),
    roundTrips: of("reads"),
  };
}

async function nodes({ budget, seconds, dir }: Flags) {
  await using disk = await redisDirectory(dir);
  await using redis = await startRedis({ dir: disk.path });
  await using data = await dataDirectory();
  await using first = await startNode(data.path, { redis });
  await using second = await startNode(data.path, { redis });
  await using load = startLoad();
  const both = [first, second];
  // Before the budget: connections for both cases, and programs that are compiled.
  const plan = { op: "setups", pairs: 40, inFlight: 24 } as const;
  for (const used of [[first], both]) {
    await ask(load, { ...plan, targets: used.map((node) => node.target), seconds: 4 });
  }
  await using groups = new AsyncDisposableStack();
  const limits = await Promise.all(both.map((_, i) => cpuBudget(String(i + 1), budget)));
  for (const limit of limits) if (limit !== null) groups.use(limit);
  const limited = limits.every((limit): limit is CpuBudget => limit !== null);
  if (limited) await Promise.all(both.map(({ pid }, i) => limits[i].add(pid)));
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    progress(`one node, then two: round ${i + 1} of ${ROUNDS}`);
    const how = { load, redis: redis.process.pid, command: { ...plan, seconds: seconds / 2 } };
    const one = await carried([first], how);
    const two = await carried(both, how);
    rounds.push({ one, two, factor: round(two.perSecond / one.perSecond, 2) });
  }
  // The groups go after their processes.
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  return {
    syncMs: disk.syncMs(),
    budgetPercent: budget,
    limited,
    factor: median(rounds, (r) => r.factor),
    rounds,
  };
}

async function carried(
  used: readonly Node[],
  { load, redis, command }: {
    readonly load: Load;
    readonly redis: number;
    readonly command: { readonly op: "setups"; readonly pairs: number } & Plan;
  },
) {
  const targets = used.map((node) => node.target);
  const pids: Record<string, number> = { redis, load: load.pid };
  used.forEach(({ pid }, i) => pids[`node${i + 1}`] = pid);
  const { cpuSeconds, value } = await cpuDuring(
    pids,
    () => ask(load, { ...command, targets }),
  );
  const nodeSeconds = used.reduce((sum, _, i) => sum + cpuSeconds[`node${i + 1}`], 0);
  return {
    perSecond: round(value.done / value.seconds)!,
    failed: value.failed,
    p50Ms: value.p50Ms,
    p99Ms: value.p99Ms,
    perNodeCpuSecond: round(value.done / nodeSeconds),
    cpuPercent: percents(cpuSeconds, value.seconds),
  };
}

async function messages({ seconds, dir }: Flags) {
  await using disk = await redisDirectory(dir);
  await using redis = await startRedis({ dir: disk.path });
  await using memoryData = await dataDirectory();
  await using redisData = await dataDirectory();
  await using relay = await startRelay();
  await using inMemory = await startNode(memoryData.path);
  await using inRedis = await startNode(redisData.path, { redis });
  await using load = startLoad();
  const plan = { pairs: 20, perSecond: FORWARD_PER_SECOND } as const;
  const commands = {
    plain: { op: "plain", port: relay.port, ...plan },
    memory: { op: "forward", target: inMemory.target, ...plan },
    redis: { op: "forward", target: inRedis.target, ...plan },
  } as const;
  const pids = { plain: relay.pid, memory: inMemory.pid, redis: inRedis.pid };
  const names = Object.keys(commands) as (keyof typeof commands)[];
  // The compiler needs thousands of messages before a program costs what it costs in the long run.
  for (const name of names) await ask(load, { ...commands[name], perSecond: 4_000, seconds: 8 });
  const rounds = [];
  for (let i = 0; i < MESSAGE_ROUNDS; i++) {
    progress(`messages: round ${i + 1} of ${MESSAGE_ROUNDS}`);
    const microseconds = {} as Record<keyof typeof commands, number>;
    const p50Ms = {} as Record<keyof typeof commands, number | null>;
    for (const name of names) {
      const { cpuSeconds, value } = await cpuDuring(
        { node: pids[name] },
        () => ask(load, { ...commands[name], seconds: seconds / MESSAGE_ROUNDS }),
      );
      microseconds[name] = round(cpuSeconds.node / value.done * 1e6)!;
      p50Ms[name] = value.p50Ms;
    }
    const { plain, memory, redis } = microseconds;
    rounds.push({
      cpuMicroseconds: microseconds,
      p50Ms,
      memoryOverPlain: round(memory / plain, 2),
      redisOverPlain: round(redis / plain, 2),
    });
  }
  return {
    syncMs: disk.syncMs(),
    perSecond: FORWARD_PER_SECOND,
    memoryOverPlain: median(rounds, (r) => r.memoryOverPlain),
    redisOverPlain: median(rounds, (r) => r.redisOverPlain),
    rounds,
  };
}

const median = <T>(rounds: readonly T[], of: (round: T) => number | null): number | null =>
  percentile(rounds.flatMap((r) => of(r) ?? []), 0.5);

async function main(): Promise<void> {
  const { sections, ...options } = flags();
  const result: Record<string, unknown> = { bench: "signalling", machine: machine() };
  for (const name of sections) result[name] = await SECTIONS[name](options);
  console.log(JSON.stringify(result));
}

await main();
Deno.exit(0);
