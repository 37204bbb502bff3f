/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { usageToKeycode } from "./hid_usage.ts";
import {
  buildKeymap,
  chooseKey,
  type KeyChoice,
  type Keymap,
  type KeyRequest,
  type KeyState,
  MODIFIER,
  modifierOps,
  spareKeycodes,
} from "./keymap.ts";

const NUM_LOCK = 16;
const LEVEL3 = 128;

/** Keycodes as on an evdev keyboard. */
const KEY = {
  two: 11,
  q: 24,
  e: 26,
  a: 38,
  shiftLeft: 50,
  altLeft: 64,
  space: 65,
  capsLock: 66,
  numLock: 77,
  kp1: 87,
  level3: 92,
  spare: 93,
  tab: 23,
  altGr: 108,
  controlLeft: 37,
  f1: 67,
} as const;

/** [plain, Shift, AltGr, AltGr-Shift]; letters follow CapsLock, the keypad NumLock. */
type Levels = readonly [number, number?, number?, number?];
type Layout = Readonly<Record<number, Levels>>;

const US: Layout = {
  [KEY.two]: [0x32, 0x40],
  [KEY.q]: [0x71, 0x51],
  [KEY.e]: [0x65, 0x45],
  [KEY.a]: [0x61, 0x41],
  [KEY.shiftLeft]: [0xffe1],
  [KEY.altLeft]: [0xffe9, 0xffe7],
  [KEY.space]: [0x20],
  [KEY.capsLock]: [0xffe5],
  [KEY.numLock]: [0xff7f],
  [KEY.kp1]: [0xff9c, 0xffb1],
  [KEY.level3]: [0xfe03],
  [KEY.tab]: [0xff09, 0xfe20],
  [KEY.controlLeft]: [0xffe3],
  [KEY.f1]: [0xffbe],
};
/** German: @ and € with AltGr; one legacy keysym (EuroSign). */
const DE: Layout = {
  ...US,
  [KEY.two]: [0x32, 0x22, 0xb2],
  [KEY.q]: [0x71, 0x51, 0x40, 0x7d9],
  [KEY.e]: [0x65, 0x45, 0x20ac],
  [KEY.altGr]: [0xfe03],
};
/** Russian on the second group. */
const RU: Layout = { [KEY.a]: [0x6c6, 0x6e6], [KEY.q]: [0x6ca, 0x6ea] };

function keymap(...groups: Layout[]): Keymap {
  const modifiersOf = new Uint8Array(256);
  modifiersOf[KEY.shiftLeft] = MODIFIER.shift;
  modifiersOf[KEY.capsLock] = MODIFIER.lock;
  modifiersOf[KEY.controlLeft] = MODIFIER.control;
  modifiersOf[KEY.altLeft] = MODIFIER.alt;
  modifiersOf[KEY.numLock] = NUM_LOCK;
  modifiersOf[KEY.level3] = LEVEL3;
  return buildKeymap({
    minKeycode: 8,
    maxKeycode: 255,
    groups: groups.length,
    modifiersOf,
    symbolAt(keycode, group, modifiers) {
      const levels = groups[group][keycode] ?? groups[0][keycode];
      if (levels === undefined) return 0;
      const [plain, shifted = plain] = levels;
      const isLetter = shifted !== plain && (plain === shifted + 0x20 || shifted === plain + 0x20);
      const isKeypad = plain >= 0xff80 && plain <= 0xffbd;
      let shift = (modifiers & MODIFIER.shift) !== 0;
      if (isLetter && modifiers & MODIFIER.lock) shift = !shift;
      if (isKeypad && modifiers & NUM_LOCK) shift = !shift;
      const level3 = (modifiers & LEVEL3) !== 0 && levels.length > 2;
      return levels[(level3 ? 2 : 0) + (shift ? 1 : 0)] ?? levels[level3 ? 2 : 0] ?? plain;
    },
  });
}

const us = keymap(US);
const de = keymap(DE);
const usRu = keymap(US, RU);
const plain: KeyState = { group: 0, modifiers: 0 };
const with_ = (modifiers: number, group = 0): KeyState => ({ group, modifiers });
const key = (keysym: number, usage = 0): KeyRequest => ({ keysym, usage, text: false });
const typed = (keysym: number): KeyRequest => ({ keysym, usage: 0, text: true });
const press = (
  keycode: number,
  rest: Partial<Extract<KeyChoice, { kind: "key" }>> = {},
): KeyChoice => ({ kind: "key", keycode, group: null, lift: 0, press: [], ...rest });
const spare = (keysym: number, lift = 0): KeyChoice => ({ kind: "spare", keysym, lift });

const cases: readonly (readonly [string, Keymap, KeyState, KeyRequest, KeyChoice])[] = [
  ["a letter", us, plain, key(0x61), press(KEY.a)],
  ["a capital presses Shift", us, plain, key(0x41), press(KEY.a, { press: [KEY.shiftLeft] })],
  ["a capital with Shift held", us, with_(MODIFIER.shift), key(0x41), press(KEY.a)],
  [
    "a small letter with Shift held lifts it",
    us,
    with_(MODIFIER.shift),
    key(0x61),
    press(KEY.a, { lift: MODIFIER.shift }),
  ],
  ["a capital under CapsLock", us, with_(MODIFIER.lock), key(0x41), press(KEY.a)],
  [
    "a small letter under CapsLock presses Shift",
    us,
    with_(MODIFIER.lock),
    key(0x61),
    press(KEY.a, { press: [KEY.shiftLeft] }),
  ],
  ["Shift stays for a space", us, with_(MODIFIER.shift), key(0x20), press(KEY.space)],
  [
    "a German @ on a US keyboard: AltGr is lifted, Shift pressed",
    us,
    with_(LEVEL3),
    key(0x40, 0x14),
    press(KEY.two, { lift: LEVEL3, press: [KEY.shiftLeft] }),
  ],
  [
    "a US @ on a German keyboard: Shift is lifted, AltGr pressed",
    de,
    with_(MODIFIER.shift),
    key(0x40, 0x1f),
    press(KEY.q, { lift: MODIFIER.shift, press: [KEY.level3] }),
  ],
  ["AltGr held where it is needed", de, with_(LEVEL3), key(0x40), press(KEY.q)],
  [
    "AltGr held where it does nothing is lifted",
    de,
    with_(LEVEL3),
    key(0x61),
    press(KEY.a, { lift: LEVEL3 }),
  ],
  [
    "a Unicode keysym finds a legacy one",
    de,
    plain,
    key(0x010020ac),
    press(KEY.e, { press: [KEY.level3] }),
  ],
  ["another group", usRu, plain, key(0x6c6), press(KEY.a, { group: 1 })],
  ["another group, back", usRu, with_(0, 1), key(0x61), press(KEY.a, { group: 0 })],
  ["the current group", usRu, with_(0, 1), key(0x01000444), press(KEY.a)],
  ["a character nobody has", us, plain, key(0x01003042, 0x04), spare(0x01003042)],
  [
    "the same in text",
    us,
    with_(MODIFIER.control),
    typed(0x01003042),
    spare(0x01003042, MODIFIER.control),
  ],
  [
    "a shortcut of a foreign layout is the physical key",
    us,
    with_(MODIFIER.control),
    key(0x6c6, 0x04),
    press(KEY.a),
  ],
  ["a shortcut keeps Control", us, with_(MODIFIER.control), key(0x61), press(KEY.a)],
  [
    "text lifts Control and Alt",
    us,
    with_(MODIFIER.control | MODIFIER.alt),
    typed(0x61),
    press(KEY.a, { lift: MODIFIER.control | MODIFIER.alt }),
  ],
  ["Shift-Tab is Tab", us, with_(MODIFIER.shift), key(0xff09), press(KEY.tab)],
  ["Shift-Alt is Alt", us, with_(MODIFIER.shift), key(0xffe9), press(KEY.altLeft)],
  ["Shift itself", us, plain, key(0xffe1), press(KEY.shiftLeft)],
  ["a function key", us, with_(LEVEL3), key(0xffbe), press(KEY.f1)],
  ["a function key by usage", us, plain, key(0xffc8, 0x44), press(usageToKeycode(0x44))],
  ["a function key nobody has", us, plain, key(0x1008ff11), spare(0x1008ff11)],
  ["usage alone", us, plain, key(0, 0x04), press(KEY.a)],
  ["an unknown usage", us, plain, key(0, 0xff), { kind: "none" }],
  [
    "keypad digit without NumLock",
    us,
    plain,
    key(0xffb1),
    press(KEY.kp1, { press: [KEY.shiftLeft] }),
  ],
  ["keypad digit with NumLock", us, with_(NUM_LOCK), key(0xffb1), press(KEY.kp1)],
  [
    "keypad End with NumLock",
    us,
    with_(NUM_LOCK),
    key(0xff9c),
    press(KEY.kp1, { press: [KEY.shiftLeft] }),
  ],
  ["keypad key nobody has", us, plain, key(0xffb5, 0x5d), press(usageToKeycode(0x5d))],
];

for (const [name, map, state, request, expected] of cases) {
  Deno.test(`chooseKey: ${name}`, () => {
    assert.deepEqual(chooseKey(map, state, request), expected);
  });
}

Deno.test("chooseKey: of two keys with the same character the physical one wins", () => {
  const twice = keymap({ ...US, [94]: [0x61] });
  assert.deepEqual(chooseKey(twice, plain, key(0x61, 0x64)), press(94));
  assert.deepEqual(chooseKey(twice, plain, key(0x61, 0x04)), press(KEY.a));
});

Deno.test("spareKeycodes: keys without symbols and modifiers, no others", () => {
  const spareOnes = spareKeycodes(us);
  assert.ok(spareOnes.includes(KEY.spare));
  for (const keycode of Object.keys(US).map(Number)) assert.ok(!spareOnes.includes(keycode));
});

Deno.test("modifierOps: lifts held keys of the mask, presses others, then all is as before", () => {
  const held = [KEY.altGr, KEY.shiftLeft, KEY.a];
  const ops = modifierOps(de, { lift: MODIFIER.shift | LEVEL3, press: [KEY.controlLeft] }, held);
  assert.deepEqual(ops.before, [
    { keycode: KEY.altGr, down: false },
    { keycode: KEY.shiftLeft, down: false },
    { keycode: KEY.controlLeft, down: true },
  ]);
  assert.deepEqual(ops.after, [
    { keycode: KEY.controlLeft, down: false },
    { keycode: KEY.shiftLeft, down: true },
    { keycode: KEY.altGr, down: true },
  ]);
});

Deno.test("usageToKeycode: known keys", () => {
  const rows: readonly (readonly [number, number])[] = [
    [0x04, 38],
    [0x1d, 52],
    [0x27, 19],
    [0x28, 36],
    [0x31, 51],
    [0x39, 66],
    [0x45, 96],
    [0x4f, 114],
    [0x52, 111],
    [0x63, 91],
    [0x73, 202],
    [0xe7, 134],
    [0x00, 0],
    [0xff, 0],
  ];
  for (const [usage, keycode] of rows) assert.equal(usageToKeycode(usage), keycode);
});
