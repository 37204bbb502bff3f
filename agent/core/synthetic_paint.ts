/** Draws the synthetic desktop. Every part can be painted alone: `within` bounds what changes. */
import type { Rect } from "@farglass/protocol";
import { BitmapCanvas, textWidthPx } from "./bitmap_canvas.ts";
import {
  clicksText,
  fieldView,
  moverRect,
  secondText,
  statusText,
  type SyntheticState,
} from "./synthetic_desktop.ts";
import { CHAR_WIDTH_PX, LINE_HEIGHT_PX, TEXT_SCALE } from "./synthetic_layout.ts";

export const SYNTHETIC_TITLE = "Farglass synthetic desktop";
export const BUTTON_LABEL = "Click me";
const SECOND_TITLE = "The second display";
const FIELD_LABEL = "Type here:";
const CHECKBOX_LABEL = "Moving object";
const HINT = "Drawn in memory: this machine shares no real screen";

/** 0xRRGGBB. */
const COLOR = {
  skyTop: [0x1d, 0x3b, 0x5c],
  skyBottom: [0x3d, 0x7a, 0x8c],
  hint: 0xc9dde4,
  window: 0xf2f4f7,
  border: 0x22303c,
  title: 0x2b4a67,
  titleText: 0xffffff,
  text: 0x1c2733,
  muted: 0x52616f,
  field: 0xffffff,
  fieldBorder: 0x2f7fc1,
  button: 0x2f7fc1,
  buttonPressed: 0x1d5a8d,
  buttonText: 0xffffff,
  check: 0x2f7fc1,
  track: 0xdde4ea,
  mover: 0xe2762d,
  moverCore: 0xffd9a8,
  second: 0x4a2f5c,
  secondText: 0xe9dcf2,
} as const;

/** Paints the part of the desktop inside `within` into little-endian BGRX pixels. */
export function paintSynthetic(state: SyntheticState, pixels: Uint32Array, within: Rect): void {
  const { layout } = state;
  const canvas = new BitmapCanvas(pixels, layout.screen.width, within);
  paintBackground(canvas, state, within);
  paintSecond(canvas, state);
  canvas.fill(layout.window, COLOR.window);
  canvas.frame(layout.window, 2, COLOR.border);
  canvas.fill(layout.titleBar, COLOR.title);
  const label = (x: number, y: number, text: string, color: number) =>
    canvas.text(x, y, text, { color, scale: TEXT_SCALE });
  label(layout.titleBar.x + 16, layout.titleBar.y + 9, SYNTHETIC_TITLE, COLOR.titleText);
  label(layout.field.x, layout.field.y - LINE_HEIGHT_PX - 6, FIELD_LABEL, COLOR.text);
  paintField(canvas, state);
  const { button, checkbox, track } = layout;
  canvas.fill(button, state.pressed === "button" ? COLOR.buttonPressed : COLOR.button);
  label(
    button.x + Math.floor((button.width - textWidthPx(BUTTON_LABEL, TEXT_SCALE)) / 2),
    button.y + Math.floor((button.height - LINE_HEIGHT_PX) / 2),
    BUTTON_LABEL,
    COLOR.buttonText,
  );
  label(layout.clicksLabel.x, layout.clicksLabel.y, clicksText(state), COLOR.text);
  canvas.fill(checkbox, COLOR.field);
  canvas.frame(checkbox, 2, COLOR.border);
  if (state.moverOn) {
    const inset = 7;
    canvas.fill({
      x: checkbox.x + inset,
      y: checkbox.y + inset,
      width: checkbox.width - 2 * inset,
      height: checkbox.height - 2 * inset,
    }, COLOR.check);
  }
  label(checkbox.x + checkbox.width + 12, checkbox.y + 1, CHECKBOX_LABEL, COLOR.text);
  canvas.fill(track, COLOR.track);
  const mover = moverRect(state);
  canvas.fill(mover, COLOR.mover);
  const core = 12;
  canvas.fill({
    x: mover.x + core,
    y: mover.y + core,
    width: mover.width - 2 * core,
    height: mover.height - 2 * core,
  }, COLOR.moverCore);
  label(layout.statusLine.x, layout.statusLine.y, statusText(state), COLOR.muted);
}

function paintBackground(canvas: BitmapCanvas, state: SyntheticState, within: Rect): void {
  const { screen, window } = state.layout;
  const width = state.layout.second?.screen.x ?? screen.width;
  const bottom = Math.min(screen.height, within.y + within.height);
  for (let y = Math.max(0, within.y); y < bottom; y++) {
    const part = y / screen.height;
    const channel = (i: number) =>
      Math.round(COLOR.skyTop[i] + (COLOR.skyBottom[i] - COLOR.skyTop[i]) * part);
    const color = (channel(0) << 16) | (channel(1) << 8) | channel(2);
    canvas.fill({ x: 0, y, width: screen.width, height: 1 }, color);
  }
  const hintAt = Math.floor((width - textWidthPx(HINT, TEXT_SCALE)) / 2);
  const hintTop = Math.floor((window.y - LINE_HEIGHT_PX) / 2);
  canvas.text(hintAt, hintTop, HINT, { color: COLOR.hint, scale: TEXT_SCALE });
}

function paintSecond(canvas: BitmapCanvas, state: SyntheticState): void {
  const { second } = state.layout;
  if (second === null) return;
  const { screen, line } = second;
  canvas.fill(screen, COLOR.second);
  const label = (y: number, text: string) =>
    canvas.text(line.x, y, text, { color: COLOR.secondText, scale: TEXT_SCALE });
  label(line.y - 2 * LINE_HEIGHT_PX, SECOND_TITLE);
  label(line.y, secondText(state));
}

function paintField(canvas: BitmapCanvas, state: SyntheticState): void {
  const { field, fieldLines } = state.layout;
  canvas.fill(field, COLOR.field);
  canvas.frame(field, 2, COLOR.fieldBorder);
  const lines = fieldView(state);
  lines.forEach((line, i) => {
    canvas.text(fieldLines[i].x, fieldLines[i].y, line, { color: COLOR.text, scale: TEXT_SCALE });
  });
  const last = fieldLines[lines.length - 1];
  const column = [...lines[lines.length - 1]].length;
  canvas.fill({
    x: last.x + column * CHAR_WIDTH_PX + 1,
    y: last.y + 2,
    width: 2,
    height: last.height - 4,
  }, COLOR.fieldBorder);
}
