import { MAX_SCREEN_PIXELS, MAX_SCREEN_SIDE_PX, type Rect } from "@farglass/protocol";
import { type FrameLimiter, frameLimiter, taken, waitMs } from "../../core/frame_limiter.ts";
import type { Display } from "../../core/displays.ts";
import type { Capture, CaptureEvents, CursorShape, Frame } from "../../core/ports.ts";
import { rowBands, tidyDamage } from "../../core/region.ts";
import type { XConnection } from "./connection.ts";
import { PointerQuery, readCursorShape, selectCursorEvents, XI_RAW_MOTION } from "./cursor.ts";
import { RootDamage } from "./damage.ts";
import { CONFIGURE_NOTIFY, EVENT, GENERIC_EVENT } from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";
import { DisplayReader } from "./monitors.ts";
import { ShmImage } from "./shm_image.ts";
import { Waiter } from "./waiter.ts";

/** More rectangles than this tell an encoder nothing that a few larger ones do not. */
const MAX_DAMAGE_RECTS = 512;
const STRUCTURE_NOTIFY_MASK = 1n << 17n;
/** A moving pointer is reported this often; the console draws it between the frames. */
const POINTER_INTERVAL_MS = 16;
/** A program that warps the pointer causes no motion event: look after changes, but rarely. */
const WARP_CHECK_MS = 100;
/** Pixels that somebody holds are let go within a few milliseconds: look again after so long. */
const HELD_CHECK_MS = 1;
/** Sizes may change again while an image is being made; more often than this is a fault. */
const MAX_RESIZE_ATTEMPTS = 8;

export interface X11CaptureOptions {
  readonly maxFps: number;
  /** Event numbers that the server gave its extensions. */
  readonly events: {
    readonly damageNotify: number;
    readonly cursorNotify: number;
    readonly xiOpcode: number;
  };
  /** Called once, after `close` has given everything back but the libraries. */
  onClosed(): void;
}

/** A screen of this size that the product can carry. */
export const screenFits = (size: { readonly width: number; readonly height: number }): boolean =>
  size.width <= MAX_SCREEN_SIDE_PX && size.height <= MAX_SCREEN_SIDE_PX &&
  size.width * size.height <= MAX_SCREEN_PIXELS;

/** The X screen: XDamage says when to look, MIT-SHM brings the pixels. */
export class X11Capture implements Capture {
  readonly name = "x11";
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #options: X11CaptureOptions;
  readonly #waiter: Waiter;
  readonly #damage: RootDamage;
  readonly #pointerQuery = new PointerQuery();
  readonly #reader: DisplayReader;
  #displays: readonly Display[];
  #image: ShmImage;
  #limiter: FrameLimiter;
  #events: CaptureEvents | null = null;
  #running: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #closed = false;
  /** What has to be looked at. */
  #changed = true;
  #changedAtMs: number | null = null;
  #resized = false;
  #displaysChanged = false;
  #wholeScreen = true;
  #shapeChanged = true;
  /** When to ask for the pointer; null while nothing suggests that it has moved. */
  #pointerDueMs: number | null = -Infinity;
  #pointerReadAtMs = -Infinity;
  #last: Frame | null = null;
  #sequence = 0;
  /** How many read the image on other threads now, and who waits for the last of them. */
  #holds = 0;
  #onReleased: (() => void) | null = null;
  #shape: CursorShape | null = null;
  #x = 0;
  #y = 0;

  constructor(
    libraries: X11Libraries,
    connection: XConnection,
    image: ShmImage,
    options: X11CaptureOptions,
  ) {
    this.#libraries = libraries;
    this.#connection = connection;
    this.#image = image;
    this.#options = options;
    this.#limiter = frameLimiter(options.maxFps);
    this.#waiter = new Waiter(libraries, connection.descriptor);
    this.#damage = new RootDamage(libraries, connection);
    // RandR changes the root window's size; ConfigureNotify reports that to every client.
    libraries.x.XSelectInput(connection.display, connection.root, STRUCTURE_NOTIFY_MASK);
    selectCursorEvents(libraries, connection);
    this.#reader = new DisplayReader(libraries, connection);
    this.#displays = this.#reader.read();
    connection.sync();
  }

  get width(): number {
    return this.#image.width;
  }

  get height(): number {
    return this.#image.height;
  }

  get displays(): readonly Display[] {
    return this.#displays;
  }

  start(events: CaptureEvents): void {
    if (this.#events !== null) throw new Error("The capture has been started already");
    this.#events = events;
    if (this.#closed) return;
    this.#running = this.#run(events);
  }

  current(): Frame | null {
    return this.#last === null || this.#closed ? null : { ...this.#last, damage: [] };
  }

  cursor(): { readonly shape: CursorShape; readonly x: number; readonly y: number } | null {
    return this.#shape === null ? null : { shape: this.#shape, x: this.#x, y: this.#y };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#waiter.wake();
    await this.#running;
    if (this.#holds > 0) await new Promise<void>((resolve) => this.#onReleased = resolve);
    this.#waiter.close();
    this.#damage.close();
    this.#image.close();
    this.#connection.close();
    this.#options.onClosed();
  }

  async #run(events: CaptureEvents): Promise<void> {
    // Never call back before `start` has returned.
    await Promise.resolve();
    try {
      while (!this.#closed) {
        const waitForMs = this.#work(events);
        if (this.#closed) return;
        if (!await this.#waiter.wait(waitForMs)) throw serverGone();
      }
    } catch (cause) {
      if (this.#closed) return;
      this.#closed = true;
      events.onFault(cause instanceof Error ? cause : new Error("Capture failed", { cause }));
      // Not awaited: closing waits for this very loop.
      void this.close();
    }
  }

  /** Does all that is due and returns how long to sleep, null until the next X event. */
  #work(events: CaptureEvents): number | null {
    for (;;) {
      this.#readEvents();
      if (this.#shapeChanged) this.#readShape(events);
      const held = this.#holds > 0;
      if (this.#resized && !held) this.#resize();
      if (this.#displaysChanged) this.#readDisplays(events);
      if (this.#connection.lost) throw serverGone();
      let waitForMs: number | null = null;
      if (held && (this.#changed || this.#resized)) waitForMs = HELD_CHECK_MS;
      else if (this.#changed) {
        waitForMs = waitMs(this.#limiter, performance.now());
        if (waitForMs === 0) {
          this.#takeFrame(events);
          if (this.#closed) return null;
          continue;
        }
      }
      const now = performance.now();
      if (this.#pointerDueMs !== null) {
        const due = this.#pointerDueMs - now;
        if (due <= 0) {
          this.#readPointer(events, now);
          continue;
        }
        waitForMs = Math.min(waitForMs ?? Infinity, due);
      }
      // A reply that was waited for above may have brought events with it: they are in Xlib's queue,
      // and its descriptor says nothing of them.
      if (this.#readEvents()) continue;
      return waitForMs;
    }
  }

  /** Notes what the waiting events say; false when there were none. */
  #readEvents(): boolean {
    const connection = this.#connection;
    const { damageNotify, cursorNotify, xiOpcode } = this.#options.events;
    let any = false;
    while (connection.nextEvent()) {
      any = true;
      const { event } = connection;
      const type = event.getInt32(EVENT.type, true);
      if (type === damageNotify) {
        this.#changed = true;
        this.#changedAtMs ??= performance.now();
      } else if (type === cursorNotify) this.#shapeChanged = true;
      else if (type === CONFIGURE_NOTIFY) {
        if (event.getBigUint64(EVENT.configure.window, true) === connection.root) {
          this.#resized = true;
          // The server says so, too, when only a monitor was named, moved or removed.
          this.#displaysChanged = true;
        }
      } else if (this.#reader.isChange(event)) {
        // A screen that is turned need not send a ConfigureNotify.
        this.#resized = true;
        this.#displaysChanged = true;
      } else if (
        type === GENERIC_EVENT &&
        event.getInt32(EVENT.generic.extension, true) === xiOpcode &&
        event.getInt32(EVENT.generic.evtype, true) === XI_RAW_MOTION
      ) this.#askPointerAfter(POINTER_INTERVAL_MS);
    }
    if (connection.lost) throw serverGone();
    return any;
  }

  #readDisplays(events: CaptureEvents): void {
    this.#displaysChanged = false;
    this.#displays = this.#reader.read();
    if (this.#connection.lost) throw serverGone();
    events.onDisplays(this.#displays);
  }

  #readShape(events: CaptureEvents): void {
    this.#shapeChanged = false;
    this.#shape = readCursorShape(this.#libraries, this.#connection);
    if (this.#connection.lost) throw serverGone();
    events.onCursorShape(this.#shape);
  }

  /** Asks for the pointer once, this long after the last time. */
  #askPointerAfter(intervalMs: number): void {
    this.#pointerDueMs = Math.min(
      this.#pointerDueMs ?? Infinity,
      this.#pointerReadAtMs + intervalMs,
    );
  }

  #readPointer(events: CaptureEvents, nowMs: number): void {
    this.#pointerDueMs = null;
    const first = this.#pointerReadAtMs === -Infinity;
    this.#pointerReadAtMs = nowMs;
    const at = this.#pointerQuery.read(this.#libraries, this.#connection);
    if (at === null) throw serverGone();
    if (!first && at.x === this.#x && at.y === this.#y) return;
    this.#x = at.x;
    this.#y = at.y;
    events.onCursorPosition(at.x, at.y);
  }

  /** Makes an image of the screen's new size, if it has one. */
  #resize(): void {
    this.#resized = false;
    const size = this.#connection.screenSize();
    if (size === null) throw serverGone();
    if (size.width === this.#image.width && size.height === this.#image.height) return;
    if (!screenFits(size)) {
      throw new Error(`The screen of ${size.width}×${size.height} pixels is too large to share`);
    }
    const made = ShmImage.create(this.#libraries, this.#connection, size);
    if (!made.ok) throw new Error(made.error.message);
    this.#image.close();
    this.#image = made.value;
    this.#last = null;
    this.#changed = true;
    this.#wholeScreen = true;
  }

  #damageOf(reported: readonly Rect[]): Rect[] {
    const { width, height } = this.#image;
    return this.#wholeScreen
      ? [{ x: 0, y: 0, width, height }]
      : tidyDamage(reported, { width, height }, MAX_DAMAGE_RECTS);
  }

  /** Neither overwritten nor given back until the returned function is called. */
  #hold(): () => void {
    this.#holds++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holds === 0) this.#onReleased?.();
    };
  }

  #takeFrame(events: CaptureEvents): void {
    const now = performance.now();
    const changedAtMs = this.#changedAtMs ?? now;
    this.#changedAtMs = null;
    const reported = this.#damage.take();
    if (reported.length === 0 && !this.#wholeScreen) {
      this.#changed = false;
      return;
    }
    let damage = this.#damageOf(reported);
    for (let attempt = 0; !this.#image.read(rowBands(damage, this.height)); attempt++) {
      // The screen shrank before its ConfigureNotify was read: BadMatch.
      this.#connection.takeError();
      if (this.#connection.lost) throw serverGone();
      if (attempt === MAX_RESIZE_ATTEMPTS) throw new Error("The X server refuses to be read");
      this.#resize();
      damage = this.#damageOf(reported);
    }
    this.#changed = false;
    this.#limiter = taken(this.#limiter, now);
    const { width, height, strideBytes, pixels } = this.#image;
    this.#wholeScreen = false;
    this.#askPointerAfter(WARP_CHECK_MS);
    if (damage.length === 0) return;
    const frame: Frame = {
      sequence: ++this.#sequence,
      width,
      height,
      strideBytes,
      pixels,
      hold: () => this.#hold(),
      damage,
      capturedAtMs: performance.now(),
      changedAtMs,
    };
    this.#last = frame;
    events.onFrame(frame);
  }
}

const serverGone = () => new Error("The X server closed the connection");
