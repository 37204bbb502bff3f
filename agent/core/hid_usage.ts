/**
 * Physical keys: USB HID usage (HID Usage Tables, section 10, keyboard page 7) → X keycode of an
 * evdev keyboard, which is the Linux input code (input-event-codes.h) plus 8.
 */
const EVDEV_OFFSET = 8;

/** First usage of a run, then the Linux codes of that and the following usages. */
const RUNS: readonly (readonly [firstUsage: number, codes: readonly number[]])[] = [
  // A … Z
  [0x04, [30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50]],
  [0x11, [49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21, 44]],
  // 1 … 9, 0
  [0x1e, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
  // Enter Escape Backspace Tab Space - = [ ] \ (non-US #) ; ' ` , . / CapsLock
  [0x28, [28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52, 53, 58]],
  // F1 … F12
  [0x3a, [59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88]],
  // PrintScreen ScrollLock Pause Insert Home PageUp Delete End PageDown Right Left Down Up
  [0x46, [99, 70, 119, 110, 102, 104, 111, 107, 109, 106, 105, 108, 103]],
  // NumLock, keypad / * - + Enter 1 … 9 0 .
  [0x53, [69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76, 77, 71, 72, 73, 82, 83]],
  // Non-US \ (102nd key), Compose, Power, keypad =
  [0x64, [86, 127, 116, 117]],
  // F13 … F24
  [0x68, [183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194]],
  // Open Help Props Front Stop Again Undo Cut Copy Paste Find Mute VolumeUp VolumeDown
  [0x74, [134, 138, 130, 132, 128, 129, 131, 137, 133, 135, 136, 113, 115, 114]],
  // Keypad comma
  [0x85, [121]],
  // International 1 … 6: Ro, Katakana/Hiragana, Yen, Henkan, Muhenkan, keypad comma
  [0x87, [89, 93, 124, 92, 94, 95]],
  // Language 1 … 5: Hangul, Hanja, Katakana, Hiragana, Zenkaku/Hankaku
  [0x90, [122, 123, 90, 91, 85]],
  // Keypad ( )
  [0xb6, [179, 180]],
  // Left Control Shift Alt Super, right Control Shift Alt Super
  [0xe0, [29, 42, 56, 125, 97, 54, 100, 126]],
];

const KEYCODES: ReadonlyMap<number, number> = new Map(
  RUNS.flatMap(([firstUsage, codes]) =>
    codes.map((code, i) => [firstUsage + i, code + EVDEV_OFFSET] as const)
  ),
);

/** The X keycode of a physical key, or 0 when there is none. */
export const usageToKeycode = (usage: number): number => KEYCODES.get(usage) ?? 0;
