/**
 * What more viewers of one desktop cost: the agent's processor time with 1 and with 10 consoles
 * that all show video, while a part of the screen moves 30 times a second.
 *
 *   deno task bench:viewers [--seconds 10] [--runs 1] [1280x720|1920x1080] [10]
 *
 * The consoles decode on the same machine, so the frame rate is what is left of it; what counts
 * is the agent's own processor time.
 */
import { askAgent } from "../../agent/adapters/control_socket.ts";
import type { AgentStatus } from "../../agent/agent.ts";
import {
  benchFlags,
  benchWorld,
  machine,
  pause,
  progress,
  round,
  usageDuring,
} from "../support/bench.ts";
import { hud, waitForTransport } from "../support/console_page.ts";
import { chooseTransport } from "../support/e2e.ts";
import { startPainter } from "../support/stack.ts";

const MOST_VIEWERS = 10;
const RECTS = "30";
const WARM_UP_SECONDS = 3;

async function measure(
  size: { readonly width: number; readonly height: number },
  count: number,
  seconds: number,
) {
  await using world = await benchWorld({ size });
  await using owned = new AsyncDisposableStack();
  const { display } = world.xvfb;
  owned.use(await startPainter("clock", { display, args: ["--hz", "30", "--rects", RECTS] }));
  const pages = [];
  for (let i = 0; i < count; i++) {
    const { page } = owned.use(await world.open());
    await waitForTransport(page, "rtp", 60_000);
    await chooseTransport(page, "video");
    await waitForTransport(page, "rtp", 60_000);
    pages.push(page);
  }
  await pause(WARM_UP_SECONDS);
  const { usage } = await usageDuring(world.agent.pid, () => pause(seconds));
  const status = await askAgent(world.agent.stateDir, { op: "status" });
  const video = status.ok ? (status.value as AgentStatus).video : null;
  return { viewers: count, ...usage, encoders: video?.encoders, hud: await hud(pages[0]) };
}

const { seconds, runs, only } = benchFlags({ seconds: 10, runs: 1 });
const size = only.find((word) => word.includes("x")) ?? "1280x720";
const [width, height] = size.split("x").map(Number);
const most = Number(only.find((word) => /^\d+$/.test(word)) ?? MOST_VIEWERS);
const results: (Awaited<ReturnType<typeof measure>> & { readonly run: number })[] = [];
for (let run = 1; run <= runs; run++) {
  for (const count of [1, most]) {
    progress(`${count} viewers, run ${run} of ${runs}`);
    const result = { run, ...await measure({ width, height }, count, seconds) };
    progress(`  ${result.cpuPercent} % of a core, ${result.rssMb} MB`);
    results.push(result);
  }
}
const cpuOf = (count: number) =>
  results.filter(({ viewers }) => viewers === count).reduce((sum, one) => sum + one.cpuPercent, 0);
const ratio = round(cpuOf(most) / cpuOf(1), 2);
console.log(
  JSON.stringify({ bench: "viewers", machine: machine(), width, height, seconds, ratio, results }),
);
Deno.exit(0);
