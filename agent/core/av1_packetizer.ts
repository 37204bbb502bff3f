/**
 * RTP payload format for AV1 (RTP Payload Format For AV1 v1.0, section 4): each payload begins with
 * an aggregation header, then come OBU elements.
 *
 *      0 1 2 3 4 5 6 7
 *     |Z|Y| W |N|-|-|-|   Z the first element goes on from the packet before, Y the last one goes
 *                         on in the next, W how many elements (0: each has its length), N the
 *                         first packet of a coded video sequence
 */
import { checkPayloadLimit, type RtpPayload, withMarker } from "./nal_packetizer.ts";
import { hasKeyFrame, leb128Bytes, OBU, obuType, writeLeb128 } from "./obus.ts";

const CONTINUES = 0x80;
const TO_BE_CONTINUED = 0x40;
const COUNT_SHIFT = 4;
const NEW_SEQUENCE = 0x08;
const AGGREGATION_HEADER_BYTES = 1;
/** So many elements need no length for the last of them. */
const MAX_COUNTED = 3;
/** A length and a byte. */
const MIN_ELEMENT_BYTES = 2;
/** The header and the lengths of the two or three OBUs that a picture usually has. */
const USUAL_OVERHEAD_BYTES = 8;

/**
 * Cuts one picture's OBUs (without sizes, see `splitObus`) into RTP payloads of at most
 * `maxPayloadBytes`. Only the first of them begins with an OBU: without the dependency descriptor a
 * receiver takes every packet that does for the first of a picture. Throws when the limit leaves
 * no room for a fragment.
 */
export function packetizeAv1(obus: readonly Uint8Array[], maxPayloadBytes: number): RtpPayload[] {
  checkPayloadLimit(maxPayloadBytes);
  const payloads: Uint8Array[] = [];
  const limit = evenLimit(obus, maxPayloadBytes);
  const fresh = obus.some((obu) => obuType(obu) === OBU.sequenceHeader) && hasKeyFrame(obus);
  let elements: Uint8Array[] = [];
  let room = limit - AGGREGATION_HEADER_BYTES;
  let continues = false;
  const flush = (toBeContinued: boolean) => {
    const flags = (continues ? CONTINUES : 0) | (toBeContinued ? TO_BE_CONTINUED : 0) |
      (fresh && payloads.length === 0 ? NEW_SEQUENCE : 0);
    payloads.push(aggregate(elements, flags));
    elements = [];
    room = limit - AGGREGATION_HEADER_BYTES;
    continues = toBeContinued;
  };
  obus.forEach((obu, index) => {
    const last = index === obus.length - 1;
    for (let at = 0; at < obu.length;) {
      const piece = pieceBytes(obu.length - at, room, last);
      elements.push(obu.subarray(at, at + piece));
      room -= leb128Bytes(piece) + piece;
      at += piece;
      if (at < obu.length) flush(true);
      else if (!last && room < MIN_ELEMENT_BYTES) flush(false);
    }
  });
  if (elements.length > 0) flush(false);
  return withMarker(payloads);
}

/** What makes the payloads about the same size, so that the last is not a sliver. */
function evenLimit(obus: readonly Uint8Array[], maxPayloadBytes: number): number {
  const space = maxPayloadBytes - USUAL_OVERHEAD_BYTES;
  const total = obus.reduce((sum, obu) => sum + obu.length, 0);
  if (space < USUAL_OVERHEAD_BYTES || total <= space) return maxPayloadBytes;
  return Math.ceil(total / Math.ceil(total / space)) + USUAL_OVERHEAD_BYTES;
}

/** How much of an OBU goes into the room that a packet has left. */
function pieceBytes(left: number, room: number, last: boolean): number {
  const most = room - leb128Bytes(room);
  if (left > most) return most;
  const roomAfter = room - leb128Bytes(left) - left;
  // Its last byte waits for the next packet, which may not begin with an OBU.
  return !last && roomAfter < MIN_ELEMENT_BYTES && left > 1 ? left - 1 : left;
}

function aggregate(elements: readonly Uint8Array[], flags: number): Uint8Array {
  const counted = elements.length <= MAX_COUNTED;
  const sized = (index: number) => !counted || index < elements.length - 1;
  let size = AGGREGATION_HEADER_BYTES;
  elements.forEach(({ length }, i) => size += length + (sized(i) ? leb128Bytes(length) : 0));
  const out = new Uint8Array(size);
  out[0] = flags | (counted ? elements.length << COUNT_SHIFT : 0);
  let at = AGGREGATION_HEADER_BYTES;
  elements.forEach((element, i) => {
    if (sized(i)) at = writeLeb128(out, at, element.length);
    out.set(element, at);
    at += element.length;
  });
  return out;
}
