/** Packets kept to answer NACKs (RFC 4585 section 6.2.1). */

/**
 * At the encoder's highest rate (50 Mb/s) a keyframe has 280 packets, and so many last for 0.75 s:
 * several round trips. werift's own 128 do not hold one keyframe.
 */
export const HISTORY_PACKETS = 4096;
/** What was sent again less than a round trip ago is still under way; on a short way, this long. */
const MIN_COOLDOWN_MS = 15;
/** No sequence number, and no copy. */
const NONE = -1;

export interface SentPacket {
  readonly sequence: number;
  /** Of the picture that it is of: the format of its repetition goes by that. */
  readonly payloadType: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/**
 * A ring of the last packets by sequence number. Its fields stand in arrays of their own: as
 * objects that live for seconds, the packets of ten viewers kept the garbage collector busy.
 */
export class RtpHistory {
  readonly #sequences = new Int32Array(HISTORY_PACKETS).fill(NONE);
  readonly #timestamps = new Uint32Array(HISTORY_PACKETS);
  readonly #markers = new Uint8Array(HISTORY_PACKETS);
  readonly #payloadTypes = new Uint8Array(HISTORY_PACKETS);
  readonly #resentAtMs = new Float64Array(HISTORY_PACKETS);
  readonly #copies = new Int32Array(HISTORY_PACKETS);
  readonly #payloads: (Uint8Array | undefined)[] = new Array(HISTORY_PACKETS).fill(undefined);
  #last = NONE;
  #largest = NONE;

  /** The packet that was sent last. */
  get last(): SentPacket | null {
    return this.#last === NONE ? null : this.#packet(this.#last);
  }

  /** A packet as large as any that was kept when it came: the best one to fill a probe with. */
  get largest(): SentPacket | null {
    return this.#largestBytes === 0 ? null : this.#packet(this.#largest);
  }

  add(
    sequence: number,
    { payloadType, timestamp, marker, payload }: Omit<SentPacket, "sequence">,
  ): void {
    const i = sequence % HISTORY_PACKETS;
    this.#sequences[i] = sequence;
    this.#timestamps[i] = timestamp;
    this.#markers[i] = marker ? 1 : 0;
    this.#payloadTypes[i] = payloadType;
    this.#resentAtMs[i] = -Infinity;
    this.#copies[i] = NONE;
    this.#payloads[i] = payload;
    this.#last = sequence;
    if (payload.length >= this.#largestBytes) this.#largest = sequence;
  }

  get #largestBytes(): number {
    const i = this.#largest % HISTORY_PACKETS;
    const kept = this.#largest !== NONE && this.#sequences[i] === this.#largest;
    return kept ? this.#payloads[i]?.length ?? 0 : 0;
  }

  /** A copy of the packet leaves, known to the receiver's feedback as `copy`. */
  left(sequence: number, copy: number): void {
    const i = sequence % HISTORY_PACKETS;
    if (this.#sequences[i] === sequence) this.#copies[i] = copy;
  }

  /** The packet to send again because `copy` of it was lost; null when a later copy is under way. */
  takeLost(sequence: number, copy: number, nowMs: number): SentPacket | null {
    const i = sequence % HISTORY_PACKETS;
    if (this.#sequences[i] !== sequence || this.#copies[i] !== copy) return null;
    // Until the next copy leaves, nothing more can be lost of it.
    this.#copies[i] = NONE;
    this.#resentAtMs[i] = nowMs;
    return this.#packet(sequence);
  }

  /** The packet to send again, or null when it is gone or was sent again within a round trip. */
  take(sequence: number, nowMs: number, roundTripMs = 0): SentPacket | null {
    const i = sequence % HISTORY_PACKETS;
    if (this.#sequences[i] !== sequence) return null;
    if (nowMs - this.#resentAtMs[i] < Math.max(MIN_COOLDOWN_MS, roundTripMs)) return null;
    this.#resentAtMs[i] = nowMs;
    return this.#packet(sequence);
  }

  #packet(sequence: number): SentPacket | null {
    const i = sequence % HISTORY_PACKETS;
    const payload = this.#payloads[i];
    if (payload === undefined) return null;
    return {
      sequence,
      payloadType: this.#payloadTypes[i],
      timestamp: this.#timestamps[i],
      marker: this.#markers[i] === 1,
      payload,
    };
  }

  /** Nothing before the next keyframe is of use any more. */
  clear(): void {
    this.#sequences.fill(NONE);
    this.#payloads.fill(undefined);
    this.#last = NONE;
    this.#largest = NONE;
  }
}
