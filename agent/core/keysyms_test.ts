/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  canonicalKeysym,
  codePointToKeysym,
  isCharacter,
  keysymToCodePoint,
  sameButCase,
} from "./keysyms.ts";

Deno.test("keysymToCodePoint: Latin-1, legacy and Unicode keysyms", () => {
  const rows: readonly (readonly [number, number | null])[] = [
    [0x41, 0x41],
    [0xf6, 0xf6],
    [0x7f, null],
    [0x1a1, 0x104], // Aogonek
    [0x6c1, 0x430], // Cyrillic_a
    [0x7e1, 0x3b1], // Greek_alpha
    [0x4b1, 0x30a2], // kana_A
    [0xeb7, 0x3147], // Hangul_Ieung
    [0x20ac, 0x20ac], // EuroSign
    [0x01003042, 0x3042],
    [0x0101f600, 0x1f600],
    [0x01110000, null],
    [0xff0d, null],
    [0xffe1, null],
  ];
  for (const [keysym, codePoint] of rows) {
    assert.equal(keysymToCodePoint(keysym), codePoint, keysym.toString(16));
  }
});

Deno.test("codePointToKeysym: characters, and control characters as keys", () => {
  const rows: readonly (readonly [number, number])[] = [
    [0x61, 0x61],
    [0xdf, 0xdf],
    [0x20ac, 0x010020ac],
    [0x1f600, 0x0101f600],
    [0x0a, 0xff0d],
    [0x0d, 0xff0d],
    [0x09, 0xff09],
    [0x08, 0xff08],
    [0x1b, 0xff1b],
    [0x7f, 0xffff],
    [0x00, 0],
    [0x85, 0],
  ];
  for (const [codePoint, keysym] of rows) assert.equal(codePointToKeysym(codePoint), keysym);
});

Deno.test("canonicalKeysym: all names of one character are one", () => {
  assert.equal(canonicalKeysym(0x20ac), 0x010020ac);
  assert.equal(canonicalKeysym(0x01000041), 0x41);
  assert.equal(canonicalKeysym(0x6c1), 0x01000430);
  assert.equal(canonicalKeysym(0xff0d), 0xff0d);
  assert.equal(canonicalKeysym(0xffb1), 0xffb1);
});

Deno.test("isCharacter: letters, keypad and dead keys, not functions and modifiers", () => {
  for (const keysym of [0x61, 0x20, 0x6c1, 0x01003042, 0xffb1, 0xff9c, 0xfe51]) {
    assert.ok(isCharacter(keysym), keysym.toString(16));
  }
  for (const keysym of [0xff0d, 0xff09, 0xffe1, 0xfe03, 0xfe20, 0xffbe, 0x1008ff11, 0]) {
    assert.ok(!isCharacter(keysym), keysym.toString(16));
  }
});

Deno.test("sameButCase: case only", () => {
  assert.ok(sameButCase(0x41, 0x61));
  assert.ok(sameButCase(0x6c1, 0x6e1));
  assert.ok(sameButCase(0xffe1, 0xffe1));
  assert.ok(!sameButCase(0x41, 0x62));
  assert.ok(!sameButCase(0xffe1, 0xffe2));
});
