/// <reference lib="dom" />
/**
 * A recorded desktop: a script with real X clients types, scrolls a long text, moves a window,
 * shows a 720p film in a window, and rests. Bytes that the page receives, how the page looks
 * beside the X screen at the same moment, and how long text takes to be exact after rest.
 */
import type { Page } from "playwright-core";
import { Buffer } from "node:buffer";
import { pause, percentile, progress, round } from "../support/bench.ts";
import { type SpawnedProcess, spawnProcess } from "../support/process.ts";
import { ssim } from "../support/ssim.ts";
import { type Picture, readXScreen } from "../support/xshot.ts";
import { makeFilm, showFilm } from "./peers_film.ts";
import type { Choice, Shown, Subject, SubjectName } from "./peers_subjects.ts";

const FILM = { width: 1280, height: 720, left: 560, top: 300 };
const TEXT_TO_TYPE = "pack my box with five dozen liquor jugs; the quick brown fox jumps. ";
/** A page of text, then what is typed. */
const EDITOR = 'for i in $(seq 25); do echo "line $i of a letter: the quick brown fox jumps over ' +
  'the lazy dog, $i times, and sees $((i * 7919)) sheep"; done; cat';
const KEY_DELAY_MS = 60;
const MOVE_STEPS_PER_SECOND = 30;
const LINES_PER_SECOND = 20;
const EXACT_TIMEOUT_MS = 5_000;
/** Film and screen change 30 times a second, so that one look may be a picture off by luck. */
const LOOKS_PER_PHASE = 24;
/** The X screen rests when so many looks in a row find it the same. */
const STILL_LOOKS = 3;
const LOOK_PAUSE_SECONDS = 0.1;
/** Shares of the whole time. */
const PHASES = [
  { phase: "typing", share: 0.2 },
  { phase: "scrolling", share: 0.2 },
  { phase: "moving", share: 0.15 },
  { phase: "film", share: 0.25 },
  { phase: "idle", share: 0.2 },
] as const;
type Phase = (typeof PHASES)[number]["phase"];

export interface PhaseFigures {
  readonly kilobytes: number;
  readonly ssim: number | null;
  /** From the end of the phase until the page shows the X screen exactly; null when it never did. */
  readonly exactAfterMs: number | null;
}
export interface DesktopFigures {
  readonly kilobytes: number;
  readonly ssim: number | null;
  readonly worstExactAfterMs: number | null;
  readonly phases: Readonly<Record<string, PhaseFigures>>;
}

/** Plays the script of `seconds` on each subject's display, one after the other. */
export async function measureDesktop(
  subjects: readonly Subject[],
  options: { readonly choice: Choice; readonly seconds: number },
): Promise<Partial<Record<SubjectName, DesktopFigures>>> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-desktop-" });
  const all: Partial<Record<SubjectName, DesktopFigures>> = {};
  try {
    const film = await makeFilm(dir, FILM);
    for (const subject of subjects) {
      const figures = await playOn(subject, { ...options, film });
      progress(`  ${subject.name}: ${JSON.stringify(figures)}`);
      all[subject.name] = figures;
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  return all;
}

interface Script {
  readonly choice: Choice;
  readonly seconds: number;
  readonly film: string;
}

async function playOn(subject: Subject, script: Script): Promise<DesktopFigures> {
  const { display } = subject;
  await using _editor = xterm(display, "editor", "100x30+60+60", EDITOR);
  await windowNamed(display, "editor");
  await using shown = await subject.open(script.choice);
  await shown.page.evaluate(`(${installReader})(); globalThis.hashOf = ${hashOf}`);
  const phases: Record<string, PhaseFigures> = {};
  const looks: number[] = [];
  for (const { phase, share } of PHASES) {
    const before = await shown.receivedBytes();
    const seconds = script.seconds * share;
    const looked = lookOften(shown.page, display, seconds);
    await using clients = new AsyncDisposableStack();
    await act(phase, { display, seconds, film: script.film, clients });
    const exactAfterMs = phase === "film" ? null : await untilExact(shown, display);
    const kilobytes = Math.round((await shown.receivedBytes() - before) / 1000);
    const found = await compareLooks(shown.page, await looked);
    looks.push(...found);
    phases[phase] = {
      kilobytes,
      ssim: round(mean(found), 4),
      exactAfterMs: round(exactAfterMs, 0),
    };
  }
  const exact = Object.entries(phases).filter(([phase]) => phase !== "film")
    .map(([, { exactAfterMs }]) => exactAfterMs ?? Infinity);
  const worst = percentile(exact, 1);
  return {
    kilobytes: Object.values(phases).reduce((sum, { kilobytes }) => sum + kilobytes, 0),
    ssim: round(mean(looks), 4),
    worstExactAfterMs: worst === Infinity ? null : worst,
    phases,
  };
}

const mean = (numbers: readonly number[]): number | null =>
  numbers.length === 0 ? null : numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

interface Stage {
  readonly display: string;
  readonly seconds: number;
  readonly film: string;
  /** What is started here stays until the phase has been measured. */
  readonly clients: AsyncDisposableStack;
}

async function act(phase: Phase, { display, seconds, film, clients }: Stage): Promise<void> {
  switch (phase) {
    case "typing": {
      const count = Math.floor(seconds * 1000 / KEY_DELAY_MS);
      const text = TEXT_TO_TYPE.repeat(Math.ceil(count / TEXT_TO_TYPE.length)).slice(0, count);
      const window = await windowNamed(display, "editor");
      await xdotool(display, "mousemove", "--window", window, "200", "100");
      return await xdotool(display, "type", "--delay", String(KEY_DELAY_MS), text);
    }
    case "scrolling": {
      const lines = Math.floor(seconds * LINES_PER_SECOND);
      const log =
        `for i in $(seq ${lines}); do echo "$i $(date +%T.%N) GET /files/$i HTTP/1.1 200";` +
        ` sleep ${1 / LINES_PER_SECOND}; done; echo done; read x`;
      clients.use(xterm(display, "log", "120x40+700+80", log));
      return await pause(seconds);
    }
    case "moving": {
      const window = await windowNamed(display, "editor");
      const steps = Math.floor(seconds * MOVE_STEPS_PER_SECOND);
      const path = Array.from({ length: steps }, (_, i) => [
        ...["windowmove", window, String(60 + i * 3 % 900), String(60 + i * 2 % 500)],
        ...["sleep", String(1 / MOVE_STEPS_PER_SECOND)],
      ]);
      return await xdotool(display, ...path.flat());
    }
    case "film":
      clients.use(await showFilm(display, film, FILM));
      return await pause(seconds);
    case "idle":
      return await pause(seconds);
  }
}

const xterm = (display: string, title: string, geometry: string, script: string): SpawnedProcess =>
  spawnProcess({
    name: `xterm ${title}`,
    command: "xterm",
    args: ["-T", title, "-geometry", geometry, "-e", "sh", "-c", script],
    env: { DISPLAY: display },
  });

async function windowNamed(display: string, title: string): Promise<string> {
  const { success, stdout } = await new Deno.Command("xdotool", {
    args: ["search", "--sync", "--onlyvisible", "--name", `^${title}$`],
    env: { DISPLAY: display },
  }).output();
  if (!success) throw new Error(`No window "${title}"`);
  return new TextDecoder().decode(stdout).trim().split("\n")[0];
}

async function xdotool(display: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("xdotool", {
    args,
    env: { DISPLAY: display },
  }).output();
  if (!success) throw new Error(`xdotool failed: ${new TextDecoder().decode(stderr)}`);
}

/**
 * Looks at the X screen some times within `seconds`. The page keeps what it shows at the same
 * moments by its own clock, so that neither waits for a message, and hands it over afterwards.
 */
async function lookOften(page: Page, display: string, seconds: number): Promise<Picture[]> {
  const from = now();
  const times = Array.from(
    { length: LOOKS_PER_PHASE },
    (_, i) => from + seconds * 1000 * (i + 1) / (LOOKS_PER_PHASE + 1),
  );
  const kept = page.evaluate(
    (times) => (globalThis as unknown as ReaderInPage).keepAt(times),
    times,
  );
  const looks: Picture[] = [];
  for (const atMs of times) {
    await pause(Math.max(0, atMs - now()) / 1000);
    looks.push(readXScreen(display));
  }
  await kept;
  return looks;
}

async function compareLooks(page: Page, looks: readonly Picture[]): Promise<number[]> {
  const found: number[] = [];
  for (const look of looks) found.push(ssim(await nextKept(page), look));
  return found;
}

/**
 * Milliseconds from the X screen's last change until the page shows it pixel by pixel, or null
 * after some seconds. The page notes what it shows at each frame, so that looking at the X screen
 * until it rests takes nothing away; the last look that still saw a change counts as the change.
 */
async function untilExact({ page }: Shown, display: string): Promise<number | null> {
  let changedAt = now();
  await page.evaluate(() => (globalThis as unknown as ReaderInPage).record());
  let hash = hashOf(readXScreen(display).rgba);
  for (let still = 0; still < STILL_LOOKS;) {
    const lookedAt = now();
    await pause(LOOK_PAUSE_SECONDS);
    const next = hashOf(readXScreen(display).rgba);
    still = next === hash ? still + 1 : 0;
    if (next !== hash) changedAt = lookedAt;
    hash = next;
  }
  const seenAt = await page.evaluate(
    ({ hash, timeoutMs }) => (globalThis as unknown as ReaderInPage).firstSeen(hash, timeoutMs),
    { hash, timeoutMs: EXACT_TIMEOUT_MS },
  );
  return seenAt === null ? null : Math.max(0, seenAt - changedAt);
}

const now = (): number => performance.timeOrigin + performance.now();

interface ReaderInPage {
  read(): { data: Uint8ClampedArray; width: number; height: number };
  hashOf(rgba: Uint8Array | Uint8ClampedArray): number;
  /** Keeps what is shown at these times, in ms since 1970. */
  keepAt(times: readonly number[]): Promise<void>;
  /** What was kept, the oldest first. */
  readonly kept: { data: Uint8ClampedArray; width: number; height: number }[];
  /** Starts to note the hash of each frame. */
  record(): void;
  /** When a frame with this hash was first shown, in ms since 1970; ends the notes. */
  firstSeen(hash: number, timeoutMs: number): Promise<number | null>;
}

/** FNV-1a over the colours. */
function hashOf(rgba: Uint8Array | Uint8ClampedArray): number {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length >>> 2);
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i] & 0xffffff, 0x01000193);
  return hash >>> 0;
}

/** Gives the page all of `ReaderInPage` but `hashOf`. */
function installReader(): void {
  let canvas = new OffscreenCanvas(1, 1);
  const read = () => {
    const screens = ["screen-video", "screen-canvas"]
      .map((id) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`))
      .filter((element) => element?.checkVisibility() === true);
    const theirs = document.querySelector<HTMLElement>("#screen canvas");
    const shown = theirs === null ? screens : [theirs];
    const first = shown[0] as HTMLVideoElement | HTMLCanvasElement;
    const width = first instanceof HTMLVideoElement ? first.videoWidth : first.width;
    const height = first instanceof HTMLVideoElement ? first.videoHeight : first.height;
    if (canvas.width !== width || canvas.height !== height) {
      canvas = new OffscreenCanvas(width, height);
    }
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    for (const screen of shown) context.drawImage(screen as HTMLCanvasElement, 0, 0);
    return context.getImageData(0, 0, width, height);
  };
  const kept: ImageData[] = [];
  const keepAt = async (times: readonly number[]) => {
    for (const at of times) {
      const waitMs = at - performance.timeOrigin - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
      kept.push(read());
    }
  };
  let notes: Map<number, number> | null = null;
  const record = () => {
    const mine = notes = new Map<number, number>();
    const note = () => {
      if (notes !== mine) return;
      const { data } = read();
      const at = performance.timeOrigin + performance.now();
      const hash = (globalThis as unknown as ReaderInPage).hashOf(data);
      if (!mine.has(hash)) mine.set(hash, at);
      requestAnimationFrame(note);
    };
    note();
  };
  const firstSeen = async (hash: number, timeoutMs: number) => {
    const until = performance.now() + timeoutMs;
    while (notes?.has(hash) !== true && performance.now() < until) {
      await new Promise(requestAnimationFrame);
    }
    const at = notes?.get(hash) ?? null;
    notes = null;
    return at;
  };
  Object.assign(globalThis, { read, keepAt, kept, record, firstSeen });
}

/** The oldest picture that the page keeps, which it then forgets. */
async function nextKept(page: Page): Promise<Picture> {
  const { width, height, base64 } = await page.evaluate(() => {
    const { data, width, height } = (globalThis as unknown as ReaderInPage).kept.shift()!;
    let binary = "";
    for (let at = 0; at < data.length; at += 0x8000) {
      binary += String.fromCharCode(...data.subarray(at, at + 0x8000));
    }
    return { width, height, base64: btoa(binary) };
  });
  return { width, height, rgba: new Uint8Array(Buffer.from(base64, "base64")) };
}
