/**
 * The native protocol of PulseAudio, which PipeWire speaks, too: what listening to a sink's monitor
 * needs of it. After a header of 20 bytes (length, channel, offset, flags) comes sound, or on the
 * control channel a command: values that each begin with the letter of their type. Pure.
 */

/** Fields are those of this version (PulseAudio 0.9.15, 2009); every server knows it. */
export const PULSE_VERSION = 15;
export const HEADER_BYTES = 20;
/** The channel of commands; any other number is a stream. */
export const CONTROL_CHANNEL = 0xffffffff;
export const COOKIE_BYTES = 256;
const NONE = 0xffffffff;
/** A server that sends more at once is none. */
export const MAX_PACKET_BYTES = 256 * 1024;

export const COMMAND = {
  error: 0,
  reply: 2,
  createRecordStream: 5,
  deleteRecordStream: 6,
  auth: 8,
  setClientName: 9,
  getServerInfo: 20,
  subscribe: 35,
  getRecordLatency: 57,
  recordStreamKilled: 65,
  subscribeEvent: 66,
  recordStreamSuspended: 77,
} as const;

/** PA_SUBSCRIPTION_MASK_SERVER: another default sink, among other things. */
export const SUBSCRIBE_SERVER = 0x80;
/** PA_ERR_ACCESS, PA_ERR_AUTHKEY. */
export const ACCESS_ERRORS: readonly number[] = [1, 9];

/** PA_SAMPLE_S16LE */
const S16LE = 3;
const FRONT_LEFT = 1;
const FRONT_RIGHT = 2;

const ascii = (text: string): number[] => [...text].map((char) => char.charCodeAt(0) & 0x7f);

/** Builds a command's values. */
export class PulseWriter {
  readonly #bytes: number[] = [];

  constructor(command: number, tag: number) {
    this.u32(command).u32(tag);
  }

  #tag(letter: string): this {
    this.#bytes.push(letter.charCodeAt(0));
    return this;
  }

  #word(value: number): this {
    this.#bytes.push(value >>> 24 & 0xff, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff);
    return this;
  }

  u32(value: number): this {
    return this.#tag("L").#word(value);
  }

  text(value: string): this {
    this.#tag("t").#bytes.push(...ascii(value), 0);
    return this;
  }

  flag(value: boolean): this {
    return this.#tag(value ? "1" : "0");
  }

  bytes(value: Uint8Array): this {
    this.#tag("x").#word(value.length).#bytes.push(...value);
    return this;
  }

  /** Seconds and microseconds. */
  time(): this {
    return this.#tag("T").#word(0).#word(0);
  }

  properties(entries: Readonly<Record<string, string>>): this {
    this.#tag("P");
    for (const [key, value] of Object.entries(entries)) {
      const bytes = Uint8Array.from([...ascii(value), 0]);
      this.text(key).u32(bytes.length).bytes(bytes);
    }
    return this.#tag("N");
  }

  /** 16 bits, stereo, at `rateHz`. */
  sampleSpec(rateHz: number): this {
    this.#tag("a").#bytes.push(S16LE, 2);
    this.#word(rateHz).#tag("m").#bytes.push(2, FRONT_LEFT, FRONT_RIGHT);
    return this;
  }

  /** The packet with its header. */
  packet(): Uint8Array {
    const out = new Uint8Array(HEADER_BYTES + this.#bytes.length);
    const view = new DataView(out.buffer);
    view.setUint32(0, this.#bytes.length);
    view.setUint32(4, CONTROL_CHANNEL);
    out.set(this.#bytes, HEADER_BYTES);
    return out;
  }
}

/** What a `PulseReader` throws; its message is of no use to an owner. */
export class PulseFormatError extends Error {}

/** Reads a command's values in their order. Throws `PulseFormatError`. */
export class PulseReader {
  #at = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.bytes.length) throw new PulseFormatError("a packet ends too early");
    this.#at += count;
    return at;
  }

  #letter(): string {
    return String.fromCharCode(this.bytes[this.#take(1)]);
  }

  #expect(letters: string): string {
    const letter = this.#letter();
    if (!letters.includes(letter)) throw new PulseFormatError(`"${letter}" for "${letters}"`);
    return letter;
  }

  u32(): number {
    this.#expect("L");
    return this.#view.getUint32(this.#take(4));
  }

  flag(): boolean {
    return this.#expect("10") === "1";
  }

  text(): string | null {
    if (this.#expect("tN") === "N") return null;
    const end = this.bytes.indexOf(0, this.#at);
    if (end < 0) throw new PulseFormatError("a text without an end");
    // Names are only compared, so it does not matter how letters beyond ASCII come out.
    const text = String.fromCharCode(...this.bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  /** Sample format, channels and rate. */
  sampleSpec(): void {
    this.#expect("a");
    this.#take(6);
  }

  channelMap(): void {
    this.#expect("m");
    this.#take(this.bytes[this.#take(1)]);
  }

  microseconds(): number {
    this.#expect("U");
    return Number(this.#view.getBigUint64(this.#take(8)));
  }

  time(): void {
    this.#expect("T");
    this.#take(8);
  }
}

/** The first command: which version, and proof that it is the same user. */
export const authCommand = (tag: number, cookie: Uint8Array): Uint8Array =>
  new PulseWriter(COMMAND.auth, tag).u32(PULSE_VERSION).bytes(cookie).packet();

export const nameCommand = (tag: number, name: string): Uint8Array =>
  new PulseWriter(COMMAND.setClientName, tag)
    .properties({ "application.name": name, "application.id": "farglass-agent" }).packet();

/**
 * Listens to what the default sink plays, in pieces of `fragmentBytes`. Nobody can move it to
 * another source, such as a microphone, and it keeps no device awake that has nothing to play.
 */
export function recordCommand(
  tag: number,
  about: { readonly rateHz: number; readonly fragmentBytes: number; readonly name: string },
): Uint8Array {
  const writer = new PulseWriter(COMMAND.createRecordStream, tag).sampleSpec(about.rateHz)
    .u32(NONE).text("@DEFAULT_MONITOR@")
    .u32(NONE).flag(false).u32(about.fragmentBytes);
  const noMove = [false, false, false, false, false, true, false];
  for (const flag of noMove) writer.flag(flag);
  // No peak detection; the sink's own latency follows that of the fragments.
  writer.flag(false).flag(true);
  writer.properties({ "media.name": about.name }).u32(NONE);
  // No early requests; does not inhibit auto-suspend; does not fail while suspended.
  return writer.flag(false).flag(true).flag(false).packet();
}

export interface RecordStream {
  readonly index: number;
  readonly source: string;
  readonly suspended: boolean;
}

/** The reply to `recordCommand`. */
export function readRecordStream(reader: PulseReader): RecordStream {
  const index = reader.u32();
  reader.u32();
  reader.u32();
  reader.u32();
  reader.sampleSpec();
  reader.channelMap();
  reader.u32();
  return { index, source: reader.text() ?? "", suspended: reader.flag() };
}

/** The default sink's name, of a server's facts. */
export function readDefaultSink(reader: PulseReader): string | null {
  for (let i = 0; i < 4; i++) reader.text();
  reader.sampleSpec();
  return reader.text();
}

/** The monitor of the sink with that name, as PulseAudio and PipeWire call it. */
export const monitorOf = (sink: string): string => `${sink}.monitor`;

export const latencyCommand = (tag: number, index: number): Uint8Array =>
  new PulseWriter(COMMAND.getRecordLatency, tag).u32(index).time().packet();

/** How long after its capture sound comes here, less how long before it is heard there; in ms. */
export function readLatencyMs(reader: PulseReader): number {
  const untilHeardUs = reader.microseconds();
  const sinceCaptureUs = reader.microseconds();
  return (sinceCaptureUs - untilHeardUs) / 1000;
}
