/** The console's end of the diff stream, as plainly as it can be written. */
import assert from "node:assert/strict";
import { inflateRawSync } from "node:zlib";
import {
  decodeDiff,
  type DiffAck,
  hashPixels,
  MAX_DIFF_MESSAGE_BYTES,
  patchPixels,
  type Rect,
  unpackRuns,
} from "@farglass/protocol";

/** What a console does with diff messages: paint at the last message of a whole frame, then answer. */
export class DiffReceiver {
  width = 0;
  height = 0;
  pixels = new Uint32Array(0);
  #frame = -1;
  #parts = 0;
  #complete = true;
  #waiting: { patch: Rect; pixels: Uint32Array }[] = [];
  receive(bytes: Uint8Array): DiffAck | null {
    assert.ok(bytes.length <= MAX_DIFF_MESSAGE_BYTES, `${bytes.length} bytes`);
    const decoded = decodeDiff(bytes);
    assert.ok(decoded.ok, JSON.stringify(decoded));
    const m = decoded.value;
    if (m.width !== this.width || m.height !== this.height) {
      this.width = m.width;
      this.height = m.height;
      this.pixels = new Uint32Array(m.width * m.height);
      this.#waiting = [];
    }
    if (m.frame !== this.#frame) {
      this.#waiting = [];
      this.#parts = 0;
      this.#complete = true;
    }
    this.#frame = m.frame;
    if (m.part !== this.#parts) this.#complete = false;
    this.#parts = m.part + 1;
    const raw = m.deflated ? new Uint8Array(inflateRawSync(m.body)) : m.body.slice();
    const words = m.runs ? new Uint32Array(patchPixels(m.patches)) : new Uint32Array(raw.buffer);
    assert.equal(words.length, patchPixels(m.patches));
    if (m.runs) assert.ok(unpackRuns(raw, m.patches, words));
    let at = 0;
    for (const patch of m.patches) {
      const size = patch.width * patch.height;
      this.#waiting.push({ patch, pixels: words.subarray(at, at + size) });
      at += size;
    }
    if (!m.last) return null;
    if (!this.#complete) return { frame: m.frame, outcome: "skipped" };
    for (const { patch, pixels } of this.#waiting) {
      for (let y = 0; y < patch.height; y++) {
        this.pixels.set(
          pixels.subarray(y * patch.width, (y + 1) * patch.width),
          (patch.y + y) * this.width + patch.x,
        );
      }
    }
    this.#waiting = [];
    const wrong = m.hash !== null && hashPixels(this.pixels) !== m.hash;
    return { frame: m.frame, outcome: wrong ? "mismatch" : "painted" };
  }
}
