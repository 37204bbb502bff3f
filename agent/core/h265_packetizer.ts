/**
 * RTP payload format for H.265 (RFC 7798), single stream, without decoding order numbers: single
 * NAL units, aggregation packets for what stands before the slices, fragmentation units for what
 * is too large.
 *
 *     |F|   type    |  layer id | TID |   the two bytes that begin a unit and each payload
 */
import { type NalFormat, packetizeNals, type RtpPayload } from "./nal_packetizer.ts";
import { withParameterSets } from "./nal_units.ts";

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

const FORBIDDEN_BIT = 0x80;
const TYPE_BITS = 0x7e;

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

/** A keyframe with VPS, SPS and PPS before it; see `withParameterSets`. */
export const withH265ParameterSets = (
  nals: readonly Uint8Array[],
  known: readonly Uint8Array[],
) => withParameterSets(nals, known, { isParameterSet, isKeyframe: isH265Keyframe });

const layerOf = (nal: Uint8Array): number => (nal[0] & 1) << 5 | nal[1] >> 3;
const temporalOf = (nal: Uint8Array): number => nal[1] & 7;

const H265: NalFormat = {
  headerBytes: 2,
  isLeading,
  // Section 4.4.2: F is the OR of the units' F bits, layer and temporal id are their least.
  aggregateHeader(nals) {
    const forbidden = nals.reduce((bits, nal) => bits | nal[0] & FORBIDDEN_BIT, 0);
    const layer = Math.min(...nals.map(layerOf));
    return [
      forbidden | AP << 1 | layer >> 5,
      (layer & 0x1f) << 3 | Math.min(...nals.map(temporalOf)),
    ];
  },
  // Section 4.4.3: the type travels in the FU header, the rest in the payload's.
  fragmentHeader: (nal, flags) => [
    nal[0] & ~TYPE_BITS | FU << 1,
    nal[1],
    nal265Type(nal) | flags,
  ],
};

/** See `packetizeNals`. */
export const packetizeH265 = (nals: readonly Uint8Array[], maxPayloadBytes: number): RtpPayload[] =>
  packetizeNals(nals, maxPayloadBytes, H265);
