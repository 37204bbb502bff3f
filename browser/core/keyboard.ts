/**
 * Keyboard events → input messages: every key that went down comes up again with the very codes
 * it went down with, whatever the layout or the modifiers did in between.
 */
import { type InputMessage, MAX_TEXT_CODE_POINTS } from "@farglass/protocol";
import { usageOf } from "./key_usages.ts";
import { keysymOf, keysymOfCodePoint } from "./keysyms.ts";
import type { SpecialKeys } from "./session_view.ts";

/** What counts of a KeyboardEvent. */
export interface KeyInput {
  readonly code: string;
  readonly key: string;
  readonly location: number;
  readonly repeat: boolean;
  readonly isComposing: boolean;
  /** Milliseconds of the event's own clock. */
  readonly timeStamp: number;
}

interface Pressed {
  readonly usage: number;
  readonly keysym: number;
}

/** What is pressed, and the quirks of the operator's system. */
export interface KeyboardState {
  readonly platform: "windows" | "mac" | "other";
  /** By `code`, or by `key` for a key without a code. */
  readonly pressed: ReadonlyMap<string, Pressed>;
  /** When ControlLeft went down: Windows sends it with AltGr, at the same time. */
  readonly controlLeftAt: number | null;
  /** That ControlLeft was taken back. */
  readonly fakeControl: boolean;
}

/** Nothing is pressed. */
export const newKeyboard = (platform: KeyboardState["platform"]): KeyboardState => ({
  platform,
  pressed: new Map(),
  controlLeftAt: null,
  fakeControl: false,
});

type Played = readonly [KeyboardState, readonly InputMessage[]];

const ISO_LEVEL3_SHIFT = 0xfe03;
const ALT_RIGHT_USAGE = 0xe6;
/** Windows stamps the invented Control and its AltGr alike; noVNC allows 50 ms too. */
const ALTGR_WINDOW_MS = 50;
const MODIFIER = /^(?:Control|Shift|Alt|Meta)(?:Left|Right)$|^CapsLock$/;

const nameOf = (event: KeyInput): string => event.code === "" ? `key ${event.key}` : event.code;

/** A key went down. The host repeats by itself, so repeats are left out. */
export function keyDown(state: KeyboardState, event: KeyInput): Played {
  // The input method has the key; its finished text comes as a whole.
  if (event.isComposing || event.key === "Process" || event.key === "Dead") return [state, []];
  const name = nameOf(event);
  if (event.repeat || state.pressed.has(name)) return [state, []];
  const altGr = event.key === "AltGraph";
  const pressedKey: Pressed = altGr
    ? { usage: ALT_RIGHT_USAGE, keysym: ISO_LEVEL3_SHIFT }
    : { usage: usageOf(event.code), keysym: keysymOf(event.key, event.location) };
  if (pressedKey.usage === 0 && pressedKey.keysym === 0) return [state, []];
  const pressed = new Map(state.pressed);
  const messages: InputMessage[] = [];
  let { controlLeftAt, fakeControl } = state;
  if (event.code === "ControlLeft") controlLeftAt = event.timeStamp;
  else {
    const control = pressed.get("ControlLeft");
    if (
      altGr && state.platform === "windows" && control !== undefined && controlLeftAt !== null &&
      event.timeStamp - controlLeftAt <= ALTGR_WINDOW_MS
    ) {
      pressed.delete("ControlLeft");
      messages.push({ kind: "key", ...control, down: false });
      fakeControl = true;
    }
    controlLeftAt = null;
  }
  pressed.set(name, pressedKey);
  messages.push({ kind: "key", ...pressedKey, down: true });
  return [{ ...state, pressed, controlLeftAt, fakeControl }, messages];
}

/** A key came up. */
export function keyUp(state: KeyboardState, event: KeyInput): Played {
  const name = nameOf(event);
  if (name === "ControlLeft" && state.fakeControl && !state.pressed.has(name)) {
    return [{ ...state, fakeControl: false }, []];
  }
  const known = state.pressed.get(name);
  if (known === undefined) return [state, []];
  const pressed = new Map(state.pressed);
  pressed.delete(name);
  const messages: InputMessage[] = [{ kind: "key", ...known, down: false }];
  // macOS never tells that a key came up while Command was held.
  if (state.platform === "mac" && event.key === "Meta") {
    for (const [other, key] of pressed) {
      if (MODIFIER.test(other)) continue;
      pressed.delete(other);
      messages.push({ kind: "key", ...key, down: false });
    }
  }
  return [{ ...state, pressed }, messages];
}

/** Focus was lost: everything comes up. */
export function releaseKeys(state: KeyboardState): Played {
  return [newKeyboard(state.platform), [{ kind: "release-all" }]];
}

/** Finished text as messages of at most MAX_TEXT_CODE_POINTS; line ends become Return keys. */
export function textMessages(text: string): readonly InputMessage[] {
  const messages: InputMessage[] = [];
  let run: number[] = [];
  const flush = () => {
    if (run.length > 0) messages.push({ kind: "text", codePoints: run });
    run = [];
  };
  for (const character of text.replaceAll("\r\n", "\n")) {
    const codePoint = character.codePointAt(0) ?? 0;
    const functional = codePoint < 0x20 || codePoint === 0x7f;
    // Lone surrogates are no characters.
    if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
    if (!functional) {
      run.push(codePoint);
      if (run.length === MAX_TEXT_CODE_POINTS) flush();
      continue;
    }
    const keysym = keysymOfCodePoint(codePoint);
    if (keysym === 0) continue;
    flush();
    const usage = codePoint === 0x09 ? usageOf("Tab") : usageOf("Enter");
    messages.push({ kind: "key", usage, keysym, down: true });
    messages.push({ kind: "key", usage, keysym, down: false });
  }
  flush();
  return messages;
}

const SPECIAL: Readonly<
  Record<SpecialKeys, readonly (readonly [code: string, key: string, location: number])[]>
> = {
  "ctrl-alt-del": [["ControlLeft", "Control", 1], ["AltLeft", "Alt", 1], ["Delete", "Delete", 0]],
  "super": [["MetaLeft", "Super", 1]],
  "alt-tab": [["AltLeft", "Alt", 1], ["Tab", "Tab", 0]],
  "escape": [["Escape", "Escape", 0]],
  "print-screen": [["PrintScreen", "PrintScreen", 0]],
};

/** Presses and releases keys that the browser or its system keeps for itself. */
export function specialMessages(keys: SpecialKeys): readonly InputMessage[] {
  const pressed = SPECIAL[keys].map(([code, key, location]) => ({
    usage: usageOf(code),
    keysym: keysymOf(key, location),
  }));
  return [
    ...pressed.map((key) => ({ kind: "key", ...key, down: true } as const)),
    ...pressed.toReversed().map((key) => ({ kind: "key", ...key, down: false } as const)),
  ];
}
