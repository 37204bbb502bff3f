/** NAL units of H.264 (ITU-T H.264 section 7.3.1) and their Annex B byte stream. */

/** `nal_unit_type` values that matter here (H.264 table 7-1). */
export const NAL = { slice: 1, idr: 5, sei: 6, sps: 7, pps: 8, delimiter: 9 } as const;

/** The low five bits of a NAL unit's first byte. */
export const nalType = (nal: Uint8Array): number => nal[0] & 0x1f;

/** Whether a picture holds an IDR slice, from which a decoder can start. */
export const hasIdr = (nals: readonly Uint8Array[]): boolean =>
  nals.some((nal) => nalType(nal) === NAL.idr);

/** What tells parameter sets and keyframes of a format. */
export interface NalKinds {
  isParameterSet(nal: Uint8Array): boolean;
  isKeyframe(nals: readonly Uint8Array[]): boolean;
}

const H264_KINDS: NalKinds = {
  isParameterSet: (nal) => nalType(nal) === NAL.sps || nalType(nal) === NAL.pps,
  isKeyframe: hasIdr,
};

/**
 * A keyframe with its parameter sets before it, so that a decoder can start there: some encoders
 * send them with their first picture only. `known` are those that came before; the result says
 * which hold now.
 */
export function withParameterSets(
  nals: readonly Uint8Array[],
  known: readonly Uint8Array[],
  { isParameterSet, isKeyframe }: NalKinds = H264_KINDS,
): { readonly nals: readonly Uint8Array[]; readonly parameterSets: readonly Uint8Array[] } {
  const own = nals.filter(isParameterSet);
  if (own.length > 0) return { nals, parameterSets: own.map((nal) => nal.slice()) };
  return { nals: isKeyframe(nals) ? [...known, ...nals] : nals, parameterSets: known };
}

/**
 * Splits an Annex B byte stream (H.264 section B.1) into NAL units, as views into `stream`.
 * Start codes of three and four bytes, zero bytes after a unit and anything before the first
 * start code are left out, and so are empty units.
 */
export function splitAnnexB(stream: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let start = -1;
  const end = stream.length;
  let i = 0;
  while (i + 2 < end) {
    // A start code ends in 1: a larger byte at its third place rules out three places at once.
    if (stream[i + 2] > 1) {
      i += 3;
    } else if (stream[i + 2] === 1 && stream[i] === 0 && stream[i + 1] === 0) {
      if (start >= 0) pushTrimmed(nals, stream, start, i);
      start = i + 3;
      i += 3;
    } else {
      i += 1;
    }
  }
  if (start >= 0) pushTrimmed(nals, stream, start, end);
  return nals;
}

/** A unit never ends in a zero byte (H.264 section 7.4.1), so zeros there are padding. */
function pushTrimmed(nals: Uint8Array[], stream: Uint8Array, start: number, end: number): void {
  let last = end;
  while (last > start && stream[last - 1] === 0) last--;
  if (last > start) nals.push(stream.subarray(start, last));
}

/** Joins NAL units into an Annex B byte stream with four-byte start codes. */
export function joinAnnexB(nals: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const nal of nals) size += 4 + nal.length;
  const stream = new Uint8Array(size);
  let offset = 0;
  for (const nal of nals) {
    stream[offset + 3] = 1;
    stream.set(nal, offset + 4);
    offset += 4 + nal.length;
  }
  return stream;
}
