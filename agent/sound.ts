/**
 * The desktop's sound for all viewers: one capture and one encoder, which run only while somebody
 * listens. Off unless the owner's settings allow it, and the owner may mute it at any time.
 */
import type { CodedError, DesktopCaps, Result, SoundAbsence } from "@farglass/protocol";
import { backoffDelayMs } from "./core/backoff.ts";
import type { OpenSoundCapture, SoundCapture, SoundEncoder, SoundFrame } from "./core/ports.ts";
import { SilenceGate } from "./core/sound_framer.ts";

/** What the sound asks of the machine. */
export interface SoundPorts {
  readonly openCapture: OpenSoundCapture;
  openEncoder(
    options: { readonly bitrateKbps: number },
  ): Promise<Result<SoundEncoder, CodedError>>;
  random(): number;
  log(level: "info" | "warn", text: string): void;
}

export interface SoundSettings {
  /** The owner shares the desktop's sound. */
  readonly allowed: boolean;
  readonly bitrateKbps: number;
}

/** One who hears the sound. No call may throw. */
export interface SoundListener {
  onSound(frame: SoundFrame): void;
}

/** What `status` shows. */
export interface SoundStatus {
  readonly allowed: boolean;
  readonly muted: boolean;
  readonly absence: SoundAbsence | null;
  readonly listeners: number;
}

export const NO_SOUND: SoundStatus = { allowed: false, muted: false, absence: null, listeners: 0 };

interface Source {
  readonly capture: SoundCapture;
  readonly encoder: SoundEncoder;
  readonly gate: SilenceGate;
}

/** RTP, SRTP, UDP and IP headers of a hundred packets a second. */
const OVERHEAD_KBPS = 50;
/** A sound server may start with the owner's session, after the agent. */
const RETRY_BACKOFF = { minMs: 1_000, maxMs: 15_000 };

export class Sound {
  readonly #listeners = new Set<SoundListener>();
  #source: Source | null = null;
  /** Opening and closing, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #muted = false;
  /** Why the machine gives no sound; found out at the start and whenever somebody wants to hear. */
  #absence: SoundAbsence | null = null;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Called when sound came or went for everybody. */
  onChange: () => void = () => {};

  constructor(private readonly ports: SoundPorts, private readonly settings: SoundSettings) {}

  get allowed(): boolean {
    return this.settings.allowed;
  }

  get status(): SoundStatus {
    const { allowed } = this.settings;
    const listeners = this.#listeners.size;
    return { allowed, muted: this.#muted, absence: this.#absence, listeners };
  }

  get caps(): DesktopCaps["audio"] {
    const reason = !this.allowed ? "not-allowed" : this.#muted ? "muted-by-owner" : this.#absence;
    return reason === null ? { available: true } : { available: false, reason };
  }

  /** What it takes of a viewer's network. */
  get reservedKbps(): number {
    return this.settings.bitrateKbps + OVERHEAD_KBPS;
  }

  /** Finds out whether there is sound; resolves when that is known. */
  async start(): Promise<void> {
    if (!this.allowed) return;
    this.#update(true);
    await this.#work;
  }

  listen(listener: SoundListener): void {
    if (this.#closed || !this.allowed || this.#listeners.has(listener)) return;
    this.#listeners.add(listener);
    this.#update();
  }

  leave(listener: SoundListener): void {
    if (this.#listeners.delete(listener)) this.#update();
  }

  /** The owner's switch; it lasts as long as the agent runs. */
  setMuted(muted: boolean): void {
    if (!this.allowed || this.#muted === muted) return;
    this.#muted = muted;
    this.ports.log("info", muted ? "Sound is muted" : "Sound is shared again");
    this.#update();
    this.onChange();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    this.#update();
    await this.#work;
  }

  get #wanted(): boolean {
    return !this.#closed && !this.#muted && this.#listeners.size > 0;
  }

  /** Opens or closes the source as it is wanted; `probe` opens it to see whether that works. */
  #update(probe = false): void {
    clearTimeout(this.#timer);
    this.#work = this.#work.then(async () => {
      if ((this.#wanted || (probe && !this.#closed)) && this.#source === null) await this.#open();
      if (!this.#wanted) await this.#shut();
    });
  }

  async #open(): Promise<void> {
    const encoder = await this.ports.openEncoder({ bitrateKbps: this.settings.bitrateKbps });
    if (!encoder.ok) return this.#failed("no-sound-encoder", encoder.error.message);
    const capture = await this.ports.openCapture({
      onFrame: (frame) => this.#onFrame(frame),
      onFault: (error) => this.#onFault(error),
    });
    if (!capture.ok) {
      encoder.value.close();
      return this.#failed(capture.error.code, capture.error.message);
    }
    this.#source = { capture: capture.value, encoder: encoder.value, gate: new SilenceGate() };
    this.#attempts = 0;
    this.#setAbsence(null);
  }

  async #shut(): Promise<void> {
    const source = this.#source;
    this.#source = null;
    if (source === null) return;
    await source.capture.close();
    source.encoder.close();
  }

  #failed(why: SoundAbsence, text: string): void {
    if (this.#absence !== why) this.ports.log("warn", `No sound can be shared: ${text}`);
    this.#setAbsence(why);
    if (this.#closed) return;
    const waitMs = backoffDelayMs(this.#attempts++, this.ports.random(), RETRY_BACKOFF);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#update(true), waitMs);
  }

  #setAbsence(absence: SoundAbsence | null): void {
    if (this.#absence === absence) return;
    this.#absence = absence;
    this.onChange();
  }

  #onFault(error: Error): void {
    this.#work = this.#work.then(async () => {
      await this.#shut();
      if (!this.#closed) this.#failed("no-sound-server", error.message);
    });
  }

  #onFrame(frame: Parameters<Parameters<OpenSoundCapture>[0]["onFrame"]>[0]): void {
    const source = this.#source;
    if (source === null || !this.#wanted) return;
    const { pcm, position, capturedAtMs } = frame;
    if (!source.gate.passes(pcm)) return;
    let data: Uint8Array;
    try {
      data = source.encoder.encode(pcm);
    } catch (error) {
      this.#onFault(error instanceof Error ? error : new Error("unknown"));
      return;
    }
    for (const listener of [...this.#listeners]) listener.onSound({ data, position, capturedAtMs });
  }
}
