/**
 * X11 keysyms (X Window System Protocol, appendix A): the same character can have several, and
 * each side of a connection may know it by another one.
 */
import { LEGACY_KEYSYMS } from "./keysym_table.ts";

/** Characters beyond Latin-1 are this plus their code point. */
const UNICODE_BASE = 0x01000000;
const MAX_CODE_POINT = 0x10ffff;

/** Keysyms that the code names. */
export const KEYSYM = {
  backSpace: 0xff08,
  tab: 0xff09,
  enter: 0xff0d,
  escape: 0xff1b,
  delete: 0xffff,
  keypadEnter: 0xff8d,
  numLock: 0xff7f,
  shiftLeft: 0xffe1,
  level3Shift: 0xfe03,
  modeSwitch: 0xff7e,
} as const;

const codePointOf: ReadonlyMap<number, number> = readTable(LEGACY_KEYSYMS);

function readTable(table: string): Map<number, number> {
  const map = new Map<number, number>();
  for (const word of table.trim().split(/\s+/)) {
    const [, keysym, codePoint, count] = /^(\w+):(\w+)(?:\*(\d+))?$/.exec(word) ?? [];
    for (let i = 0; i < Number(count ?? 1); i++) {
      map.set(parseInt(keysym, 16) + i, parseInt(codePoint, 16) + i);
    }
  }
  return map;
}

const isLatin1 = (value: number): boolean =>
  (value >= 0x20 && value <= 0x7e) || (value >= 0xa0 && value <= 0xff);

/** The code point that a keysym types, or null for a function key. */
export function keysymToCodePoint(keysym: number): number | null {
  if (isLatin1(keysym)) return keysym;
  if (keysym >= UNICODE_BASE && keysym <= UNICODE_BASE + MAX_CODE_POINT) {
    return keysym - UNICODE_BASE;
  }
  return codePointOf.get(keysym) ?? null;
}

/** The keysym that types a code point; control characters become their keys, 0 has none. */
export function codePointToKeysym(codePoint: number): number {
  switch (codePoint) {
    case 0x08:
      return KEYSYM.backSpace;
    case 0x09:
      return KEYSYM.tab;
    case 0x0a:
    case 0x0d:
      return KEYSYM.enter;
    case 0x1b:
      return KEYSYM.escape;
    case 0x7f:
      return KEYSYM.delete;
  }
  if (codePoint < 0x20 || (codePoint > 0x7f && codePoint < 0xa0)) return 0;
  return isLatin1(codePoint) ? codePoint : UNICODE_BASE + codePoint;
}

/** One keysym for each character, so that two of them can be compared. */
export function canonicalKeysym(keysym: number): number {
  const codePoint = keysymToCodePoint(keysym);
  return codePoint === null ? keysym : codePointToKeysym(codePoint) || keysym;
}

/** Digits and movement keys of the keypad: NumLock and Shift choose between them. */
export const isKeypad = (keysym: number): boolean => keysym >= 0xff80 && keysym <= 0xffbd;

const isDeadKey = (keysym: number): boolean => keysym >= 0xfe50 && keysym <= 0xfe93;

/** Keysyms that are a character: which modifiers make it does not matter to the operator. */
export const isCharacter = (keysym: number): boolean =>
  keysymToCodePoint(keysym) !== null || isKeypad(keysym) || isDeadKey(keysym);

/** Whether two keysyms are the same character but for upper and lower case. */
export function sameButCase(a: number, b: number): boolean {
  if (a === b) return true;
  const [left, right] = [keysymToCodePoint(a), keysymToCodePoint(b)];
  if (left === null || right === null) return false;
  return String.fromCodePoint(left).toLowerCase() === String.fromCodePoint(right).toLowerCase();
}
