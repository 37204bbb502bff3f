/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The console as its operator sees it: signs in, waits for events, reads the visible pixels. */
import { Buffer } from "node:buffer";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Transport } from "@farglass/protocol";
import { CELL_PX, CELLS, readClockCells } from "./clock_cells.ts";
import type { Picture } from "./xshot.ts";

export interface OpenOptions {
  /** A fresh sign-in link. */
  readonly consoleUrl: string;
  /** Connects at once by `?connect=`. */
  readonly connect?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
  /** Runs in the page before any of its scripts. */
  readonly init?: () => void;
  /** Prepares the context before its first page. */
  readonly prepare?: (context: BrowserContext) => Promise<void>;
  /** Further context options, e.g. a stored sign-in. */
  readonly context?: Parameters<Browser["newContext"]>[0];
}

export interface ConsolePage extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page wrote to its console and every uncaught error, oldest first. */
  readonly log: readonly string[];
}

/** Signs in with the link and opens the list, or a session when `connect` is given. */
export async function openConsole(browser: Browser, options: OpenOptions): Promise<ConsolePage> {
  const context = await browser.newContext({
    viewport: options.viewport ?? { width: 1366, height: 768 },
    colorScheme: options.colorScheme ?? "light",
    ...options.context,
  });
  if (options.init !== undefined) await context.addInitScript(options.init);
  await options.prepare?.(context);
  const page = await context.newPage();
  const log: string[] = [];
  page.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => log.push(`uncaught: ${error.message}`));
  try {
    const url = new URL(options.consoleUrl);
    if (options.connect !== undefined) url.searchParams.set("connect", options.connect);
    await page.goto(url.href, { waitUntil: "domcontentloaded" });
  } catch (error) {
    await context.close();
    throw error;
  }
  return { page, context, log, [Symbol.asyncDispose]: () => context.close() };
}

/** Waits until the HUD names `transport` and the screen has been painted by it. */
export async function waitForTransport(
  page: Page,
  transport: Exclude<Transport, "none">,
  timeoutMs = 20_000,
): Promise<void> {
  await waitFor(
    page,
    `transport "${transport}"`,
    (wanted) => {
      const hud = document.querySelector<HTMLElement>('[data-testid="hud-transport"]');
      const shown = hud?.dataset.value ?? hud?.textContent ?? "";
      const video = document.querySelector<HTMLVideoElement>('[data-testid="screen-video"]');
      const canvas = document.querySelector<HTMLElement>('[data-testid="screen-canvas"]');
      const byVideo = wanted === "rtp" || wanted === "hybrid";
      const byCanvas = wanted !== "rtp";
      return shown.includes(wanted) &&
        (!byCanvas || canvas?.checkVisibility() === true) &&
        (!byVideo || (video !== null && video.checkVisibility() && video.videoWidth > 0));
    },
    transport,
    timeoutMs,
  );
}

/** Waits until `data-testid=hud-stage` says `stage`. */
export async function waitForStage(page: Page, stage: string, timeoutMs = 20_000): Promise<void> {
  await waitFor(
    page,
    `stage "${stage}"`,
    (wanted) => {
      const hud = document.querySelector<HTMLElement>('[data-testid="hud-stage"]');
      return (hud?.dataset.value ?? hud?.textContent ?? "").includes(wanted);
    },
    stage,
    timeoutMs,
  );
}

/** `page.waitForFunction` that says on failure what the HUD showed instead. */
export async function waitFor<Argument>(
  page: Page,
  what: string,
  predicate: (argument: Argument) => boolean,
  argument: Argument,
  timeoutMs = 20_000,
): Promise<void> {
  try {
    // Playwright cannot express that the argument is passed through unchanged.
    await page.waitForFunction(predicate as (argument: unknown) => boolean, argument, {
      timeout: timeoutMs,
    });
  } catch (error) {
    const shown = JSON.stringify(await hud(page).catch(() => null), null, 1);
    throw new Error(`No ${what} within ${timeoutMs} ms; the HUD shows ${shown}`, { cause: error });
  }
}

/** Text of each HUD element by the part of its test id after `hud-`; `timeline` has one line each. */
export async function hud(page: Page): Promise<Record<string, string>> {
  return await page.evaluate(() => {
    const entries: Record<string, string> = {};
    for (const element of document.querySelectorAll<HTMLElement>('[data-testid^="hud-"]')) {
      const name = element.dataset.testid!.slice("hud-".length);
      entries[name] = element.dataset.value ?? element.innerText.trim();
    }
    return entries;
  });
}

/**
 * The pixels of `screen-video` and above it `screen-canvas`, whichever is visible, at desktop size;
 * `from` is `hybrid` when both are.
 */
export async function readScreen(page: Page): Promise<Picture & { readonly from: string }> {
  const shot = await page.evaluate(() => {
    const screens = ["screen-video", "screen-canvas"]
      .map((id) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`))
      .filter((element) => element !== null && element.checkVisibility());
    if (screens.length === 0) throw new Error("No screen is visible");
    const screen = screens.at(-1) as HTMLVideoElement | HTMLCanvasElement;
    const isVideo = screen instanceof HTMLVideoElement;
    const width = isVideo ? screen.videoWidth : screen.width;
    const height = isVideo ? screen.videoHeight : screen.height;
    if (width === 0 || height === 0) throw new Error("The screen is empty");
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    // In hybrid mode the canvas is above the video, and transparent where the video is to be seen.
    for (const s of screens) {
      context.drawImage(s as HTMLVideoElement | HTMLCanvasElement, 0, 0, width, height);
    }
    const bytes = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
    let binary = "";
    for (let at = 0; at < bytes.length; at += 0x8000) {
      binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    }
    return {
      width,
      height,
      from: screens.length > 1 ? "hybrid" : screen.dataset.testid!,
      base64: btoa(binary),
    };
  });
  const rgba = new Uint8Array(Buffer.from(shot.base64, "base64"));
  return { width: shot.width, height: shot.height, from: shot.from, rgba };
}

/** Desktop coordinates to page coordinates, for `page.mouse`. */
export async function toPagePoint(
  page: Page,
  x: number,
  y: number,
): Promise<{ readonly x: number; readonly y: number }> {
  return await page.evaluate(([x, y]) => {
    const screen = ["screen-video", "screen-canvas"]
      .map((id) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`))
      .find((element) => element?.checkVisibility()) as
        | HTMLVideoElement
        | HTMLCanvasElement
        | undefined;
    if (screen === undefined) throw new Error("No screen is visible");
    const isVideo = screen instanceof HTMLVideoElement;
    const width = isVideo ? screen.videoWidth : screen.width;
    const height = isVideo ? screen.videoHeight : screen.height;
    const box = screen.getBoundingClientRect();
    // `object-fit: contain` keeps the aspect ratio and centres the picture.
    const scale = Math.min(box.width / width, box.height / height);
    return {
      x: box.left + (box.width - width * scale) / 2 + (x + 0.5) * scale,
      y: box.top + (box.height - height * scale) / 2 + (y + 0.5) * scale,
    };
  }, [x, y]);
}

/** The painted clock in a picture of the screen, or null. */
export function clockIn(picture: Picture): number | null {
  const y = CELL_PX / 2;
  const cells = Array.from({ length: CELLS }, (_, i) => {
    const at = (y * picture.width + i * CELL_PX + CELL_PX / 2) * 4;
    return picture.rgba[at] + picture.rgba[at + 1] + picture.rgba[at + 2] > 3 * 128;
  });
  return readClockCells(cells);
}
