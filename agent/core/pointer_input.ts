/**
 * What to do with the pointer for one message. Order and ownership are the viewer's business
 * (viewer.ts, held_input.ts); here is what a desktop needs: whole wheel notches, and no button
 * pressed twice.
 */
import type { InputMessage } from "@farglass/protocol";

export interface PointerState {
  /** Parts of a notch that are not played yet, in 1/120. */
  readonly wheelX: number;
  readonly wheelY: number;
  /** Buttons held, in the protocol's numbers. */
  readonly buttons: readonly number[];
}

export type PointerOp =
  | { readonly op: "move"; readonly x: number; readonly y: number }
  | { readonly op: "button"; readonly button: number; readonly down: boolean }
  /** Whole notches; positive is right or down. */
  | { readonly op: "scroll"; readonly axis: "x" | "y"; readonly notches: number };

export const INITIAL_POINTER: PointerState = { wheelX: 0, wheelY: 0, buttons: [] };

const NOTCH = 120;
/** A hostile or broken wheel message shall not become hundreds of clicks. */
const MAX_NOTCHES = 20;

type PointerMessage = Extract<InputMessage, { kind: "move" | "button" | "wheel" }>;

/** Turns one message into what to play. */
export function stepPointer(
  state: PointerState,
  message: PointerMessage,
): [PointerState, PointerOp[]] {
  const move: PointerOp = { op: "move", x: message.x, y: message.y };
  if (message.kind === "move") return [state, [move]];
  const [next, ops] = message.kind === "button"
    ? stepButton(state, message.button, message.down)
    : stepWheel(state, message.dx, message.dy);
  return [next, [move, ...ops]];
}

function stepButton(
  state: PointerState,
  button: number,
  down: boolean,
): [PointerState, PointerOp[]] {
  if (state.buttons.includes(button) === down) return [state, []];
  const buttons = down
    ? [...state.buttons, button]
    : state.buttons.filter((other) => other !== button);
  return [{ ...state, buttons }, [{ op: "button", button, down }]];
}

function stepWheel(state: PointerState, dx: number, dy: number): [PointerState, PointerOp[]] {
  const ops: PointerOp[] = [];
  const turn = (axis: "x" | "y", rest: number, delta: number): number => {
    // A turn the other way starts afresh.
    const sum = rest * delta < 0 ? delta : rest + delta;
    const whole = Math.trunc(sum / NOTCH);
    const notches = Math.max(-MAX_NOTCHES, Math.min(MAX_NOTCHES, whole));
    if (notches !== 0) ops.push({ op: "scroll", axis, notches });
    return sum - whole * NOTCH;
  };
  const wheelX = turn("x", state.wheelX, dx);
  const wheelY = turn("y", state.wheelY, dy);
  return [{ ...state, wheelX, wheelY }, ops];
}

/** Lifts every button that is down. */
export function releasePointer(state: PointerState): [PointerState, PointerOp[]] {
  return [
    INITIAL_POINTER,
    state.buttons.map((button) => ({ op: "button", button, down: false })),
  ];
}
