/**
 * Glass to glass: an X client paints the clock, the page reads it back from what it shows.
 *
 *   deno task bench:latency [--seconds 10] [--runs 1] [video|diff|diff-no-worker] [clock-30|clock-60|rects-30]
 */
import {
  benchFlags,
  benchWorld,
  hudLatency,
  machine,
  percentile,
  progress,
  round,
  sampleClock,
} from "../support/bench.ts";
import type { CDPSession } from "playwright-core";
import { waitForTransport } from "../support/console_page.ts";
import { chooseTransport, type World } from "../support/e2e.ts";
import { startPainter } from "../support/stack.ts";

const SCREEN = { width: 1920, height: 1080 };
/** Left out at the beginning: encoder and browser settle. */
const WARM_UP_SECONDS = 2;

const MODES = [
  { mode: "video", transport: "rtp" },
  { mode: "diff", transport: "diff-dc" },
  // As "diff", in a browser whose page unpacks large patches itself.
  { mode: "diff-no-worker", transport: "diff-dc" },
] as const;
const LOADS = [
  { load: "clock-30", hz: 30, rectangles: 0 },
  { load: "clock-60", hz: 60, rectangles: 0 },
  { load: "rects-30", hz: 30, rectangles: 300 },
] as const;

type Mode = (typeof MODES)[number];
type Load = (typeof LOADS)[number];

async function measure(world: World, { mode, transport }: Mode, load: Load, seconds: number) {
  await using opened = await world.open();
  const { page } = opened;
  if (mode === "diff-no-worker") await page.route(/unpack_worker/, (route) => route.abort());
  await waitForTransport(page, "rtp", 30_000);
  await chooseTransport(page, mode === "video" ? "video" : "diff");
  await waitForTransport(page, transport, 30_000);
  await using painter = await startPainter("clock", {
    display: world.xvfb.display,
    args: ["--hz", String(load.hz), "--rects", String(load.rectangles)],
  });
  await sampleClock(page, WARM_UP_SECONDS);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  const before = await mainThreadSeconds(cdp);
  const samples = await sampleClock(page, seconds);
  const busy = await mainThreadSeconds(cdp) - before;
  const told = await hudLatency(page);
  await painter.ask("stop", /"done":"stop"/);
  const ages = samples.map(({ ageMs }) => ageMs);
  return {
    mode,
    transport,
    load: load.load,
    hz: load.hz,
    rectangles: load.rectangles,
    p50Ms: round(percentile(ages, 0.5)),
    p95Ms: round(percentile(ages, 0.95)),
    minMs: round(percentile(ages, 0)),
    n: ages.length,
    fps: round(ages.length / seconds),
    /** Share of the page's main thread. */
    mainThread: round(busy / seconds, 2),
    // What an operator reads, over the last four seconds.
    hud: told,
  };
}

async function mainThreadSeconds(cdp: CDPSession): Promise<number> {
  const { metrics } = await cdp.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration")?.value ?? NaN;
}

async function main(): Promise<void> {
  const { seconds, runs, only } = benchFlags({ seconds: 10, runs: 1 });
  const words = (names: readonly string[]) => only.filter((word) => names.includes(word));
  const modes = words(MODES.map(({ mode }) => mode));
  const loads = words(LOADS.map(({ load }) => load));
  const results = [];
  await using world = await benchWorld({ size: SCREEN });
  for (const load of LOADS.filter(({ load }) => loads.length === 0 || loads.includes(load))) {
    for (const mode of MODES.filter(({ mode }) => modes.length === 0 || modes.includes(mode))) {
      for (let run = 1; run <= runs; run++) {
        progress(`${mode.mode}, ${load.load}, run ${run} of ${runs}`);
        const result = { ...await measure(world, mode, load, seconds), run };
        progress(
          `  p50 ${result.p50Ms} ms, p95 ${result.p95Ms} ms, ${result.fps} fps; HUD ${result.hud.totalMs} ± ${result.hud.errorMs} ms`,
        );
        results.push(result);
      }
    }
  }
  console.log(
    JSON.stringify({ bench: "latency", machine: machine(), screen: SCREEN, seconds, results }),
  );
}

await main();
Deno.exit(0);
