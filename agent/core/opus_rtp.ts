/** RTP payloads of Opus (RFC 7587). Pure. */
import { SOUND_FRAME_SAMPLES, type SoundFrame } from "./ports.ts";

/** RTP's clock for Opus, whatever the sound's own rate (section 4.1). */
export const OPUS_CLOCK_HZ = 48_000;

/** One packet's contents. */
export interface OpusPacket {
  /** Sample position modulo 2^32, from this stream's random start. */
  readonly timestamp: number;
  /** The first one after silence (section 4.2). */
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

/** One viewer's stream: one frame is one packet (section 4.2). */
export class OpusPacketizer {
  #next: number | null = null;

  constructor(private readonly timestampStart: number) {}

  packet({ data, position }: SoundFrame): OpusPacket {
    const marker = position !== this.#next;
    this.#next = position + SOUND_FRAME_SAMPLES;
    return { timestamp: this.timeOf(position), marker, payload: data };
  }

  /** The RTP time of a sample, or of one before the first. */
  timeOf(position: number): number {
    return ((this.timestampStart + position) % 2 ** 32 + 2 ** 32) % 2 ** 32;
  }
}
