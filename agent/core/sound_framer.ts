/**
 * Cuts captured sound into frames and says when each was to be heard. Sound comes in pieces, some
 * of them late since this process was busy, and none may come early: so the earliest arrivals tell
 * the sound card's clock. Pure.
 */
import { SOUND_FRAME_BYTES, SOUND_FRAME_SAMPLES } from "./ports.ts";
import { OPUS_CLOCK_HZ } from "./opus_rtp.ts";

const SAMPLES_PER_MS = OPUS_CLOCK_HZ / 1000;
const BYTES_PER_SAMPLE = SOUND_FRAME_BYTES / SOUND_FRAME_SAMPLES;
/** A sound card's clock runs off by 0.01 % or less; followed that quickly, lateness hardly counts. */
const MAX_DRIFT = 0.001;
/** So much later than it should be, it does not come late: there was a pause. */
const PAUSE_MS = 500;
/**
 * So much sooner than it should be, it is of the future: a device without a clock of its own may
 * begin with two seconds at once, which would be two seconds of delay at the other end.
 */
const MAX_AHEAD_MS = 100;

export interface PcmFrame {
  /** s16le, stereo; only good until the next call. */
  readonly pcm: Uint8Array;
  readonly position: number;
  readonly capturedAtMs: number;
}

export class SoundFramer {
  readonly #held = new Uint8Array(SOUND_FRAME_BYTES);
  #filled = 0;
  /** Samples before the held ones, pauses included. */
  #position = 0;
  /** When sample 0 came, by the earliest arrival; null before the first and after a pause. */
  #originMs: number | null = null;
  /** The origin at the beginning, from which it moves no further than clocks do. */
  #anchorMs = 0;
  #arrivedAtMs = 0;

  /** Takes what arrived now and was captured `latencyMs` before; calls `emit` for each whole frame. */
  push(
    bytes: Uint8Array,
    { nowMs, latencyMs }: { readonly nowMs: number; readonly latencyMs: number },
    emit: (frame: PcmFrame) => void,
  ): void {
    if (!this.#follow(bytes.length, nowMs)) return;
    const origin = (this.#originMs ?? nowMs) - latencyMs;
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + SOUND_FRAME_BYTES - this.#filled);
      this.#held.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < SOUND_FRAME_BYTES) break;
      this.#filled = 0;
      const position = this.#position;
      this.#position += SOUND_FRAME_SAMPLES;
      emit({ pcm: this.#held, position, capturedAtMs: origin + position / SAMPLES_PER_MS });
    }
  }

  /** The device sleeps, or it is another one: what comes next does not follow on. */
  pause(): void {
    this.#originMs = null;
  }

  /** Whether the piece is to be used. */
  #follow(byteCount: number, nowMs: number): boolean {
    const end = this.#position + (this.#filled + byteCount) / BYTES_PER_SAMPLE;
    const origin = nowMs - end / SAMPLES_PER_MS;
    const known = this.#originMs;
    if (known === null || origin > known + PAUSE_MS) {
      this.#begin(byteCount, nowMs);
      return true;
    }
    const drift = (nowMs - this.#arrivedAtMs) * MAX_DRIFT;
    if (origin < this.#anchorMs - MAX_AHEAD_MS) return false;
    this.#arrivedAtMs = nowMs;
    this.#originMs = Math.min(origin, known + drift);
    this.#anchorMs += Math.max(-drift, Math.min(drift, this.#originMs - this.#anchorMs));
    return true;
  }

  /** The first piece, or the first after a pause: its numbers go on with the time, in whole frames. */
  #begin(byteCount: number, nowMs: number): void {
    const pieceMs = byteCount / BYTES_PER_SAMPLE / SAMPLES_PER_MS;
    if (this.#position > 0) {
      const pausedMs = nowMs - pieceMs - this.#arrivedAtMs;
      const frames = Math.max(0, Math.round(pausedMs * SAMPLES_PER_MS / SOUND_FRAME_SAMPLES));
      this.#position += frames * SOUND_FRAME_SAMPLES;
    }
    this.#filled = 0;
    this.#arrivedAtMs = nowMs;
    this.#originMs = this.#anchorMs = nowMs - pieceMs - this.#position / SAMPLES_PER_MS;
  }
}

/** A step of 16-bit samples; programs that dither play that much in silence. */
const INAUDIBLE = 1;
/** Decoders fade out on it, and go on in silence without packets. */
const CODED_SILENCE_FRAMES = 30;

/**
 * Leaves silence out. Not by Opus' own DTX: told of it by packets of one byte, Chromium makes
 * comfort noise, which after low-delay frames is a hiss of -35 dB.
 */
export class SilenceGate {
  #silent = CODED_SILENCE_FRAMES;

  /** Whether a frame has to be sent. */
  passes(pcm: Uint8Array): boolean {
    this.#silent = isSilent(pcm) ? this.#silent + 1 : 0;
    return this.#silent <= CODED_SILENCE_FRAMES;
  }
}

function isSilent(pcm: Uint8Array): boolean {
  const samples = new Int16Array(pcm.buffer, pcm.byteOffset, pcm.byteLength / 2);
  return samples.every((one) => Math.abs(one) <= INAUDIBLE);
}
