import type { Rect } from "@farglass/protocol";
import { GLYPH_HEIGHT_PX, GLYPH_WIDTH_PX } from "./bitmap_font.ts";

export const MIN_SYNTHETIC_SIZE = { width: 800, height: 600 } as const;
export const MAX_SYNTHETIC_SIZE = { width: 1920, height: 1080 } as const;
export const DEFAULT_SYNTHETIC_SIZE = { width: 1280, height: 720 } as const;

export const TEXT_SCALE = 2;
export const CHAR_WIDTH_PX = GLYPH_WIDTH_PX * TEXT_SCALE;
export const LINE_HEIGHT_PX = GLYPH_HEIGHT_PX * TEXT_SCALE;
const WINDOW = { width: 760, height: 520 } as const;
const FIELD_PADDING_PX = 10;
const SECOND_MARGIN_PX = 40;

/** Where things are on the synthetic desktop, in desktop pixels. */
export interface SyntheticLayout {
  readonly screen: Rect;
  readonly window: Rect;
  readonly titleBar: Rect;
  /** What is typed appears here. */
  readonly field: Rect;
  /** The lines of text inside the field, all columns. */
  readonly fieldLines: readonly Rect[];
  readonly fieldColumns: number;
  /** Counts the clicks on it. */
  readonly button: Rect;
  readonly clicksLabel: Rect;
  /** Switches the moving object; a click on its label counts too. */
  readonly checkbox: Rect;
  readonly checkboxArea: Rect;
  /** The moving object runs in here. */
  readonly track: Rect;
  readonly statusLine: Rect;
  /** The optional second display, right of the first, with a line about the pointer. */
  readonly second: { readonly screen: Rect; readonly line: Rect } | null;
}

/** The layout of a desktop whose displays have this size: one window in the middle of the first. */
export function syntheticLayout(width: number, height: number, displays = 1): SyntheticLayout {
  const left = Math.floor((width - WINDOW.width) / 2);
  const top = Math.floor((height - WINDOW.height) / 2);
  const at = (x: number, y: number, w: number, h: number): Rect => ({
    x: left + x,
    y: top + y,
    width: w,
    height: h,
  });
  const field = at(24, 96, 712, 150);
  const lines = Math.floor((field.height - 2 * FIELD_PADDING_PX) / LINE_HEIGHT_PX);
  return {
    screen: { x: 0, y: 0, width: width * displays, height },
    window: at(0, 0, WINDOW.width, WINDOW.height),
    titleBar: at(0, 0, WINDOW.width, 44),
    field,
    fieldLines: Array.from({ length: lines }, (_, i) => ({
      x: field.x + FIELD_PADDING_PX,
      y: field.y + FIELD_PADDING_PX + i * LINE_HEIGHT_PX,
      width: field.width - 2 * FIELD_PADDING_PX,
      height: LINE_HEIGHT_PX,
    })),
    // One column is left for the caret at the end of a full line.
    fieldColumns: Math.floor((field.width - 2 * FIELD_PADDING_PX) / CHAR_WIDTH_PX) - 1,
    button: at(24, 266, 240, 56),
    clicksLabel: at(288, 281, 448, LINE_HEIGHT_PX),
    checkbox: at(24, 346, 28, 28),
    checkboxArea: at(24, 346, 280, 28),
    track: at(24, 392, 712, 60),
    statusLine: at(24, 474, 712, LINE_HEIGHT_PX),
    second: displays === 1 ? null : {
      screen: { x: width, y: 0, width, height },
      line: {
        x: width + SECOND_MARGIN_PX,
        y: SECOND_MARGIN_PX + 2 * LINE_HEIGHT_PX,
        width: width - 2 * SECOND_MARGIN_PX,
        height: LINE_HEIGHT_PX,
      },
    },
  };
}
