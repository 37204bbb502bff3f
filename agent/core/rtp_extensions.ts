/** Payloads of the RTP header extensions (RFC 8285) that the agent's video packets carry. */

export const EXTENSION_URI = {
  mid: "urn:ietf:params:rtp-hdrext:sdes:mid",
  transportWideCc: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
  playoutDelay: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
  absCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
} as const;

const PLAYOUT_UNIT_MS = 10;
const MAX_PLAYOUT_UNITS = 0xfff;

/**
 * playout-delay: twelve bits each for the least and the most delay, in 10 ms. With 0 and 0 a
 * browser shows each picture as soon as it is decoded.
 *
 *     | MIN delay (12) | MAX delay (12) |
 */
export function playoutDelay(minMs: number, maxMs: number): Uint8Array {
  const units = (ms: number) =>
    Math.min(MAX_PLAYOUT_UNITS, Math.max(0, Math.round(ms / PLAYOUT_UNIT_MS)));
  const min = units(minMs);
  const max = units(maxMs);
  return Uint8Array.of(min >> 4, (min & 0xf) << 4 | max >> 8, max & 0xff);
}

/** transport-wide sequence number, 16 bits. */
export const transportWideCc = (sequence: number): Uint8Array =>
  Uint8Array.of(sequence >> 8 & 0xff, sequence & 0xff);

/** Seconds between the NTP era (1900) and Unix time. */
const NTP_OFFSET_SECONDS = 2_208_988_800;

/** A 64-bit NTP timestamp (UQ32.32, RFC 3550 section 4) of `unixMs`. */
export function ntpTime(unixMs: number): bigint {
  const seconds = Math.floor(unixMs / 1000);
  const fraction = Math.floor((unixMs / 1000 - seconds) * 2 ** 32);
  return BigInt(seconds + NTP_OFFSET_SECONDS) << 32n | BigInt(fraction);
}

/** abs-capture-time: the NTP timestamp of `unixMs`. */
export function absCaptureTime(unixMs: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, ntpTime(unixMs));
  return out;
}

/** The SDES mid item, ASCII (RFC 8843 section 15.1). */
export const mid = (value: string): Uint8Array =>
  Uint8Array.from(value, (char) => char.charCodeAt(0) & 0x7f);

/** The 90 kHz RTP timestamp of a capture time, from a random start; wraps at 32 bits. */
export const rtpTimestamp = (capturedAtMs: number, start: number): number =>
  (start + Math.round(capturedAtMs * 90) % 2 ** 32) % 2 ** 32;
