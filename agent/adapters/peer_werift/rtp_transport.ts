/** SRTP of a werift DTLS transport, for the video sender. */
import { Buffer } from "node:buffer";
import {
  type RTCDtlsTransport,
  RtcpTransportLayerFeedback,
  type RTCRtpTransceiver,
  RtpHeader,
  TransportWideCC,
} from "werift";
import type { TransportFeedback } from "../../core/link_meter.ts";
import type { RtpPacketBytes } from "../../core/rtp_packet.ts";
import { type SenderReportFields, senderReports } from "./internals.ts";
import { FeedbackReader } from "./transport_feedback.ts";
import type { ReportClock, RtcpPacket, RtpTransport } from "./video_sender.ts";

export class WeriftRtp implements RtpTransport {
  readonly ssrc: number;
  readonly rtxSsrc: number;
  readonly extensionIds: ReadonlyMap<string, number>;
  readonly #reports: SenderReportFields;

  constructor(transceiver: RTCRtpTransceiver, private readonly dtls: RTCDtlsTransport) {
    const { sender } = transceiver;
    this.ssrc = sender.ssrc;
    this.rtxSsrc = sender.rtxSsrc;
    this.extensionIds = new Map(transceiver.headerExtensions.map((e) => [e.uri, e.id]));
    this.#reports = senderReports(sender);
  }

  get ready(): boolean {
    return this.dtls.state === "connected" && !!this.#reports.codec;
  }

  send({ packet, headerBytes }: RtpPacketBytes): void {
    // A copy: it may be encrypted later than the next packet is written.
    const bytes = Buffer.from(packet);
    // Its SRTP wants the header as an object, and writes it once more.
    void this.dtls.sendRtp(bytes.subarray(headerBytes), RtpHeader.deSerialize(bytes));
  }

  count(payloadBytes: number): void {
    this.#reports.octetCount += payloadBytes;
    this.#reports.packetCount = (this.#reports.packetCount + 1) >>> 0;
  }

  reportSoon(clock: () => ReportClock): void {
    const { ntpTimestamp, rtpTimestamp } = clock();
    this.#reports.ntpTimestamp = ntpTimestamp;
    this.#reports.rtpTimestamp = rtpTimestamp;
    void this.#reports.runRtcp();
  }

  onRtcp(listener: (packet: RtcpPacket) => void): void {
    this.dtls.onRtcp.subscribe(listener);
  }

  onFeedback(listener: (feedback: TransportFeedback) => void): void {
    const reader = new FeedbackReader();
    this.dtls.onRtcp.subscribe((packet) => {
      if (!(packet instanceof RtcpTransportLayerFeedback)) return;
      const { feedback } = packet;
      if (feedback instanceof TransportWideCC) listener(reader.read(feedback));
    });
  }
}
