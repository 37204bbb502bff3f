/**
 * What signalling costs: idle agents in memory and processor, complete set-ups per second with
 * their latency, and one forwarded message compared with a plain relay in the same run.
 *
 *   deno task bench:signalling [--agents 10000] [--seconds 10] [--rate 200] [--redis URL]
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine, pause, progress, round, usageDuring } from "../support/bench.ts";
import { spawnProcess } from "../support/process.ts";
import type { Target } from "./signalling_client.ts";
import type { Command, LoadAnswer } from "./signalling_load.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Descriptors that are not agents: files, consoles, the accept queue. */
const RESERVED_FILES = 1_000;
const LOAD_TIMEOUT_MS = 180_000;
const FORWARD_PER_SECOND = 2_000;

function flags() {
  const string = { type: "string" } as const;
  const { values } = parseArgs({
    args: Deno.args.filter((arg) => arg !== "--"),
    options: { agents: string, seconds: string, rate: string, redis: string },
  });
  const number = (name: "agents" | "seconds" | "rate", otherwise: number) => {
    const value = Number(values[name] ?? otherwise);
    if (!(value > 0)) {
      throw new Error(`--${name} is "${values[name]}"; allowed is a positive number`);
    }
    return value;
  };
  return {
    agents: number("agents", 10_000),
    seconds: number("seconds", 10),
    rate: number("rate", 200),
    redis: values.redis ?? null,
  };
}

/** The soft limit of open files of this process and its children, or null. */
async function openFiles(): Promise<number | null> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const match = /^Max open files\s+(\d+)/m.exec(limits);
  return match === null ? null : Number(match[1]);
}

const program = (name: string, script: string, args: readonly string[] = []) =>
  spawnProcess({
    name,
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", join(ROOT, script), ...args],
    cwd: ROOT,
  });

type Program = ReturnType<typeof program>;

async function ask(load: Program, command: Command): Promise<LoadAnswer> {
  const [line] = await load.ask(JSON.stringify(command), /^\{"done":.*\}$/, LOAD_TIMEOUT_MS);
  const answer: LoadAnswer = JSON.parse(line);
  if (answer.failed > 0) { for (const words of load.stderrLines.slice(-3)) progress(words); }
  return answer;
}

/** One server for one measurement, with limits that the load does not meet. */
async function startServer(agents: number, redis: string | null) {
  const directory = await mkdtemp(join(tmpdir(), "farglass-bench-"));
  const config = join(directory, "config.json");
  const limits = {
    connections: 15_000,
    desktops: Math.min(15_000, agents + 500),
    sessionsPerDesktop: 64,
    sessionsPerOperator: 10_000,
    offersInFlight: 64,
    consoleMessagesPerSecond: 10_000,
    agentMessagesPerSecond: 100_000,
    consoleBytesPerSecond: 1_073_741_824,
    agentBytesPerSecond: 1_073_741_824,
  };
  await writeFile(
    config,
    JSON.stringify({
      port: 0,
      dataDir: directory,
      limits,
      log: { level: "warn" },
      ...(redis === null ? {} : { redis: { url: redis } }),
    }),
  );
  const server = program("server", "server/main.ts", ["--json", "--config", config]);
  const [line] = await server.waitForLine(/^\{"consoleUrl".*\}$/, 30_000);
  const ready = JSON.parse(line);
  const signedIn = await fetch(ready.consoleUrl, { redirect: "manual" });
  await signedIn.body?.cancel();
  const target: Target = {
    signalUrl: ready.signalUrl,
    baseUrl: new URL(ready.consoleUrl).origin,
    agentSecret: (await readFile(ready.agentSecretFile, "utf8")).trim(),
    cookie: signedIn.headers.getSetCookie()[0].split(";")[0],
  };
  return {
    target,
    pid: server.pid,
    async [Symbol.asyncDispose]() {
      await server.stop("SIGINT");
      await rm(directory, { recursive: true });
    },
  };
}

/** Memory after the collector has had its time, in bytes. */
async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

async function idleAgents(wanted: number, seconds: number, redis: string | null) {
  const files = await openFiles();
  const agents = files === null ? wanted : Math.min(wanted, files - RESERVED_FILES);
  await using server = await startServer(agents, redis);
  await using load = program("load", "tests/bench/signalling_load.ts");
  await ask(load, { op: "idle", target: server.target, count: 50, lanes: 10 });
  await pause(2);
  const before = await rssBytes(server.pid);
  progress(`connecting ${agents} agents`);
  const { done, failed, seconds: connecting } = await ask(load, {
    op: "idle",
    target: server.target,
    count: agents,
    lanes: 64,
  });
  // Heartbeats slow down as agents come; after this each has the pace of the whole fleet.
  await pause(15);
  const { usage } = await usageDuring(server.pid, () => pause(seconds));
  const after = await rssBytes(server.pid);
  return {
    wanted,
    agents: done - 50,
    failed,
    openFiles: files,
    connectPerSecond: round(agents / connecting, 0),
    bytesPerAgent: Math.round((after - before) / agents),
    cpuPercentOfOneCore: usage.cpuPercent,
    rssMb: usage.rssMb,
    peakRssMb: usage.peakRssMb,
  };
}

const figures = ({ done, failed, seconds, p50Ms, p99Ms, maxMs }: LoadAnswer) => ({
  done,
  failed,
  perSecond: round(done / seconds),
  p50Ms,
  p99Ms,
  maxMs,
});

async function setUps(rate: number, seconds: number, redis: string | null) {
  await using server = await startServer(500, redis);
  await using load = program("load", "tests/bench/signalling_load.ts");
  const plan = { op: "setups", target: server.target, pairs: 50, perSecond: rate } as const;
  await ask(load, { ...plan, perSecond: Math.min(50, rate), seconds: 3 });
  progress(`set-ups, ${rate} a second`);
  const { usage, value } = await usageDuring(
    server.pid,
    () => ask(load, { ...plan, seconds }),
  );
  return { wantedPerSecond: rate, ...figures(value), serverCpuPercent: usage.cpuPercent };
}

/** Processor time of the server for one forwarded message, in microseconds. */
async function overhead(seconds: number, redis: string | null) {
  await using load = program("load", "tests/bench/signalling_load.ts");
  const plan = { pairs: 20, perSecond: FORWARD_PER_SECOND } as const;
  const measure = async (pid: number, command: Extract<Command, { op: "plain" | "forward" }>) => {
    await ask(load, { ...command, seconds: 2 });
    const { usage, value } = await usageDuring(pid, () => ask(load, command));
    const cpuMicroseconds = usage.cpuPercent * 1e4 / (value.done / value.seconds);
    return { ...figures(value), cpuMicrosecondsPerMessage: round(cpuMicroseconds) };
  };
  progress("one forwarded message, plain relay");
  await using relay = program("relay", "tests/bench/plain_relay.ts");
  const [line] = await relay.waitForLine(/^\{"port".*\}$/, 30_000);
  const plain = await measure(relay.pid, {
    op: "plain",
    port: JSON.parse(line).port,
    seconds,
    ...plan,
  });
  progress("one forwarded message, our server");
  await using server = await startServer(500, redis);
  const ours = await measure(server.pid, {
    op: "forward",
    target: server.target,
    seconds,
    ...plan,
  });
  const ratio = (ours.cpuMicrosecondsPerMessage ?? 0) / (plain.cpuMicrosecondsPerMessage ?? 1);
  return { ours, plain, cpuRatio: round(ratio, 2) };
}

async function main(): Promise<void> {
  const { agents, seconds, rate, redis } = flags();
  const result = {
    bench: "signalling",
    machine: machine(),
    store: redis === null ? "memory" : "redis",
    idle: await idleAgents(agents, seconds, redis),
    setUps: await setUps(rate, seconds, redis),
    overhead: await overhead(seconds, redis),
  };
  console.log(JSON.stringify(result));
}

await main();
Deno.exit(0);
