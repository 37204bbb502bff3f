/** The keys that choose a display: those that bring the keyboard back, and one more. */
import { ALL_DISPLAYS, type DisplaysView, nextDisplay } from "../core/mod.ts";

interface KeyPress {
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  readonly code: string;
}

/** Ctrl + Alt + Shift + D: the next one; 1 to 9: that one; 0: all of them. Null for other keys. */
export function displayByKey(key: KeyPress, displays: DisplaysView): string | null {
  if (!key.ctrlKey || !key.altKey || !key.shiftKey || displays.list.length < 2) return null;
  if (key.code === "KeyD") return nextDisplay(displays);
  const digit = /^Digit(\d)$/.exec(key.code);
  if (digit === null) return null;
  const n = Number(digit[1]);
  if (n === 0) return displays.all ? ALL_DISPLAYS : null;
  return displays.list[n - 1]?.id ?? null;
}
