/** RTCP (RFC 3550 section 6) by werift's codecs, for SRTP that is not werift's. */
import { Buffer } from "node:buffer";
import { RtcpPacketConverter, RtcpSenderInfo, RtcpSrPacket } from "werift";
import type { RtcpPacket } from "./video_sender.ts";

const SDES_PACKET_TYPE = 202;
const SDES_CNAME = 1;

/** The packets of a compound one. Throws when it is malformed. */
export const parseRtcp = (bytes: Buffer): RtcpPacket[] => RtcpPacketConverter.deSerialize(bytes);

/** A sender report (section 6.4.1) and, as in each compound packet, the CNAME (section 6.5.1). */
export function senderReport(about: {
  readonly ssrc: number;
  readonly cname: string;
  readonly ntpTimestamp: bigint;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
}): Buffer {
  const { ssrc, cname, ...senderInfo } = about;
  const report = new RtcpSrPacket({ ssrc, senderInfo: new RtcpSenderInfo(senderInfo) });
  return Buffer.concat([report.serialize(), sourceDescription(ssrc, cname)]);
}

function sourceDescription(ssrc: number, cname: string): Buffer {
  const text = Buffer.from(cname);
  // SSRC, item header and text, and at least one zero that ends the list.
  const words = Math.ceil((4 + 2 + text.length + 1) / 4);
  const packet = Buffer.alloc(4 + words * 4);
  packet.set([0x81, SDES_PACKET_TYPE, words >> 8, words & 0xff], 0);
  packet.writeUInt32BE(ssrc, 4);
  packet.set([SDES_CNAME, text.length], 8);
  packet.set(text, 10);
  return packet;
}
