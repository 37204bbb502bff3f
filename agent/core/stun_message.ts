/** Enough of STUN (RFC 8489) to judge a packet before the peer library sees it. */

const HEADER_BYTES = 20;
const COOKIE = [0x21, 0x12, 0xa4, 0x42] as const;
const ATTRIBUTE_HEADER_BYTES = 4;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const INTEGRITY_BYTES = 20;
/** RFC 8489 section 14.3. */
const MAX_USERNAME_BYTES = 509;

/** What one datagram at an ICE socket is (RFC 7983 section 7; RFC 8489 section 5). */
export type Datagram =
  | { readonly kind: "other" }
  | { readonly kind: "malformed" }
  | { readonly kind: "response" }
  | {
    readonly kind: "binding-request";
    readonly username: string | null;
    /** Where MESSAGE-INTEGRITY begins, or null without one. */
    readonly integrityOffset: number | null;
  };

/** Classifies a datagram. Anything that is STUN but of no use to an ICE agent is `malformed`. */
export function classifyDatagram(data: Uint8Array): Datagram {
  if (data.length === 0) return { kind: "malformed" };
  if (data[0] > 3) return { kind: "other" };
  if (data.length < HEADER_BYTES || COOKIE.some((byte, i) => data[4 + i] !== byte)) {
    return { kind: "malformed" };
  }
  const length = data[2] << 8 | data[3];
  if (length % 4 !== 0 || HEADER_BYTES + length !== data.length) return { kind: "malformed" };
  const type = data[0] << 8 | data[1];
  // Class bits are 0x0110 (RFC 8489 section 5): request 0, indication 1, success 2, error 3.
  const success = (type & 0x0110) === 0x0100;
  const failure = (type & 0x0110) === 0x0110;
  if (success || failure) return { kind: "response" };
  if (type !== 0x0001) return { kind: "malformed" };
  return readBindingRequest(data);
}

function readBindingRequest(data: Uint8Array): Datagram {
  let username: string | null = null;
  let offset = HEADER_BYTES;
  while (offset < data.length) {
    const type = data[offset] << 8 | data[offset + 1];
    const size = data[offset + 2] << 8 | data[offset + 3];
    const next = offset + ATTRIBUTE_HEADER_BYTES + (size + 3 & ~3);
    if (next > data.length) return { kind: "malformed" };
    if (type === MESSAGE_INTEGRITY) {
      if (size !== INTEGRITY_BYTES) return { kind: "malformed" };
      // Attributes after it are not protected (RFC 8489 section 14.5), so they are not read.
      return { kind: "binding-request", username, integrityOffset: offset };
    }
    if (type === USERNAME && username === null) {
      if (size > MAX_USERNAME_BYTES) return { kind: "malformed" };
      const start = offset + ATTRIBUTE_HEADER_BYTES;
      username = String.fromCharCode(...data.subarray(start, start + size));
    }
    offset = next;
  }
  return { kind: "binding-request", username, integrityOffset: null };
}

/**
 * The bytes that MESSAGE-INTEGRITY signs (RFC 8489 section 14.5): the message up to the attribute,
 * with a length that ends behind it; and the HMAC-SHA1 the message carries.
 */
export function integrityParts(
  data: Uint8Array,
  integrityOffset: number,
): { readonly signed: Uint8Array; readonly hmac: Uint8Array } {
  // A copy, which the slice of a Node.js Buffer would not be.
  const signed = new Uint8Array(data.subarray(0, integrityOffset));
  const length = integrityOffset + ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES - HEADER_BYTES;
  signed[2] = length >> 8;
  signed[3] = length & 0xff;
  const start = integrityOffset + ATTRIBUTE_HEADER_BYTES;
  return { signed, hmac: data.subarray(start, start + INTEGRITY_BYTES) };
}
