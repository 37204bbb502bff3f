/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import { decodeInput, encodeInput, type InputMessage } from "@farglass/protocol";
import { KEY_USAGES, usageOf } from "./key_usages.ts";
import {
  type KeyboardState,
  keyDown,
  type KeyInput,
  keyUp,
  newKeyboard,
  releaseKeys,
  specialMessages,
  textMessages,
} from "./keyboard.ts";
import { keysymOf, keysymOfCodePoint } from "./keysyms.ts";

const STANDARD = 0, LEFT = 1, RIGHT = 2, NUMPAD = 3;

/** HID Usage Tables 1.5, section 10, spot checks over every range of the table. */
const USAGES: readonly (readonly [string, number])[] = [
  ["KeyA", 0x04],
  ["KeyZ", 0x1d],
  ["Digit1", 0x1e],
  ["Digit0", 0x27],
  ["Enter", 0x28],
  ["Space", 0x2c],
  ["Slash", 0x38],
  ["F1", 0x3a],
  ["F12", 0x45],
  ["PrintScreen", 0x46],
  ["Delete", 0x4c],
  ["ArrowUp", 0x52],
  ["NumpadDivide", 0x54],
  ["Numpad1", 0x59],
  ["Numpad0", 0x62],
  ["IntlBackslash", 0x64],
  ["F13", 0x68],
  ["F24", 0x73],
  ["ControlLeft", 0xe0],
  ["MetaRight", 0xe7],
  ["Nonsense", 0],
  ["constructor", 0],
];
Deno.test("usageOf", () => {
  for (const [code, usage] of USAGES) equal(usageOf(code), usage, code);
});

Deno.test("every usage belongs to one code", () => {
  const usages = Object.values(KEY_USAGES);
  equal(new Set(usages).size, usages.length);
  ok(usages.every((usage) => usage > 0 && usage <= 0xff));
});

/** X11 keysymdef.h */
const KEYSYMS: readonly (readonly [key: string, location: number, keysym: number])[] = [
  ["a", STANDARD, 0x61],
  ["A", STANDARD, 0x41],
  [" ", STANDARD, 0x20],
  ["~", STANDARD, 0x7e],
  ["é", STANDARD, 0xe9],
  ["ÿ", STANDARD, 0xff],
  ["ß", STANDARD, 0xdf],
  ["€", STANDARD, 0x010020ac],
  ["ж", STANDARD, 0x01000436],
  ["你", STANDARD, 0x01004f60],
  ["😀", STANDARD, 0x0101f600],
  ["Enter", STANDARD, 0xff0d],
  ["Enter", NUMPAD, 0xff8d],
  ["5", NUMPAD, 0xffb5],
  ["5", STANDARD, 0x35],
  ["+", NUMPAD, 0xffab],
  ["Home", NUMPAD, 0xff95],
  ["Home", STANDARD, 0xff50],
  ["Delete", STANDARD, 0xffff],
  ["Escape", STANDARD, 0xff1b],
  ["F1", STANDARD, 0xffbe],
  ["F12", STANDARD, 0xffc9],
  ["F24", STANDARD, 0xffd5],
  ["Shift", LEFT, 0xffe1],
  ["Shift", RIGHT, 0xffe2],
  ["Control", LEFT, 0xffe3],
  ["Alt", LEFT, 0xffe9],
  ["Meta", RIGHT, 0xffec],
  ["AltGraph", RIGHT, 0xfe03],
  ["Dead", STANDARD, 0],
  ["Process", STANDARD, 0],
  ["Unidentified", STANDARD, 0],
  ["toString", STANDARD, 0],
  ["", STANDARD, 0],
];
Deno.test("keysymOf", () => {
  for (const [key, location, keysym] of KEYSYMS) equal(keysymOf(key, location), keysym, key);
});

Deno.test("keysymOfCodePoint leaves control characters out", () => {
  equal(keysymOfCodePoint(0x07), 0);
  equal(keysymOfCodePoint(0x7f), 0);
  equal(keysymOfCodePoint(0x0a), 0xff0d);
  equal(keysymOfCodePoint(0x80), 0x01000080);
});

let clock = 0;
const key = (code: string, name: string, more: Partial<KeyInput> = {}): KeyInput => ({
  code,
  key: name,
  location: STANDARD,
  repeat: false,
  isComposing: false,
  timeStamp: clock += 100,
  ...more,
});
const down = (usage: number, keysym: number): InputMessage => ({
  kind: "key",
  usage,
  keysym,
  down: true,
});
const up = (usage: number, keysym: number): InputMessage => ({
  kind: "key",
  usage,
  keysym,
  down: false,
});

/** Plays events: `+` presses, `-` releases. */
function play(
  platform: KeyboardState["platform"],
  events: readonly (readonly ["+" | "-", KeyInput])[],
): { readonly state: KeyboardState; readonly sent: readonly InputMessage[] } {
  let state = newKeyboard(platform);
  const sent: InputMessage[] = [];
  for (const [direction, event] of events) {
    const [next, messages] = direction === "+" ? keyDown(state, event) : keyUp(state, event);
    state = next;
    sent.push(...messages);
  }
  return { state, sent };
}

Deno.test("a key comes up with the codes it went down with, whatever Shift did meanwhile", () => {
  const { state, sent } = play("other", [
    ["+", key("ShiftLeft", "Shift", { location: LEFT })],
    ["+", key("KeyA", "A")],
    ["-", key("ShiftLeft", "Shift", { location: LEFT })],
    ["-", key("KeyA", "a")],
  ]);
  deepEqual(sent, [down(0xe1, 0xffe1), down(4, 0x41), up(0xe1, 0xffe1), up(4, 0x41)]);
  equal(state.pressed.size, 0);
});

Deno.test("repeats, unknown releases, dead and composing keys are left out", () => {
  const { sent } = play("other", [
    ["+", key("KeyB", "b")],
    ["+", key("KeyB", "b", { repeat: true })],
    ["+", key("KeyB", "b")],
    ["-", key("KeyC", "c")],
    ["+", key("BracketLeft", "Dead")],
    ["-", key("BracketLeft", "Dead")],
    ["+", key("KeyE", "Process")],
    ["+", key("KeyE", "e", { isComposing: true })],
    ["-", key("KeyB", "b")],
  ]);
  deepEqual(sent, [down(5, 0x62), up(5, 0x62)]);
});

Deno.test("AltGr on Windows: the invented Control is taken back and its release swallowed", () => {
  const { state, sent } = play("windows", [
    ["+", key("ControlLeft", "Control", { location: LEFT, timeStamp: 5000 })],
    ["+", key("AltRight", "AltGraph", { location: RIGHT, timeStamp: 5000 })],
    ["+", key("KeyE", "€", { timeStamp: 5100 })],
    ["-", key("KeyE", "€", { timeStamp: 5200 })],
    ["-", key("ControlLeft", "Control", { location: LEFT, timeStamp: 5300 })],
    ["-", key("AltRight", "AltGraph", { location: RIGHT, timeStamp: 5300 })],
  ]);
  deepEqual(sent, [
    down(0xe0, 0xffe3),
    up(0xe0, 0xffe3),
    down(0xe6, 0xfe03),
    down(8, 0x010020ac),
    up(8, 0x010020ac),
    up(0xe6, 0xfe03),
  ]);
  equal(state.pressed.size, 0);
  equal(state.fakeControl, false);
});

Deno.test("a real Control held before AltGr stays pressed", () => {
  const { sent } = play("windows", [
    ["+", key("ControlLeft", "Control", { location: LEFT, timeStamp: 1000 })],
    ["+", key("AltRight", "AltGraph", { location: RIGHT, timeStamp: 3000 })],
  ]);
  deepEqual(sent, [down(0xe0, 0xffe3), down(0xe6, 0xfe03)]);
});

Deno.test("macOS: releasing Command releases the keys whose release it swallowed", () => {
  const { state, sent } = play("mac", [
    ["+", key("MetaLeft", "Meta", { location: LEFT })],
    ["+", key("ShiftLeft", "Shift", { location: LEFT })],
    ["+", key("KeyC", "c")],
    ["-", key("MetaLeft", "Meta", { location: LEFT })],
  ]);
  deepEqual(sent.slice(3), [up(0xe3, 0xffeb), up(6, 0x63)]);
  deepEqual([...state.pressed.keys()], ["ShiftLeft"]);
});

Deno.test("releaseKeys forgets everything and says so", () => {
  const { state } = play("other", [["+", key("KeyA", "a")]]);
  const [next, messages] = releaseKeys(state);
  equal(next.pressed.size, 0);
  deepEqual(messages, [{ kind: "release-all" }]);
});

Deno.test("textMessages: runs of characters, Return and Tab as keys, no lone surrogate", () => {
  deepEqual(textMessages("aé\r\nb\t😀\ud800\x07"), [
    { kind: "text", codePoints: [0x61, 0xe9] },
    down(0x28, 0xff0d),
    up(0x28, 0xff0d),
    { kind: "text", codePoints: [0x62] },
    down(0x2b, 0xff09),
    up(0x2b, 0xff09),
    { kind: "text", codePoints: [0x1f600] },
  ]);
  equal(textMessages("x".repeat(600)).length, 3);
  deepEqual(textMessages(""), []);
});

Deno.test("specialMessages press in order, release in reverse, and encode", () => {
  deepEqual(specialMessages("ctrl-alt-del"), [
    down(0xe0, 0xffe3),
    down(0xe2, 0xffe9),
    down(0x4c, 0xffff),
    up(0x4c, 0xffff),
    up(0xe2, 0xffe9),
    up(0xe0, 0xffe3),
  ]);
  for (const keys of ["ctrl-alt-del", "super", "alt-tab", "escape", "print-screen"] as const) {
    for (const message of specialMessages(keys)) {
      deepEqual(decodeInput(encodeInput(message)), { ok: true, value: message });
    }
  }
});
