/**
 * The remote cursor: while the operator controls, the browser's own cursor takes its shape and
 * so has no lag; otherwise it is drawn where it is on the desktop.
 */
import type { ControlOf } from "@farglass/protocol";
import { type PictureRect, type Size, toWindow } from "../core/mod.ts";

/** Browsers refuse larger CSS cursors (Chromium: 128 px, and 32 px near the window's edge). */
const MAX_CSS_CURSOR_PX = 128;

/** Shape and place of the remote cursor on one stage. */
export class CursorView {
  #stage: HTMLElement | null = null;
  #canvas: HTMLElement | null = null;
  #shape: ControlOf<"cursor"> | null = null;
  /** The shape as a picture, and as a CSS cursor. */
  #picture: HTMLCanvasElement | null = null;
  #css = "default";
  #position: { readonly x: number; readonly y: number } | null = null;
  #controls = false;

  attach(stage: HTMLElement | null, overlay: HTMLElement | null): void {
    if (this.#stage !== null) this.#stage.style.cursor = "";
    this.#stage = stage;
    this.#canvas = overlay;
    this.#paintOverlay();
    this.#apply();
  }

  setShape(shape: ControlOf<"cursor"> | null): void {
    this.#shape = shape;
    this.#picture = shape === null ? null : pictureOf(shape);
    this.#css = cssOf(shape, this.#picture);
    if (shape === null) this.#position = null;
    this.#paintOverlay();
    this.#apply();
  }

  /** Null when it is on another display. */
  setPosition(position: { readonly x: number; readonly y: number } | null): void {
    this.#position = position;
  }

  setControls(controls: boolean): void {
    if (this.#controls === controls) return;
    this.#controls = controls;
    if (controls && this.#canvas !== null) this.#canvas.hidden = true;
    this.#apply();
  }

  /** Puts the overlay where the cursor is; `rect` is the picture's place in the window. */
  place(rect: PictureRect, screen: Size): void {
    const overlay = this.#canvas;
    const stage = this.#stage;
    if (overlay === null || stage === null) return;
    const shape = this.#shape;
    const visible = !this.#controls && shape !== null && shape.width > 0 &&
      this.#position !== null;
    if (overlay.hidden === visible) overlay.hidden = !visible;
    if (!visible || this.#position === null) return;
    const at = toWindow(
      { x: this.#position.x - shape.hotX, y: this.#position.y - shape.hotY },
      rect,
      screen,
    );
    if (at === null) return;
    const origin = stage.getBoundingClientRect();
    overlay.style.transformOrigin = "0 0";
    overlay.style.transform = `translate(${at.x - origin.left}px, ${
      at.y - origin.top
    }px) scale(${at.scale})`;
  }

  #apply(): void {
    if (this.#stage !== null) this.#stage.style.cursor = this.#controls ? this.#css : "";
  }

  #paintOverlay(): void {
    if (!(this.#canvas instanceof HTMLCanvasElement)) return;
    const picture = this.#picture;
    if (picture === null) return;
    this.#canvas.width = picture.width;
    this.#canvas.height = picture.height;
    this.#canvas.getContext("2d")?.drawImage(picture, 0, 0);
  }
}

/** Draws the straight RGBA of a shape; null when it is hidden or does not add up. */
function pictureOf(shape: ControlOf<"cursor">): HTMLCanvasElement | null {
  const { width, height } = shape;
  if (width === 0 || height === 0) return null;
  const binary = atob(shape.rgba);
  if (binary.length !== width * height * 4) return null;
  const rgba = Uint8ClampedArray.from(binary, (character) => character.charCodeAt(0));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas;
}

function cssOf(shape: ControlOf<"cursor"> | null, picture: HTMLCanvasElement | null): string {
  if (shape === null) return "default";
  if (shape.width === 0 || shape.height === 0) return "none";
  if (picture === null || Math.max(shape.width, shape.height) > MAX_CSS_CURSOR_PX) return "default";
  const hotX = Math.min(shape.hotX, shape.width - 1);
  const hotY = Math.min(shape.hotY, shape.height - 1);
  return `url(${picture.toDataURL()}) ${hotX} ${hotY}, default`;
}
