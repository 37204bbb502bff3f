/** One connection to the sound server: commands with their replies, events, and sound. */
import {
  COMMAND,
  CONTROL_CHANNEL,
  HEADER_BYTES,
  MAX_PACKET_BYTES,
  PulseFormatError,
  PulseReader,
} from "../../core/pulse_wire.ts";

/** A server on the same machine answers at once. */
const REPLY_TIMEOUT_MS = 5_000;
const READ_BYTES = 64 * 1024;

/** The server refused a command; `code` is one of PulseAudio's error codes. */
export class PulseRefusal extends Error {
  constructor(readonly code: number) {
    super(`The sound server refused a command (error ${code})`);
  }
}

export interface PulseEvents {
  onSound(stream: number, bytes: Uint8Array): void;
  onEvent(command: number, reader: PulseReader): void;
  /** The connection is gone; told once, not after `close`. */
  onGone(error: Error): void;
}

interface Waiting {
  resolve(reader: PulseReader): void;
  reject(error: Error): void;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class PulseClient {
  readonly #waiting = new Map<number, Waiting>();
  #nextTag = 1;
  #writing: Promise<void> = Promise.resolve();
  readonly #reading: Promise<void>;
  #closed = false;

  private constructor(
    private readonly connection: Deno.UnixConn,
    private readonly events: PulseEvents,
  ) {
    this.#reading = this.#read();
  }

  /** Connects; rejects when nobody listens there. */
  static async connect(path: string, events: PulseEvents): Promise<PulseClient> {
    return new PulseClient(await Deno.connect({ transport: "unix", path }), events);
  }

  /** Sends what `make` builds; rejects with `PulseRefusal` or when the connection is gone. */
  request(make: (tag: number) => Uint8Array): Promise<PulseReader> {
    if (this.#closed) return Promise.reject(new Error("The sound server is gone"));
    const tag = this.#nextTag++;
    const packet = make(tag);
    const { promise, resolve, reject } = Promise.withResolvers<PulseReader>();
    const timer = setTimeout(() => {
      this.#waiting.delete(tag);
      reject(new Error("The sound server does not answer"));
    }, REPLY_TIMEOUT_MS);
    this.#waiting.set(tag, { resolve, reject, timer });
    this.#writing = this.#writing.then(() => this.#write(packet)).catch((error) => {
      this.#fail(error);
    });
    return promise;
  }

  async close(): Promise<void> {
    this.#end(new Error("The connection was closed"));
    await this.#reading;
    await this.#writing;
  }

  async #write(packet: Uint8Array): Promise<void> {
    for (let at = 0; at < packet.length && !this.#closed;) {
      at += await this.connection.write(packet.subarray(at));
    }
  }

  async #read(): Promise<void> {
    let held = new Uint8Array(READ_BYTES);
    let filled = 0;
    try {
      for (;;) {
        const count = await this.connection.read(held.subarray(filled));
        if (this.#closed) return;
        if (count === null) throw new Error("The sound server went away");
        filled += count;
        let at = 0;
        let need = HEADER_BYTES;
        while (filled - at >= HEADER_BYTES) {
          need = HEADER_BYTES + lengthOf(held, at);
          if (filled - at < need) break;
          this.#packet(held.subarray(at, at + need));
          at += need;
          need = HEADER_BYTES;
        }
        if (need > held.length) {
          const larger = new Uint8Array(need);
          larger.set(held.subarray(at, filled));
          held = larger;
        } else held.copyWithin(0, at, filled);
        filled -= at;
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error("unknown"));
    }
  }

  /** One packet with its header; what it holds is only good until this returns. */
  #packet(packet: Uint8Array): void {
    const channel = new DataView(packet.buffer, packet.byteOffset).getUint32(4);
    const body = packet.subarray(HEADER_BYTES);
    if (channel !== CONTROL_CHANNEL) return this.events.onSound(channel, body);
    const reader = new PulseReader(body.slice());
    const command = reader.u32();
    const tag = reader.u32();
    if (command !== COMMAND.reply && command !== COMMAND.error) {
      return this.events.onEvent(command, reader);
    }
    const waiting = this.#waiting.get(tag);
    if (waiting === undefined) return;
    this.#waiting.delete(tag);
    clearTimeout(waiting.timer);
    if (command === COMMAND.reply) waiting.resolve(reader);
    else waiting.reject(new PulseRefusal(reader.u32()));
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#end(error);
    this.events.onGone(error);
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    try {
      this.connection.close();
    } catch {
      // Closed by the other side already.
    }
  }
}

function lengthOf(held: Uint8Array, at: number): number {
  const length = new DataView(held.buffer, held.byteOffset + at).getUint32(0);
  if (length > MAX_PACKET_BYTES) throw new PulseFormatError("a packet that is too large");
  return length;
}
