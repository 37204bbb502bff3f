/**
 * Listens to what the desktop plays, by the sound server's native protocol: PulseAudio, or PipeWire
 * with pipewire-pulse. No library and no program of theirs is needed.
 */
import { err, ok } from "@farglass/protocol";
import { OPUS_CLOCK_HZ } from "../../core/opus_rtp.ts";
import {
  type OpenSoundCapture,
  SOUND_FRAME_BYTES,
  type SoundCapture,
  type SoundCaptureEvents,
} from "../../core/ports.ts";
import {
  ACCESS_ERRORS,
  authCommand,
  COMMAND,
  latencyCommand,
  monitorOf,
  nameCommand,
  type PulseReader,
  PulseWriter,
  readDefaultSink,
  readLatencyMs,
  readRecordStream,
  recordCommand,
  type RecordStream,
  SUBSCRIBE_SERVER,
} from "../../core/pulse_wire.ts";
import { SoundFramer } from "../../core/sound_framer.ts";
import { pulseCookie, pulseSockets } from "./address.ts";
import { PulseClient, PulseRefusal } from "./client.ts";

const LATENCY_INTERVAL_MS = 1_000;
/** A new device may need a moment until it can be listened to. */
const REOPEN_MS = 200;
const MAX_REOPENS = 25;
/** What is said to be longer than this is not believed. */
const MAX_LATENCY_MS = 500;

/** Connects to this user's sound server and listens to its default output. */
export const openPulseMonitor: OpenSoundCapture = async (events) => {
  const env = Deno.env.toObject();
  const paths = pulseSockets(env, Deno.uid());
  for (const path of paths) {
    const monitor = new PulseMonitor(events);
    try {
      await monitor.open(path, await pulseCookie(env));
      return ok(monitor);
    } catch (error) {
      await monitor.close();
      if (isNobody(error)) continue;
      const refused = error instanceof PulseRefusal && ACCESS_ERRORS.includes(error.code);
      const message = error instanceof Error ? error.message : "unknown";
      return err({ code: refused ? "sound-server-refused" : "no-sound-server", message });
    }
  }
  const where = paths.length === 0 ? "XDG_RUNTIME_DIR is not set" : `none at ${paths.join(", ")}`;
  return err({ code: "no-sound-server", message: `No sound server was found: ${where}` });
};

const isNobody = (error: unknown): boolean =>
  error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused ||
  error instanceof Deno.errors.PermissionDenied;

class PulseMonitor implements SoundCapture {
  readonly #framer = new SoundFramer();
  #client: PulseClient | null = null;
  #stream: RecordStream | null = null;
  /** Moves to another device, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #latencyMs = 0;
  #closed = false;

  constructor(private readonly events: SoundCaptureEvents) {}

  async open(path: string, cookie: Uint8Array): Promise<void> {
    const client = await PulseClient.connect(path, {
      onSound: (stream, bytes) => this.#onSound(stream, bytes),
      onEvent: (command, reader) => this.#onEvent(command, reader),
      onGone: (error) => this.#fail(error),
    });
    this.#client = client;
    await client.request((tag) => authCommand(tag, cookie));
    await client.request((tag) => nameCommand(tag, "Farglass agent"));
    await client.request((tag) =>
      new PulseWriter(COMMAND.subscribe, tag).u32(SUBSCRIBE_SERVER).packet()
    );
    await this.#record(client);
    this.#measure();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.close();
    await this.#work;
  }

  async #record(client: PulseClient): Promise<void> {
    const about = {
      rateHz: OPUS_CLOCK_HZ,
      fragmentBytes: SOUND_FRAME_BYTES,
      name: "Sound shared with operators",
    };
    this.#stream = readRecordStream(await client.request((tag) => recordCommand(tag, about)));
    this.#framer.pause();
  }

  #onSound(stream: number, bytes: Uint8Array): void {
    if (this.#closed || stream !== this.#stream?.index) return;
    const when = { nowMs: performance.now(), latencyMs: this.#latencyMs };
    this.#framer.push(bytes, when, (frame) => this.events.onFrame(frame));
  }

  #onEvent(command: number, reader: PulseReader): void {
    if (this.#closed) return;
    switch (command) {
      case COMMAND.recordStreamKilled:
        // Its sink was taken away.
        if (reader.u32() === this.#stream?.index) this.#move(true);
        break;
      case COMMAND.recordStreamSuspended:
        if (reader.u32() === this.#stream?.index) this.#framer.pause();
        break;
      case COMMAND.subscribeEvent:
        // Before there is a stream, it will begin at the right place.
        if (this.#stream !== null) this.#move(false);
        break;
    }
  }

  /** Goes where the default output is now; `lost` when there is no stream any more. */
  #move(lost: boolean): void {
    if (lost) this.#stream = null;
    this.#work = this.#work.then(() => this.#moveOnce()).catch((error) => this.#fail(error));
  }

  async #moveOnce(): Promise<void> {
    const client = this.#client;
    for (let tries = 0; client !== null && !this.#closed; tries++) {
      const old = this.#stream;
      try {
        const info = await client.request((tag) =>
          new PulseWriter(COMMAND.getServerInfo, tag).packet()
        );
        const sink = readDefaultSink(info);
        if (old !== null && (sink === null || monitorOf(sink) === old.source)) return;
        await this.#record(client);
        if (old !== null) await this.#forget(client, old.index);
        return;
      } catch (error) {
        if (this.#closed || !(error instanceof PulseRefusal) || tries >= MAX_REOPENS) throw error;
        await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
      }
    }
  }

  async #forget(client: PulseClient, index: number): Promise<void> {
    try {
      await client.request((tag) =>
        new PulseWriter(COMMAND.deleteRecordStream, tag).u32(index).packet()
      );
    } catch (error) {
      // It went with its sink.
      if (!(error instanceof PulseRefusal)) throw error;
    }
  }

  /** Asks now and then how old the sound is that comes. */
  async #measure(): Promise<void> {
    const client = this.#client;
    const index = this.#stream?.index;
    if (this.#closed || client === null) return;
    try {
      if (index !== undefined) {
        const reply = await client.request((tag) => latencyCommand(tag, index));
        const said = readLatencyMs(reply);
        this.#latencyMs = Math.max(-MAX_LATENCY_MS, Math.min(MAX_LATENCY_MS, said));
      }
    } catch {
      // The stream is just going, or the connection is, which is told elsewhere.
    }
    if (!this.#closed) this.#timer = setTimeout(() => this.#measure(), LATENCY_INTERVAL_MS);
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    void this.close();
    this.events.onFault(error instanceof Error ? error : new Error("unknown"));
  }
}
