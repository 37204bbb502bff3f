/**
 * Writes RTP packets (RFC 3550 section 5.1) with their header extensions (RFC 8285, one-byte
 * headers) into one buffer. What all packets of a stream have in common is laid out once: at
 * thousands of packets a second for ten viewers, a header made of objects costs more than the
 * encoder. Pure.
 */
import { absCaptureTime, EXTENSION_URI, mid, playoutDelay } from "./rtp_extensions.ts";

const HEADER_BYTES = 12;
const VERSION = 0x80;
const PADDING = 0x20;
const EXTENSION = 0x10;
const MARKER = 0x80;
/** RFC 8285 section 4.2. */
const ONE_BYTE_PROFILE = 0xbede;
const PROFILE_BYTES = 4;
/** Any packet of ours is smaller. */
const USUAL_BYTES = 1_500;

export interface RtpFields {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker: boolean;
  /** The payload ends in padding. */
  readonly padding: boolean;
  /** Of transport-wide congestion control. */
  readonly transportSequence: number;
  /** Told with the packet where the stream has abs-capture-time; Unix ms. */
  readonly capturedAtUnixMs: number | null;
}

/**
 * An RTP packet, and where its payload begins. It holds until the next one is written, and one of
 * the same kind and length is the same object.
 */
export interface RtpPacketBytes {
  readonly packet: Uint8Array;
  readonly headerBytes: number;
}

/** Header and extensions of one kind of packet, and where its changing parts stand. */
interface Layout {
  readonly bytes: Uint8Array;
  /** The packets of this kind, by their length: they differ only in what is written there. */
  readonly packets: (RtpPacketBytes | undefined)[];
  readonly transportSequenceAt: number | null;
  readonly captureTimeAt: number | null;
}

export class RtpPacketWriter {
  readonly #plain: Layout;
  readonly #timed: Layout;
  /** All packets are written here: a buffer for each would be cleared, counted and collected. */
  #buffer = new Uint8Array(USUAL_BYTES);
  /** Whose header stands in the buffer. */
  #laidOut: Layout | null = null;

  /**
   * `ids` are those of the negotiated extensions, by URI; `playoutMs` is how long the browser shall
   * hold each picture before it shows it.
   */
  constructor(
    ids: ReadonlyMap<string, number>,
    midValue: string,
    { playoutMs = 0 }: { readonly playoutMs?: number } = {},
  ) {
    const playout = playoutDelay(playoutMs, playoutMs);
    this.#plain = layOut(ids, midValue, { timed: false, playout });
    this.#timed = layOut(ids, midValue, { timed: true, playout });
  }

  /** The packet with `payload` behind its header; it holds until the next call. */
  write(fields: RtpFields, payload: Uint8Array): RtpPacketBytes {
    const { capturedAtUnixMs, ssrc, timestamp, sequence, transportSequence } = fields;
    const layout = capturedAtUnixMs === null ? this.#plain : this.#timed;
    const written = this.#packetOf(layout, layout.bytes.length + payload.length);
    const { packet, headerBytes } = written;
    if (this.#laidOut !== layout) packet.set(layout.bytes);
    this.#laidOut = layout;
    packet.set(payload, headerBytes);
    packet[0] = fields.padding ? layout.bytes[0] | PADDING : layout.bytes[0];
    packet[1] = fields.payloadType | (fields.marker ? MARKER : 0);
    put16(packet, 2, sequence);
    put32(packet, 4, timestamp);
    put32(packet, 8, ssrc);
    const { transportSequenceAt, captureTimeAt } = layout;
    if (transportSequenceAt !== null) put16(packet, transportSequenceAt, transportSequence);
    if (captureTimeAt !== null && capturedAtUnixMs !== null) {
      packet.set(absCaptureTime(capturedAtUnixMs), captureTimeAt);
    }
    return written;
  }

  #packetOf(layout: Layout, bytes: number): RtpPacketBytes {
    if (bytes > this.#buffer.length) {
      this.#buffer = new Uint8Array(bytes);
      this.#laidOut = null;
      for (const { packets } of [this.#plain, this.#timed]) packets.fill(undefined);
    }
    const known = layout.packets[bytes];
    if (known !== undefined) return known;
    const packet = this.#buffer.subarray(0, bytes);
    return layout.packets[bytes] = { packet, headerBytes: layout.bytes.length };
  }
}

function layOut(
  ids: ReadonlyMap<string, number>,
  midValue: string,
  { timed, playout }: { readonly timed: boolean; readonly playout: Uint8Array },
): Layout {
  const values: { readonly uri: string; readonly value: Uint8Array }[] = [
    { uri: EXTENSION_URI.mid, value: mid(midValue) },
    { uri: EXTENSION_URI.playoutDelay, value: playout },
    { uri: EXTENSION_URI.transportWideCc, value: new Uint8Array(2) },
    ...(timed ? [{ uri: EXTENSION_URI.absCaptureTime, value: new Uint8Array(8) }] : []),
  ];
  // By id, as some parsers expect.
  const elements = values.flatMap(({ uri, value }) => {
    const id = ids.get(uri);
    return id === undefined ? [] : [{ uri, value, id }];
  }).sort((a, b) => a.id - b.id);
  const size = elements.reduce((sum, { value }) => sum + 1 + value.length, 0);
  const words = Math.ceil(size / 4);
  const bytes = new Uint8Array(
    HEADER_BYTES + (elements.length === 0 ? 0 : PROFILE_BYTES + words * 4),
  );
  bytes[0] = VERSION | (elements.length === 0 ? 0 : EXTENSION);
  const places = new Map<string, number>();
  if (elements.length > 0) {
    put16(bytes, HEADER_BYTES, ONE_BYTE_PROFILE);
    put16(bytes, HEADER_BYTES + 2, words);
    let at = HEADER_BYTES + PROFILE_BYTES;
    for (const { id, uri, value } of elements) {
      // Length minus one in the low bits (section 4.2).
      bytes[at++] = id << 4 | value.length - 1;
      bytes.set(value, at);
      places.set(uri, at);
      at += value.length;
    }
  }
  return {
    bytes,
    packets: new Array(USUAL_BYTES + 1).fill(undefined),
    transportSequenceAt: places.get(EXTENSION_URI.transportWideCc) ?? null,
    captureTimeAt: places.get(EXTENSION_URI.absCaptureTime) ?? null,
  };
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8 & 0xff;
  bytes[at + 1] = value & 0xff;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16 & 0xff;
  bytes[at + 2] = value >>> 8 & 0xff;
  bytes[at + 3] = value & 0xff;
}
