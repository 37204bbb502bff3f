/** Undoes RFC 6184 packetization in tests; strict, so that a wrong payload fails there. */
import type { RtpPayload } from "../../agent/core/nal_packetizer.ts";

/** Returns the NAL units of one picture. Throws on anything that RFC 6184 does not allow. */
export function depacketize(payloads: readonly RtpPayload[]): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let pieces: Uint8Array[] | null = null;
  payloads.forEach(({ payload, marker }, index) => {
    if (marker !== (index === payloads.length - 1)) throw new Error("marker out of place");
    const type = payload[0] & 0x1f;
    if (pieces !== null && type !== 28) throw new Error("fragment not finished");
    if (type >= 1 && type <= 23) {
      nals.push(payload);
    } else if (type === 24) {
      nals.push(...readStapA(payload));
    } else if (type === 28) {
      const start = (payload[1] & 0x80) !== 0;
      const end = (payload[1] & 0x40) !== 0;
      if (start && end) throw new Error("start and end in one fragment");
      if (start !== (pieces === null)) throw new Error("start bit out of place");
      if ((payload[1] & 0x20) !== 0) throw new Error("reserved bit set");
      if (payload.length < 3) throw new Error("empty fragment");
      pieces ??= [Uint8Array.of((payload[0] & 0xe0) | (payload[1] & 0x1f))];
      pieces.push(payload.subarray(2));
      if (end) {
        nals.push(concat(pieces));
        pieces = null;
      }
    } else {
      throw new Error(`payload type ${type}`);
    }
  });
  if (pieces !== null) throw new Error("fragment not finished");
  return nals;
}

function readStapA(payload: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let offset = 1;
  let nri = 0;
  while (offset < payload.length) {
    const size = payload[offset] << 8 | payload[offset + 1];
    if (size === 0 || offset + 2 + size > payload.length) throw new Error("aggregate length");
    const nal = payload.subarray(offset + 2, offset + 2 + size);
    nri = Math.max(nri, nal[0] & 0x60);
    nals.push(nal);
    offset += 2 + size;
  }
  if (nals.length < 2) throw new Error("aggregate of one");
  if ((payload[0] & 0x60) !== nri) throw new Error("aggregate NRI");
  return nals;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
