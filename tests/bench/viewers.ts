/**
 * What more viewers of one desktop cost: the agent's processor time with 1 and with 10 consoles
 * that all take video (or patches), while parts of the screen change 30 times a second.
 *
 *   deno task bench:viewers [--seconds 8] [--runs 1] [--rects 30] [rtp|diff-dc] [1280x720|1920x1080] [10]
 *
 * The consoles are real to the agent (signalling, DTLS, SRTP, feedback) but decode nothing: ten
 * browsers would take more than this machine has, and the agent would be measured in what is left.
 */
import { askAgent } from "../../agent/adapters/control_socket.ts";
import type { AgentStatus } from "../../agent/agent.ts";
import {
  benchFlags,
  machine,
  pause,
  progress,
  round,
  threadsSince,
  threadTimes,
  usageDuring,
} from "../support/bench.ts";
import { spawnProcess } from "../support/process.ts";
import { ROOT, startAgent, startPainter, startServer } from "../support/stack.ts";
import { startXvfb } from "../support/xvfb.ts";

const MOST_VIEWERS = 10;
const TRANSPORTS = ["rtp", "diff-dc"];
/** The targets of all viewers have settled by then. */
const WARM_UP_SECONDS = 8;
const READY_TIMEOUT_MS = 40_000;

async function measure(
  size: { readonly width: number; readonly height: number },
  count: number,
  seconds: number,
) {
  await using owned = new AsyncDisposableStack();
  const { display } = owned.use(await startXvfb(size));
  const server = owned.use(await startServer());
  const agent = owned.use(await startAgent({ server, capture: "x11", display }));
  owned.use(await startPainter("clock", { display, args: ["--hz", "30", "--rects", rects] }));
  const consoles = owned.use(spawnProcess({
    name: "consoles",
    command: Deno.execPath(),
    args: [
      ...["run", "-A", "--no-check", `${ROOT}/tests/bench/viewers_receivers.ts`],
      ...[await server.freshLink(), agent.desktopId, String(count), transport],
    ],
    cwd: ROOT,
  }));
  await consoles.waitForLine(/"ready":true/, READY_TIMEOUT_MS);
  await pause(WARM_UP_SECONDS);
  const from = consoles.stdoutLines.length;
  const before = threadTimes(agent.pid);
  const { usage } = await usageDuring(agent.pid, () => pause(seconds));
  const threads: Record<string, number> = {};
  for (const { name, seconds: used } of threadsSince(before, agent.pid)) {
    threads[name] = round((threads[name] ?? 0) + used / seconds * 100)!;
  }
  const lines = consoles.stdoutLines.slice(from).map((line) => JSON.parse(line));
  const mean = (key: string) =>
    round(lines.reduce((sum, line) => sum + line[key], 0) / lines.length, 1) ?? 0;
  const status = await askAgent(agent.stateDir, { op: "status" });
  const video = status.ok ? (status.value as AgentStatus).video : null;
  return {
    viewers: count,
    ...usage,
    fps: mean("picturesPerSecond"),
    packetsPerSecond: mean("packetsPerSecond"),
    threads,
    encoders: video?.encoders,
    keyframes: video?.keyframes,
  };
}

const { seconds, runs, only, more } = benchFlags({ seconds: 8, runs: 1 }, {
  rects: { type: "string" },
});
const rects = String(more.rects ?? "30");
const transport = only.find((word) => TRANSPORTS.includes(word)) ?? "rtp";
const size = only.find((word) => word.includes("x")) ?? "1280x720";
const [width, height] = size.split("x").map(Number);
const most = Number(only.find((word) => /^\d+$/.test(word)) ?? MOST_VIEWERS);
const results: (Awaited<ReturnType<typeof measure>> & { readonly run: number })[] = [];
for (let run = 1; run <= runs; run++) {
  for (const count of [1, most]) {
    progress(`${count} viewers, run ${run} of ${runs}`);
    const result = { run, ...await measure({ width, height }, count, seconds) };
    progress(`  ${result.cpuPercent} % of a core, ${result.fps} fps, ${result.rssMb} MB`);
    results.push(result);
  }
}
/** Of a core, for each picture a second that every viewer gets. */
const costOf = (count: number) => {
  const all = results.filter(({ viewers }) => viewers === count);
  return all.reduce((sum, { cpuPercent, fps }) => sum + cpuPercent / fps, 0) / all.length;
};
const ratio = round(costOf(most) / costOf(1), 2);
console.log(
  JSON.stringify({
    ...{ bench: "viewers", machine: machine(), transport, width, height, rects: Number(rects) },
    ...{ seconds, ratio, results },
  }),
);
Deno.exit(0);
