/** One picture as RTP payloads, made once for all who are sent it. */
import { never } from "@farglass/protocol";
import { packetizeAv1 } from "./av1_packetizer.ts";
import { packetize } from "./h264_packetizer.ts";
import { packetizeH265 } from "./h265_packetizer.ts";
import type { RtpPayload } from "./nal_packetizer.ts";
import type { EncodedFrame } from "./ports.ts";
import { packetizeVp8 } from "./vp8_packetizer.ts";

/**
 * 1200 bytes with the RTP header (12), its extensions (at most 28) and room for RTX (2): with
 * SRTP, TURN, UDP and IPv6 around it, it passes a path of 1280 bytes.
 */
export const PAYLOAD_BYTES = 1150;

const made = new WeakMap<EncodedFrame, readonly RtpPayload[]>();

/** Payloads of `frame`; they are shared, so nobody may change them. */
export function payloadsOf(frame: EncodedFrame): readonly RtpPayload[] {
  const known = made.get(frame);
  if (known !== undefined) return known;
  const payloads = cut(frame);
  made.set(frame, payloads);
  return payloads;
}

function cut({ codec, units }: EncodedFrame): readonly RtpPayload[] {
  switch (codec) {
    case "h264":
      return packetize(units, PAYLOAD_BYTES);
    case "vp8":
      return units.flatMap((unit) => packetizeVp8(unit, PAYLOAD_BYTES));
    case "h265":
      return packetizeH265(units, PAYLOAD_BYTES);
    case "av1":
      return packetizeAv1(units, PAYLOAD_BYTES);
    default:
      return never(codec);
  }
}
