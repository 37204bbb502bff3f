/**
 * What the RTP payload formats of H.264 (RFC 6184) and H.265 (RFC 7798) have in common: single NAL
 * units, aggregates of what stands before the slices, fragments of what is too large.
 */

/** One RTP payload; `marker` stands on the last of a picture (RFC 6184 section 5.1). */
export interface RtpPayload {
  readonly payload: Uint8Array;
  readonly marker: boolean;
}

/** In what the two formats differ. */
export interface NalFormat {
  /** Of a unit, and of an aggregate. */
  readonly headerBytes: number;
  /** Parameter sets, SEI and delimiters: small units that travel together before the slices. */
  isLeading(nal: Uint8Array): boolean;
  aggregateHeader(nals: readonly Uint8Array[]): readonly number[];
  /** The payload's header and the FU header, one byte more than a unit's. */
  fragmentHeader(nal: Uint8Array, flags: number): readonly number[];
}

const LENGTH_BYTES = 2;
const FU_HEADER_BYTES = 1;
const FU_START = 0x80;
const FU_END = 0x40;
/** Small enough for any path, large enough for a fragment's headers and a byte. */
const MIN_PAYLOAD_BYTES = 8;

/** Throws when the limit leaves no room for a fragment. */
export function checkPayloadLimit(maxPayloadBytes: number): void {
  if (maxPayloadBytes >= MIN_PAYLOAD_BYTES) return;
  throw new RangeError(`maxPayloadBytes must be at least ${MIN_PAYLOAD_BYTES}`);
}

export const withMarker = (payloads: readonly Uint8Array[]): RtpPayload[] =>
  payloads.map((payload, i) => ({ payload, marker: i === payloads.length - 1 }));

/**
 * Cuts one picture's NAL units into RTP payloads of at most `maxPayloadBytes`. A payload may be a
 * view into its NAL unit, so the units must not change before the payloads are sent. Throws when
 * the limit leaves no room for a fragment.
 */
export function packetizeNals(
  nals: readonly Uint8Array[],
  maxPayloadBytes: number,
  format: NalFormat,
): RtpPayload[] {
  checkPayloadLimit(maxPayloadBytes);
  const { headerBytes } = format;
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = headerBytes;
  const flush = () => {
    if (group.length > 0) payloads.push(group.length === 1 ? group[0] : aggregate(group, format));
    group = [];
    groupBytes = headerBytes;
  };
  for (const nal of nals) {
    if (nal.length < headerBytes) continue;
    const sized = LENGTH_BYTES + nal.length;
    if (format.isLeading(nal) && headerBytes + sized <= maxPayloadBytes) {
      if (groupBytes + sized > maxPayloadBytes) flush();
      group.push(nal);
      groupBytes += sized;
      continue;
    }
    flush();
    if (nal.length <= maxPayloadBytes) payloads.push(nal);
    else payloads.push(...fragments(nal, maxPayloadBytes, format));
  }
  flush();
  return withMarker(payloads);
}

function aggregate(nals: readonly Uint8Array[], format: NalFormat): Uint8Array {
  const size = nals.reduce((sum, nal) => sum + LENGTH_BYTES + nal.length, format.headerBytes);
  const out = new Uint8Array(size);
  out.set(format.aggregateHeader(nals));
  let offset = format.headerBytes;
  for (const nal of nals) {
    out[offset] = nal.length >> 8;
    out[offset + 1] = nal.length & 0xff;
    out.set(nal, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + nal.length;
  }
  return out;
}

/**
 * The unit's own header is not sent; it travels in the fragments' headers. Pieces are cut to equal
 * sizes, so that the last is not a sliver.
 */
function fragments(nal: Uint8Array, maxPayloadBytes: number, format: NalFormat): Uint8Array[] {
  const { headerBytes } = format;
  const fuBytes = headerBytes + FU_HEADER_BYTES;
  const body = nal.length - headerBytes;
  const count = Math.ceil(body / (maxPayloadBytes - fuBytes));
  return Array.from({ length: count }, (_, i) => {
    const from = headerBytes + Math.floor(body * i / count);
    const to = headerBytes + Math.floor(body * (i + 1) / count);
    const out = new Uint8Array(fuBytes + to - from);
    const flags = (i === 0 ? FU_START : 0) | (i === count - 1 ? FU_END : 0);
    out.set(format.fragmentHeader(nal, flags));
    out.set(nal.subarray(from, to), fuBytes);
    return out;
  });
}
