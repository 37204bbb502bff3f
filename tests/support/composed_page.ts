/// <reference lib="dom" />
/** Hybrid mode as it is seen: the page's own screenshot, and the picture at every animation frame. */
import { Buffer } from "node:buffer";
import type { Rect } from "@farglass/protocol";
import type { Page } from "playwright-core";
import { CELL_PX, CELLS, readClockCells } from "./clock_cells.ts";
import { waitFor } from "./console_page.ts";
import type { Picture } from "./xshot.ts";

/**
 * What the browser composed of the desktop, at one desktop pixel to one CSS pixel: choose "1:1" in
 * the toolbar and a viewport that holds all of it.
 */
export async function composedPicture(page: Page): Promise<Picture> {
  const box = await page.getByTestId("stage").boundingBox();
  if (box === null) throw new Error("There is no stage");
  const png = await page.screenshot({ clip: box });
  const shot = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d")!;
    context.drawImage(bitmap, 0, 0);
    const rgba = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
    let binary = "";
    for (let at = 0; at < rgba.length; at += 0x8000) {
      binary += String.fromCharCode(...rgba.subarray(at, at + 0x8000));
    }
    return { width, height, base64: btoa(binary) };
  }, png.toString("base64"));
  const rgba = new Uint8Array(Buffer.from(shot.base64, "base64"));
  return { width: shot.width, height: shot.height, rgba };
}

/** How many pixels of `rect` differ between two pictures of the same screen. */
export function differencesIn(a: Picture, b: Picture, rect: Rect): number {
  let count = 0;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) {
      const from = (y * a.width + x) * 4;
      const to = (y * b.width + x) * 4;
      if (
        a.rgba[from] !== b.rgba[to] || a.rgba[from + 1] !== b.rgba[to + 1] ||
        a.rgba[from + 2] !== b.rgba[to + 2]
      ) count++;
    }
  }
  return count;
}

/** Waits until the video shows through the canvas at this desktop pixel, or no longer does. */
export async function waitForVideoAt(
  page: Page,
  at: { readonly x: number; readonly y: number; readonly video: boolean },
): Promise<void> {
  await waitFor(
    page,
    `${at.video ? "video" : "patches"} at ${at.x},${at.y}`,
    ({ x, y, video }) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-testid="screen-canvas"]');
      if (canvas === null || !canvas.checkVisibility()) return false;
      const probe = new OffscreenCanvas(1, 1).getContext("2d")!;
      probe.drawImage(canvas, x, y, 1, 1, 0, 0, 1, 1);
      return (probe.getImageData(0, 0, 1, 1).data[3] === 0) === video;
    },
    at,
    15_000,
  );
}

/** Frames that the video element has shown. */
export const presentedFrames = (page: Page): Promise<number> =>
  page.evaluate(() =>
    document.querySelector<HTMLVideoElement>('[data-testid="screen-video"]')
      ?.getVideoPlaybackQuality().totalVideoFrames ?? 0
  );

/** One animation frame's look at the painted clock. */
export interface ClockLook {
  /** The painted time, or null when it was torn or none. */
  readonly time: number | null;
  readonly video: boolean;
}

/** Begins to look at the clock with every animation frame. */
export async function watchClock(page: Page): Promise<void> {
  await page.evaluate(({ cells, cellPx }) => {
    const width = cells * cellPx;
    const context = new OffscreenCanvas(width, 1).getContext("2d", { willReadFrequently: true })!;
    const looks: { bits: string; video: boolean }[] = [];
    Object.assign(globalThis, { looks });
    const look = () => {
      const video = document.querySelector<HTMLVideoElement>('[data-testid="screen-video"]')!;
      const canvas = document.querySelector<HTMLCanvasElement>('[data-testid="screen-canvas"]')!;
      context.clearRect(0, 0, width, 1);
      if (canvas.checkVisibility() && canvas.width > 0) {
        context.drawImage(canvas, 0, cellPx / 2, width, 1, 0, 0, width, 1);
      }
      const through = context.getImageData(8, 0, 1, 1).data[3] === 0;
      if (through && video.checkVisibility()) {
        context.drawImage(video, 0, cellPx / 2, width, 1, 0, 0, width, 1);
      }
      const { data } = context.getImageData(0, 0, width, 1);
      const bits = Array.from(
        { length: cells },
        (_, i) => data[(i * cellPx + cellPx / 2) * 4] > 127 ? "1" : "0",
      ).join("");
      looks.push({ bits, video: through });
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, { cells: CELLS, cellPx: CELL_PX });
}

/** What was seen since `watchClock`. */
export async function clockLooks(page: Page): Promise<ClockLook[]> {
  const looks = await page.evaluate(() =>
    (globalThis as unknown as { looks: { bits: string; video: boolean }[] }).looks
  );
  return looks.map(({ bits, video }) => ({
    time: readClockCells([...bits].map((bit) => bit === "1")),
    video,
  }));
}
