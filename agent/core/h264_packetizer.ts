/**
 * RTP payload format for H.264, packetization-mode 1 (RFC 6184): single NAL units, STAP-A for
 * what stands before the slices, FU-A for what is too large.
 */
import { NAL, nalType } from "./nal_units.ts";

/** NAL unit types that RFC 6184 section 5.2 adds. */
export const STAP_A = 24;
export const FU_A = 28;

/** One RTP payload; `marker` stands on the last of a picture (RFC 6184 section 5.1). */
export interface RtpPayload {
  readonly payload: Uint8Array;
  readonly marker: boolean;
}

const FU_HEADER_BYTES = 2;
const STAP_HEADER_BYTES = 1;
const STAP_LENGTH_BYTES = 2;
/** Small enough for any path, large enough for an FU-A header and a byte. */
const MIN_PAYLOAD_BYTES = 8;

const FORBIDDEN_BIT = 0x80;
const NRI_BITS = 0x60;
const FU_START = 0x80;
const FU_END = 0x40;

/**
 * Cuts one picture's NAL units into RTP payloads of at most `maxPayloadBytes`. A payload may be a
 * view into its NAL unit, so the units must not change before the payloads are sent. Throws when
 * the limit leaves no room for a fragment.
 */
export function packetize(nals: readonly Uint8Array[], maxPayloadBytes: number): RtpPayload[] {
  if (maxPayloadBytes < MIN_PAYLOAD_BYTES) {
    throw new RangeError(`maxPayloadBytes must be at least ${MIN_PAYLOAD_BYTES}`);
  }
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = STAP_HEADER_BYTES;
  const flush = () => {
    if (group.length > 0) payloads.push(group.length === 1 ? group[0] : aggregate(group));
    group = [];
    groupBytes = STAP_HEADER_BYTES;
  };
  for (const nal of nals) {
    if (nal.length === 0) continue;
    const sized = STAP_LENGTH_BYTES + nal.length;
    if (isLeading(nal) && STAP_HEADER_BYTES + sized <= maxPayloadBytes) {
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

/** Parameter sets, SEI and delimiters: small units that travel together before the slices. */
function isLeading(nal: Uint8Array): boolean {
  const type = nalType(nal);
  return type === NAL.sps || type === NAL.pps || type === NAL.sei || type === NAL.delimiter;
}

/** RFC 6184 section 5.7.1: F is the OR of the units' F bits, NRI their maximum. */
function aggregate(nals: readonly Uint8Array[]): Uint8Array {
  let size = STAP_HEADER_BYTES;
  let forbidden = 0;
  let nri = 0;
  for (const nal of nals) {
    size += STAP_LENGTH_BYTES + nal.length;
    forbidden |= nal[0] & FORBIDDEN_BIT;
    nri = Math.max(nri, nal[0] & NRI_BITS);
  }
  const out = new Uint8Array(size);
  out[0] = forbidden | nri | STAP_A;
  let offset = STAP_HEADER_BYTES;
  for (const nal of nals) {
    out[offset] = nal.length >> 8;
    out[offset + 1] = nal.length & 0xff;
    out.set(nal, offset + STAP_LENGTH_BYTES);
    offset += STAP_LENGTH_BYTES + nal.length;
  }
  return out;
}

/**
 * RFC 6184 section 5.8: the unit's own header is not sent; its bits travel in the FU indicator
 * (F, NRI) and the FU header (type). Pieces are cut to equal sizes, so that the last is not a
 * sliver.
 */
function fragment(nal: Uint8Array, maxPayloadBytes: number, payloads: Uint8Array[]): void {
  const body = nal.length - 1;
  const count = Math.ceil(body / (maxPayloadBytes - FU_HEADER_BYTES));
  const indicator = (nal[0] & (FORBIDDEN_BIT | NRI_BITS)) | FU_A;
  const type = nalType(nal);
  for (let i = 0; i < count; i++) {
    const from = 1 + Math.floor(body * i / count);
    const to = 1 + Math.floor(body * (i + 1) / count);
    const out = new Uint8Array(FU_HEADER_BYTES + to - from);
    out[0] = indicator;
    out[1] = type | (i === 0 ? FU_START : 0) | (i === count - 1 ? FU_END : 0);
    out.set(nal.subarray(from, to), FU_HEADER_BYTES);
    payloads.push(out);
  }
}
