/**
 * RTP payload format for H.264, packetization-mode 1 (RFC 6184): single NAL units, STAP-A for
 * what stands before the slices, FU-A for what is too large.
 */
import { type NalFormat, packetizeNals, type RtpPayload } from "./nal_packetizer.ts";
import { NAL, nalType } from "./nal_units.ts";

/** NAL unit types that RFC 6184 section 5.2 adds. */
export const STAP_A = 24;
export const FU_A = 28;

const FORBIDDEN_BIT = 0x80;
const NRI_BITS = 0x60;
const LEADING: readonly number[] = [NAL.sps, NAL.pps, NAL.sei, NAL.delimiter];

const H264: NalFormat = {
  headerBytes: 1,
  isLeading: (nal) => LEADING.includes(nalType(nal)),
  // Section 5.7.1: F is the OR of the units' F bits, NRI their maximum.
  aggregateHeader(nals) {
    const forbidden = nals.reduce((bits, nal) => bits | nal[0] & FORBIDDEN_BIT, 0);
    const nri = Math.max(...nals.map((nal) => nal[0] & NRI_BITS));
    return [forbidden | nri | STAP_A];
  },
  // Section 5.8: F and NRI travel in the FU indicator, the type in the FU header.
  fragmentHeader: (nal, flags) => [
    (nal[0] & (FORBIDDEN_BIT | NRI_BITS)) | FU_A,
    nalType(nal) | flags,
  ],
};

/** See `packetizeNals`. */
export const packetize = (nals: readonly Uint8Array[], maxPayloadBytes: number): RtpPayload[] =>
  packetizeNals(nals, maxPayloadBytes, H264);
