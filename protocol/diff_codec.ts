/**
 * Diff messages: exact pixels of changed rectangles. A diff frame is one or more messages with
 * the same frame number; each message stands alone, carries absolute pixels and can be lost or
 * skipped without harm to any other.
 *
 *   0       1       2               4                               8
 *  +-------+-------+---------------+-------------------------------+
 *  | 0xFD  | flags | patch count   | frame number                  |
 *  +-------+-------+---------------+-------------------------------+
 *  | capture time, ms of the agent's clock, float64                | 8..16
 *  +---------------+---------------+-------------------------------+
 *  | screen width  | screen height | picture hash                  | 16..24
 *  +---------------+---------------+-------------------------------+
 *  | part          |                                                 24..26
 *  +-------+-------+-------+-------+
 *  | x     | y     | width | height|  … one 8-byte entry per patch | 26..
 *  +-------+-------+-------+-------+
 *  | pixels of all patches, row by row, BGRX, deflated (RFC 1951) if flagged
 *
 * All integers big-endian. The pixel blob is compressed outside this module: `body` is the blob
 * as it travels, and the receiver inflates it to exactly `pixels * 4` bytes.
 */
import { type CodedError, codedError } from "./errors.ts";
import {
  MAX_DIFF_MESSAGE_BYTES,
  MAX_PATCHES_PER_MESSAGE,
  MAX_PIXELS_PER_MESSAGE,
  MAX_SCREEN_PIXELS,
  MAX_SCREEN_SIDE_PX,
} from "./limits.ts";
import { err, ok, type Result } from "./result.ts";

const MAGIC = 0xfd;
export const DIFF_HEADER_BYTES = 26;
export const PATCH_ENTRY_BYTES = 8;
export const BYTES_PER_PIXEL = 4;

const FLAG_LAST = 1;
const FLAG_DEFLATED = 2;
const FLAG_HASH = 4;
const KNOWN_FLAGS = FLAG_LAST | FLAG_DEFLATED | FLAG_HASH;

/** A rectangle in desktop pixels. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface DiffMessage {
  /** Counts diff frames of one viewer from 1, modulo 2^32. */
  readonly frame: number;
  /** Counts the messages of one frame from 0, so that a lost one is noticed at the last. */
  readonly part: number;
  /** True for the last message of the frame: now the console paints and acknowledges. */
  readonly last: boolean;
  readonly capturedAtMs: number;
  readonly width: number;
  readonly height: number;
  /** `hashPixels` of the whole picture after this frame, when the agent computed it. */
  readonly hash: number | null;
  readonly patches: readonly Rect[];
  readonly deflated: boolean;
  /** Pixel bytes as they travel; a view into the message after decoding. */
  readonly body: Uint8Array;
}

/** Pixels of all patches of a message. */
export const patchPixels = (patches: readonly Rect[]): number =>
  patches.reduce((sum, p) => sum + p.width * p.height, 0);

/** Writes a diff message. The caller keeps to the limits; they are the agent's own to choose. */
export function encodeDiff(message: DiffMessage): Uint8Array {
  const { patches, body } = message;
  const out = new Uint8Array(DIFF_HEADER_BYTES + patches.length * PATCH_ENTRY_BYTES + body.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, MAGIC);
  view.setUint8(
    1,
    (message.last ? FLAG_LAST : 0) | (message.deflated ? FLAG_DEFLATED : 0) |
      (message.hash === null ? 0 : FLAG_HASH),
  );
  view.setUint16(2, patches.length);
  view.setUint32(4, message.frame);
  view.setFloat64(8, message.capturedAtMs);
  view.setUint16(16, message.width);
  view.setUint16(18, message.height);
  view.setUint32(20, message.hash ?? 0);
  view.setUint16(24, message.part);
  let at = DIFF_HEADER_BYTES;
  for (const p of patches) {
    view.setUint16(at, p.x);
    view.setUint16(at + 2, p.y);
    view.setUint16(at + 4, p.width);
    view.setUint16(at + 6, p.height);
    at += PATCH_ENTRY_BYTES;
  }
  out.set(body, at);
  return out;
}

/** Reads a diff message and proves that every patch lies inside the screen. */
export function decodeDiff(bytes: Uint8Array): Result<DiffMessage, CodedError> {
  const bad = (what: string) => err(codedError("malformed", `diff ${what}`));
  if (bytes.length > MAX_DIFF_MESSAGE_BYTES) return err(codedError("too-large"));
  if (bytes.length < DIFF_HEADER_BYTES || bytes[0] !== MAGIC) return bad("header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint8(1);
  if ((flags & ~KNOWN_FLAGS) !== 0) return bad("flags");
  const count = view.getUint16(2);
  if (count > MAX_PATCHES_PER_MESSAGE) return bad("patch count");
  const bodyAt = DIFF_HEADER_BYTES + count * PATCH_ENTRY_BYTES;
  if (bytes.length < bodyAt) return bad("patch table");
  const capturedAtMs = view.getFloat64(8);
  if (!Number.isFinite(capturedAtMs)) return bad("capture time");
  const width = view.getUint16(16);
  const height = view.getUint16(18);
  if (
    width === 0 || height === 0 || width > MAX_SCREEN_SIDE_PX || height > MAX_SCREEN_SIDE_PX ||
    width * height > MAX_SCREEN_PIXELS
  ) return bad("screen size");
  const patches: Rect[] = [];
  for (let i = 0, at = DIFF_HEADER_BYTES; i < count; i++, at += PATCH_ENTRY_BYTES) {
    const p = {
      x: view.getUint16(at),
      y: view.getUint16(at + 2),
      width: view.getUint16(at + 4),
      height: view.getUint16(at + 6),
    };
    if (p.width === 0 || p.height === 0 || p.x + p.width > width || p.y + p.height > height) {
      return bad("patch outside the screen");
    }
    patches.push(p);
  }
  const pixels = patchPixels(patches);
  if (pixels > MAX_PIXELS_PER_MESSAGE) return bad("pixel count");
  const body = bytes.subarray(bodyAt);
  const deflated = (flags & FLAG_DEFLATED) !== 0;
  if (!deflated && body.length !== pixels * BYTES_PER_PIXEL) return bad("body length");
  return ok({
    frame: view.getUint32(4),
    part: view.getUint16(24),
    last: (flags & FLAG_LAST) !== 0,
    capturedAtMs,
    width,
    height,
    hash: (flags & FLAG_HASH) === 0 ? null : view.getUint32(20),
    patches,
    deflated,
    body,
  });
}

/** The console's answer to a diff frame; also the shape of the server's notice of a skipped one. */
export interface DiffAck {
  readonly frame: number;
  /**
   * `painted`; `skipped` when a message of the frame never came (its tiles are sent again);
   * `mismatch` when the picture's hash differs from the frame's (everything is sent again).
   */
  readonly outcome: "painted" | "mismatch" | "skipped";
}

const ACK_MAGIC = 0xfa;
export const DIFF_ACK_BYTES = 6;
const OUTCOMES = ["painted", "mismatch", "skipped"] as const;

export function encodeDiffAck(ack: DiffAck): Uint8Array {
  const out = new Uint8Array(DIFF_ACK_BYTES);
  out[0] = ACK_MAGIC;
  out[1] = OUTCOMES.indexOf(ack.outcome);
  new DataView(out.buffer).setUint32(2, ack.frame);
  return out;
}

export function decodeDiffAck(bytes: Uint8Array): Result<DiffAck, CodedError> {
  if (bytes.length !== DIFF_ACK_BYTES || bytes[0] !== ACK_MAGIC || bytes[1] >= OUTCOMES.length) {
    return err(codedError("malformed", "diff acknowledgement"));
  }
  const frame = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(2);
  return ok({ frame, outcome: OUTCOMES[bytes[1]] });
}

/**
 * Hash of a picture's colours (the fourth byte of a pixel is ignored): proves that both ends
 * hold the same picture; no defence against an attacker. `pixels` are little-endian BGRX.
 */
export function hashPixels(pixels: Uint32Array): number {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < pixels.length; i++) {
    a = Math.imul(a ^ (pixels[i] & 0xffffff), 0x01000193);
    b = (b + a) | 0;
    a ^= a >>> 15;
  }
  return (a ^ b) >>> 0;
}
