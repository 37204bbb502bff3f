/**
 * A small interactive desktop as a state machine, for machines without a display and for tests:
 * a text field, a button that counts, a moving object that can be switched off, and a status line
 * that shows what arrives. Drawing is in synthetic_paint.ts.
 */
import { type InputMessage, never, type Rect } from "@farglass/protocol";
import { KEYSYM, keysymToCodePoint } from "./keysyms.ts";
import {
  INITIAL_POINTER,
  type PointerState,
  releasePointer,
  stepPointer,
} from "./pointer_input.ts";
import { CHAR_WIDTH_PX, type SyntheticLayout, syntheticLayout } from "./synthetic_layout.ts";

/** The moving object makes this many steps a second. */
export const MOVER_STEPS_PER_SECOND = 30;
const STEP_MS = 1000 / MOVER_STEPS_PER_SECOND;
export const MOVER_SIDE_PX = 44;
const MOVER_STEP_PX = 8;
/** Older text is forgotten. */
const MAX_TEXT_CODE_POINTS = 2000;
/** More keys than this at once are no hand. */
const MAX_KEYS = 32;
/** Control, Alt, Meta and Super, both sides (X11 keysyms). */
const COMMAND_KEYSYMS = [0xffe3, 0xffe4, 0xffe7, 0xffe8, 0xffe9, 0xffea, 0xffeb, 0xffec];
/** The same keys by HID usage, with both Shifts apart. */
const COMMAND_USAGES = [0xe0, 0xe2, 0xe3, 0xe4, 0xe6, 0xe7];
const SHIFT_USAGES = [0xe1, 0xe5];

export interface SyntheticState {
  readonly layout: SyntheticLayout;
  /** What was typed, with line feeds. */
  readonly text: readonly number[];
  readonly clicks: number;
  readonly pointer: PointerState;
  readonly x: number;
  readonly y: number;
  /** What the left button went down on. */
  readonly pressed: "button" | "checkbox" | null;
  readonly wheelX: number;
  readonly wheelY: number;
  /** Names of the keys that are down. */
  readonly keys: readonly string[];
  readonly moverOn: boolean;
  readonly moverStep: number;
  /** When the object moves next; null while it is switched off. */
  readonly nextStepAtMs: number | null;
}

export type SyntheticEvent =
  | { readonly kind: "input"; readonly input: InputMessage }
  | { readonly kind: "tick" };

export const initialSynthetic = (
  width: number,
  height: number,
  nowMs: number,
  displays = 1,
): SyntheticState => ({
  layout: syntheticLayout(width, height, displays),
  text: [],
  clicks: 0,
  pointer: INITIAL_POINTER,
  x: Math.floor(width / 2),
  y: Math.floor(height / 2),
  pressed: null,
  wheelX: 0,
  wheelY: 0,
  keys: [],
  moverOn: true,
  moverStep: 0,
  nextStepAtMs: nowMs + STEP_MS,
});

/** When the desktop changes by itself, or null when it doesn't. */
export const nextDeadline = (state: SyntheticState): number | null => state.nextStepAtMs;

/** The state after an event, and what must be painted again. */
export function step(
  state: SyntheticState,
  event: SyntheticEvent,
  nowMs: number,
): [SyntheticState, Rect[]] {
  const next = event.kind === "tick" ? tick(state, nowMs) : play(state, event.input, nowMs);
  return [next, changes(state, next)];
}

function tick(state: SyntheticState, nowMs: number): SyntheticState {
  if (state.nextStepAtMs === null || nowMs < state.nextStepAtMs) return state;
  // After a pause of the process the object goes on from where it was.
  const late = nowMs - state.nextStepAtMs > STEP_MS;
  return {
    ...state,
    moverStep: state.moverStep + 1,
    nextStepAtMs: (late ? nowMs : state.nextStepAtMs) + STEP_MS,
  };
}

function play(state: SyntheticState, input: InputMessage, nowMs: number): SyntheticState {
  switch (input.kind) {
    case "move":
    case "button":
    case "wheel": {
      const [pointer, ops] = stepPointer(state.pointer, input);
      let next = { ...state, pointer };
      for (const op of ops) {
        if (op.op === "move") next = { ...next, x: op.x, y: op.y };
        else if (op.op === "scroll") {
          if (op.axis === "x") next = { ...next, wheelX: next.wheelX + op.notches };
          else next = { ...next, wheelY: next.wheelY + op.notches };
        } else if (op.button === 1) next = click(next, op.down, nowMs);
      }
      return next;
    }
    case "key":
      return key(state, input);
    case "text":
      return { ...state, text: input.codePoints.reduce(type, state.text) };
    case "release-all": {
      const [pointer] = releasePointer(state.pointer);
      return { ...state, pointer, pressed: null, keys: [] };
    }
    default:
      return never(input);
  }
}

const contains = (rect: Rect, x: number, y: number): boolean =>
  x >= rect.x && y >= rect.y && x < rect.x + rect.width && y < rect.y + rect.height;

/** A click counts when it goes up where it went down. */
function click(state: SyntheticState, down: boolean, nowMs: number): SyntheticState {
  const { layout, x, y } = state;
  const target = contains(layout.button, x, y)
    ? "button"
    : contains(layout.checkboxArea, x, y)
    ? "checkbox"
    : null;
  if (down) return { ...state, pressed: target };
  const released: SyntheticState = { ...state, pressed: null };
  if (target === null || target !== state.pressed) return released;
  if (target === "button") return { ...released, clicks: state.clicks + 1 };
  const moverOn = !state.moverOn;
  return { ...released, moverOn, nextStepAtMs: moverOn ? nowMs + STEP_MS : null };
}

type KeyMessage = Extract<InputMessage, { kind: "key" }>;

function key(state: SyntheticState, input: KeyMessage): SyntheticState {
  const name = input.usage !== 0 ? `u${input.usage}` : `k${input.keysym}`;
  const others = state.keys.filter((held) => held !== name);
  if (!input.down) return { ...state, keys: others };
  const next = { ...state, keys: [...others, name].slice(-MAX_KEYS) };
  const command = COMMAND_USAGES.some((usage) => others.includes(`u${usage}`)) ||
    COMMAND_KEYSYMS.some((keysym) => others.includes(`k${keysym}`));
  if (command) return next;
  const codePoint = characterOf(input, SHIFT_USAGES.some((u) => others.includes(`u${u}`)));
  return codePoint === null ? next : { ...next, text: type(state.text, codePoint) };
}

/** Keys without a keysym make what a US keyboard makes (HID usages 0x04 to 0x38). */
const US_PLAIN = "abcdefghijklmnopqrstuvwxyz1234567890\n\x1b\b\t -=[]\\\\;'`,./";
const US_SHIFT = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()\n\x1b\b\t _+{}||:"~<>?';
const FIRST_USAGE = 0x04;

function characterOf(input: KeyMessage, shift: boolean): number | null {
  switch (input.keysym) {
    case 0:
      return (shift ? US_SHIFT : US_PLAIN).codePointAt(input.usage - FIRST_USAGE) ?? null;
    case KEYSYM.backSpace:
      return 0x08;
    case KEYSYM.enter:
    case KEYSYM.keypadEnter:
      return 0x0a;
    default:
      return keysymToCodePoint(input.keysym);
  }
}

function type(text: readonly number[], codePoint: number): readonly number[] {
  if (codePoint === 0x08) return text.slice(0, -1);
  const isLineFeed = codePoint === 0x0a || codePoint === 0x0d;
  if (!isLineFeed && (codePoint < 0x20 || (codePoint > 0x7e && codePoint < 0xa0))) return text;
  return [...text, isLineFeed ? 0x0a : codePoint].slice(-MAX_TEXT_CODE_POINTS);
}

/** The lines of text that the field shows, and the column of the caret on the last one. */
export function fieldView(state: SyntheticState): readonly string[] {
  const { fieldColumns, fieldLines } = state.layout;
  const lines: string[] = [""];
  let column = 0;
  for (const codePoint of state.text) {
    if (codePoint === 0x0a || column === fieldColumns) {
      lines.push("");
      column = 0;
    }
    if (codePoint === 0x0a) continue;
    lines[lines.length - 1] += String.fromCodePoint(codePoint);
    column++;
  }
  return lines.slice(-fieldLines.length);
}

export const clicksText = (state: SyntheticState): string => `Clicks: ${state.clicks}`;

export const statusText = (state: SyntheticState): string =>
  `Pointer ${state.x}, ${state.y}  Buttons ${state.pointer.buttons.join(" ") || "none"}  ` +
  `Wheel ${state.wheelX}, ${state.wheelY}`;

/** What the second display says of the pointer. */
export function secondText({ layout: { second }, x, y }: SyntheticState): string {
  if (second === null) return "";
  const { screen } = second;
  return contains(screen, x, y) ? `Pointer ${x - screen.x}, ${y - screen.y}` : "No pointer here";
}

/** The moving object now: to and fro along the track. */
export function moverRect(state: SyntheticState): Rect {
  const { track } = state.layout;
  const margin = Math.floor((track.height - MOVER_SIDE_PX) / 2);
  const range = Math.floor((track.width - MOVER_SIDE_PX - 2 * margin) / MOVER_STEP_PX);
  const phase = state.moverStep % (2 * range);
  const steps = phase < range ? phase : 2 * range - phase;
  return {
    x: track.x + margin + steps * MOVER_STEP_PX,
    y: track.y + margin,
    width: MOVER_SIDE_PX,
    height: MOVER_SIDE_PX,
  };
}

/** Which rectangles look different. */
function changes(before: SyntheticState, after: SyntheticState): Rect[] {
  const { layout } = after;
  const damage: Rect[] = [];
  if (before.text !== after.text) damage.push(...changedLines(before, after));
  if (before.clicks !== after.clicks) {
    damage.push(textTail(layout.clicksLabel, clicksText(before), clicksText(after)));
  }
  if ((before.pressed === "button") !== (after.pressed === "button")) damage.push(layout.button);
  if (before.moverOn !== after.moverOn) damage.push(layout.checkbox);
  if (before.moverStep !== after.moverStep) damage.push(moverRect(before), moverRect(after));
  const [statusBefore, statusAfter] = [statusText(before), statusText(after)];
  if (statusBefore !== statusAfter) {
    damage.push(textTail(layout.statusLine, statusBefore, statusAfter));
  }
  const [secondBefore, secondAfter] = [secondText(before), secondText(after)];
  if (layout.second !== null && secondBefore !== secondAfter) {
    damage.push(textTail(layout.second.line, secondBefore, secondAfter));
  }
  return damage;
}

function changedLines(before: SyntheticState, after: SyntheticState): Rect[] {
  const [old, now] = [fieldView(before), fieldView(after)];
  const damage: Rect[] = [];
  after.layout.fieldLines.forEach((line, i) => {
    // The caret stands on the last line only.
    const caretMoved = (i === old.length - 1) !== (i === now.length - 1);
    if (old[i] !== now[i] || caretMoved) {
      damage.push(textTail(line, old[i] ?? "", now[i] ?? "", 1));
    }
  });
  return damage;
}

/** From the first character that differs to the end of the longer text, plus `extra` columns. */
function textTail(line: Rect, before: string, after: string, extra = 0): Rect {
  const [old, now] = [[...before], [...after]];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same++;
  const columns = Math.max(old.length, now.length) + extra - same;
  const x = line.x + same * CHAR_WIDTH_PX;
  return {
    x,
    y: line.y,
    width: Math.min(columns * CHAR_WIDTH_PX, line.x + line.width - x),
    height: line.height,
  };
}
