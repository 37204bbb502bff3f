/** Pointer and wheel → desktop pixels and notches. */

/** Where the picture's element stands, in CSS pixels. */
export interface PictureRect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A picture's size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A pixel of the desktop, clamped to it. */
export interface DesktopPoint {
  readonly x: number;
  readonly y: number;
  /** False on the bars beside the picture. */
  readonly inside: boolean;
}

const clamp = (value: number, max: number): number => Math.min(Math.max(value, 0), max);

/**
 * The desktop pixel under a point of the window. The picture is scaled to fit into its element
 * with its aspect ratio kept and stands in the middle (`object-fit: contain`); at 1:1 the element
 * is as large as the picture, and scrolling has moved its corner. Null before the size is known.
 */
export function toDesktop(
  point: { readonly x: number; readonly y: number },
  rect: PictureRect,
  screen: Size,
): DesktopPoint | null {
  if (screen.width <= 0 || screen.height <= 0 || rect.width <= 0 || rect.height <= 0) return null;
  const scale = Math.min(rect.width / screen.width, rect.height / screen.height);
  const left = rect.left + (rect.width - screen.width * scale) / 2;
  const top = rect.top + (rect.height - screen.height * scale) / 2;
  const x = Math.floor((point.x - left) / scale);
  const y = Math.floor((point.y - top) / scale);
  return {
    x: clamp(x, screen.width - 1),
    y: clamp(y, screen.height - 1),
    inside: x >= 0 && y >= 0 && x < screen.width && y < screen.height,
  };
}

/** Where a desktop pixel stands in the window: the inverse of `toDesktop`. */
export function toWindow(
  point: { readonly x: number; readonly y: number },
  rect: PictureRect,
  screen: Size,
): { readonly x: number; readonly y: number; readonly scale: number } | null {
  if (screen.width <= 0 || screen.height <= 0 || rect.width <= 0 || rect.height <= 0) return null;
  const scale = Math.min(rect.width / screen.width, rect.height / screen.height);
  return {
    x: rect.left + (rect.width - screen.width * scale) / 2 + point.x * scale,
    y: rect.top + (rect.height - screen.height * scale) / 2 + point.y * scale,
    scale,
  };
}

/** PointerEvent.button (0 left, 1 middle, 2 right, 3 back, 4 forward) → 1…5, or null. */
export const buttonOf = (button: number): number | null =>
  Number.isInteger(button) && button >= 0 && button <= 4 ? button + 1 : null;

/** One notch, as X11 and Windows count it. */
export const NOTCH = 120;
/** Pixels that Chromium reports for one notch. */
const PIXELS_PER_NOTCH = 100;
/** Lines that Firefox reports for one notch. */
const LINES_PER_NOTCH = 3;
const MAX_WHEEL = 32_767;

/** Parts of 1/120 notch that were too small to send. */
export interface WheelState {
  readonly dx: number;
  readonly dy: number;
}
/** No part of a notch is left over. */
export const newWheel: WheelState = { dx: 0, dy: 0 };

/**
 * Adds a WheelEvent's deltas (`deltaMode` 0 pixels, 1 lines, 2 pages) and takes out whole units of
 * 1/120 notch; null when nothing whole came together.
 */
export function wheelTurn(
  state: WheelState,
  event: { readonly deltaX: number; readonly deltaY: number; readonly deltaMode: number },
): readonly [WheelState, { readonly dx: number; readonly dy: number } | null] {
  const unit = event.deltaMode === 1
    ? NOTCH / LINES_PER_NOTCH
    : event.deltaMode === 2
    ? NOTCH
    : NOTCH / PIXELS_PER_NOTCH;
  const finite = (value: number) => Number.isFinite(value) ? value : 0;
  const x = state.dx + finite(event.deltaX) * unit;
  const y = state.dy + finite(event.deltaY) * unit;
  const whole = (value: number) => {
    const near = Math.round(value * 1000) / 1000;
    return Math.min(Math.max(Math.trunc(near), -MAX_WHEEL), MAX_WHEEL) + 0;
  };
  const dx = whole(x);
  const dy = whole(y);
  const rest = (value: number, taken: number) => Math.abs(value - taken) < 1 ? value - taken : 0;
  const next = { dx: rest(x, dx), dy: rest(y, dy) };
  return [next, dx === 0 && dy === 0 ? null : { dx, dy }];
}
