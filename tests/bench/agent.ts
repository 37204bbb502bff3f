/**
 * What the agent costs: processor and memory while the desktop is still, while somebody types and
 * while a third of a 1920×1080 screen changes 30 times a second; and what arrives at the console.
 *
 *   deno task bench:agent [--seconds 10] [--runs 1] [video|diff] [idle|typing|motion]
 */
import {
  benchFlags,
  benchWorld,
  machine,
  pause,
  progress,
  round,
  sampleClock,
  usageDuring,
} from "../support/bench.ts";
import type { Page } from "playwright-core";
import { toPagePoint, waitForTransport } from "../support/console_page.ts";
import { chooseTransport, type World } from "../support/e2e.ts";
import { spawnProcess } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { firstDifference, readXScreen } from "../support/xshot.ts";

const SCREEN = { width: 1920, height: 1080 };
const WARM_UP_SECONDS = 2;
/** A quick typist: ten characters a second. */
const KEY_INTERVAL_MS = 100;

const MODES = [
  { mode: "video", transport: "rtp" },
  { mode: "diff", transport: "diff-dc" },
] as const;
const ACTIVITIES = ["idle", "typing", "motion"] as const;
type Activity = (typeof ACTIVITIES)[number];

/** A terminal that fills the screen and shows what is typed. */
const startTerminal = (display: string): AsyncDisposable =>
  spawnProcess({
    name: "xterm",
    command: "xterm",
    args: ["-geometry", "300x80+0+0", "-e", "cat"],
    env: { DISPLAY: display },
  });

/** An operator types at the console; fails when nothing of it comes to the screen. */
async function type(page: Page, display: string, seconds: number): Promise<void> {
  const { x, y } = await toPagePoint(page, SCREEN.width / 4, SCREEN.height / 4);
  // Without a window manager the keyboard follows the pointer.
  await page.mouse.click(x, y);
  const before = readXScreen(display);
  const count = Math.round(seconds * 1000 / KEY_INTERVAL_MS);
  await page.keyboard.type("the quick brown fox ".repeat(count).slice(0, count), {
    delay: KEY_INTERVAL_MS,
  });
  if (firstDifference(before, readXScreen(display)) === null) {
    throw new Error("Nothing that was typed came to the screen");
  }
}

async function measure(
  world: World,
  { mode, transport }: (typeof MODES)[number],
  activity: Activity,
  seconds: number,
) {
  const { display } = world.xvfb;
  await using owned = new AsyncDisposableStack();
  if (activity === "typing") owned.use(startTerminal(display));
  if (activity === "motion") {
    owned.use(await startPainter("clock", { display, args: ["--hz", "30", "--rects", "300"] }));
  }
  const { page } = owned.use(await world.open());
  await waitForTransport(page, "rtp", 30_000);
  await chooseTransport(page, mode);
  await waitForTransport(page, transport, 30_000);
  await pause(WARM_UP_SECONDS);
  const { usage, value: samples } = await usageDuring(world.agent.pid, async () => {
    switch (activity) {
      case "idle":
        await pause(seconds);
        return [];
      case "typing":
        await type(page, display, seconds);
        return [];
      case "motion":
        return await sampleClock(page, seconds);
    }
  });
  return {
    mode,
    transport,
    activity,
    ...usage,
    fps: activity === "motion" ? round(samples.length / seconds) : null,
  };
}

async function main(): Promise<void> {
  const { seconds, runs, only } = benchFlags({ seconds: 10, runs: 1 });
  const chosen = <T extends string>(names: readonly T[]): readonly T[] => {
    const wanted = names.filter((name) => only.includes(name));
    return wanted.length === 0 ? names : wanted;
  };
  const modes = chosen(MODES.map(({ mode }) => mode));
  const results = [];
  await using world = await benchWorld({ size: SCREEN });
  for (const activity of chosen(ACTIVITIES)) {
    for (const mode of MODES.filter(({ mode }) => modes.includes(mode))) {
      for (let run = 1; run <= runs; run++) {
        progress(`${activity} by ${mode.mode}, run ${run} of ${runs}`);
        const result = { ...await measure(world, mode, activity, seconds), run };
        progress(
          `  ${result.cpuPercent} % of a core, ${result.rssMb} MB, ${result.fps ?? "-"} fps`,
        );
        results.push(result);
      }
    }
  }
  console.log(
    JSON.stringify({ bench: "agent", machine: machine(), screen: SCREEN, seconds, results }),
  );
}

await main();
Deno.exit(0);
