/** SRTP of a werift DTLS transport, for the video sender. */
import { Buffer } from "node:buffer";
import { type RTCDtlsTransport, type RTCRtpTransceiver, RtpHeader } from "werift";
import type { RtpPacketBytes } from "../../core/rtp_packet.ts";
import { type SenderReportFields, senderReports } from "./internals.ts";
import type { RtcpPacket, RtpTransport, SentCounts } from "./video_sender.ts";

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
    const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
    // Its SRTP wants the header as an object, and writes it once more.
    void this.dtls.sendRtp(bytes.subarray(headerBytes), RtpHeader.deSerialize(bytes));
  }

  count({ ntpTimestamp, rtpTimestamp, payloadBytes }: SentCounts): void {
    this.#reports.ntpTimestamp = ntpTimestamp;
    this.#reports.rtpTimestamp = rtpTimestamp;
    this.#reports.octetCount += payloadBytes;
    this.#reports.packetCount = (this.#reports.packetCount + 1) >>> 0;
  }

  reportSoon(): void {
    void this.#reports.runRtcp();
  }

  onRtcp(listener: (packet: RtcpPacket) => void): void {
    this.dtls.onRtcp.subscribe(listener);
  }
}
