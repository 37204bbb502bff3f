/// <reference lib="deno.ns" />
import { deepEqual, equal } from "node:assert/strict";
import {
  noTouch,
  type TouchAction,
  touchCancel,
  touchDown,
  touchHold,
  touchMove,
  type TouchState,
  touchUp,
} from "./touch.ts";

type Event =
  | readonly ["down" | "move" | "up", number, number, number]
  | readonly ["hold" | "cancel"];

function play(events: readonly Event[]): {
  readonly state: TouchState;
  readonly sent: readonly TouchAction[];
} {
  let state: TouchState = noTouch;
  const sent: TouchAction[] = [];
  for (const event of events) {
    const at = { x: Number(event[2]), y: Number(event[3]) };
    const id = Number(event[1]);
    const [next, actions] = event[0] === "down"
      ? touchDown(state, id, at)
      : event[0] === "move"
      ? touchMove(state, id, at)
      : event[0] === "up"
      ? touchUp(state, id, at)
      : event[0] === "hold"
      ? touchHold(state)
      : touchCancel(state);
    state = next;
    sent.push(...actions);
  }
  return { state, sent };
}

Deno.test("a tap is a click", () => {
  const { state, sent } = play([["down", 1, 5, 6], ["move", 1, 7, 6], ["up", 1, 6, 6]]);
  deepEqual(sent, [
    { kind: "move", x: 5, y: 6 },
    { kind: "down", x: 6, y: 6, button: 1 },
    { kind: "up", x: 6, y: 6, button: 1 },
  ]);
  equal(state, noTouch);
});

Deno.test("a finger that moves drags from where it touched", () => {
  const { sent } = play([
    ["down", 1, 0, 0],
    ["move", 1, 20, 0],
    ["move", 1, 30, 0],
    ["up", 1, 30, 0],
  ]);
  deepEqual(sent.slice(1), [
    { kind: "down", x: 0, y: 0, button: 1 },
    { kind: "move", x: 20, y: 0 },
    { kind: "move", x: 30, y: 0 },
    { kind: "up", x: 30, y: 0, button: 1 },
  ]);
});

Deno.test("two fingers scroll and never click", () => {
  const { state, sent } = play([
    ["down", 1, 0, 0],
    ["down", 2, 50, 0],
    ["move", 1, 0, -40],
    ["move", 2, 50, -40],
    ["up", 1, 0, -40],
    ["up", 2, 50, -40],
  ]);
  deepEqual(sent.slice(1), [
    { kind: "scroll", x: 0, y: -40, dx: 0, dy: 20 },
    { kind: "scroll", x: 50, y: -40, dx: 0, dy: 20 },
  ]);
  equal(state, noTouch);
});

Deno.test("a long press is the right button", () => {
  const { state, sent } = play([["down", 1, 4, 4], ["hold"], ["move", 1, 90, 9], ["up", 1, 90, 9]]);
  deepEqual(sent.slice(1), [
    { kind: "down", x: 4, y: 4, button: 3 },
    { kind: "up", x: 4, y: 4, button: 3 },
  ]);
  equal(state, noTouch);
});

Deno.test("a second finger ends a drag, a third ends a scroll, a cancel releases", () => {
  deepEqual(
    play([["down", 1, 0, 0], ["move", 1, 20, 0], ["down", 2, 9, 9]]).sent.at(-1),
    { kind: "up", x: 20, y: 0, button: 1 },
  );
  equal(play([["down", 1, 0, 0], ["down", 2, 9, 9], ["down", 3, 5, 5]]).state.kind, "done");
  deepEqual(
    play([["down", 1, 0, 0], ["move", 1, 20, 0], ["cancel"]]),
    {
      state: noTouch,
      sent: [
        { kind: "move", x: 0, y: 0 },
        { kind: "down", x: 0, y: 0, button: 1 },
        { kind: "move", x: 20, y: 0 },
        { kind: "up", x: 20, y: 0, button: 1 },
      ],
    },
  );
});
