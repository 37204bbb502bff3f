/** SRTP of a libdatachannel track, for the video sender. */
import { Buffer } from "node:buffer";
import type { Track } from "node-datachannel";
import { parseRtcp, senderReport } from "../peer_werift/rtcp.ts";
import type { RtpPacketBytes } from "../../core/rtp_packet.ts";
import type { RtcpPacket, RtpTransport, SentCounts } from "../peer_werift/video_sender.ts";

/** RFC 3550 section 6.2 allows a sixtieth of the session; a second keeps clocks close enough. */
const REPORT_INTERVAL_MS = 1_000;

export class TrackRtp implements RtpTransport {
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly extensionIds: ReadonlyMap<string, number>;
  readonly #track: Track;
  readonly #cname: string;
  #last: SentCounts | null = null;
  #packets = 0;
  #octets = 0;
  #reportedAtMs = -Infinity;
  #listener: (packet: RtcpPacket) => void = () => {};
  #closed = false;

  constructor(track: Track, options: {
    readonly ssrc: number;
    readonly rtxSsrc: number;
    readonly extensionIds: ReadonlyMap<string, number>;
    readonly cname: string;
  }) {
    this.#track = track;
    this.#cname = options.cname;
    this.ssrc = options.ssrc;
    this.rtxSsrc = options.rtxSsrc;
    this.extensionIds = options.extensionIds;
    track.onMessage((bytes) => this.#receive(bytes));
  }

  get ready(): boolean {
    return !this.#closed && this.#track.isOpen();
  }

  send({ packet }: RtpPacketBytes): void {
    this.#write(Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength));
  }

  count(sent: SentCounts): void {
    this.#last = sent;
    this.#packets = (this.#packets + 1) >>> 0;
    this.#octets = (this.#octets + sent.payloadBytes) >>> 0;
  }

  /** RFC 3550 section 6.4.1; Chromium joins capture times and clocks by it. */
  reportSoon(): void {
    const nowMs = performance.now();
    if (this.#last === null || nowMs - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = nowMs;
    const { ntpTimestamp, rtpTimestamp } = this.#last;
    this.#write(senderReport({
      ssrc: this.ssrc,
      cname: this.#cname,
      ntpTimestamp,
      rtpTimestamp,
      packetCount: this.#packets,
      octetCount: this.#octets,
    }));
  }

  onRtcp(listener: (packet: RtcpPacket) => void): void {
    this.#listener = listener;
  }

  close(): void {
    this.#closed = true;
  }

  #write(packet: Buffer): void {
    try {
      this.#track.sendMessageBinary(packet);
    } catch {
      // The transport went down under the track; the peer's state tells.
    }
  }

  #receive(bytes: Buffer): void {
    if (this.#closed) return;
    let packets: RtcpPacket[];
    try {
      packets = parseRtcp(bytes);
    } catch {
      // Authenticated, but malformed: feedback is advice only.
      return;
    }
    for (const packet of packets) this.#listener(packet);
  }
}
