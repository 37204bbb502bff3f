/**
 * RTP payload format for VP8 (RFC 7741): each payload begins with a descriptor that says where in
 * the frame it belongs. The picture's number is each viewer's own, so it is written last, into the
 * packet; all the rest is the same for everybody.
 *
 *      0 1 2 3 4 5 6 7
 *     |X|R|N|S|R| PID |   X 1, N 0 (every frame is a reference), S start of a partition
 *     |I|L|T|K|  RSV  |   I 1, no temporal layers
 *     |M| PictureID   |   M 1: fifteen bits
 *     |   PictureID   |
 */
import type { RtpPayload } from "./nal_packetizer.ts";

const DESCRIPTOR_BYTES = 4;
const EXTENDED = 0x80;
const START = 0x10;
const HAS_PICTURE_ID = 0x80;
const LONG_PICTURE_ID = 0x80;
/** Picture ids count to here and begin again. */
export const PICTURE_ID_MASK = 0x7fff;
/** RFC 6386 section 9.1: the tag of a frame, and what a keyframe adds. */
const TAG_BYTES = 3;
const KEYFRAME_HEADER_BYTES = 7;
/** The first partition holds modes and motion vectors; coefficients follow. */
const FIRST_PARTITION = 0;
const COEFFICIENTS = 1;

/** Whether a decoder can start from this frame (RFC 6386 section 9.1; the bit says that it can't). */
export const isVp8Keyframe = (frame: Uint8Array): boolean =>
  frame.length >= TAG_BYTES && (frame[0] & 1) === 0;

/** Where the coefficients begin. */
function firstPartitionEnd(frame: Uint8Array): number {
  if (frame.length < TAG_BYTES) return frame.length;
  const sizeBytes = (frame[0] | frame[1] << 8 | frame[2] << 16) >> 5;
  const headerBytes = TAG_BYTES + (isVp8Keyframe(frame) ? KEYFRAME_HEADER_BYTES : 0);
  return headerBytes + sizeBytes;
}

/**
 * Cuts one frame into payloads of about the same size, at most `maxPayloadBytes`, with picture id 0
 * (see `stampPictureId`). Throws when the limit leaves no room for a byte of the frame.
 */
export function packetizeVp8(frame: Uint8Array, maxPayloadBytes: number): RtpPayload[] {
  if (maxPayloadBytes <= DESCRIPTOR_BYTES) {
    throw new RangeError(`maxPayloadBytes must be more than ${DESCRIPTOR_BYTES}`);
  }
  const coefficientsAt = firstPartitionEnd(frame);
  const count = Math.ceil(frame.length / (maxPayloadBytes - DESCRIPTOR_BYTES));
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor(frame.length * i / count);
    const to = Math.floor(frame.length * (i + 1) / count);
    const payload = new Uint8Array(DESCRIPTOR_BYTES + to - from);
    // Section 4.2: the partition that the first byte belongs to.
    const partition = from >= coefficientsAt ? COEFFICIENTS : FIRST_PARTITION;
    const start = from === 0 || from === coefficientsAt ? START : 0;
    payload.set([EXTENDED | start | partition, HAS_PICTURE_ID, LONG_PICTURE_ID, 0]);
    payload.set(frame.subarray(from, to), DESCRIPTOR_BYTES);
    return { payload, marker: i === count - 1 };
  });
}

/** Writes the picture's number into a packet whose VP8 payload begins at `offset`. */
export function stampPictureId(packet: Uint8Array, offset: number, pictureId: number): void {
  packet[offset + 2] = LONG_PICTURE_ID | pictureId >> 8 & 0x7f;
  packet[offset + 3] = pictureId & 0xff;
}
