/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { InputMessage, Rect } from "@farglass/protocol";
import fc from "fast-check";
import {
  clicksText,
  fieldView,
  initialSynthetic,
  moverRect,
  nextDeadline,
  statusText,
  step,
  type SyntheticEvent,
  type SyntheticState,
} from "./synthetic_desktop.ts";
import { MIN_SYNTHETIC_SIZE, syntheticLayout } from "./synthetic_layout.ts";
import { paintSynthetic } from "./synthetic_paint.ts";

const { width, height } = MIN_SYNTHETIC_SIZE;
const layout = syntheticLayout(width, height);
const start = (): SyntheticState => initialSynthetic(width, height, 0);

const play = (state: SyntheticState, ...inputs: InputMessage[]): SyntheticState =>
  inputs.reduce((s, input) => step(s, { kind: "input", input }, 0)[0], state);
const text = (value: string): InputMessage => ({
  kind: "text",
  codePoints: [...value].map((c) => c.codePointAt(0) ?? 0),
});
const tap = (keysym: number, usage = 0): InputMessage[] =>
  [true, false].map((down) => ({ kind: "key", usage, keysym, down }));
const button = (rect: Rect, down: boolean, number = 1): InputMessage => ({
  kind: "button",
  seq: 0,
  x: rect.x + 3,
  y: rect.y + 3,
  button: number,
  down,
});

Deno.test("synthetic desktop: the field shows what is typed", () => {
  const rows: readonly (readonly [string, InputMessage[], string[]])[] = [
    ["nothing", [], [""]],
    ["text", [text("Wörld €")], ["Wörld €"]],
    ["text with a line feed", [text("a\nb")], ["a", "b"]],
    ["keysyms", [...tap(0x48), ...tap(0x69)], ["Hi"]],
    ["a Unicode keysym", tap(0x010020ac), ["€"]],
    ["a physical key alone", tap(0, 0x04), ["a"]],
    ["a physical key with Shift", [
      { kind: "key", usage: 0xe1, keysym: 0, down: true },
      ...tap(0, 0x1f),
    ], ["@"]],
    ["backspace", [text("ab"), ...tap(0xff08)], ["a"]],
    ["backspace on nothing", tap(0xff08), [""]],
    ["enter", [text("a"), ...tap(0xff0d), text("b")], ["a", "b"]],
    ["a function key", tap(0xffbe), [""]],
    ["a shortcut types nothing", [
      { kind: "key", usage: 0xe0, keysym: 0xffe3, down: true },
      ...tap(0x63, 0x06),
    ], [""]],
    ["release-all ends a shortcut", [
      { kind: "key", usage: 0xe0, keysym: 0xffe3, down: true },
      { kind: "release-all" },
      ...tap(0x63, 0x06),
    ], ["c"]],
  ];
  for (const [name, inputs, lines] of rows) {
    assert.deepEqual(fieldView(play(start(), ...inputs)), lines, name);
  }
});

Deno.test("synthetic desktop: long text wraps, and the field shows its end", () => {
  const { fieldColumns, fieldLines } = layout;
  const rows = fieldLines.length + 2;
  const state = play(start(), text("x".repeat(fieldColumns * rows) + "y"));
  const view = fieldView(state);
  assert.equal(view.length, fieldLines.length);
  assert.equal(view[0], "x".repeat(fieldColumns));
  assert.equal(view.at(-1), "y");
});

Deno.test("synthetic desktop: a click counts when it goes up where it went down", () => {
  const rows: readonly (readonly [string, InputMessage[], number])[] = [
    ["down and up", [button(layout.button, true), button(layout.button, false)], 1],
    ["down only", [button(layout.button, true)], 0],
    ["up elsewhere", [button(layout.button, true), button(layout.field, false)], 0],
    ["down elsewhere", [button(layout.field, true), button(layout.button, false)], 0],
    ["right button", [button(layout.button, true, 3), button(layout.button, false, 3)], 0],
    ["release-all between", [
      button(layout.button, true),
      { kind: "release-all" },
      button(layout.button, false),
    ], 0],
  ];
  for (const [name, inputs, clicks] of rows) {
    assert.equal(clicksText(play(start(), ...inputs)), `Clicks: ${clicks}`, name);
  }
});

Deno.test("synthetic desktop: the object moves by deadlines and stops with its checkbox", () => {
  let state = start();
  const first = nextDeadline(state);
  assert.ok(first !== null);
  assert.deepEqual(step(state, { kind: "tick" }, first - 1), [state, []]);
  const before = moverRect(state);
  const [moved, damage] = step(state, { kind: "tick" }, first);
  assert.notDeepEqual(moverRect(moved), before);
  assert.deepEqual(damage, [before, moverRect(moved)]);
  state = play(moved, button(layout.checkbox, true), button(layout.checkbox, false));
  assert.equal(nextDeadline(state), null);
  assert.deepEqual(step(state, { kind: "tick" }, 1e6), [state, []]);
  state = play(state, button(layout.checkboxArea, true), button(layout.checkboxArea, false));
  assert.ok(nextDeadline(state) !== null);
});

Deno.test("synthetic desktop: the status line shows pointer, buttons and wheel", () => {
  const state = play(
    start(),
    { kind: "button", seq: 1, x: 5, y: 6, button: 3, down: true },
    { kind: "wheel", seq: 2, x: 5, y: 6, dx: -120, dy: 90 },
    { kind: "wheel", seq: 3, x: 7, y: 8, dx: 0, dy: 30 },
  );
  assert.equal(statusText(state), "Pointer 7, 8  Buttons 3  Wheel -1, 1");
});

const screen: Rect = { x: 0, y: 0, width, height };
const full = (state: SyntheticState): Uint32Array => {
  const pixels = new Uint32Array(width * height);
  paintSynthetic(state, pixels, screen);
  return pixels;
};
const firstDifference = (a: Uint32Array, b: Uint32Array): number => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
};

const coordinate = fc.constantFrom(
  ...[layout.button, layout.checkbox, layout.checkboxArea, layout.field, layout.track].map((
    rect,
  ) => ({ x: rect.x + 4, y: rect.y + 4 })),
);
const input: fc.Arbitrary<InputMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("key" as const),
    usage: fc.nat(0xff),
    keysym: fc.constantFrom(0, 0x41, 0xe9, 0xff08, 0xff0d, 0xffe3, 0x010020ac, 0x01003042),
    down: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("text" as const),
    codePoints: fc.array(fc.constantFrom(0x61, 0x0a, 0x08, 0xdf, 0x3042), { maxLength: 70 }),
  }),
  coordinate.chain(({ x, y }) =>
    fc.record({
      kind: fc.constant("button" as const),
      seq: fc.constant(0),
      x: fc.constant(x),
      y: fc.constant(y),
      button: fc.constantFrom(1, 1, 1, 3),
      down: fc.boolean(),
    })
  ),
  fc.record({
    kind: fc.constant("wheel" as const),
    seq: fc.constant(0),
    x: fc.nat(width - 1),
    y: fc.nat(height - 1),
    dx: fc.integer({ min: -300, max: 300 }),
    dy: fc.integer({ min: -300, max: 300 }),
  }),
  fc.constant({ kind: "release-all" as const }),
);
const event: fc.Arbitrary<SyntheticEvent> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ kind: "tick" as const }) },
  { weight: 3, arbitrary: input.map((i) => ({ kind: "input" as const, input: i })) },
);

Deno.test("paintSynthetic: repainting the damage alone equals painting everything", () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 12 }), (events) => {
      let state = start();
      const pixels = full(state);
      let now = 0;
      for (const next of events) {
        now += 40;
        const [after, damage] = step(state, next, now);
        state = after;
        for (const rect of damage) {
          assert.ok(rect.x >= 0 && rect.y >= 0 && rect.width > 0 && rect.height > 0);
          assert.ok(rect.x + rect.width <= width && rect.y + rect.height <= height);
          paintSynthetic(state, pixels, rect);
        }
      }
      assert.equal(firstDifference(pixels, full(state)), -1);
    }),
    { numRuns: 60 },
  );
});

Deno.test("paintSynthetic: typed text, clicks and the switched-off object can be seen", () => {
  const rows: readonly (readonly [string, InputMessage[], Rect])[] = [
    ["text", [text("W")], layout.fieldLines[0]],
    ["click", [button(layout.button, true), button(layout.button, false)], layout.clicksLabel],
    ["press", [button(layout.button, true)], layout.button],
    ["check", [button(layout.checkbox, true), button(layout.checkbox, false)], layout.checkbox],
  ];
  const before = full(start());
  for (const [name, inputs, where] of rows) {
    const at = firstDifference(before, full(play(start(), ...inputs)));
    const [x, y] = [at % width, Math.floor(at / width)];
    assert.ok(at >= 0, name);
    assert.ok(x >= where.x && x < where.x + where.width, name);
    assert.ok(y >= where.y && y < where.y + where.height, name);
  }
});
