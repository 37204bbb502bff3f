/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { InputMessage } from "@farglass/protocol";
import {
  INITIAL_POINTER,
  type PointerOp,
  type PointerState,
  releasePointer,
  stepPointer,
} from "./pointer_input.ts";

type PointerMessage = Extract<InputMessage, { kind: "move" | "button" | "wheel" }>;
const at = { seq: 0, x: 3, y: 4 };
const move: PointerOp = { op: "move", x: 3, y: 4 };

function run(messages: readonly PointerMessage[]): [PointerState, PointerOp[]] {
  let state = INITIAL_POINTER;
  const all: PointerOp[] = [];
  for (const message of messages) {
    const [next, ops] = stepPointer(state, message);
    state = next;
    all.push(...ops.filter((op) => op.op !== "move"));
  }
  return [state, all];
}
const wheel = (dx: number, dy: number): PointerMessage => ({ kind: "wheel", ...at, dx, dy });
const button = (number: number, down: boolean): PointerMessage => ({
  kind: "button",
  ...at,
  button: number,
  down,
});

Deno.test("stepPointer: every message moves the pointer first", () => {
  for (const message of [{ kind: "move" as const, ...at }, wheel(0, 120), button(1, true)]) {
    assert.deepEqual(stepPointer(INITIAL_POINTER, message)[1][0], move);
  }
});

Deno.test("stepPointer: parts of a notch add up, a turn back starts afresh", () => {
  const rows: readonly (readonly [readonly PointerMessage[], PointerOp[]])[] = [
    [[wheel(0, 120)], [{ op: "scroll", axis: "y", notches: 1 }]],
    [[wheel(0, -240)], [{ op: "scroll", axis: "y", notches: -2 }]],
    [[wheel(-120, 0)], [{ op: "scroll", axis: "x", notches: -1 }]],
    [[wheel(0, 50), wheel(0, 50)], []],
    [[wheel(0, 50), wheel(0, 50), wheel(0, 50)], [{ op: "scroll", axis: "y", notches: 1 }]],
    [[wheel(0, 100), wheel(0, -100), wheel(0, 100)], []],
    [[wheel(0, 30_000)], [{ op: "scroll", axis: "y", notches: 20 }]],
    [[wheel(120, 120)], [
      { op: "scroll", axis: "x", notches: 1 },
      { op: "scroll", axis: "y", notches: 1 },
    ]],
  ];
  for (const [messages, ops] of rows) assert.deepEqual(run(messages)[1], ops);
});

Deno.test("stepPointer: a button goes down once and up once", () => {
  const [state, ops] = run([
    ...[button(1, true), button(1, true), button(3, true)],
    ...[button(1, false), button(1, false), button(2, false)],
  ]);
  assert.deepEqual(ops, [
    { op: "button", button: 1, down: true },
    { op: "button", button: 3, down: true },
    { op: "button", button: 1, down: false },
  ]);
  assert.deepEqual(state.buttons, [3]);
  assert.deepEqual(releasePointer(state), [
    INITIAL_POINTER,
    [{ op: "button", button: 3, down: false }],
  ]);
});
