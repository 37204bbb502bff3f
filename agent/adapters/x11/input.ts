import { type InputMessage, never } from "@farglass/protocol";
import { codePointToKeysym, sameButCase } from "../../core/keysyms.ts";
import {
  INITIAL_POINTER,
  type PointerOp,
  type PointerState,
  releasePointer,
  stepPointer,
} from "../../core/pointer_input.ts";
import type { InputSink } from "../../core/ports.ts";
import type { XConnection } from "./connection.ts";
import { XKeyboard } from "./keyboard.ts";
import type { X11Libraries } from "./libraries.ts";

/** Protocol button → X button; 4 to 7 are the wheel's in X. */
const X_BUTTON: readonly number[] = [0, 1, 2, 3, 8, 9];
const SCROLL_BUTTON = { up: 4, down: 5, left: 6, right: 7 } as const;
/** Input that waits for a spare key; more than this is no typing. */
const MAX_QUEUED = 4096;

type KeyMessage = Extract<InputMessage, { kind: "key" }>;

/** Milliseconds after which a task must be tried again, 0 when it is done. */
type Task = () => number;

/** Keyboard and pointer of an X screen by XTEST. */
export class X11Input implements InputSink {
  readonly pointer = true;
  readonly keyboard = true;
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #keyboard: XKeyboard;
  readonly #onClosed: () => void;
  #pointerState: PointerState = INITIAL_POINTER;
  /** Held keys: how the console names them → the keycode that was pressed for them. */
  readonly #keys = new Map<string, { readonly keycode: number; readonly keysym: number }>();
  #queue: Task[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(
    libraries: X11Libraries,
    connection: XConnection,
    options: {
      /** The number that the server gave the X Keyboard Extension's events. */
      readonly xkbEvent: number;
      /** Called once, when the connection is closed. */
      onClosed(): void;
    },
  ) {
    this.#libraries = libraries;
    this.#connection = connection;
    this.#onClosed = options.onClosed;
    this.#keyboard = new XKeyboard(libraries, connection, options.xkbEvent);
    // Our events go through even when a program grabs the server.
    libraries.test.XTestGrabControl(connection.display, 1);
    connection.sync();
  }

  play(input: InputMessage): void {
    switch (input.kind) {
      case "move":
      case "button":
      case "wheel":
        this.#enqueue(() => {
          const [state, ops] = stepPointer(this.#pointerState, input);
          this.#pointerState = state;
          for (const op of ops) this.#playPointer(op);
          return 0;
        });
        return;
      case "key":
        this.#enqueue(() => this.#playKey(input));
        return;
      case "text":
        this.#enqueue(() => {
          this.#keyboard.prepare(input.codePoints.map(codePointToKeysym));
          return 0;
        });
        for (const codePoint of input.codePoints) this.#enqueue(() => this.#type(codePoint));
        return;
      case "release-all":
        this.releaseAll();
        return;
      default:
        never(input);
    }
  }

  releaseAll(): void {
    this.#queue = [];
    if (this.#dead) return;
    for (const { keycode } of this.#keys.values()) this.#keyboard.release(keycode);
    this.#keys.clear();
    const [state, ops] = releasePointer(this.#pointerState);
    this.#pointerState = state;
    for (const op of ops) this.#playPointer(op);
    this.#flush();
  }

  close(): void {
    if (this.#closed) return;
    this.releaseAll();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#connection.lost) {
      this.#keyboard.close();
      this.#connection.sync();
    }
    this.#closed = true;
    this.#connection.close();
    this.#onClosed();
  }

  get #dead(): boolean {
    return this.#closed || this.#connection.lost;
  }

  #flush(): void {
    if (!this.#dead) this.#libraries.x.XFlush(this.#connection.display);
  }

  /** Runs a task after all that came before it. */
  #enqueue(task: Task): void {
    if (this.#dead) return;
    if (this.#queue.length >= MAX_QUEUED) this.releaseAll();
    this.#queue.push(task);
    if (this.#timer === null) this.#runQueue();
  }

  #runQueue(): void {
    this.#timer = null;
    let done = 0;
    for (const task of this.#queue) {
      if (this.#dead) break;
      const waitMs = task();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#runQueue(), Math.ceil(waitMs));
        break;
      }
      done++;
    }
    this.#queue = this.#dead ? [] : this.#queue.slice(done);
    this.#flush();
  }

  #playPointer(op: PointerOp): void {
    const { test } = this.#libraries;
    const { display, screen } = this.#connection;
    switch (op.op) {
      case "move":
        test.XTestFakeMotionEvent(display, screen, op.x, op.y, 0n);
        return;
      case "button":
        test.XTestFakeButtonEvent(display, X_BUTTON[op.button], op.down ? 1 : 0, 0n);
        return;
      case "scroll": {
        const button = op.axis === "y"
          ? (op.notches < 0 ? SCROLL_BUTTON.up : SCROLL_BUTTON.down)
          : (op.notches < 0 ? SCROLL_BUTTON.left : SCROLL_BUTTON.right);
        for (let i = 0; i < Math.abs(op.notches); i++) {
          test.XTestFakeButtonEvent(display, button, 1, 0n);
          test.XTestFakeButtonEvent(display, button, 0, 0n);
        }
        return;
      }
      default:
        never(op);
    }
  }

  #playKey(input: KeyMessage): number {
    const name = input.usage !== 0 ? `usage ${input.usage}` : `keysym ${input.keysym}`;
    if (!input.down) {
      const held = this.#keys.has(name) ? name : this.#nameByKeysym(input.keysym);
      const key = held === null ? undefined : this.#keys.get(held);
      if (held === null || key === undefined) return 0;
      this.#keys.delete(held);
      this.#keyboard.release(key.keycode);
      return 0;
    }
    // The X server repeats a held key by itself.
    if (this.#keys.has(name)) return 0;
    const outcome = this.#keyboard.press({
      usage: input.usage,
      keysym: input.keysym,
      text: false,
    });
    if (outcome.kind === "wait") return outcome.waitMs;
    if (outcome.kind === "pressed") {
      this.#keys.set(name, { keycode: outcome.keycode, keysym: input.keysym });
    }
    return 0;
  }

  /** Shift let go between down and up changes the keysym: "A" goes down, "a" comes up. */
  #nameByKeysym(keysym: number): string | null {
    if (keysym === 0) return null;
    for (const [name, key] of this.#keys) {
      if (sameButCase(key.keysym, keysym)) return name;
    }
    return null;
  }

  #type(codePoint: number): number {
    const keysym = codePointToKeysym(codePoint);
    if (keysym === 0) return 0;
    const outcome = this.#keyboard.press({ usage: 0, keysym, text: true });
    if (outcome.kind === "wait") return outcome.waitMs;
    if (outcome.kind === "pressed") this.#keyboard.release(outcome.keycode);
    return 0;
  }
}
