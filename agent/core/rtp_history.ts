/** Packets kept to answer NACKs (RFC 4585 section 6.2.1). */

/**
 * At the encoder's highest rate (50 Mb/s) a keyframe has 280 packets, and so many last for 0.75 s:
 * several round trips. werift's own 128 do not hold one keyframe.
 */
export const HISTORY_PACKETS = 4096;
/** What was sent again less than a round trip ago is still under way; on a short way, this long. */
const MIN_COOLDOWN_MS = 15;

export interface SentPacket {
  readonly sequence: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** A ring of the last packets by sequence number. */
export class RtpHistory {
  readonly #ring: (SentPacket & { resentAtMs: number; copy: number } | undefined)[] = new Array(
    HISTORY_PACKETS,
  );
  #last: SentPacket | null = null;

  /** The packet that was sent last. */
  get last(): SentPacket | null {
    return this.#last;
  }

  add(packet: SentPacket): void {
    this.#last = packet;
    this.#ring[packet.sequence % HISTORY_PACKETS] = { ...packet, resentAtMs: -Infinity, copy: -1 };
  }

  /** A copy of the packet leaves, known to the receiver's feedback as `copy`. */
  left(sequence: number, copy: number): void {
    const packet = this.#ring[sequence % HISTORY_PACKETS];
    if (packet?.sequence === sequence) packet.copy = copy;
  }

  /** The packet to send again because `copy` of it was lost; null when a later copy is under way. */
  takeLost(sequence: number, copy: number, nowMs: number): SentPacket | null {
    const packet = this.#ring[sequence % HISTORY_PACKETS];
    if (packet?.sequence !== sequence || packet.copy !== copy) return null;
    // Until the next copy leaves, nothing more can be lost of it.
    packet.copy = -1;
    packet.resentAtMs = nowMs;
    return packet;
  }

  /** The packet to send again, or null when it is gone or was sent again within a round trip. */
  take(sequence: number, nowMs: number, roundTripMs = 0): SentPacket | null {
    const packet = this.#ring[sequence % HISTORY_PACKETS];
    if (packet?.sequence !== sequence) return null;
    if (nowMs - packet.resentAtMs < Math.max(MIN_COOLDOWN_MS, roundTripMs)) return null;
    packet.resentAtMs = nowMs;
    return packet;
  }

  /** Nothing before the next keyframe is of use any more. */
  clear(): void {
    this.#ring.fill(undefined);
    this.#last = null;
  }
}
