/**
 * KeyboardEvent.key (W3C UI Events KeyboardEvent key values) → X11 keysym (X Window System
 * Protocol, appendix A): the character or function at the operator's layout.
 */

/** Keys that stand once on a keyboard, or mean the same wherever they stand. */
const NAMED: Readonly<Record<string, number>> = {
  Backspace: 0xff08,
  Tab: 0xff09,
  Clear: 0xff0b,
  Enter: 0xff0d,
  Pause: 0xff13,
  ScrollLock: 0xff14,
  Escape: 0xff1b,
  Compose: 0xff20,
  KanjiMode: 0xff21,
  NonConvert: 0xff22,
  Convert: 0xff23,
  Romaji: 0xff24,
  Hiragana: 0xff25,
  Katakana: 0xff26,
  HiraganaKatakana: 0xff27,
  Zenkaku: 0xff28,
  Hankaku: 0xff29,
  ZenkakuHankaku: 0xff2a,
  KanaMode: 0xff2d,
  Eisu: 0xff2f,
  HangulMode: 0xff31,
  HanjaMode: 0xff34,
  Home: 0xff50,
  ArrowLeft: 0xff51,
  ArrowUp: 0xff52,
  ArrowRight: 0xff53,
  ArrowDown: 0xff54,
  PageUp: 0xff55,
  PageDown: 0xff56,
  End: 0xff57,
  Select: 0xff60,
  PrintScreen: 0xff61,
  Execute: 0xff62,
  Insert: 0xff63,
  Undo: 0xff65,
  Redo: 0xff66,
  ContextMenu: 0xff67,
  Find: 0xff68,
  Cancel: 0xff69,
  Help: 0xff6a,
  ModeChange: 0xff7e,
  NumLock: 0xff7f,
  AltGraph: 0xfe03,
  CapsLock: 0xffe5,
  Delete: 0xffff,
  AudioVolumeDown: 0x1008ff11,
  AudioVolumeMute: 0x1008ff12,
  AudioVolumeUp: 0x1008ff13,
  MediaPlayPause: 0x1008ff14,
  MediaStop: 0x1008ff15,
  MediaTrackPrevious: 0x1008ff16,
  MediaTrackNext: 0x1008ff17,
  BrowserBack: 0x1008ff26,
  BrowserForward: 0x1008ff27,
  BrowserRefresh: 0x1008ff29,
  Copy: 0x1008ff57,
  Cut: 0x1008ff58,
  Paste: 0x1008ff6d,
};

/** Modifiers: left, right. */
const SIDED: Readonly<Record<string, readonly [number, number]>> = {
  Shift: [0xffe1, 0xffe2],
  Control: [0xffe3, 0xffe4],
  Meta: [0xffeb, 0xffec],
  Alt: [0xffe9, 0xffea],
  Super: [0xffeb, 0xffec],
  Hyper: [0xffed, 0xffee],
};

/** The numeric keypad has keysyms of its own. */
const KEYPAD: Readonly<Record<string, number>> = {
  Enter: 0xff8d,
  Home: 0xff95,
  ArrowLeft: 0xff96,
  ArrowUp: 0xff97,
  ArrowRight: 0xff98,
  ArrowDown: 0xff99,
  PageUp: 0xff9a,
  PageDown: 0xff9b,
  End: 0xff9c,
  Clear: 0xff9d,
  Insert: 0xff9e,
  Delete: 0xff9f,
  "=": 0xffbd,
  "*": 0xffaa,
  "+": 0xffab,
  "-": 0xffad,
  ".": 0xffae,
  ",": 0xffac,
  "/": 0xffaf,
};
/** DOM_KEY_LOCATION_RIGHT and _NUMPAD of UI Events. */
const RIGHT = 2;
const NUMPAD = 3;

/** The keysym of one character: Latin-1 as it is, everything else by the Unicode rule. */
export function keysymOfCodePoint(codePoint: number): number {
  const latin1 = (codePoint >= 0x20 && codePoint <= 0x7e) ||
    (codePoint >= 0xa0 && codePoint <= 0xff);
  if (latin1) return codePoint;
  if (codePoint === 0x0a || codePoint === 0x0d) return NAMED.Enter;
  if (codePoint === 0x09) return NAMED.Tab;
  return codePoint < 0x20 || codePoint === 0x7f ? 0 : 0x0100_0000 + codePoint;
}

/** The keysym of a `key` at a `location`, or 0 when it has none (dead keys, `Process`, …). */
export function keysymOf(key: string, location: number): number {
  if (location === NUMPAD) {
    if (Object.hasOwn(KEYPAD, key)) return KEYPAD[key];
    if (/^[0-9]$/.test(key)) return 0xffb0 + Number(key);
  }
  if (Object.hasOwn(SIDED, key)) return SIDED[key][location === RIGHT ? 1 : 0];
  if (Object.hasOwn(NAMED, key)) return NAMED[key];
  const functionKey = /^F([1-9]|[12][0-9]|3[0-5])$/.exec(key);
  if (functionKey !== null) return 0xffbd + Number(functionKey[1]);
  const characters = [...key];
  return characters.length === 1 ? keysymOfCodePoint(key.codePointAt(0) ?? 0) : 0;
}
