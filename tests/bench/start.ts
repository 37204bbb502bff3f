/// <reference lib="dom" />
/**
 * From the click on a desktop to its first painted frame, as the page sees it.
 *
 *   deno task bench:start [--runs 20]
 */
import { benchFlags, benchWorld, machine, percentile, progress, round } from "../support/bench.ts";
import { openConsole } from "../support/console_page.ts";
import { startPainter } from "../support/stack.ts";

const SCREEN = { width: 1920, height: 1080 };
/** What the screen shows: a colour that no empty page has. */
const COLOUR = { red: 0x20, green: 0xa0, blue: 0xe0 };
/** Video may be off by this much in each channel. */
const TOLERANCE = 24;

/**
 * Runs in the page: arms a listener for the click and resolves with the milliseconds until the
 * middle of the visible screen has the colour.
 */
function untilPainted(
  { red, green, blue, tolerance }: { [name in "red" | "green" | "blue" | "tolerance"]: number },
): void {
  const spot = new OffscreenCanvas(1, 1);
  const context = spot.getContext("2d", { willReadFrequently: true })!;
  const painted = () => {
    for (const id of ["screen-video", "screen-canvas"]) {
      const screen = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
      if (screen === null || !screen.checkVisibility()) continue;
      const [source, width, height] = screen instanceof HTMLVideoElement
        ? [screen, screen.videoWidth, screen.videoHeight]
        : [
          screen as HTMLCanvasElement,
          (screen as HTMLCanvasElement).width,
          (screen as HTMLCanvasElement).height,
        ];
      if (width === 0 || height === 0) continue;
      context.drawImage(source, width / 2, height / 2, 1, 1, 0, 0, 1, 1);
      const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
      const off = Math.max(Math.abs(r - red), Math.abs(g - green), Math.abs(b - blue));
      if (off <= tolerance) return true;
    }
    return false;
  };
  const measured = new Promise<number>((resolve) => {
    addEventListener("click", (event) => {
      const look = () =>
        painted() ? resolve(performance.now() - event.timeStamp) : requestAnimationFrame(look);
      requestAnimationFrame(look);
    }, { capture: true, once: true });
  });
  Object.assign(globalThis, { farglassFirstFrame: measured });
}

async function main(): Promise<void> {
  const { runs } = benchFlags({ seconds: 1, runs: 20 });
  await using world = await benchWorld({ size: SCREEN, agent: { hybrid: true } });
  const hex = Object.values(COLOUR).map((part) => part.toString(16).padStart(2, "0")).join("");
  await using _painter = await startPainter("solid", {
    display: world.xvfb.display,
    args: ["--colour", hex],
  });
  await using opened = await openConsole(world.browser, {
    consoleUrl: await world.server.freshLink(),
  });
  const { page } = opened;
  const times: number[] = [];
  for (let run = 1; run <= runs; run++) {
    const connect = page.getByTestId("connect").first();
    await connect.waitFor({ state: "visible" });
    await page.evaluate(untilPainted, { ...COLOUR, tolerance: TOLERANCE });
    await connect.click();
    const ms = await page.evaluate(() =>
      (globalThis as unknown as { farglassFirstFrame: Promise<number> }).farglassFirstFrame
    );
    times.push(ms);
    progress(`run ${run} of ${runs}: ${ms.toFixed(0)} ms`);
    await page.getByTestId("disconnect").click();
  }
  console.log(JSON.stringify({
    bench: "start",
    machine: machine(),
    screen: SCREEN,
    n: times.length,
    p50Ms: round(percentile(times, 0.5), 0),
    p95Ms: round(percentile(times, 0.95), 0),
    minMs: round(percentile(times, 0), 0),
    timesMs: times.map((time) => Math.round(time)),
  }));
}

await main();
Deno.exit(0);
