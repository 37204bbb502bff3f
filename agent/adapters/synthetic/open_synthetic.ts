import { type InputMessage, type Rect } from "@farglass/protocol";
import { ARROW_CURSOR } from "../../core/arrow_cursor.ts";
import { type FrameLimiter, frameLimiter, taken, waitMs } from "../../core/frame_limiter.ts";
import type { Display } from "../../core/displays.ts";
import type { Capture, CaptureEvents, CursorShape, Frame, InputSink } from "../../core/ports.ts";
import {
  initialSynthetic,
  nextDeadline,
  step,
  type SyntheticEvent,
  type SyntheticState,
} from "../../core/synthetic_desktop.ts";
import {
  DEFAULT_SYNTHETIC_SIZE,
  MAX_SYNTHETIC_SIZE,
  MIN_SYNTHETIC_SIZE,
} from "../../core/synthetic_layout.ts";
import { paintSynthetic } from "../../core/synthetic_paint.ts";

export interface SyntheticOptions {
  /** 800 to 1920, 1280 when left out. */
  readonly width?: number;
  /** 600 to 1080, 720 when left out. */
  readonly height?: number;
  readonly maxFps: number;
  /** 1 or 2, side by side; 1 when left out. */
  readonly displays?: number;
}

/** Opens the built-in desktop; throws a RangeError for a size that settings should have refused. */
export function openSynthetic(
  options: SyntheticOptions,
): { readonly capture: Capture; readonly input: InputSink } {
  const { width = DEFAULT_SYNTHETIC_SIZE.width, height = DEFAULT_SYNTHETIC_SIZE.height } = options;
  if (
    !Number.isInteger(width) || width < MIN_SYNTHETIC_SIZE.width ||
    width > MAX_SYNTHETIC_SIZE.width || !Number.isInteger(height) ||
    height < MIN_SYNTHETIC_SIZE.height || height > MAX_SYNTHETIC_SIZE.height
  ) throw new RangeError(`A synthetic desktop of ${width}×${height} pixels`);
  const capture = new SyntheticCapture({ width, height }, options);
  const input: InputSink = {
    pointer: true,
    keyboard: true,
    play: (message) => capture.play(message),
    releaseAll: () => capture.play({ kind: "release-all" }),
    close: () => capture.play({ kind: "release-all" }),
  };
  return { capture, input };
}

/** Runs the synthetic desktop on the process's clock; one timer, and none while nothing moves. */
class SyntheticCapture implements Capture {
  readonly name = "synthetic";
  readonly width: number;
  readonly height: number;
  readonly displays: readonly Display[];
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #pixels: Uint8Array<ArrayBuffer>;
  #state: SyntheticState;
  #limiter: FrameLimiter;
  #damage: Rect[];
  #events: CaptureEvents | null = null;
  #last: Frame | null = null;
  #shape: CursorShape | null = null;
  #pointerMoved = true;
  #sequence = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #soon = false;
  #closed = false;

  constructor(
    display: { readonly width: number; readonly height: number },
    { maxFps, displays = 1 }: SyntheticOptions,
  ) {
    this.width = display.width * displays;
    this.height = display.height;
    this.displays = Array.from({ length: displays }, (_, i) => ({
      ...{ id: `synthetic-${i + 1}`, name: `Synthetic ${i + 1}`, primary: i === 0 },
      ...{ x: i * display.width, y: 0, ...display, rotation: 0 as const },
    }));
    this.#words = new Uint32Array(this.width * this.height);
    this.#pixels = new Uint8Array(this.#words.buffer);
    this.#state = initialSynthetic(display.width, display.height, performance.now(), displays);
    this.#limiter = frameLimiter(maxFps);
    this.#damage = [this.#state.layout.screen];
  }

  start(events: CaptureEvents): void {
    if (this.#events !== null) throw new Error("The capture has been started already");
    this.#events = events;
    this.#workSoon();
  }

  current(): Frame | null {
    return this.#last === null || this.#closed ? null : { ...this.#last, damage: [] };
  }

  cursor(): { readonly shape: CursorShape; readonly x: number; readonly y: number } | null {
    if (this.#shape === null) return null;
    return { shape: this.#shape, x: this.#state.x, y: this.#state.y };
  }

  close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    return Promise.resolve();
  }

  play(input: InputMessage): void {
    if (this.#closed) return;
    this.#apply({ kind: "input", input });
    if (input.kind === "move" || input.kind === "button" || input.kind === "wheel") {
      this.#pointerMoved = true;
    }
    this.#workSoon();
  }

  #apply(event: SyntheticEvent): void {
    const [state, damage] = step(this.#state, event, performance.now());
    this.#state = state;
    this.#damage.push(...damage);
  }

  /** After the caller has returned: never call back into somebody who is calling us. */
  #workSoon(): void {
    if (this.#soon || this.#events === null) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      this.#work();
    });
  }

  #work(): void {
    const events = this.#events;
    if (this.#closed || events === null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#shape === null) {
      this.#shape = ARROW_CURSOR;
      events.onCursorShape(ARROW_CURSOR);
    }
    if (this.#pointerMoved) {
      this.#pointerMoved = false;
      events.onCursorPosition(this.#state.x, this.#state.y);
    }
    this.#apply({ kind: "tick" });
    if (this.#damage.length > 0 && waitMs(this.#limiter, performance.now()) === 0) {
      this.#emit(events);
    }
    if (!this.#closed) this.#arm();
  }

  #emit(events: CaptureEvents): void {
    const now = performance.now();
    this.#limiter = taken(this.#limiter, now);
    const damage = this.#damage;
    this.#damage = [];
    for (const rect of damage) paintSynthetic(this.#state, this.#words, rect);
    const frame: Frame = {
      sequence: ++this.#sequence,
      width: this.width,
      height: this.height,
      strideBytes: this.width * 4,
      pixels: this.#pixels,
      damage,
      capturedAtMs: now,
    };
    this.#last = frame;
    events.onFrame(frame);
  }

  /** One timer for the next step of the object or the next allowed frame. */
  #arm(): void {
    const now = performance.now();
    const deadline = nextDeadline(this.#state);
    let delayMs = deadline === null ? Infinity : deadline - now;
    if (this.#damage.length > 0) delayMs = Math.min(delayMs, waitMs(this.#limiter, now));
    if (delayMs === Infinity) return;
    this.#timer = setTimeout(() => this.#work(), Math.max(0, Math.ceil(delayMs)));
  }
}
