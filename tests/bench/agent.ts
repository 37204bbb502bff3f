/**
 * What the agent costs: processor and memory while the desktop is still, while somebody types and
 * while a third of a 1920×1080 screen changes 30 times a second; and what arrives at the console.
 *
 *   deno task bench:agent [--seconds 10] [--runs 1] [video|diff] [idle|typing|motion]
 */
import {
  benchFlags,
  machine,
  pause,
  progress,
  round,
  sampleClock,
  usageDuring,
} from "../support/bench.ts";
import { waitForTransport } from "../support/console_page.ts";
import { chooseTransport, startWorld, type World } from "../support/e2e.ts";
import { spawnProcess } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";

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

/** Starts what the activity needs on the screen. */
async function startActivity(activity: Activity, display: string): Promise<AsyncDisposable> {
  switch (activity) {
    case "idle":
      return { [Symbol.asyncDispose]: () => Promise.resolve() };
    case "motion":
      return await startPainter("clock", { display, args: ["--hz", "30", "--rects", "300"] });
    case "typing":
      return await startTyping(display);
  }
}

/** A terminal that fills the screen, and somebody who types in it. */
async function startTyping(display: string): Promise<AsyncDisposable> {
  await using owned = new AsyncDisposableStack();
  owned.use(spawnProcess({
    name: "xterm",
    command: "xterm",
    args: ["-geometry", "200x60+0+0", "-e", "cat"],
    env: { DISPLAY: display },
  }));
  const text = "the quick brown fox jumps over the lazy dog ".repeat(200);
  owned.use(spawnProcess({
    name: "xdotool",
    command: "xdotool",
    args: [
      ...["search", "--sync", "--class", "xterm", "windowfocus", "--sync"],
      ...["type", "--delay", String(KEY_INTERVAL_MS), text],
    ],
    env: { DISPLAY: display },
  }));
  const moved = owned.move();
  return { [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

async function measure(
  world: World,
  { mode, transport }: (typeof MODES)[number],
  activity: Activity,
  seconds: number,
) {
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "rtp", 30_000);
  await chooseTransport(page, mode);
  await waitForTransport(page, transport, 30_000);
  await using _activity = await startActivity(activity, world.xvfb.display);
  await pause(WARM_UP_SECONDS);
  const { usage, value: samples } = await usageDuring(
    world.agent.pid,
    () => activity === "motion" ? sampleClock(page, seconds) : pause(seconds).then(() => []),
  );
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
  await using world = await startWorld({ size: SCREEN });
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
