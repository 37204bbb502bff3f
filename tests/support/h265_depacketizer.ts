/** Undoes RFC 7798 packetization in tests; strict, so that a wrong payload fails there. */
import type { RtpPayload } from "../../agent/core/nal_packetizer.ts";
import { AP, FU, nal265Type } from "../../agent/core/h265_packetizer.ts";

/** One picture's NAL units. */
export function depacketizeH265(payloads: readonly RtpPayload[]): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let open: number[] | null = null;
  payloads.forEach(({ payload, marker }, index) => {
    if (marker !== (index === payloads.length - 1)) throw new Error("marker out of place");
    if (payload.length < 3) throw new Error("no room for a byte of a unit");
    const type = nal265Type(payload);
    if (open !== null && type !== FU) throw new Error("a fragment is missing");
    if (type === AP) {
      let count = 0;
      for (let at = 2; at < payload.length; count++) {
        const size = payload[at] << 8 | payload[at + 1];
        if (size < 2 || at + 2 + size > payload.length) throw new Error("a unit beyond its packet");
        nals.push(payload.slice(at + 2, at + 2 + size));
        at += 2 + size;
      }
      if (count < 2) throw new Error("an aggregation of less than two");
    } else if (type === FU) {
      const start = (payload[2] & 0x80) !== 0;
      const end = (payload[2] & 0x40) !== 0;
      if (start && end) throw new Error("a fragment that is all of its unit");
      if (start !== (open === null)) throw new Error("a start out of place");
      const header = [payload[0] & 0x81 | (payload[2] & 0x3f) << 1, payload[1]];
      const bytes: number[] = open ?? header;
      bytes.push(...payload.subarray(3));
      open = end ? null : bytes;
      if (end) nals.push(Uint8Array.from(bytes));
    } else nals.push(payload);
  });
  if (open !== null) throw new Error("the last unit is cut off");
  return nals;
}
