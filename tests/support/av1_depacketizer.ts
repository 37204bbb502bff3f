/** Undoes the RTP payload format for AV1 in tests; strict, so that a wrong payload fails there. */
import { readLeb128 } from "../../agent/core/obus.ts";
import type { RtpPayload } from "../../agent/core/nal_packetizer.ts";

interface Elements {
  readonly elements: readonly Uint8Array[];
  readonly continues: boolean;
  readonly toBeContinued: boolean;
  readonly newSequence: boolean;
}

function readPayload(payload: Uint8Array): Elements {
  const [header] = payload;
  if ((header & 0x07) !== 0) throw new Error("reserved bit set");
  const count = header >> 4 & 3;
  const elements: Uint8Array[] = [];
  for (let at = 1; at < payload.length;) {
    if (count > 0 && elements.length === count) throw new Error("bytes after the last element");
    const last = count > 0 && elements.length === count - 1;
    const size = last ? { value: payload.length - at, end: at } : readLeb128(payload, at);
    if (size === null || size.value === 0 || size.end + size.value > payload.length) {
      throw new Error("an element without or beyond its bytes");
    }
    elements.push(payload.subarray(size.end, size.end + size.value));
    at = size.end + size.value;
  }
  if (elements.length === 0 || count > elements.length) throw new Error("elements are missing");
  return {
    elements,
    continues: (header & 0x80) !== 0,
    toBeContinued: (header & 0x40) !== 0,
    newSequence: (header & 0x08) !== 0,
  };
}

/** One picture's OBUs, and whether the first packet says that a coded video sequence begins. */
export function depacketizeAv1(
  payloads: readonly RtpPayload[],
): { readonly obus: Uint8Array[]; readonly newSequence: boolean } {
  const obus: number[][] = [];
  let newSequence = false;
  let open = false;
  payloads.forEach(({ payload, marker }, index) => {
    if (marker !== (index === payloads.length - 1)) throw new Error("marker out of place");
    const read = readPayload(payload);
    if (read.continues !== open) throw new Error("Z and the Y before it differ");
    // Chromium takes any packet that begins with an OBU for the first of a picture.
    if (index > 0 && !read.continues) throw new Error("a later packet begins with an OBU");
    if (index === 0) newSequence = read.newSequence;
    else if (read.newSequence) throw new Error("N on a later packet");
    read.elements.forEach((element, i) => {
      if (i > 0 || !open) obus.push([]);
      obus.at(-1)?.push(...element);
    });
    open = read.toBeContinued;
  });
  if (open) throw new Error("the last OBU is cut off");
  return { obus: obus.map((obu) => Uint8Array.from(obu)), newSequence };
}
