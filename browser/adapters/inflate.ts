/** Inflates pixel blobs with fflate; the only place that knows it. */
import { inflateSync } from "fflate";

/** Grows to the largest blob seen; the protocol bounds a blob to MAX_PIXELS_PER_MESSAGE. */
let scratch = new Uint8Array(64 * 1024);

/**
 * Inflates `body` (RFC 1951) to exactly `sizeBytes` bytes, or returns null when it is damaged,
 * shorter or longer. The result is a view that the next call overwrites, aligned for 32-bit words.
 */
export function inflateExact(body: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> | null {
  const inflated = inflateAtMost(body, sizeBytes);
  return inflated?.length === sizeBytes ? inflated : null;
}

/** Inflates `body` to at most `maxBytes`, or returns null; the result is a view as above. */
export function inflateAtMost(body: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> | null {
  // One byte more than wanted: a blob that is too long shows itself there and goes no further.
  if (scratch.length < maxBytes + 1) scratch = new Uint8Array(maxBytes + 1);
  try {
    const { length } = inflateSync(body, { out: scratch.subarray(0, maxBytes + 1) });
    return length > maxBytes ? null : scratch.subarray(0, length);
  } catch {
    // fflate throws on any damage; which one makes no difference.
    return null;
  }
}

/** A copy of a plain blob in the same aligned scratch memory. */
export function copyExact(body: Uint8Array): Uint8Array<ArrayBuffer> {
  if (scratch.length < body.length) scratch = new Uint8Array(body.length);
  scratch.set(body);
  return scratch.subarray(0, body.length);
}
