/// <reference lib="dom" />
/** Breaks the video of a page without breaking its path, and watches that the picture never goes black. */
import type { Page } from "playwright-core";

/** Runs in the page. Gray failure: the path lives, but once told so no frame reaches the decoder. */
export function gateVideo(): void {
  const state = globalThis as { stalled?: boolean };
  const Native = RTCPeerConnection;
  interface EncodedStreams {
    readonly readable: ReadableStream<unknown>;
    readonly writable: WritableStream<unknown>;
  }
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super({ ...configuration, encodedInsertableStreams: true } as RTCConfiguration);
      this.addEventListener("track", ({ receiver }) => {
        const streams = (receiver as unknown as { createEncodedStreams(): EncodedStreams })
          .createEncodedStreams();
        const gate = new TransformStream({
          transform(frame, controller) {
            if (state.stalled !== true) controller.enqueue(frame);
          },
        });
        streams.readable.pipeThrough(gate).pipeTo(streams.writable);
      });
    }
  };
}

/** From now on no frame reaches the decoder; the page was opened with `gateVideo`. */
export async function stallVideo(page: Page): Promise<void> {
  await page.evaluate(() => {
    (globalThis as { stalled?: boolean }).stalled = true;
  });
}

/** Animation frames that were looked at: with a black picture, no screen, or two of them. */
export interface WatchedFrames {
  readonly frames: number;
  readonly black: number;
  readonly none: number;
  readonly both: number;
}

/** Looks with every animation frame at a place of the desktop that is not black. */
export async function watchForBlack(
  page: Page,
  place: { readonly x: number; readonly y: number },
): Promise<void> {
  await page.evaluate(({ x, y }) => {
    const watched = { frames: 0, black: 0, none: 0, both: 0 };
    Object.assign(globalThis, { watched });
    const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
    const look = () => {
      const shown = ["screen-video", "screen-canvas"]
        .map((id) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`))
        .filter((element) => element?.checkVisibility());
      watched.frames++;
      if (shown.length === 0) watched.none++;
      if (shown.length === 2) watched.both++;
      probe.clearRect(0, 0, 1, 1);
      // The canvas is above the video.
      for (const screen of shown) {
        probe.drawImage(screen as HTMLVideoElement | HTMLCanvasElement, x, y, 1, 1, 0, 0, 1, 1);
      }
      const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
      if (r + g + b < 60) watched.black++;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, place);
}

/** What was seen since `watchForBlack`. */
export const watchedFrames = (page: Page): Promise<WatchedFrames> =>
  page.evaluate(() => (globalThis as unknown as { watched: WatchedFrames }).watched);
