/** RTP payloads of Opus (RFC 7587). Pure. */
import type { SoundFrame } from "./ports.ts";

/** RTP's clock for Opus, whatever the sound's own rate (section 4.1). */
export const OPUS_CLOCK_HZ = 48_000;
/**
 * During silence libopus gives frames of one byte, its table of contents (RFC 6716 section 3.1);
 * the first tells the other end to make comfort noise, and it is told again so often.
 */
const SILENT_FRAME_BYTES = 1;
const SILENCE_REPEAT_SAMPLES = OPUS_CLOCK_HZ * 0.4;

/** One packet's contents. */
export interface OpusPacket {
  /** Sample position modulo 2^32, from this stream's random start. */
  readonly timestamp: number;
  /** The first one after silence (section 4.2). */
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** One viewer's stream: one frame is one packet, and silence costs next to nothing. */
export class OpusPacketizer {
  /** Where the last silent frame went; null while something is heard. */
  #silentAt: number | null = null;
  #sounded = false;

  constructor(private readonly timestampStart: number) {}

  /** Null for a frame of silence that need not be sent. */
  packet({ data, position }: SoundFrame): OpusPacket | null {
    const silent = data.length <= SILENT_FRAME_BYTES;
    if (silent) {
      const repeated = this.#silentAt !== null &&
        position - this.#silentAt < SILENCE_REPEAT_SAMPLES;
      if (repeated) return null;
      this.#silentAt = position;
    } else this.#silentAt = null;
    const marker = !silent && !this.#sounded;
    this.#sounded = !silent;
    return { timestamp: this.timeOf(position), marker, payload: data };
  }

  /** The RTP time of a sample, or of one before the first. */
  timeOf(position: number): number {
    return ((this.timestampStart + position) % 2 ** 32 + 2 ** 32) % 2 ** 32;
  }
}
