/// <reference lib="dom" />
/** From a key press in the page to its effect in the page: an X client changes its colour. */
import type { Page } from "playwright-core";
import { percentile, progress, round } from "../support/bench.ts";
import { startPainter } from "../support/stack.ts";
import type { Choice, Subject, SubjectName } from "./peers_subjects.ts";

export interface KeyFigures {
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly n: number;
  readonly lost: number;
}

/** Shortest pause between two presses; each adds up to PAUSE_SPREAD_MS, so that no phase is kept. */
const PAUSE_MS = 60;
const PAUSE_SPREAD_MS = 50;
const LOST_MS = 1_000;
/** The client's window, and a place inside it. */
const WINDOW = { left: 40, top: 40, width: 640, height: 400 };
const PROBE = { x: 300, y: 200 };

interface KeyPage {
  keyTimes(): { ages: number[]; lost: number };
}

/** Presses keys for `seconds` at each subject in turn. */
export async function measureKeys(
  subjects: readonly Subject[],
  options: { readonly choice: Choice; readonly seconds: number; readonly runs: number },
): Promise<Partial<Record<SubjectName, KeyFigures>>> {
  const all = new Map(subjects.map(({ name }) => [name, { ages: [] as number[], lost: 0 }]));
  for (let run = 0; run < options.runs; run++) {
    for (const subject of run % 2 === 0 ? subjects : [...subjects].reverse()) {
      const { ages, lost } = await oneTurn(subject, options.choice, options.seconds);
      const sum = all.get(subject.name)!;
      sum.ages.push(...ages);
      sum.lost += lost;
      progress(`  ${subject.name}: p50 ${round(percentile(ages, 0.5))} ms, lost ${lost}`);
    }
  }
  return Object.fromEntries(
    [...all].map(([name, { ages, lost }]) => [name, {
      p50Ms: round(percentile(ages, 0.5)),
      p95Ms: round(percentile(ages, 0.95)),
      n: ages.length,
      lost,
    }]),
  );
}

async function oneTurn(subject: Subject, choice: Choice, seconds: number) {
  const { width, height } = WINDOW;
  await using shown = await subject.open(choice);
  await using _client = await startPainter("window", {
    display: subject.display,
    args: ["--area", `${width}x${height}`, "--flash"],
  });
  const { page } = shown;
  const place = await placeOf(page);
  await page.mouse.click(place.x, place.y);
  await page.evaluate(installWatch, PROBE);
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    await page.keyboard.press("a");
    const pause = PAUSE_MS + Math.random() * PAUSE_SPREAD_MS;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  await new Promise((resolve) => setTimeout(resolve, LOST_MS));
  return await page.evaluate(() => (globalThis as unknown as KeyPage).keyTimes());
}

/** Where the probe is in the page. */
const placeOf = (page: Page) =>
  page.evaluate(({ x, y }) => {
    const ids = ["screen-canvas", "screen-video"].map((id) => `[data-testid="${id}"]`);
    const screen = [...ids, "#screen canvas"]
      .map((selector) => document.querySelector<HTMLElement>(selector))
      .find((element) => element?.checkVisibility()) as HTMLCanvasElement | HTMLVideoElement;
    const { left, top, width, height } = screen.getBoundingClientRect();
    const isVideo = screen instanceof HTMLVideoElement;
    const own = isVideo
      ? { width: screen.videoWidth, height: screen.videoHeight }
      : { width: screen.width, height: screen.height };
    const scale = Math.min(width / own.width, height / own.height);
    return {
      x: left + (width - own.width * scale) / 2 + x * scale,
      y: top + (height - own.height * scale) / 2 + y * scale,
    };
  }, PROBE);

/** Runs in the page: each key press waits for the probe's next change of brightness. */
function installWatch(probe: { readonly x: number; readonly y: number }): void {
  const LOST_MS = 1_000;
  const ages: number[] = [];
  let lost = 0;
  let pressedAt: number | null = null;
  let before: boolean | null = null;
  const strip = new OffscreenCanvas(1, 1);
  const context = strip.getContext("2d", { willReadFrequently: true })!;
  const look = () => {
    const screens = ["screen-video", "screen-canvas"]
      .map((id) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`))
      .filter((element) => element?.checkVisibility() === true);
    const theirs = document.querySelector("#screen canvas");
    for (const screen of theirs === null ? screens : [theirs]) {
      const source = screen as HTMLCanvasElement;
      context.drawImage(source, probe.x, probe.y, 1, 1, 0, 0, 1, 1);
    }
    return context.getImageData(0, 0, 1, 1).data[0] > 127;
  };
  addEventListener("keydown", ({ timeStamp, repeat }) => {
    if (repeat || pressedAt !== null) return;
    pressedAt = timeStamp;
    before = look();
  }, { capture: true });
  const frame = () => {
    if (pressedAt !== null) {
      const waited = performance.now() - pressedAt;
      if (look() !== before) {
        ages.push(waited);
        pressedAt = null;
      } else if (waited > LOST_MS) {
        lost++;
        pressedAt = null;
      }
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  Object.assign(globalThis, { keyTimes: () => ({ ages, lost }) });
}
