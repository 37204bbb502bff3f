/**
 * The displays (monitors) of a desktop: which of them are shared, what a viewer can choose, and
 * which part of the captured screen that is. Pure.
 */
import { MAX_DISPLAYS, type Rect } from "@farglass/protocol";
import type { Frame } from "./ports.ts";
import { clip, union } from "./region.ts";

/** Clockwise, in degrees. */
export type Rotation = 0 | 90 | 180 | 270;

/** One display, in pixels of the captured screen. */
export interface Display extends Rect {
  /** The same for as long as it stays connected, and when it comes back. */
  readonly id: string;
  /** As the system calls it. */
  readonly name: string;
  readonly primary: boolean;
  readonly rotation: Rotation;
}

/** What the owner's setting says: everything, the primary display, or these names. */
export type SharedDisplays = "all" | "primary" | readonly string[];

/** A viewer's choice of all displays in one picture; no display's id. */
export const ALL_DISPLAYS = "all";

/** What of a screen may be seen. */
export interface DisplayLayout {
  /** The shared displays, the primary one first, then from left to right; may be empty. */
  readonly displays: readonly Display[];
  /** All of them as one picture; null when there is one only, or another one lies between them. */
  readonly all: Rect | null;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The layout of a screen of this size; `found` is what the system says of its displays. */
export function displayLayout(
  found: readonly Display[],
  screen: Size,
  shared: SharedDisplays,
): DisplayLayout {
  const whole: Rect = { x: 0, y: 0, width: screen.width, height: screen.height };
  const there = tidyDisplays(found, screen);
  // An only display is the whole screen: what lies outside is seen nowhere else.
  if (there.length === 1) there[0] = { ...there[0], ...whole, primary: true };
  const displays = there.filter((display, i) =>
    shared === "all" || (shared === "primary" ? i === 0 : shared.includes(display.name))
  );
  const hidden = there.filter((display) => !displays.includes(display));
  if (displays.length < 2) return { displays, all: null };
  if (hidden.length === 0) return { displays, all: whole };
  const around = displays.map(rectOf).reduce(union);
  return { displays, all: hidden.some((other) => overlap(around, other)) ? null : around };
}

/** Inside the screen, each place and id once, the primary one first. */
function tidyDisplays(found: readonly Display[], screen: Size): Display[] {
  const tidy: Display[] = [];
  for (const display of [...found].sort(byPlace)) {
    const area = clip(display, screen.width, screen.height);
    // Displays that mirror each other show the same.
    if (area === null || tidy.some((other) => sameRect(other, area))) continue;
    const taken = (id: string) => id === ALL_DISPLAYS || tidy.some((other) => other.id === id);
    let { id } = display;
    for (let n = 2; taken(id); n++) id = `${display.id}-${n}`;
    tidy.push({ ...display, ...area, id });
  }
  if (tidy.length > 0) return tidy.slice(0, MAX_DISPLAYS);
  return [{ id: "0", name: "Screen", x: 0, y: 0, ...screen, primary: true, rotation: 0 }];
}

const byPlace = (a: Display, b: Display): number =>
  Number(b.primary) - Number(a.primary) || a.x - b.x || a.y - b.y;

/** What a viewer sees who asked for `wanted` (null: no choice yet); null when nothing is shared. */
export function resolveDisplay(layout: DisplayLayout, wanted: string | null): string | null {
  const { displays, all } = layout;
  if (displays.some((display) => display.id === wanted)) return wanted;
  return all !== null ? ALL_DISPLAYS : displays[0]?.id ?? null;
}

/** Whether `wanted` itself can be shown. */
export const hasDisplay = ({ displays, all }: DisplayLayout, wanted: string): boolean =>
  wanted === ALL_DISPLAYS ? all !== null : displays.some(({ id }) => id === wanted);

/** The part of the screen that a resolved choice shows. */
export function areaOf({ displays, all }: DisplayLayout, choice: string): Rect | null {
  if (choice === ALL_DISPLAYS) return all;
  const display = displays.find(({ id }) => id === choice);
  return display === undefined ? null : rectOf(display);
}

export const sameLayout = (a: DisplayLayout, b: DisplayLayout): boolean =>
  sameRects(a.all, b.all) && a.displays.length === b.displays.length &&
  a.displays.every((display, i) => {
    const other = b.displays[i];
    return sameRect(display, other) && display.id === other.id && display.name === other.name &&
      display.primary === other.primary && display.rotation === other.rotation;
  });

const rectOf = ({ x, y, width, height }: Rect): Rect => ({ x, y, width, height });
export const sameRect = (a: Rect, b: Rect): boolean =>
  a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
const sameRects = (a: Rect | null, b: Rect | null): boolean =>
  a === null || b === null ? a === b : sameRect(a, b);
const overlap = (a: Rect, b: Rect): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const BYTES_PER_PIXEL = 4;

/** The part of `frame` inside `area`, without a copy; null where the screen does not reach. */
export function cropFrame(frame: Frame, area: Rect): Frame | null {
  const inside = clip(area, frame.width, frame.height);
  if (inside === null) return null;
  if (inside.width === frame.width && inside.height === frame.height) return frame;
  const { x, y, width, height } = inside;
  const damage: Rect[] = [];
  for (const rect of frame.damage) {
    const part = clip({ ...rect, x: rect.x - x, y: rect.y - y }, width, height);
    if (part !== null) damage.push(part);
  }
  const from = y * frame.strideBytes + x * BYTES_PER_PIXEL;
  return { ...frame, width, height, damage, pixels: frame.pixels.subarray(from) };
}

/** Reads the setting `displays.shared`: "all", "primary", or names with commas between them. */
export function readSharedDisplays(text: string): SharedDisplays {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (names.length !== 1) return names.length === 0 ? "all" : names;
  return names[0] === "all" || names[0] === "primary" ? names[0] : names;
}
