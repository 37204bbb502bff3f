/** Pointer, wheel, touch and keyboard of the stage → input messages. */
import type { InputMessage } from "@farglass/protocol";
import {
  buttonOf,
  type DesktopPoint,
  type KeyboardState,
  keyDown,
  keyUp,
  newKeyboard,
  newWheel,
  noTouch,
  type PictureRect,
  releaseKeys,
  type Size,
  textMessages,
  toDesktop,
  type TouchAction,
  touchCancel,
  touchDown,
  touchHold,
  touchMove,
  type TouchState,
  touchUp,
  wheelTurn,
} from "../core/mod.ts";
import { listenInputMethod } from "./input_method.ts";

/** What the listener asks of its owner. */
export interface InputHost {
  /** Where the picture is in the window, and how large the desktop is. */
  readonly picture: () => { readonly rect: PictureRect; readonly screen: Size };
  /** Whether input flows now. */
  readonly controls: () => boolean;
  readonly send: (input: InputMessage) => void;
}

/** The operator's system, which has quirks of its own. */
export function platformOf(userAgent: string): KeyboardState["platform"] {
  if (/windows/i.test(userAgent)) return "windows";
  return /mac|iphone|ipad/i.test(userAgent) ? "mac" : "other";
}

/** One operator's input devices; it can listen on one stage after the other. */
export class InputListener {
  readonly #host: InputHost;
  #keyboard = newKeyboard(platformOf(globalThis.navigator?.userAgent ?? ""));
  #wheel = newWheel;
  #touch: TouchState = noTouch;
  /** Orders pointer messages over both channels, for the console's whole life. */
  #seq = 0;
  readonly #buttons = new Set<number>();

  constructor(host: InputHost) {
    this.#host = host;
  }

  /** Listens on `stage`; returns the way to stop. */
  attach(stage: HTMLElement): () => void {
    const stop = new AbortController();
    const options = { signal: stop.signal, passive: false };
    const on = <K extends keyof HTMLElementEventMap>(
      type: K,
      listener: (event: HTMLElementEventMap[K]) => void,
    ) => stage.addEventListener(type, listener, options);
    on("pointerdown", (event) => this.#pointerDown(stage, event));
    on("pointermove", (event) => this.#pointerMove(event));
    on("pointerup", (event) => this.#pointerUp(event));
    on("pointercancel", (event) => this.#pointerCancel(event));
    on("lostpointercapture", (event) => {
      if (event.pointerType !== "touch" && this.#buttons.size > 0) this.release();
    });
    on("wheel", (event) => this.#turn(event));
    on("keydown", (event) => this.#key(event, keyDown));
    on("keyup", (event) => this.#key(event, keyUp));
    on("blur", () => this.release());
    on("contextmenu", (event) => {
      if (!this.#host.controls()) return;
      event.preventDefault();
      const [touch, actions] = touchHold(this.#touch);
      this.#touch = touch;
      this.#playTouch(actions);
    });
    // Middle click pastes or scrolls, and drags move pictures, unless they are stopped.
    for (const type of ["auxclick", "dragstart"] as const) {
      on(type, (event) => this.#host.controls() && event.preventDefault());
    }
    globalThis.addEventListener("blur", () => this.release(), options);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.release();
    }, options);
    const stopMethod = listenInputMethod(stage, (text) => this.type(text));
    return () => {
      this.release();
      stop.abort();
      stopMethod();
    };
  }

  /** Types finished text. */
  type(text: string): void {
    if (!this.#host.controls()) return;
    for (const message of textMessages(text)) this.#host.send(message);
  }

  /** Plays messages that come from a button of the UI. */
  play(messages: readonly InputMessage[]): void {
    if (!this.#host.controls()) return;
    for (const message of messages) this.#host.send(message);
  }

  /** Forgets what is pressed and tells the desktop; harmless when nothing is. */
  release(): void {
    const [keyboard, messages] = releaseKeys(this.#keyboard);
    const pressed = this.#keyboard.pressed.size > 0 || this.#buttons.size > 0;
    this.#keyboard = keyboard;
    this.#buttons.clear();
    this.#touch = touchCancel(this.#touch)[0];
    if (pressed) { for (const message of messages) this.#host.send(message); }
  }

  #at(event: { readonly clientX: number; readonly clientY: number }): DesktopPoint | null {
    const { rect, screen } = this.#host.picture();
    return toDesktop({ x: event.clientX, y: event.clientY }, rect, screen);
  }

  #pointerDown(stage: HTMLElement, event: PointerEvent): void {
    if (!this.#host.controls()) return;
    event.preventDefault();
    if (document.activeElement !== stage && event.pointerType !== "touch") {
      stage.focus({ preventScroll: true });
    }
    // A pointer made by a script cannot be captured.
    try {
      stage.setPointerCapture(event.pointerId);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
    if (event.pointerType === "touch") {
      return this.#touched(touchDown(this.#touch, event.pointerId, windowPoint(event)));
    }
    const at = this.#at(event);
    if (at !== null && at.inside) this.#button(event.button, true, at);
  }

  #pointerMove(event: PointerEvent): void {
    if (!this.#host.controls()) return;
    if (event.pointerType === "touch") {
      return this.#touched(touchMove(this.#touch, event.pointerId, windowPoint(event)));
    }
    const at = this.#at(event);
    if (at === null || (!at.inside && this.#buttons.size === 0)) return;
    // With a button held, further buttons come as moves (Pointer Events, section 11.2).
    if (event.button >= 0) {
      const held = (event.buttons & buttonMask(event.button)) !== 0;
      return this.#button(event.button, held, at);
    }
    this.#host.send({ kind: "move", seq: this.#next(), x: at.x, y: at.y });
  }

  #pointerUp(event: PointerEvent): void {
    if (!this.#host.controls()) return;
    event.preventDefault();
    if (event.pointerType === "touch") {
      return this.#touched(touchUp(this.#touch, event.pointerId, windowPoint(event)));
    }
    const at = this.#at(event);
    if (at !== null) this.#button(event.button, false, at);
  }

  #pointerCancel(event: PointerEvent): void {
    if (event.pointerType === "touch") this.#touched(touchCancel(this.#touch));
    else this.release();
  }

  #button(domButton: number, down: boolean, at: DesktopPoint): void {
    const button = buttonOf(domButton);
    if (button === null || this.#buttons.has(button) === down) return;
    if (down) this.#buttons.add(button);
    else this.#buttons.delete(button);
    this.#host.send({ kind: "button", seq: this.#next(), x: at.x, y: at.y, button, down });
  }

  #touched([state, actions]: readonly [TouchState, readonly TouchAction[]]): void {
    this.#touch = state;
    this.#playTouch(actions);
  }

  #playTouch(actions: readonly TouchAction[]): void {
    for (const action of actions) {
      const at = this.#at({ clientX: action.x, clientY: action.y });
      if (at === null) continue;
      if (action.kind === "move") {
        this.#host.send({ kind: "move", seq: this.#next(), x: at.x, y: at.y });
      } else if (action.kind === "scroll") {
        this.#scroll(at, { deltaX: action.dx, deltaY: action.dy, deltaMode: 0 });
      } else {
        const { button } = action;
        const down = action.kind === "down";
        if (down) this.#buttons.add(button);
        else this.#buttons.delete(button);
        this.#host.send({ kind: "button", seq: this.#next(), x: at.x, y: at.y, button, down });
      }
    }
  }

  #turn(event: WheelEvent): void {
    if (!this.#host.controls()) return;
    event.preventDefault();
    const at = this.#at(event);
    if (at !== null && at.inside) this.#scroll(at, event);
  }

  #scroll(
    at: DesktopPoint,
    delta: { readonly deltaX: number; readonly deltaY: number; readonly deltaMode: number },
  ): void {
    const [wheel, turn] = wheelTurn(this.#wheel, delta);
    this.#wheel = wheel;
    if (turn !== null) {
      this.#host.send({ kind: "wheel", seq: this.#next(), x: at.x, y: at.y, ...turn });
    }
  }

  #key(event: KeyboardEvent, play: typeof keyDown): void {
    if (!this.#host.controls()) return;
    const { code, key, location, repeat, isComposing, timeStamp } = event;
    const [keyboard, messages] = play(this.#keyboard, {
      code,
      key,
      location,
      repeat,
      isComposing,
      timeStamp,
    });
    this.#keyboard = keyboard;
    // The input method needs its keys; every other key is the desktop's.
    if (!isComposing && key !== "Process" && key !== "Dead") event.preventDefault();
    for (const message of messages) this.#host.send(message);
  }

  /** 32 bits on the wire; at a thousand events a second they last for 49 days. */
  #next(): number {
    this.#seq = (this.#seq + 1) >>> 0;
    return this.#seq;
  }
}

const windowPoint = (event: PointerEvent) => ({ x: event.clientX, y: event.clientY });

/** PointerEvent.buttons has right and middle the other way round than PointerEvent.button. */
const buttonMask = (button: number): number => [1, 4, 2, 8, 16][button] ?? 0;
