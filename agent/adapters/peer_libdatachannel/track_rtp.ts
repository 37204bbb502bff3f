/** SRTP of a libdatachannel track, for the video sender. */
import { Buffer } from "node:buffer";
import type { Track } from "node-datachannel";
import { parseRtcp, senderReport } from "../peer_werift/rtcp.ts";
import type { TransportFeedback } from "../../core/link_meter.ts";
import type { RtpPacketBytes } from "../../core/rtp_packet.ts";
import { FeedbackParser, TRANSPORT_FEEDBACK } from "../../core/transport_feedback.ts";
import type { ReportClock, RtcpPacket, RtpTransport } from "../peer_werift/video_sender.ts";

/** RFC 3550 section 6.2 allows a sixtieth of the session; a second keeps clocks close enough. */
const REPORT_INTERVAL_MS = 1_000;
const RTCP_HEADER_BYTES = 4;
/** Feedback of the transport and of the payload (RFC 4585 section 6.1). */
const FEEDBACK_TYPES: readonly number[] = [205, 206];

export class TrackRtp implements RtpTransport {
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly extensionIds: ReadonlyMap<string, number>;
  readonly #track: Track;
  readonly #cname: string;
  #packets = 0;
  #octets = 0;
  #reportedAtMs = -Infinity;
  #listener: (packet: RtcpPacket) => void = () => {};
  #feedbackListener: (feedback: TransportFeedback) => void = () => {};
  readonly #feedback = new FeedbackParser();
  /** Views of the writer's packets: making one costs more than to look it up. */
  readonly #views = new WeakMap<RtpPacketBytes, Buffer>();
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

  send(packet: RtpPacketBytes): void {
    this.#write(this.#views.get(packet) ?? this.#viewOf(packet));
  }

  #viewOf(of: RtpPacketBytes): Buffer {
    const { buffer, byteOffset, byteLength } = of.packet;
    const view = Buffer.from(buffer, byteOffset, byteLength);
    this.#views.set(of, view);
    return view;
  }

  count(payloadBytes: number): void {
    this.#packets = (this.#packets + 1) >>> 0;
    this.#octets = (this.#octets + payloadBytes) >>> 0;
  }

  /** RFC 3550 section 6.4.1; Chromium joins capture times and clocks by it. */
  reportSoon(clock: () => ReportClock): void {
    const nowMs = performance.now();
    if (this.#packets === 0 || nowMs - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = nowMs;
    const { ntpTimestamp, rtpTimestamp } = clock();
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

  onFeedback(listener: (feedback: TransportFeedback) => void): void {
    this.#feedbackListener = listener;
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

  /** A compound packet (RFC 3550 section 6.1). */
  #receive(bytes: Buffer): void {
    if (this.#closed) return;
    let end = 0;
    for (let at = 0; at + RTCP_HEADER_BYTES <= bytes.length; at = end) {
      end = at + RTCP_HEADER_BYTES + bytes.readUInt16BE(at + 2) * 4;
      // Authenticated, but malformed: feedback is advice only.
      if (end > bytes.length) return;
      this.#receiveOne(bytes.subarray(at, end));
    }
  }

  #receiveOne(bytes: Buffer): void {
    const packetType = bytes[1];
    if (!FEEDBACK_TYPES.includes(packetType)) return;
    const { packetType: type, format } = TRANSPORT_FEEDBACK;
    if (packetType === type && (bytes[0] & 0x1f) === format) {
      const feedback = this.#feedback.read(bytes);
      if (feedback !== null) this.#feedbackListener(feedback);
      return;
    }
    let packets: RtcpPacket[];
    try {
      packets = parseRtcp(bytes);
    } catch {
      // As above.
      return;
    }
    for (const packet of packets) this.#listener(packet);
  }
}
