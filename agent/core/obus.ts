/** OBUs of AV1 (AV1 Bitstream & Decoding Process, section 5.3) and their low-overhead byte stream. */

/** `obu_type` values that matter here (section 6.2.2). */
export const OBU = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  frame: 6,
  tileList: 8,
  padding: 15,
} as const;

const HAS_EXTENSION = 0x04;
const HAS_SIZE = 0x02;
/** Sizes of the bitstream fit in so many bytes of seven bits. */
const MAX_LEB128_BYTES = 5;

/** The type of an OBU, by its first byte. */
export const obuType = (obu: Uint8Array): number => obu[0] >> 3 & 0x0f;

/** Bytes that `value` takes as leb128 (section 4.10.5). */
export function leb128Bytes(value: number): number {
  let bytes = 1;
  for (let left = value >>> 7; left > 0; left >>>= 7) bytes++;
  return bytes;
}

/** Writes `value` as leb128; returns the offset after it. */
export function writeLeb128(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let left = value;
  for (; left > 0x7f; left >>>= 7) target[at++] = left & 0x7f | 0x80;
  target[at++] = left;
  return at;
}

/** The value at `offset` and where it ends; null when it is cut off or too long. */
export function readLeb128(
  source: Uint8Array,
  offset: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let i = 0; i < MAX_LEB128_BYTES && offset + i < source.length; i++) {
    const byte = source[offset + i];
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: offset + i + 1 };
  }
  return null;
}

/**
 * The OBUs of a temporal unit as RTP carries them: each without its size, and without temporal
 * delimiters, tile lists and padding (RTP Payload Format For AV1, section 5). Throws on a unit that
 * is cut off: an encoder never makes one.
 */
export function splitObus(unit: Uint8Array): Uint8Array[] {
  const obus: Uint8Array[] = [];
  for (let at = 0; at < unit.length;) {
    const headerBytes = (unit[at] & HAS_EXTENSION) === 0 ? 1 : 2;
    const sized = (unit[at] & HAS_SIZE) !== 0;
    const size = sized
      ? readLeb128(unit, at + headerBytes)
      : { value: unit.length - at - headerBytes, end: at + headerBytes };
    if (size === null || size.value < 0 || size.end + size.value > unit.length) {
      throw new Error("An OBU is cut off");
    }
    const end = size.end + size.value;
    const type = obuType(unit.subarray(at));
    if (type !== OBU.temporalDelimiter && type !== OBU.tileList && type !== OBU.padding) {
      const obu = new Uint8Array(headerBytes + size.value);
      obu.set(unit.subarray(at, at + headerBytes));
      obu[0] &= ~HAS_SIZE;
      obu.set(unit.subarray(size.end, end), headerBytes);
      obus.push(obu);
    }
    at = end;
  }
  return obus;
}

/** The temporal unit that a decoder takes: a temporal delimiter and OBUs with their sizes. */
export function joinObus(obus: readonly Uint8Array[]): Uint8Array {
  const headerOf = (obu: Uint8Array) => (obu[0] & HAS_EXTENSION) === 0 ? 1 : 2;
  let size = 2;
  for (const obu of obus) size += obu.length + leb128Bytes(obu.length - headerOf(obu));
  const unit = new Uint8Array(size);
  unit[0] = OBU.temporalDelimiter << 3 | HAS_SIZE;
  let at = 2;
  for (const obu of obus) {
    const headerBytes = headerOf(obu);
    unit.set(obu.subarray(0, headerBytes), at);
    unit[at] |= HAS_SIZE;
    at = writeLeb128(unit, at + headerBytes, obu.length - headerBytes);
    unit.set(obu.subarray(headerBytes), at);
    at += obu.length - headerBytes;
  }
  return unit;
}

/** Whether the first frame is a shown or hidden key frame (section 5.9.2), not one seen before. */
export function hasKeyFrame(obus: readonly Uint8Array[]): boolean {
  const frame = obus.find((obu) => obuType(obu) === OBU.frame || obuType(obu) === OBU.frameHeader);
  if (frame === undefined) return false;
  const first = frame[(frame[0] & HAS_EXTENSION) === 0 ? 1 : 2];
  // show_existing_frame is 0, frame_type is KEY_FRAME (0).
  return (first & 0xe0) === 0;
}

/**
 * A keyframe with the sequence header before it, so that a decoder can start there: some encoders
 * send it with their first picture only. `known` is the one that came before; the result says
 * which holds now.
 */
export function withSequenceHeader(
  obus: readonly Uint8Array[],
  known: Uint8Array | null,
): { readonly obus: readonly Uint8Array[]; readonly sequenceHeader: Uint8Array | null } {
  const own = obus.find((obu) => obuType(obu) === OBU.sequenceHeader);
  if (own !== undefined) return { obus, sequenceHeader: own };
  if (known === null || !hasKeyFrame(obus)) return { obus, sequenceHeader: known };
  return { obus: [known, ...obus], sequenceHeader: known };
}
