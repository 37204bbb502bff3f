/** What one viewer holds down, so that exactly that is released when the viewer goes away. */
import type { InputMessage } from "@farglass/protocol";

interface HeldKey {
  readonly usage: number;
  readonly keysym: number;
}

export interface HeldInput {
  readonly buttons: readonly number[];
  readonly keys: readonly HeldKey[];
  /** The last pointer position, where buttons are released. */
  readonly x: number;
  readonly y: number;
}

export const nothingHeld: HeldInput = { buttons: [], keys: [], x: 0, y: 0 };

/** More keys than this at once are no hand: further presses are not played. */
export const MAX_HELD_KEYS = 64;

/** The same physical key; without one, the same character. */
const sameKey = (a: HeldKey, b: HeldKey): boolean =>
  a.usage !== 0 || b.usage !== 0 ? a.usage === b.usage : a.keysym === b.keysym;

/** Notes what `input` presses or releases. */
export function hold(held: HeldInput, input: InputMessage): HeldInput {
  switch (input.kind) {
    case "move":
    case "wheel":
      return { ...held, x: input.x, y: input.y };
    case "button": {
      const others = held.buttons.filter((b) => b !== input.button);
      const buttons = input.down ? [...others, input.button] : others;
      return { ...held, buttons, x: input.x, y: input.y };
    }
    case "key": {
      const others = held.keys.filter((k) => !sameKey(k, input));
      const keys = input.down ? [...others, { usage: input.usage, keysym: input.keysym }] : others;
      return { ...held, keys };
    }
    case "text":
      return held;
    case "release-all":
      return { ...held, buttons: [], keys: [] };
  }
}

/** The input that releases everything held, newest key first. */
export function releases(held: HeldInput): readonly InputMessage[] {
  return [
    ...held.keys.toReversed().map((key): InputMessage => ({ kind: "key", ...key, down: false })),
    ...held.buttons.toReversed().map((button): InputMessage => ({
      kind: "button",
      seq: 0,
      x: held.x,
      y: held.y,
      button,
      down: false,
    })),
  ];
}
