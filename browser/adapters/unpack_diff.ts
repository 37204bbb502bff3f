/** Unpacks diff messages: what of their work needs no picture, so that any thread may do it. */
import {
  BYTES_PER_PIXEL,
  type CodedError,
  codedError,
  decodeDiff,
  type DiffMessage,
  err,
  ok,
  patchPixels,
  type Result,
  RUNS_SLACK_BYTES,
  unpackRuns,
} from "@farglass/protocol";
import { copyExact, inflateAtMost, inflateExact } from "./inflate.ts";

/** A diff message with the pixels of its patches, one after the other, row by row. */
export interface UnpackedDiff extends Omit<DiffMessage, "body"> {
  /** Opaque RGBA in memory order. */
  readonly pixels: Uint32Array<ArrayBuffer>;
}

/** BGRX as RGBX, and back. */
export const swapRedBlue = (pixel: number): number =>
  ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff);

/** Unpacks one message; a damaged one is `malformed`. The pixels belong to the caller. */
export function unpackDiff(bytes: Uint8Array): Result<UnpackedDiff, CodedError> {
  const decoded = decodeDiff(bytes);
  if (!decoded.ok) return decoded;
  const { body: _packed, ...message } = decoded.value;
  const pixels = pixelsOf(decoded.value);
  if (pixels === null) return err(codedError("malformed", "diff body"));
  for (let i = 0; i < pixels.length; i++) pixels[i] = 0xff000000 | swapRedBlue(pixels[i]);
  return ok({ ...message, pixels });
}

/** BGRX words. */
function pixelsOf(message: DiffMessage): Uint32Array<ArrayBuffer> | null {
  const count = patchPixels(message.patches);
  if (message.runs) return runsOf(message, count);
  const sizeBytes = count * BYTES_PER_PIXEL;
  const blob = message.deflated ? inflateExact(message.body, sizeBytes) : copyExact(message.body);
  if (blob === null || blob.length !== sizeBytes) return null;
  return new Uint32Array(blob.buffer, blob.byteOffset, count).slice();
}

function runsOf(message: DiffMessage, count: number): Uint32Array<ArrayBuffer> | null {
  const runs = message.deflated
    ? inflateAtMost(message.body, count * BYTES_PER_PIXEL + RUNS_SLACK_BYTES)
    : message.body;
  if (runs === null) return null;
  const pixels = new Uint32Array(count);
  return unpackRuns(runs, message.patches, pixels) ? pixels : null;
}
