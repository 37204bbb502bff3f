/**
 * Which key to press, with which modifiers, so that a character of the operator's keyboard comes
 * out of a desktop that may have another layout.
 */
import { usageToKeycode } from "./hid_usage.ts";
import { canonicalKeysym, isCharacter, isKeypad, KEYSYM } from "./keysyms.ts";

/** Real modifiers of the X protocol (section 5, KeyButMask). */
export const MODIFIER = { shift: 1, lock: 2, control: 4, alt: 8, super: 64 } as const;
const ALL_MODIFIERS = 0xff;
/** With one of these held a key is a shortcut, not a character. */
const COMMAND = MODIFIER.control | MODIFIER.alt | MODIFIER.super;

/** The four modifiers that choose a symbol, as bits of a combination. */
const COMBO = { shift: 1, lock: 2, numLock: 4, level3: 8 } as const;
const COMBOS = 16;
const KEYCODES = 256;

/** What every key makes, as the server's own rules say (X Keyboard Extension, section 13). */
export interface Keymap {
  readonly minKeycode: number;
  readonly maxKeycode: number;
  readonly groups: number;
  /** Canonical keysym at [(group × 16 + combination) × 256 + keycode], 0 for none. */
  readonly symbols: Uint32Array;
  /** Modifiers that a keycode sets while it is down. */
  readonly modifiersOf: Uint8Array;
  readonly numLockMask: number;
  readonly level3Mask: number;
  /** Keycodes that set Shift and the third level; 0 when the keyboard has none. */
  readonly shiftKeycode: number;
  readonly level3Keycode: number;
}

export interface KeymapSource {
  readonly minKeycode: number;
  readonly maxKeycode: number;
  readonly groups: number;
  readonly modifiersOf: Uint8Array;
  /** The keysym that a key makes in a group under real modifiers, 0 for none. */
  symbolAt(keycode: number, group: number, modifiers: number): number;
}

/** Asks a keyboard for everything once. */
export function buildKeymap(source: KeymapSource): Keymap {
  const { minKeycode, maxKeycode, groups } = source;
  const modifiersOf = source.modifiersOf.slice();
  const keyFor = (keysym: number, mask: number): number => {
    for (let keycode = minKeycode; keycode <= maxKeycode; keycode++) {
      if ((modifiersOf[keycode] & mask) !== 0 && source.symbolAt(keycode, 0, 0) === keysym) {
        return keycode;
      }
    }
    return 0;
  };
  const maskOf = (keycode: number) => keycode === 0 ? 0 : modifiersOf[keycode];
  const level3Keycode = keyFor(KEYSYM.level3Shift, ALL_MODIFIERS) ||
    keyFor(KEYSYM.modeSwitch, ALL_MODIFIERS);
  const numLockMask = maskOf(keyFor(KEYSYM.numLock, ALL_MODIFIERS));
  const level3Mask = maskOf(level3Keycode);
  // Layouts give AltGr its action without a line in the modifier map.
  for (let keycode = minKeycode; keycode <= maxKeycode; keycode++) {
    if (source.symbolAt(keycode, 0, 0) === KEYSYM.level3Shift) modifiersOf[keycode] |= level3Mask;
  }
  const symbols = new Uint32Array(groups * COMBOS * KEYCODES);
  for (let group = 0; group < groups; group++) {
    for (let combo = 0; combo < COMBOS; combo++) {
      const modifiers = (combo & COMBO.shift ? MODIFIER.shift : 0) |
        (combo & COMBO.lock ? MODIFIER.lock : 0) |
        (combo & COMBO.numLock ? numLockMask : 0) | (combo & COMBO.level3 ? level3Mask : 0);
      for (let keycode = minKeycode; keycode <= maxKeycode; keycode++) {
        symbols[(group * COMBOS + combo) * KEYCODES + keycode] = canonicalKeysym(
          source.symbolAt(keycode, group, modifiers),
        );
      }
    }
  }
  return {
    minKeycode,
    maxKeycode,
    groups,
    symbols,
    modifiersOf,
    numLockMask,
    level3Mask,
    shiftKeycode: keyFor(KEYSYM.shiftLeft, MODIFIER.shift),
    level3Keycode,
  };
}

/** Keycodes that make nothing at all and set no modifier: they can be lent to a character. */
export function spareKeycodes(map: Keymap): number[] {
  const spare: number[] = [];
  for (let keycode = map.minKeycode; keycode <= map.maxKeycode; keycode++) {
    if (map.modifiersOf[keycode] !== 0) continue;
    let used = false;
    for (let at = keycode; at < map.symbols.length && !used; at += KEYCODES) {
      used = map.symbols[at] !== 0;
    }
    if (!used) spare.push(keycode);
  }
  return spare;
}

/** What a key makes by itself, in the first group. */
export const plainSymbol = (map: Keymap, keycode: number): number => map.symbols[keycode];

/** The keyboard's state as the server sees it. */
export interface KeyState {
  readonly group: number;
  /** Effective real modifiers. */
  readonly modifiers: number;
}

export interface KeyRequest {
  /** Physical key (HID), 0 when unknown. */
  readonly usage: number;
  /** Character or function, 0 when unknown. */
  readonly keysym: number;
  /** Finished text: Control, Alt and Super must not take part. */
  readonly text: boolean;
}

export type KeyChoice =
  | {
    readonly kind: "key";
    readonly keycode: number;
    /** The group to switch to around the press, or null to stay. */
    readonly group: number | null;
    /** Modifiers whose held keys are lifted around the press. */
    readonly lift: number;
    /** Modifier keys that are pressed around it. */
    readonly press: readonly number[];
  }
  /** No key makes this keysym: lend it a spare one. */
  | { readonly kind: "spare"; readonly keysym: number; readonly lift: number }
  | { readonly kind: "none" };

/** Chooses the key for one press. */
export function chooseKey(map: Keymap, state: KeyState, request: KeyRequest): KeyChoice {
  const physical = usageToKeycode(request.usage);
  const known = physical >= map.minKeycode && physical <= map.maxKeycode ? physical : 0;
  const keysym = canonicalKeysym(request.keysym);
  const choosing = MODIFIER.shift | MODIFIER.lock | map.numLockMask | map.level3Mask;
  const command = state.modifiers & ALL_MODIFIERS & ~choosing;
  const lift = request.text ? command : 0;
  const byUsage: KeyChoice = known === 0
    ? { kind: "none" }
    : { kind: "key", keycode: known, group: null, lift, press: [] };
  if (keysym === 0) return byUsage;
  if (!isCharacter(keysym)) {
    const keycode = findFunctionKey(map, state.group, keysym, known);
    if (keycode !== 0) return { kind: "key", keycode, group: null, lift, press: [] };
    return byUsage.kind === "none" ? { kind: "spare", keysym, lift } : byUsage;
  }
  const found = findCharacter(map, state, keysym, known);
  if (found !== null) return { ...found, lift: found.lift | lift };
  // A shortcut means the physical key where the layouts share no character.
  const shortcut = (command & COMMAND) !== 0 && !request.text;
  if ((shortcut || isKeypad(keysym)) && byUsage.kind !== "none") return byUsage;
  return { kind: "spare", keysym, lift };
}

/**
 * A function key is the key that bears the keysym on any level: Shift-Tab is Tab with Shift held,
 * not the key combination that makes the keysym Tab. The lowest level wins, then the physical key.
 */
function findFunctionKey(map: Keymap, group: number, keysym: number, preferred: number): number {
  const order = [group, ...Array.from({ length: map.groups }, (_, i) => i)];
  for (const candidate of order) {
    if (candidate >= map.groups) continue;
    for (let combo = 0; combo < COMBOS; combo++) {
      const at = (candidate * COMBOS + combo) * KEYCODES;
      if (preferred !== 0 && map.symbols[at + preferred] === keysym) return preferred;
      for (let keycode = map.minKeycode; keycode <= map.maxKeycode; keycode++) {
        if (map.symbols[at + keycode] === keysym) return keycode;
      }
    }
  }
  return 0;
}

/** Fewest changes win: none, then one modifier, then both, then another group. */
function findCharacter(
  map: Keymap,
  state: KeyState,
  keysym: number,
  preferred: number,
): Extract<KeyChoice, { kind: "key" }> | null {
  const current = state.group < map.groups ? state.group : 0;
  const order = [current];
  for (let group = 0; group < map.groups; group++) if (group !== current) order.push(group);
  for (const group of order) {
    const found = findInGroup(map, state.modifiers, group, keysym, preferred);
    if (found === null) continue;
    return { ...found, group: group === state.group ? null : group };
  }
  return null;
}

function findInGroup(
  map: Keymap,
  modifiers: number,
  group: number,
  keysym: number,
  preferred: number,
): Extract<KeyChoice, { kind: "key" }> | null {
  const locks = (modifiers & MODIFIER.lock ? COMBO.lock : 0) |
    (map.numLockMask !== 0 && modifiers & map.numLockMask ? COMBO.numLock : 0);
  const shiftNow = (modifiers & MODIFIER.shift) !== 0;
  const level3Now = map.level3Mask !== 0 && (modifiers & map.level3Mask) !== 0;
  const symbol = (combo: number, keycode: number) =>
    map.symbols[(group * COMBOS + (combo | locks)) * KEYCODES + keycode];
  let best: { cost: number; choice: Extract<KeyChoice, { kind: "key" }> } | null = null;
  for (const combo of [0, COMBO.shift, COMBO.level3, COMBO.shift | COMBO.level3]) {
    const shift = (combo & COMBO.shift) !== 0;
    const level3 = (combo & COMBO.level3) !== 0;
    if (shift && !shiftNow && map.shiftKeycode === 0) continue;
    if (level3 && !level3Now && map.level3Keycode === 0) continue;
    const changes = (shift === shiftNow ? 0 : 2) + (level3 === level3Now ? 0 : 2);
    for (let keycode = map.minKeycode; keycode <= map.maxKeycode; keycode++) {
      if (symbol(combo, keycode) !== keysym) continue;
      // The third level only chooses characters: where it changes nothing it is not wanted.
      if (level3 && symbol(combo & ~COMBO.level3, keycode) === keysym) continue;
      const cost = changes + (keycode === preferred ? 0 : 1);
      if (best !== null && best.cost <= cost) continue;
      const press: number[] = [];
      if (shift && !shiftNow) press.push(map.shiftKeycode);
      if (level3 && !level3Now) press.push(map.level3Keycode);
      const lift = (!shift && shiftNow ? MODIFIER.shift : 0) |
        (!level3 && level3Now ? map.level3Mask : 0);
      best = { cost, choice: { kind: "key", keycode, group: null, lift, press } };
    }
  }
  return best?.choice ?? null;
}

/** One key event to play. */
export interface KeyOp {
  readonly keycode: number;
  readonly down: boolean;
}

/**
 * The modifier events around a press: held keys that set a modifier in `lift` go up, `press` goes
 * down; afterwards all as before.
 */
export function modifierOps(
  map: Keymap,
  choice: { readonly lift: number; readonly press: readonly number[] },
  held: Iterable<number>,
): { readonly before: readonly KeyOp[]; readonly after: readonly KeyOp[] } {
  const lifted = [...new Set(held)].filter((keycode) =>
    (map.modifiersOf[keycode] & choice.lift) !== 0
  );
  return {
    before: [
      ...lifted.map((keycode) => ({ keycode, down: false })),
      ...choice.press.map((keycode) => ({ keycode, down: true })),
    ],
    after: [
      ...choice.press.toReversed().map((keycode) => ({ keycode, down: false })),
      ...lifted.toReversed().map((keycode) => ({ keycode, down: true })),
    ],
  };
}
