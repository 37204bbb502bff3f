/**
 * Reads transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1)
 * from its bytes, without an object for each chunk and delta: ten viewers send hundreds a second.
 */
import type { TransportFeedback } from "./link_meter.ts";

export const TRANSPORT_FEEDBACK = { packetType: 205, format: 15 } as const;

const BASE_AT = 12;
const COUNT_AT = 14;
const REFERENCE_AT = 16;
const CHUNKS_AT = 20;
const REFERENCE_UNIT_MS = 64;
const REFERENCE_RANGE = 2 ** 24;
const DELTAS_PER_MS = 4;
/** A chunk's first bit: a vector of symbols; its second: of two bits each. */
const VECTOR = 0x8000;
const TWO_BITS = 0x4000;
const RUN_LENGTH = 0x1fff;
/** Packet status symbols: received with a small or a large delta. */
export const SMALL_DELTA = 1;
export const LARGE_DELTA = 2;

/** Keeps the receiver's clock going where its 24-bit reference time wraps (each 12 days). */
export class ReferenceClock {
  #last: number | null = null;

  /** Milliseconds of a reference time. */
  ms(reference: number): number {
    const last = this.#last ?? reference;
    const step = ((reference - last) % REFERENCE_RANGE + REFERENCE_RANGE * 1.5) %
        REFERENCE_RANGE - REFERENCE_RANGE / 2;
    this.#last = last + step;
    return this.#last * REFERENCE_UNIT_MS;
  }
}

/** Reads the feedbacks of one receiver. */
export class FeedbackParser {
  readonly #clock = new ReferenceClock();

  /** `packet` is one RTCP packet with its header; null when it is cut off before its chunks. */
  read(packet: Uint8Array): TransportFeedback | null {
    if (packet.length < CHUNKS_AT) return null;
    const count = get16(packet, COUNT_AT);
    const reference = get16(packet, REFERENCE_AT) << 8 | packet[REFERENCE_AT + 2];
    let atMs = this.#clock.ms(reference);
    let delta = deltasAt(packet, count);
    const receivedAtMs: (number | null)[] = [];
    const add = (symbol: number): boolean => {
      if (symbol !== SMALL_DELTA && symbol !== LARGE_DELTA) {
        receivedAtMs.push(null);
        return true;
      }
      // Cut off: what follows is not known.
      if (delta + symbol > packet.length) return false;
      const value = symbol === SMALL_DELTA ? packet[delta] : get16(packet, delta) << 16 >> 16;
      delta += symbol;
      atMs += value / DELTAS_PER_MS;
      receivedAtMs.push(atMs);
      return true;
    };
    for (let at = CHUNKS_AT; receivedAtMs.length < count && at + 2 <= packet.length; at += 2) {
      const chunk = get16(packet, at);
      const symbols = Math.min(symbolsOf(chunk), count - receivedAtMs.length);
      for (let i = 0; i < symbols; i++) {
        if (!add(symbolAt(chunk, i))) return { base: get16(packet, BASE_AT), receivedAtMs };
      }
    }
    return { base: get16(packet, BASE_AT), receivedAtMs };
  }
}

/** Deltas stand behind as many chunks as `count` packets take. */
function deltasAt(packet: Uint8Array, count: number): number {
  let at = CHUNKS_AT;
  for (let left = count; left > 0 && at + 2 <= packet.length; at += 2) {
    const symbols = symbolsOf(get16(packet, at));
    // A run of nothing brings the end no nearer; the packet's own end does.
    left -= symbols;
  }
  return at;
}

function symbolsOf(chunk: number): number {
  if ((chunk & VECTOR) === 0) return chunk & RUN_LENGTH;
  return (chunk & TWO_BITS) === 0 ? 14 : 7;
}

function symbolAt(chunk: number, i: number): number {
  if ((chunk & VECTOR) === 0) return chunk >> 13 & 3;
  // A vector of single bits says "small delta" by 1, as the two-bit symbol does.
  return (chunk & TWO_BITS) === 0 ? chunk >> 13 - i & 1 : chunk >> 12 - i * 2 & 3;
}

const get16 = (bytes: Uint8Array, at: number): number => bytes[at] << 8 | bytes[at + 1];
