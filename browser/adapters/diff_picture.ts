/**
 * The desktop's picture in memory, put together from diff messages. It knows which pixels it has
 * received since it was last begun, so that only a whole picture is ever shown, and compares the
 * agent's hash with its own pixels.
 */
import { BYTES_PER_PIXEL, hashPixels, type Rect, type VideoRegions } from "@farglass/protocol";
import { swapRedBlue, type UnpackedDiff } from "./unpack_diff.ts";

/** What one diff message did. */
export interface DiffStep {
  readonly frame: number;
  /** Now paint and acknowledge. */
  readonly last: boolean;
  /** With `last`: every message of the frame has come. */
  readonly complete: boolean;
  /** Every pixel has been received since `begin`. */
  readonly whole: boolean;
  /** Whether the picture equals the agent's, when the message could tell. */
  readonly equal: boolean | null;
  readonly changed: boolean;
  /** Hybrid mode: what the video shows. */
  readonly regions: VideoRegions | null;
}

/** Above this many rectangles one large repaint is cheaper than many small ones. */
const MAX_RECTS = 128;

/** From here on the engine's own copying is quicker than a loop. */
const WIDE_PX = 64;

/** The picture; its size is that of the last message. */
export class DiffPicture {
  #width = 0;
  #height = 0;
  /** Little-endian BGRX, as the agent hashes it; filled when a hash is asked for. */
  #bgrx = new Uint32Array(0);
  #rgba = new Uint8ClampedArray(0);
  #words = new Uint32Array(this.#rgba.buffer);
  /** 1 where a pixel has been received; null once all have. */
  #received: Uint8Array | null = new Uint8Array(0);
  #missing = 0;
  #dirty: Rect[] = [];
  /** The message that comes next when none is lost. */
  #expected = { frame: -1, part: 0 };

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** Row by row RGBA, opaque; replaced when the size changes. */
  get rgba(): Uint8ClampedArray<ArrayBuffer> {
    return this.#rgba;
  }

  get whole(): boolean {
    return this.#width > 0 && this.#received === null;
  }

  /** Whether every pixel of these rectangles has been received since it was begun. */
  received(rects: readonly Rect[]): boolean {
    const received = this.#received;
    if (received === null) return true;
    return rects.every((rect) => {
      for (let y = rect.y; y < rect.y + rect.height; y++) {
        const from = y * this.#width + rect.x;
        if (received.subarray(from, from + rect.width).includes(0)) return false;
      }
      return true;
    });
  }

  /** A new stream begins: nothing of the old one counts as received. */
  begin(): void {
    this.#received = new Uint8Array(this.#width * this.#height);
    this.#missing = this.#received.length;
  }

  /** What changed since the last call; the whole picture when that is cheaper. */
  takeDirty(): readonly Rect[] {
    const dirty = this.#dirty;
    this.#dirty = [];
    if (dirty.length <= MAX_RECTS) return dirty;
    return [{ x: 0, y: 0, width: this.#width, height: this.#height }];
  }

  /** Puts one diff message into the picture. */
  take(message: UnpackedDiff): DiffStep {
    const { pixels } = message;
    if (message.width !== this.#width || message.height !== this.#height) {
      this.#resize(message.width, message.height);
    }
    let at = 0;
    for (const patch of message.patches) {
      this.#draw(patch, pixels, at);
      at += patch.width * patch.height;
    }
    const { frame, part } = message;
    const inOrder = part === 0 || (frame === this.#expected.frame && part === this.#expected.part);
    // Once a part is missing, no later part of the frame can match.
    this.#expected = inOrder ? { frame, part: part + 1 } : { frame: -1, part: 0 };
    const equal = message.hash === null ? null : this.#hash() === message.hash;
    // Equal is equal, however it came about.
    if (equal === true) this.#received = null;
    return {
      frame,
      last: message.last,
      complete: inOrder,
      whole: this.whole,
      equal,
      changed: message.patches.length > 0,
      regions: message.regions,
    };
  }

  /** The hash is that of the agent's order of colours. */
  #hash(): number {
    const words = this.#words;
    if (this.#bgrx.length !== words.length) this.#bgrx = new Uint32Array(words.length);
    for (let i = 0; i < words.length; i++) this.#bgrx[i] = swapRedBlue(words[i]);
    return hashPixels(this.#bgrx);
  }

  #resize(width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    this.#rgba = new Uint8ClampedArray(width * height * BYTES_PER_PIXEL);
    this.#words = new Uint32Array(this.#rgba.buffer);
    this.#dirty = [];
    this.begin();
  }

  #draw(patch: Rect, pixels: Uint32Array, from: number): void {
    const words = this.#words;
    let at = from;
    for (let row = 0; row < patch.height; row++) {
      let to = (patch.y + row) * this.#width + patch.x;
      if (patch.width >= WIDE_PX) {
        words.set(pixels.subarray(at, at + patch.width), to);
        at += patch.width;
      } else {
        for (const end = to + patch.width; to < end; to++, at++) words[to] = pixels[at];
      }
    }
    this.#dirty.push(patch);
    if (this.#received !== null) this.#cover(patch, this.#received);
  }

  #cover(patch: Rect, received: Uint8Array): void {
    for (let row = 0; row < patch.height; row++) {
      const start = (patch.y + row) * this.#width + patch.x;
      for (let at = start; at < start + patch.width; at++) {
        this.#missing -= 1 - received[at];
        received[at] = 1;
      }
    }
    if (this.#missing === 0) this.#received = null;
  }
}
