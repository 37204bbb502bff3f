/** Packets kept to answer NACKs (RFC 4585 section 6.2.1). */

/** More than the packets of two large keyframes; werift's own 128 do not hold one. */
export const HISTORY_PACKETS = 2048;
/** A NACK that repeats within this time asks for what is still under way. */
const RESEND_COOLDOWN_MS = 15;

export interface SentPacket {
  readonly sequence: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** A ring of the last packets by sequence number. */
export class RtpHistory {
  readonly #ring: (SentPacket & { resentAtMs: number } | undefined)[] = new Array(HISTORY_PACKETS);

  add(packet: SentPacket): void {
    this.#ring[packet.sequence % HISTORY_PACKETS] = { ...packet, resentAtMs: -Infinity };
  }

  /** The packet to send again, or null when it is gone or was just sent again. */
  take(sequence: number, nowMs: number): SentPacket | null {
    const packet = this.#ring[sequence % HISTORY_PACKETS];
    if (packet?.sequence !== sequence) return null;
    if (nowMs - packet.resentAtMs < RESEND_COOLDOWN_MS) return null;
    packet.resentAtMs = nowMs;
    return packet;
  }
}
