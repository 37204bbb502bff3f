/// <reference lib="dom" />
/** What the benchmarks share: flags, figures, the page's clock reader, a process's use of the machine. */
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { CELL_PX, CELLS, readClockCells } from "./clock_cells.ts";
import { buildConsole } from "../../tools/build_console.ts";
import { hud } from "./console_page.ts";
import { startWorld, type World } from "./e2e.ts";

/** Progress for people; standard output belongs to the JSON. */
export const progress = (text: string): void => console.error(text);

/** A world of the console as it is now, built if need be. */
export async function benchWorld(options: Parameters<typeof startWorld>[0]): Promise<World> {
  await buildConsole({ log: progress });
  return await startWorld(options);
}

export interface BenchFlags {
  readonly seconds: number;
  readonly runs: number;
  /** Only scenarios whose name contains one of these words. */
  readonly only: readonly string[];
  /** Values of the further flags of this benchmark, by name. */
  readonly more: Readonly<Record<string, string | boolean | undefined>>;
}

/** Further flags of one benchmark: their names and whether they take a value. */
export type MoreFlags = Readonly<Record<string, { readonly type: "string" | "boolean" }>>;

/** Reads `--seconds N --runs N` and words that choose scenarios. */
export function benchFlags(
  defaults: { readonly seconds: number; readonly runs: number },
  moreFlags: MoreFlags = {},
): BenchFlags {
  const string = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: Deno.args.filter((arg) => arg !== "--"),
    allowPositionals: true,
    options: { ...moreFlags, seconds: string, runs: string },
  });
  const { seconds, runs, ...more } = values as BenchFlags["more"];
  return {
    seconds: positive("seconds", seconds ?? defaults.seconds),
    runs: positive("runs", runs ?? defaults.runs),
    only: positionals,
    more,
  };
}

/** A flag's value as a positive number, or an error that names the flag. */
export function positive(flag: string, given: unknown): number {
  const value = Number(given);
  if (!(value > 0)) throw new Error(`--${flag} is "${given}"; allowed is a positive number`);
  return value;
}

/** The value below which `share` (0..1) of the numbers lie; null when there are none. */
export function percentile(numbers: readonly number[], share: number): number | null {
  if (numbers.length === 0) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export const round = (value: number | null, digits = 1): number | null =>
  value === null ? null : Number(value.toFixed(digits));

/** The machine, for the figures' sake. */
export const machine = () => ({
  cores: navigator.hardwareConcurrency,
  os: `${Deno.build.os} ${Deno.osRelease()}`,
  deno: Deno.version.deno,
});

/** A time that was read back, and how old it was when it was seen. */
export interface ClockSample {
  readonly painted: number;
  readonly ageMs: number;
}

/**
 * Reads the painted clock from the visible screen (our console's, or noVNC's canvas) at every
 * animation frame for `seconds`. Each painted time counts once, when it is first seen; the page
 * and the painter have one clock.
 */
export async function sampleClock(page: Page, seconds: number): Promise<ClockSample[]> {
  const raw = await page.evaluate(async ({ seconds, cells, cellPx }) => {
    const width = cells * cellPx;
    const strip = new OffscreenCanvas(width, 1);
    const context = strip.getContext("2d", { willReadFrequently: true })!;
    const visible = (id: string) => {
      const element = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
      return element?.checkVisibility() === true ? element : null;
    };
    const luma = new Uint8Array(width * cellPx * 2);
    /** Brightness in the middle of each cell, from the decoded frame itself: no conversion to RGB. */
    const readVideo = async (video: HTMLVideoElement): Promise<number[]> => {
      const frame = new VideoFrame(video);
      try {
        const rect = { x: 0, y: 0, width, height: cellPx };
        const [plane] = await frame.copyTo(luma, { rect });
        const middle = plane.offset + plane.stride * (cellPx / 2) + cellPx / 2;
        return Array.from({ length: cells }, (_, i) => luma[middle + i * cellPx]);
      } finally {
        frame.close();
      }
    };
    const isOpaque = (canvas: HTMLCanvasElement): boolean => {
      context.clearRect(0, 0, 1, 1);
      context.drawImage(canvas, cellPx / 2, cellPx / 2, 1, 1, 0, 0, 1, 1);
      return context.getImageData(0, 0, 1, 1).data[3] === 255;
    };
    const readCanvas = (canvas: HTMLCanvasElement): number[] => {
      context.drawImage(canvas, 0, cellPx / 2, width, 1, 0, 0, width, 1);
      const { data } = context.getImageData(0, 0, width, 1);
      return Array.from({ length: cells }, (_, i) => data[(i * cellPx + cellPx / 2) * 4]);
    };
    const samples: { at: number; cells: boolean[] }[] = [];
    // The strip is read as it is, also where a canvas lets the video through.
    context.globalCompositeOperation = "copy";
    let last = "";
    const endsAt = performance.now() + seconds * 1000;
    while (performance.now() < endsAt) {
      await new Promise(requestAnimationFrame);
      const at = performance.timeOrigin + performance.now();
      const video = visible("screen-video") as HTMLVideoElement | null;
      const canvas = (visible("screen-canvas") ??
        document.querySelector("#screen canvas")) as HTMLCanvasElement | null;
      if (video !== null && video.readyState < 2) continue;
      // Where both are visible, the canvas lies above and is transparent where the video shows.
      const levels =
        canvas !== null && canvas.width >= width && (video === null || isOpaque(canvas))
          ? readCanvas(canvas)
          : video !== null
          ? await readVideo(video)
          : [];
      const bits = levels.map((level) => level > 127);
      const key = bits.map(Number).join("");
      if (key === last || levels.length === 0) continue;
      last = key;
      samples.push({ at, cells: bits });
    }
    return samples;
  }, { seconds, cells: CELLS, cellPx: CELL_PX });
  const seen = new Set<number>();
  const samples: ClockSample[] = [];
  for (const { at, cells } of raw) {
    const painted = readClockCells(cells);
    if (painted === null || seen.has(painted)) continue;
    seen.add(painted);
    samples.push({ painted, ageMs: at % 2 ** 32 - painted });
  }
  return samples;
}

/** What the HUD says of the picture's way, in ms; the painted clock is the judge of it. */
export async function hudLatency(page: Page) {
  const facts = await hud(page);
  const of = (name: string) => {
    const value = facts[name] ?? "";
    return value === "" ? null : Number(value);
  };
  return {
    totalMs: of("latency"),
    errorMs: of("latency-error"),
    captureMs: of("latency-capture"),
    encodeMs: of("latency-encode"),
    networkMs: of("latency-network"),
    bufferMs: of("latency-buffer"),
    decodeMs: of("latency-decode"),
    paintMs: of("latency-paint"),
  };
}

export interface Usage {
  /** Share of one core, in percent. */
  readonly cpuPercent: number;
  readonly rssMb: number;
  readonly peakRssMb: number;
}

/** What a process uses while `work` runs. */
export async function usageDuring<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ readonly usage: Usage; readonly value: T }> {
  const before = threadTimes(pid);
  const startedAt = performance.now();
  const value = await work();
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuPercent = cpuSecondsSince(before, pid) / seconds * 100;
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const megabytes = (key: string) => {
    const kb = new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? "0";
    return Math.round(Number(kb) / 1024);
  };
  return {
    value,
    usage: {
      cpuPercent: round(cpuPercent)!,
      rssMb: megabytes("VmRSS"),
      peakRssMb: megabytes("VmHWM"),
    },
  };
}

/** Processor time of each process, by name and in seconds, while `work` runs. */
export async function cpuDuring<T, K extends string>(
  pids: Readonly<Record<K, number>>,
  work: () => Promise<T>,
): Promise<{ readonly cpuSeconds: Readonly<Record<K, number>>; readonly value: T }> {
  const names = Object.keys(pids) as K[];
  const before = names.map((name) => threadTimes(pids[name]));
  const value = await work();
  const used = names.map((name, i) => [name, cpuSecondsSince(before[i], pids[name])] as const);
  return { value, cpuSeconds: Object.fromEntries(used) as Record<K, number> };
}

const NANOSECONDS = 1e9;

/** Processor time of one thread. */
export interface ThreadTime {
  /** Threads of a kind have one name (proc_pid_comm(5)). */
  readonly name: string;
  readonly seconds: number;
}

/**
 * Processor time of each thread of a process so far, by thread id. From the scheduler, which counts
 * nanoseconds: the ticks of proc_pid_stat(5) miss what sleeps again before each tick, as a thread
 * that sends packets does.
 */
export function threadTimes(pid: number): ReadonlyMap<string, ThreadTime> {
  const times = new Map<string, ThreadTime>();
  for (const { name: id } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const read = (file: string) => Deno.readTextFileSync(`/proc/${pid}/task/${id}/${file}`);
    try {
      const seconds = Number(read("schedstat").split(" ")[0]) / NANOSECONDS;
      times.set(id, { name: read("comm").trim(), seconds });
    } catch {
      // It ended between the two looks.
    }
  }
  return times;
}

/** What each thread that still lives has used since `before`. */
export const threadsSince = (before: ReadonlyMap<string, ThreadTime>, pid: number): ThreadTime[] =>
  [...threadTimes(pid)].map(([id, { name, seconds }]) => ({
    name,
    seconds: seconds - (before.get(id)?.seconds ?? 0),
  }));

const cpuSecondsSince = (before: ReadonlyMap<string, ThreadTime>, pid: number): number =>
  threadsSince(before, pid).reduce((sum, { seconds }) => sum + seconds, 0);

export const pause = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000));
