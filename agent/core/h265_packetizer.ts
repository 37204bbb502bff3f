/**
 * RTP payload format for H.265 (RFC 7798), single stream, without decoding order numbers: single
 * NAL units, aggregation packets for what stands before the slices, fragmentation units for what
 * is too large.
 *
 *     |F|   type    |  layer id | TID |   the two bytes that begin a unit and each payload
 */
import type { RtpPayload } from "./h264_packetizer.ts";

/** `nal_unit_type` values that matter here (H.265 table 7-1). */
export const NAL265 = {
  /** First and last of those from which a decoder can start: BLA, IDR and CRA. */
  firstKey: 16,
  lastKey: 21,
  vps: 32,
  sps: 33,
  pps: 34,
  delimiter: 35,
  prefixSei: 39,
} as const;
/** Types that RFC 7798 section 4.4 adds. */
export const AP = 48;
export const FU = 49;

const HEADER_BYTES = 2;
const LENGTH_BYTES = 2;
const FU_HEADER_BYTES = 3;
/** Small enough for any path, large enough for a fragment. */
const MIN_PAYLOAD_BYTES = 8;
const FORBIDDEN_BIT = 0x80;
const TYPE_BITS = 0x7e;
const FU_START = 0x80;
const FU_END = 0x40;

export const nal265Type = (nal: Uint8Array): number => (nal[0] & TYPE_BITS) >> 1;

/** Whether a decoder can start from this picture. */
export const isH265Keyframe = (nals: readonly Uint8Array[]): boolean =>
  nals.some((nal) => nal265Type(nal) >= NAL265.firstKey && nal265Type(nal) <= NAL265.lastKey);

const isParameterSet = (nal: Uint8Array): boolean =>
  nal265Type(nal) >= NAL265.vps && nal265Type(nal) <= NAL265.pps;

/** Parameter sets, delimiters and SEI: small units that travel together before the slices. */
const isLeading = (nal: Uint8Array): boolean =>
  isParameterSet(nal) || nal265Type(nal) === NAL265.delimiter ||
  nal265Type(nal) === NAL265.prefixSei;

/**
 * A keyframe with VPS, SPS and PPS before it: some encoders send them with their first picture
 * only. `known` are those that came before; the result says which hold now.
 */
export function withH265ParameterSets(
  nals: readonly Uint8Array[],
  known: readonly Uint8Array[],
): { readonly nals: readonly Uint8Array[]; readonly parameterSets: readonly Uint8Array[] } {
  const own = nals.filter(isParameterSet);
  if (own.length > 0) return { nals, parameterSets: own.map((nal) => nal.slice()) };
  return { nals: isH265Keyframe(nals) ? [...known, ...nals] : nals, parameterSets: known };
}

/**
 * Cuts one picture's NAL units into RTP payloads of at most `maxPayloadBytes`. A payload may be a
 * view into its NAL unit, so the units must not change before the payloads are sent. Throws when
 * the limit leaves no room for a fragment.
 */
export function packetizeH265(nals: readonly Uint8Array[], maxPayloadBytes: number): RtpPayload[] {
  if (maxPayloadBytes < MIN_PAYLOAD_BYTES) {
    throw new RangeError(`maxPayloadBytes must be at least ${MIN_PAYLOAD_BYTES}`);
  }
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = HEADER_BYTES;
  const flush = () => {
    if (group.length > 0) payloads.push(group.length === 1 ? group[0] : aggregate(group));
    group = [];
    groupBytes = HEADER_BYTES;
  };
  for (const nal of nals) {
    if (nal.length < HEADER_BYTES) continue;
    const sized = LENGTH_BYTES + nal.length;
    if (isLeading(nal) && HEADER_BYTES + sized <= maxPayloadBytes) {
      if (groupBytes + sized > maxPayloadBytes) flush();
      group.push(nal);
      groupBytes += sized;
      continue;
    }
    flush();
    if (nal.length <= maxPayloadBytes) payloads.push(nal);
    else fragment(nal, maxPayloadBytes, payloads);
  }
  flush();
  return payloads.map((payload, i) => ({ payload, marker: i === payloads.length - 1 }));
}

const layerOf = (nal: Uint8Array): number => (nal[0] & 1) << 5 | nal[1] >> 3;
const temporalOf = (nal: Uint8Array): number => nal[1] & 7;

/** Section 4.4.2: F is the OR of the units' F bits, layer and temporal id are their least. */
function aggregate(nals: readonly Uint8Array[]): Uint8Array {
  const size = nals.reduce((sum, nal) => sum + LENGTH_BYTES + nal.length, HEADER_BYTES);
  const forbidden = nals.reduce((bits, nal) => bits | nal[0] & FORBIDDEN_BIT, 0);
  const layer = Math.min(...nals.map(layerOf));
  const out = new Uint8Array(size);
  out[0] = forbidden | AP << 1 | layer >> 5;
  out[1] = (layer & 0x1f) << 3 | Math.min(...nals.map(temporalOf));
  let offset = HEADER_BYTES;
  for (const nal of nals) {
    out[offset] = nal.length >> 8;
    out[offset + 1] = nal.length & 0xff;
    out.set(nal, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + nal.length;
  }
  return out;
}

/**
 * Section 4.4.3: the unit's own header is not sent; its type travels in the FU header, the rest in
 * the payload's. Pieces are cut to equal sizes, so that the last is not a sliver.
 */
function fragment(nal: Uint8Array, maxPayloadBytes: number, payloads: Uint8Array[]): void {
  const body = nal.length - HEADER_BYTES;
  const count = Math.ceil(body / (maxPayloadBytes - FU_HEADER_BYTES));
  const type = nal265Type(nal);
  for (let i = 0; i < count; i++) {
    const from = HEADER_BYTES + Math.floor(body * i / count);
    const to = HEADER_BYTES + Math.floor(body * (i + 1) / count);
    const out = new Uint8Array(FU_HEADER_BYTES + to - from);
    out[0] = nal[0] & ~TYPE_BITS | FU << 1;
    out[1] = nal[1];
    out[2] = type | (i === 0 ? FU_START : 0) | (i === count - 1 ? FU_END : 0);
    out.set(nal.subarray(from, to), FU_HEADER_BYTES);
    payloads.push(out);
  }
}
