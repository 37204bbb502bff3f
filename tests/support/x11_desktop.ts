/** The agent's X11 adapter under test: its frames one by one, and a shadow picture made of damage. */
import assert from "node:assert/strict";
import { openX11, type X11Desktop, type X11Options } from "../../agent/adapters/x11/open_x11.ts";
import type { Display } from "../../agent/core/displays.ts";
import type { CursorShape, Frame } from "../../agent/core/ports.ts";
import type { Picture } from "./xshot.ts";

const BOUND_MS = 20_000;

/** Fails with `what` when `promise` takes longer than 20 s. */
export async function bounded<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No ${what} within ${BOUND_MS} ms`)), BOUND_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface WatchedDesktop extends AsyncDisposable {
  readonly desktop: X11Desktop;
  readonly frames: readonly Omit<Frame, "pixels">[];
  readonly shapes: readonly CursorShape[];
  readonly positions: readonly (readonly [number, number])[];
  readonly faults: readonly Error[];
  /** Each list of displays that was told after the start. */
  readonly displays: readonly (readonly Display[])[];
  /** Only the damaged rectangles of each frame were copied into it; RGBA. */
  shadow(): Picture;
  /** Resolves when `done` holds, which is asked after each event of the capture. */
  until(done: () => boolean, what: string): Promise<void>;
}

/** Opens `display`, starts the capture and waits for its first frame. */
export async function watchDesktop(
  display: string,
  options: Partial<X11Options> = {},
): Promise<WatchedDesktop> {
  const opened = await openX11({ display, maxFps: 60, ...options });
  if (!opened.ok) throw new Error(opened.error.message);
  const desktop = opened.value;
  const frames: Omit<Frame, "pixels">[] = [];
  const shapes: CursorShape[] = [];
  const positions: [number, number][] = [];
  const faults: Error[] = [];
  const displays: (readonly Display[])[] = [];
  const waiting = new Set<() => void>();
  let picture: Picture = { width: 0, height: 0, rgba: new Uint8Array(0) };
  const happened = () => waiting.forEach((look) => look());
  desktop.capture.start({
    onFrame(frame) {
      picture = copyDamage(picture, frame);
      const { pixels: _, ...rest } = frame;
      frames.push(rest);
      happened();
    },
    onDisplays: (list) => (displays.push(list), happened()),
    onCursorShape: (shape) => (shapes.push(shape), happened()),
    onCursorPosition: (x, y) => (positions.push([x, y]), happened()),
    onFault: (error) => (faults.push(error), happened()),
  });
  const until = (done: () => boolean, what: string) =>
    bounded(
      new Promise<void>((resolve) => {
        const look = () => {
          if (!done()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
      what,
    );
  await until(() => frames.length > 0, "first frame");
  return {
    desktop,
    frames,
    shapes,
    positions,
    faults,
    displays,
    shadow: () => picture,
    until,
    async [Symbol.asyncDispose]() {
      desktop.input.close();
      await bounded(desktop.capture.close(), "end of the capture");
    },
  };
}

function copyDamage(picture: Picture, frame: Frame): Picture {
  const { width, height } = frame;
  const sameSize = picture.width === width && picture.height === height;
  if (!sameSize) assert.deepEqual(frame.damage, [{ x: 0, y: 0, width, height }]);
  const rgba = sameSize ? picture.rgba : new Uint8Array(width * height * 4);
  for (const rect of frame.damage) {
    assert.ok(rect.x >= 0 && rect.y >= 0 && rect.x + rect.width <= width);
    assert.ok(rect.y + rect.height <= height && rect.width > 0 && rect.height > 0);
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      let from = y * frame.strideBytes + rect.x * 4;
      let to = (y * width + rect.x) * 4;
      for (let x = 0; x < rect.width; x++, from += 4, to += 4) {
        rgba[to] = frame.pixels[from + 2];
        rgba[to + 1] = frame.pixels[from + 1];
        rgba[to + 2] = frame.pixels[from];
        rgba[to + 3] = 255;
      }
    }
  }
  return { width, height, rgba };
}

/** The colour of one pixel, 0xRRGGBB. */
export function pixelAt(picture: Picture, x: number, y: number): number {
  const at = (y * picture.width + x) * 4;
  const [red, green, blue] = picture.rgba.subarray(at, at + 3);
  return (red << 16) | (green << 8) | blue;
}
