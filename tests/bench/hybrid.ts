/// <reference lib="dom" />
/**
 * Hybrid mode against the whole screen by video and by patches, on the same scenes at 1920×1080: a
 * small thing that changes 30 times a second (its glass-to-glass time), beside something that moves.
 *
 *   deno task bench:hybrid [--seconds 8] [--runs 1] [auto|video|diff] [typing|film|film-large|scroll|rects]
 */
import { join } from "node:path";
import type { Page } from "playwright-core";
import {
  benchFlags,
  benchWorld,
  machine,
  percentile,
  progress,
  round,
  sampleClock,
  usageDuring,
} from "../support/bench.ts";
import { readScreen, waitForTransport } from "../support/console_page.ts";
import { chooseTransport, type World } from "../support/e2e.ts";
import { makeFilm, type MovingWindow, startFilm, startTerminal } from "../support/film.ts";
import { startPainter } from "../support/stack.ts";
import { firstDifference, readXScreen } from "../support/xshot.ts";

const SCREEN = { width: 1920, height: 1080 };
const WARM_UP_SECONDS = 3;
const CLOCK = { x: 0, y: 0 };

const MODES = [
  { mode: "auto", transport: "hybrid" },
  { mode: "video", transport: "rtp" },
  { mode: "diff", transport: "diff-dc" },
] as const;
type Mode = (typeof MODES)[number];

/** What moves, and a place inside it. */
interface Scene {
  readonly name: string;
  readonly rects: number;
  readonly at: { readonly x: number; readonly y: number } | null;
  start(display: string): MovingWindow | null;
}

function scenes(films: { readonly small: string; readonly large: string }): readonly Scene[] {
  const film = (file: string, x: number, y: number) => (display: string) =>
    startFilm({ display, x, y, source: { file } });
  // Lines of a long text, one each 33 ms.
  const scroll = 'i=0; while :; do echo "$i the quick brown fox jumps over the lazy dog"; ' +
    "i=$((i+1)); sleep 0.033; done";
  return [
    { name: "typing", rects: 0, at: null, start: () => null },
    { name: "film", rects: 0, at: { x: 900, y: 500 }, start: film(films.small, 640, 320) },
    { name: "film-large", rects: 0, at: { x: 900, y: 500 }, start: film(films.large, 320, 200) },
    {
      name: "scroll",
      rects: 0,
      at: { x: 700, y: 400 },
      start: (display) =>
        startTerminal(display, { geometry: "140x60+500+200", command: ["sh", "-c", scroll] }),
    },
    { name: "rects", rects: 300, at: { x: 900, y: 500 }, start: () => null },
  ];
}

/** Runs in the page before its scripts: keeps its peer connections where the benchmark finds them. */
function keepPeers(): void {
  const peers: RTCPeerConnection[] = [];
  Object.assign(globalThis, { peers });
  const Native = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      peers.push(this);
    }
  };
}

/** Bytes of all the page's peer connections so far. */
const receivedBytes = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    let bytes = 0;
    for (const peer of (globalThis as unknown as { peers: RTCPeerConnection[] }).peers) {
      (await peer.getStats()).forEach((record) => {
        if (record.type === "transport") bytes += record.bytesReceived;
      });
    }
    return bytes;
  });

/** Counts how often the picture around a place changes, at every animation frame. */
async function watchMotion(page: Page, at: { readonly x: number; readonly y: number }) {
  await page.evaluate(({ x, y }) => {
    const context = new OffscreenCanvas(16, 16).getContext("2d", { willReadFrequently: true })!;
    const motion = { changes: 0, lastAt: 0, running: true };
    Object.assign(globalThis, { motion });
    let last = "";
    const look = () => {
      context.clearRect(0, 0, 16, 16);
      for (const id of ["screen-video", "screen-canvas"]) {
        const element = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
        if (element?.checkVisibility() !== true) continue;
        context.drawImage(element as HTMLCanvasElement, x, y, 128, 128, 0, 0, 16, 16);
      }
      const now = context.getImageData(0, 0, 16, 16).data.join();
      if (now !== last) {
        motion.changes++;
        motion.lastAt = performance.timeOrigin + performance.now();
      }
      last = now;
      if (motion.running) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, at);
  return () =>
    page.evaluate(() => {
      const { motion } = globalThis as unknown as {
        motion: { changes: number; lastAt: number; running: boolean };
      };
      motion.running = false;
      return motion;
    });
}

/** Long enough for the last refinement. */
const REST_SECONDS = 1.5;

/** Stops what moves where it is; returns how long afterwards the place still changed. */
async function restAfter(
  page: Page,
  at: { readonly x: number; readonly y: number },
  stop: () => Promise<unknown>,
): Promise<number> {
  const done = await watchMotion(page, at);
  const stoppedAt = Date.now();
  await stop();
  await new Promise((resolve) => setTimeout(resolve, REST_SECONDS * 1000));
  return Math.max(0, (await done()).lastAt - stoppedAt);
}

async function measure(world: World, { mode, transport }: Mode, scene: Scene, seconds: number) {
  const { display } = world.xvfb;
  await using opened = await world.open({ init: keepPeers });
  const { page } = opened;
  await waitForTransport(page, "hybrid", 30_000);
  await chooseTransport(page, mode);
  await waitForTransport(page, transport, 30_000);
  await using painter = await startPainter("clock", {
    display,
    args: ["--hz", "30", "--rects", String(scene.rects)],
  });
  await using moving = new AsyncDisposableStack();
  const started = scene.start(display);
  if (started !== null) moving.use(started);
  await sampleClock(page, WARM_UP_SECONDS);
  const before = await receivedBytes(page);
  const { usage, value: samples } = await usageDuring(
    world.agent.pid,
    () => sampleClock(page, seconds),
  );
  const bytes = await receivedBytes(page) - before;
  // Apart, so that looking at the motion does not slow down the look at the clock.
  let motionFps: number | null = null;
  if (scene.at !== null) {
    const stop = await watchMotion(page, scene.at);
    await new Promise((resolve) => setTimeout(resolve, seconds * 500));
    motionFps = round((await stop()).changes / (seconds / 2));
  }
  const restMs = await restAfter(page, scene.at ?? CLOCK, async () => {
    await painter.ask("stop", /"done":"stop"/);
    started?.pause();
  });
  const exact = firstDifference(await readScreen(page), readXScreen(display)) === null;
  started?.resume();
  const ages = samples.map(({ ageMs }) => ageMs);
  return {
    mode,
    transport,
    scene: scene.name,
    p50Ms: round(percentile(ages, 0.5)),
    p95Ms: round(percentile(ages, 0.95)),
    clockFps: round(ages.length / seconds),
    motionFps,
    kilobitsPerSecond: round(bytes * 8 / 1000 / seconds, 0),
    agentCpuPercent: usage.cpuPercent,
    /** From the end of the motion to the last change of the picture, and whether it is exact then. */
    restMs: round(restMs, 0),
    exact,
  };
}

async function main(): Promise<void> {
  const { seconds, runs, only } = benchFlags({ seconds: 8, runs: 1 });
  const dir = await Deno.makeTempDir({ prefix: "farglass-films-" });
  const films = { small: join(dir, "small.mp4"), large: join(dir, "large.mp4") };
  await makeFilm(films.small, { width: 640, height: 360 });
  await makeFilm(films.large, { width: 1280, height: 720 });
  const all = scenes(films);
  const chosen = <T>(list: readonly T[], nameOf: (item: T) => string): readonly T[] => {
    const wanted = list.filter((item) => only.includes(nameOf(item)));
    return wanted.length === 0 ? list : wanted;
  };
  const results = [];
  try {
    await using world = await benchWorld({
      size: SCREEN,
      agent: { hybrid: true },
    });
    for (const scene of chosen(all, ({ name }) => name)) {
      for (const mode of chosen(MODES, ({ mode }) => mode)) {
        for (let run = 1; run <= runs; run++) {
          progress(`${scene.name} by ${mode.mode}, run ${run} of ${runs}`);
          const result = { ...await measure(world, mode, scene, seconds), run };
          progress(
            `  p50 ${result.p50Ms} ms, p95 ${result.p95Ms} ms, motion ${result.motionFps} fps, ` +
              `${result.kilobitsPerSecond} kb/s, ${result.agentCpuPercent} % of a core, ` +
              `still after ${result.restMs} ms, exact: ${result.exact}`,
          );
          results.push(result);
        }
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  console.log(
    JSON.stringify({ bench: "hybrid", machine: machine(), screen: SCREEN, seconds, results }),
  );
}

await main();
Deno.exit(0);
