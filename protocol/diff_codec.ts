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
 *  | version       | RTP time of the capture time                  |  flagged: the regions
 *  +---------------+-----------------------------------------------+  that video shows
 *  | RTP time from which it shows them                             |  (`VideoRegions`)
 *  +-------+-------+-------+-------+-------+-------+-------+-------+
 *  | flags | count | x, y, width, height: 8 bytes per region       |
 *  +-------+-------+-------+-------+-------+-------+-------+-------+
 *  | pixels of all patches, row by row: BGRX, or runs (pixel_runs.ts) if flagged; then
 *  | deflated (RFC 1951) if flagged
 *
 * All integers big-endian. The pixel blob is packed outside this module: `body` is the blob as it
 * travels, and the receiver unpacks it to exactly the patches' pixels.
 */
import { type CodedError, codedError } from "./errors.ts";
import {
  MAX_DIFF_MESSAGE_BYTES,
  MAX_PATCHES_PER_MESSAGE,
  MAX_PIXELS_PER_MESSAGE,
  MAX_SCREEN_PIXELS,
  MAX_SCREEN_SIDE_PX,
  MAX_VIDEO_REGIONS,
} from "./limits.ts";
import { err, ok, type Result } from "./result.ts";

const MAGIC = 0xfd;
export const DIFF_HEADER_BYTES = 26;
export const PATCH_ENTRY_BYTES = 8;
export const BYTES_PER_PIXEL = 4;

const FLAG_LAST = 1;
const FLAG_DEFLATED = 2;
const FLAG_HASH = 4;
const FLAG_REGIONS = 8;
const FLAG_RUNS = 16;
/** Two bits that hold `stream`. */
const STREAM_SHIFT = 5;
/** Streams are counted modulo this. */
export const DIFF_STREAMS = 4;
const KNOWN_FLAGS = FLAG_LAST | FLAG_DEFLATED | FLAG_HASH | FLAG_REGIONS | FLAG_RUNS |
  (DIFF_STREAMS - 1) << STREAM_SHIFT;

const REGIONS_HEADER_BYTES = 14;
const REGIONS_FLAG_CURRENT = 1;
/** The most that `regions` adds to a message. */
export const MAX_REGIONS_BYTES = REGIONS_HEADER_BYTES + MAX_VIDEO_REGIONS * PATCH_ENTRY_BYTES;

/** A rectangle in desktop pixels. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Which parts of the screen the video shows in hybrid mode; every message says it anew. RTP times
 * are those of the video track's clock (90 kHz, modulo 2^32), so that patch and video frame can be
 * compared.
 */
export interface VideoRegions {
  /** Counts changes of the regions from 1. */
  readonly version: number;
  /** The RTP time of the message's `capturedAtMs`. */
  readonly rtpTime: number;
  /** A video frame of this RTP time or a later one shows these regions. */
  readonly sinceRtpTime: number;
  /** After this message everything outside the regions is as it was at `rtpTime`. */
  readonly current: boolean;
  readonly rects: readonly Rect[];
}

export interface DiffMessage {
  /** Counts diff frames of one viewer from 1, modulo 2^32. */
  readonly frame: number;
  /** Counts the messages of one frame from 0, so that a lost one is noticed at the last. */
  readonly part: number;
  /** True for the last message of the frame: now the console paints and acknowledges. */
  readonly last: boolean;
  readonly capturedAtMs: number;
  /**
   * 0..3, the next one whenever the viewer is shown another display: nothing of the picture before
   * holds any more, though it may have the same size.
   */
  readonly stream: number;
  readonly width: number;
  readonly height: number;
  /** `hashPixels` of the whole picture after this frame, when the agent computed it. */
  readonly hash: number | null;
  /** Null outside hybrid mode. */
  readonly regions: VideoRegions | null;
  readonly patches: readonly Rect[];
  /** The pixels are packed as runs, before they are deflated. */
  readonly runs: boolean;
  readonly deflated: boolean;
  /** Pixel bytes as they travel; a view into the message after decoding. */
  readonly body: Uint8Array;
}

/** The header's fields that tell which frame a message of our own making belongs to. */
export function diffHead(
  message: Uint8Array,
): Pick<DiffMessage, "frame" | "part" | "last" | "capturedAtMs"> & { readonly patches: number } {
  const view = new DataView(message.buffer, message.byteOffset, DIFF_HEADER_BYTES);
  return {
    frame: view.getUint32(4),
    part: view.getUint16(24),
    last: (view.getUint8(1) & FLAG_LAST) !== 0,
    capturedAtMs: view.getFloat64(8),
    patches: view.getUint16(2),
  };
}

/** Pixels of all patches of a message. */
export const patchPixels = (patches: readonly Rect[]): number =>
  patches.reduce((sum, p) => sum + p.width * p.height, 0);

/** Writes a diff message. The caller keeps to the limits; they are the agent's own to choose. */
export function encodeDiff(message: DiffMessage): Uint8Array {
  const { patches, body, regions } = message;
  const regionBytes = regions === null
    ? 0
    : REGIONS_HEADER_BYTES + regions.rects.length * PATCH_ENTRY_BYTES;
  const tableBytes = patches.length * PATCH_ENTRY_BYTES;
  const out = new Uint8Array(DIFF_HEADER_BYTES + tableBytes + regionBytes + body.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, MAGIC);
  view.setUint8(
    1,
    (message.last ? FLAG_LAST : 0) | (message.deflated ? FLAG_DEFLATED : 0) |
      (message.hash === null ? 0 : FLAG_HASH) | (regions === null ? 0 : FLAG_REGIONS) |
      (message.runs ? FLAG_RUNS : 0) | message.stream << STREAM_SHIFT,
  );
  view.setUint16(2, patches.length);
  view.setUint32(4, message.frame);
  view.setFloat64(8, message.capturedAtMs);
  view.setUint16(16, message.width);
  view.setUint16(18, message.height);
  view.setUint32(20, message.hash ?? 0);
  view.setUint16(24, message.part);
  writeRects(view, DIFF_HEADER_BYTES, patches);
  if (regions !== null) writeRegions(view, DIFF_HEADER_BYTES + tableBytes, regions);
  out.set(body, DIFF_HEADER_BYTES + tableBytes + regionBytes);
  return out;
}

function writeRects(view: DataView, from: number, rects: readonly Rect[]): void {
  let at = from;
  for (const p of rects) {
    view.setUint16(at, p.x);
    view.setUint16(at + 2, p.y);
    view.setUint16(at + 4, p.width);
    view.setUint16(at + 6, p.height);
    at += PATCH_ENTRY_BYTES;
  }
}

function writeRegions(view: DataView, at: number, regions: VideoRegions): void {
  view.setUint32(at, regions.version);
  view.setUint32(at + 4, regions.rtpTime);
  view.setUint32(at + 8, regions.sinceRtpTime);
  view.setUint8(at + 12, regions.current ? REGIONS_FLAG_CURRENT : 0);
  view.setUint8(at + 13, regions.rects.length);
  writeRects(view, at + REGIONS_HEADER_BYTES, regions.rects);
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
  const tableEnd = DIFF_HEADER_BYTES + count * PATCH_ENTRY_BYTES;
  if (bytes.length < tableEnd) return bad("patch table");
  const capturedAtMs = view.getFloat64(8);
  if (!Number.isFinite(capturedAtMs)) return bad("capture time");
  const width = view.getUint16(16);
  const height = view.getUint16(18);
  if (
    width === 0 || height === 0 || width > MAX_SCREEN_SIDE_PX || height > MAX_SCREEN_SIDE_PX ||
    width * height > MAX_SCREEN_PIXELS
  ) return bad("screen size");
  const screen = { width, height };
  const patches = readRects(view, { at: DIFF_HEADER_BYTES, count, screen });
  if (patches === null) return bad("patch outside the screen");
  let bodyAt = tableEnd;
  let regions: VideoRegions | null = null;
  if ((flags & FLAG_REGIONS) !== 0) {
    regions = readRegions(view, tableEnd, screen);
    if (regions === null) return bad("regions");
    bodyAt += REGIONS_HEADER_BYTES + regions.rects.length * PATCH_ENTRY_BYTES;
  }
  const pixels = patchPixels(patches);
  if (pixels > MAX_PIXELS_PER_MESSAGE) return bad("pixel count");
  const body = bytes.subarray(bodyAt);
  const deflated = (flags & FLAG_DEFLATED) !== 0;
  const runs = (flags & FLAG_RUNS) !== 0;
  if (!deflated && !runs && body.length !== pixels * BYTES_PER_PIXEL) return bad("body length");
  return ok({
    frame: view.getUint32(4),
    part: view.getUint16(24),
    last: (flags & FLAG_LAST) !== 0,
    capturedAtMs,
    stream: flags >> STREAM_SHIFT & (DIFF_STREAMS - 1),
    width,
    height,
    hash: (flags & FLAG_HASH) === 0 ? null : view.getUint32(20),
    regions,
    patches,
    runs,
    deflated,
    body,
  });
}

interface Screen {
  readonly width: number;
  readonly height: number;
}

/** Rectangles that all lie inside the screen, or null. The table has to be there. */
function readRects(
  view: DataView,
  table: { readonly at: number; readonly count: number; readonly screen: Screen },
): Rect[] | null {
  const { width, height } = table.screen;
  const rects: Rect[] = [];
  for (let i = 0, at = table.at; i < table.count; i++, at += PATCH_ENTRY_BYTES) {
    const p = {
      x: view.getUint16(at),
      y: view.getUint16(at + 2),
      width: view.getUint16(at + 4),
      height: view.getUint16(at + 6),
    };
    if (p.width === 0 || p.height === 0 || p.x + p.width > width || p.y + p.height > height) {
      return null;
    }
    rects.push(p);
  }
  return rects;
}

function readRegions(view: DataView, at: number, screen: Screen): VideoRegions | null {
  if (view.byteLength < at + REGIONS_HEADER_BYTES) return null;
  const flags = view.getUint8(at + 12);
  const count = view.getUint8(at + 13);
  const rectsAt = at + REGIONS_HEADER_BYTES;
  if ((flags & ~REGIONS_FLAG_CURRENT) !== 0 || count > MAX_VIDEO_REGIONS) return null;
  if (view.byteLength < rectsAt + count * PATCH_ENTRY_BYTES) return null;
  const rects = readRects(view, { at: rectsAt, count, screen });
  return rects === null ? null : {
    version: view.getUint32(at),
    rtpTime: view.getUint32(at + 4),
    sinceRtpTime: view.getUint32(at + 8),
    current: (flags & REGIONS_FLAG_CURRENT) !== 0,
    rects,
  };
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
