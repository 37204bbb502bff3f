/** Full load for minutes: whether memory grows, in the agent and in the console. */
import type { Page } from "playwright-core";
import { pause, progress, round } from "../support/bench.ts";
import { inspect } from "../support/inspector.ts";
import { theilSenSlope } from "../support/slope.ts";
import { startPainter } from "../support/stack.ts";
import type { Choice, Subject } from "./peers_subjects.ts";

const SAMPLES_PER_SOAK = 40;
/** Left out of the slope: code is compiled and buffers grow to their size. */
const WARM_UP_SHARE = 0.2;
const MB = 1024 * 1024;

export interface MemorySample {
  readonly minute: number;
  readonly agentRssMb: number;
  readonly agentHeapMb: number;
  readonly pageHeapMb: number;
}

export interface SoakFigures {
  readonly samples: readonly MemorySample[];
  /** Megabytes a minute after the warm-up, by {@link theilSenSlope}. */
  readonly slopes: Readonly<Record<"agentRss" | "agentHeap" | "pageHeap", number | null>>;
  readonly peakRssMb: number;
}

/** 300 random rectangles 30 times a second; the agent was started with an inspector at `port`. */
export async function soak(
  subject: Subject,
  options: { readonly choice: Choice; readonly minutes: number; readonly inspectorPort: number },
): Promise<SoakFigures> {
  const { choice, minutes, inspectorPort } = options;
  await using shown = await subject.open(choice);
  await using _painter = await startPainter("clock", {
    display: subject.display,
    args: ["--hz", "30", "--rects", "300"],
  });
  await using agent = await inspect(inspectorPort);
  const startedAt = performance.now();
  const samples: MemorySample[] = [];
  for (let i = 0; i < SAMPLES_PER_SOAK; i++) {
    await pause(minutes * 60 / SAMPLES_PER_SOAK);
    const sample = {
      minute: round((performance.now() - startedAt) / 60_000, 2)!,
      agentRssMb: statusMb(subject.pids.agent, "VmRSS"),
      agentHeapMb: round(await agent.heapBytes() / MB)!,
      pageHeapMb: round(await pageHeapBytes(shown.page) / MB)!,
    };
    progress(`  ${JSON.stringify(sample)}`);
    samples.push(sample);
  }
  const steady = samples.slice(Math.floor(samples.length * WARM_UP_SHARE));
  const slope = (key: "agentRssMb" | "agentHeapMb" | "pageHeapMb") =>
    round(theilSenSlope(steady.map((sample) => [sample.minute, sample[key]])), 3);
  return {
    samples,
    slopes: {
      agentRss: slope("agentRssMb"),
      agentHeap: slope("agentHeapMb"),
      pageHeap: slope("pageHeapMb"),
    },
    peakRssMb: statusMb(subject.pids.agent, "VmHWM"),
  };
}

function statusMb(pid: number, key: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Math.round(Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) / 1024);
}

async function pageHeapBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize;
}
