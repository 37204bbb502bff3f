/**
 * KeyboardEvent.code (W3C UI Events KeyboardEvent code values) → USB HID usage, page 7 (HID Usage
 * Tables 1.5, section 10): the physical key, whatever is printed on it.
 */
const letters = Object.fromEntries(
  [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((letter, i) => [`Key${letter}`, 0x04 + i]),
);
const digits = Object.fromEntries(
  [..."1234567890"].map((digit, i) => [`Digit${digit}`, 0x1e + i]),
);
const numpad = Object.fromEntries(
  [..."1234567890"].map((digit, i) => [`Numpad${digit}`, 0x59 + i]),
);
const functions = Object.fromEntries([
  ...Array.from({ length: 12 }, (_, i) => [`F${i + 1}`, 0x3a + i] as const),
  ...Array.from({ length: 12 }, (_, i) => [`F${i + 13}`, 0x68 + i] as const),
]);

/** Every `code` that has a usage of its own. */
export const KEY_USAGES: Readonly<Record<string, number>> = {
  ...letters,
  ...digits,
  ...numpad,
  ...functions,
  Enter: 0x28,
  Escape: 0x29,
  Backspace: 0x2a,
  Tab: 0x2b,
  Space: 0x2c,
  Minus: 0x2d,
  Equal: 0x2e,
  BracketLeft: 0x2f,
  BracketRight: 0x30,
  Backslash: 0x31,
  Semicolon: 0x33,
  Quote: 0x34,
  Backquote: 0x35,
  Comma: 0x36,
  Period: 0x37,
  Slash: 0x38,
  CapsLock: 0x39,
  PrintScreen: 0x46,
  ScrollLock: 0x47,
  Pause: 0x48,
  Insert: 0x49,
  Home: 0x4a,
  PageUp: 0x4b,
  Delete: 0x4c,
  End: 0x4d,
  PageDown: 0x4e,
  ArrowRight: 0x4f,
  ArrowLeft: 0x50,
  ArrowDown: 0x51,
  ArrowUp: 0x52,
  NumLock: 0x53,
  NumpadDivide: 0x54,
  NumpadMultiply: 0x55,
  NumpadSubtract: 0x56,
  NumpadAdd: 0x57,
  NumpadEnter: 0x58,
  NumpadDecimal: 0x63,
  IntlBackslash: 0x64,
  ContextMenu: 0x65,
  Power: 0x66,
  NumpadEqual: 0x67,
  Help: 0x75,
  Again: 0x79,
  Undo: 0x7a,
  Cut: 0x7b,
  Copy: 0x7c,
  Paste: 0x7d,
  Find: 0x7e,
  AudioVolumeMute: 0x7f,
  AudioVolumeUp: 0x80,
  AudioVolumeDown: 0x81,
  NumpadComma: 0x85,
  IntlRo: 0x87,
  KanaMode: 0x88,
  IntlYen: 0x89,
  Convert: 0x8a,
  NonConvert: 0x8b,
  Lang1: 0x90,
  Lang2: 0x91,
  ControlLeft: 0xe0,
  ShiftLeft: 0xe1,
  AltLeft: 0xe2,
  MetaLeft: 0xe3,
  ControlRight: 0xe4,
  ShiftRight: 0xe5,
  AltRight: 0xe6,
  MetaRight: 0xe7,
};

/** The usage of a `code`, or 0 when it is not known. */
export const usageOf = (code: string): number =>
  Object.hasOwn(KEY_USAGES, code) ? KEY_USAGES[code] : 0;
