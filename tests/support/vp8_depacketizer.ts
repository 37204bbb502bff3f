/** Undoes RFC 7741 packetization in tests; strict, so that a wrong payload fails there. */
import type { RtpPayload } from "../../agent/core/nal_packetizer.ts";

/** One frame and the picture id that all its payloads bear. */
export function depacketizeVp8(
  payloads: readonly RtpPayload[],
): { readonly frame: Uint8Array; readonly pictureId: number | null } {
  const pieces: Uint8Array[] = [];
  let pictureId: number | null = null;
  let partition = 0;
  payloads.forEach(({ payload, marker }, index) => {
    if (marker !== (index === payloads.length - 1)) throw new Error("marker out of place");
    if (payload.length < 5) throw new Error("no room for a byte of the frame");
    const [first, extension, high, low] = payload;
    if ((first & 0x80) === 0) throw new Error("no extension");
    if ((first & 0x48) !== 0) throw new Error("reserved bit set");
    if ((first & 0x20) !== 0) throw new Error("a frame that is no reference");
    if (extension !== 0x80) throw new Error("not a picture id alone");
    if ((high & 0x80) === 0) throw new Error("a short picture id");
    const id = (high & 0x7f) << 8 | low;
    if (pictureId !== null && pictureId !== id) throw new Error("two picture ids");
    pictureId = id;
    if (index === 0 && (first & 0x17) !== 0x10) throw new Error("no start of partition 0");
    if ((first & 7) < partition) throw new Error("partitions out of order");
    partition = first & 7;
    pieces.push(payload.subarray(4));
  });
  const frame = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  return { frame, pictureId };
}
