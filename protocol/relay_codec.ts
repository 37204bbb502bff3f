/**
 * Binary WebSocket frames: the diff path without data channels.
 *
 *  0        1                                17
 *  +--------+--------------------------------+----------------
 *  | kind   | sessionId (16 bytes, RFC 9562) | payload …
 *  +--------+--------------------------------+----------------
 */
import { type CodedError, codedError } from "./errors.ts";
import { MAX_RELAY_FRAME_BYTES } from "./limits.ts";
import { err, ok, type Result } from "./result.ts";

export const RELAY_HEADER_BYTES = 17;
export const RELAY_KINDS = {
  /** Agent → console: a diff message. */
  diff: 1,
  /** Console → agent: a diff acknowledgement. */
  ack: 2,
  /** Console → agent: an input message. */
  input: 3,
  /** Server → agent: a diff message that was skipped, as an acknowledgement-shaped notice. */
  skipped: 4,
} as const;
export type RelayKind = keyof typeof RELAY_KINDS;
const KIND_OF: ReadonlyMap<number, RelayKind> = new Map(
  Object.entries(RELAY_KINDS).map(([name, value]) => [value, name as RelayKind]),
);

export interface RelayFrame {
  readonly kind: RelayKind;
  readonly sessionId: string;
  /** A view into the frame, not a copy. */
  readonly payload: Uint8Array;
}

/** Puts the relay header before `payload`. */
export function encodeRelay(kind: RelayKind, sessionId: string, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(RELAY_HEADER_BYTES + payload.length);
  out[0] = RELAY_KINDS[kind];
  const hex = sessionId.replaceAll("-", "");
  for (let i = 0; i < 16; i++) out[1 + i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  out.set(payload, RELAY_HEADER_BYTES);
  return out;
}

/** Reads a relay frame; the payload is checked by the codec of its kind. */
export function decodeRelay(frame: Uint8Array): Result<RelayFrame, CodedError> {
  if (frame.length > MAX_RELAY_FRAME_BYTES) return err(codedError("too-large"));
  if (frame.length <= RELAY_HEADER_BYTES) {
    return err(codedError("malformed", "relay frame too short"));
  }
  const kind = KIND_OF.get(frame[0]);
  if (kind === undefined) return err(codedError("unknown-type", "relay frame"));
  let hex = "";
  for (let i = 1; i < RELAY_HEADER_BYTES; i++) hex += frame[i].toString(16).padStart(2, "0");
  const sessionId = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${
    hex.slice(16, 20)
  }-${hex.slice(20)}`;
  return ok({ kind, sessionId, payload: frame.subarray(RELAY_HEADER_BYTES) });
}
