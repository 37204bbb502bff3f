/** A screen for tests of the diff engine. */
import type { Rect } from "@farglass/protocol";
import type { Picture } from "../../agent/core/picture.ts";

/** A screen that can be drawn on; its stride is longer than a row and its fourth bytes are noise. */
export class Screen {
  sequence = 0;
  words: Uint32Array;
  #stride: number;
  constructor(public width: number, public height: number) {
    this.#stride = width + 3;
    this.words = new Uint32Array(this.#stride * height);
  }
  fill(rect: Rect, colour: (x: number, y: number) => number): Rect {
    this.sequence++;
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      for (let x = rect.x; x < rect.x + rect.width; x++) {
        this.words[y * this.#stride + x] = colour(x, y) >>> 0;
      }
    }
    return rect;
  }
  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.#stride = width;
    this.words = new Uint32Array(width * height);
  }
  picture(): Picture {
    return {
      sequence: this.sequence,
      width: this.width,
      height: this.height,
      strideBytes: this.#stride * 4,
      pixels: new Uint8Array(this.words.buffer),
      capturedAtMs: this.sequence,
    };
  }
  packed(): Uint32Array {
    const out = new Uint32Array(this.width * this.height);
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) {
        out[y * this.width + x] = this.words[y * this.#stride + x] & 0xffffff;
      }
    }
    return out;
  }
}
