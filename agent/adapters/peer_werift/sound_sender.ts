/** Sends the desktop's sound as RTP (RFC 7587), each packet at once: sound waits for no picture. */
import { randomBytes } from "node:crypto";
import type { AudioChoice } from "../../core/offer_audio.ts";
import { OPUS_CLOCK_HZ, OpusPacketizer } from "../../core/opus_rtp.ts";
import type { Peer, SoundFrame } from "../../core/ports.ts";
import { EXTENSION_URI, ntpTime } from "../../core/rtp_extensions.ts";
import { RtpPacketWriter } from "../../core/rtp_packet.ts";
import type { ReportClock, RtpTransport } from "./video_sender.ts";

const RTP_HEADER_BYTES = 12;

export class SoundSender {
  #sequence = randomBytes(2).readUInt16BE();
  readonly #packetizer = new OpusPacketizer(randomBytes(4).readUInt32BE());
  readonly #writer: RtpPacketWriter;
  #clock: Peer["soundClock"] = null;
  #closed = false;

  constructor(
    private readonly transport: RtpTransport,
    private readonly choice: AudioChoice,
  ) {
    const id = transport.extensionIds.get(EXTENSION_URI.mid);
    const ids = new Map(id === undefined ? [] : [[EXTENSION_URI.mid, id]]);
    this.#writer = new RtpPacketWriter(ids, choice.mid);
  }

  /** Of the newest packet. */
  get clock(): Peer["soundClock"] {
    return this.#clock;
  }
  get ready(): boolean {
    return !this.#closed && this.transport.ready;
  }

  /** Returns the bytes sent, 0 while the peer is not connected. */
  send(frame: SoundFrame): number {
    if (!this.ready) return 0;
    const { timestamp, marker, payload } = this.#packetizer.packet(frame);
    const written = this.#writer.write({
      payloadType: this.choice.payloadType,
      sequence: this.#sequence,
      timestamp,
      marker,
      ssrc: this.transport.ssrc,
      padding: false,
      transportSequence: 0,
      capturedAtUnixMs: null,
    }, payload);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#clock = { rtpTime: timestamp, atMs: frame.capturedAtMs };
    this.transport.count(payload.length);
    this.transport.send(written);
    this.transport.reportSoon(() => this.#clockAt(frame));
    return payload.length + RTP_HEADER_BYTES;
  }

  /** The same moment by both clocks, as in the video's reports. */
  #clockAt(frame: SoundFrame): ReportClock {
    const nowMs = performance.now();
    const sinceSamples = Math.round((nowMs - frame.capturedAtMs) * OPUS_CLOCK_HZ / 1000);
    return {
      ntpTimestamp: ntpTime(performance.timeOrigin + nowMs),
      rtpTimestamp: this.#packetizer.timeOf(frame.position + sinceSamples),
    };
  }

  close(): void {
    this.#closed = true;
  }
}
