/**
 * Version of the signalling protocol; raised when a peer of the old version can no longer take part.
 * Peers of different versions refuse each other (`wrong-version`). New fields and new types of
 * messages raise nothing: unknown fields are dropped, an unknown type is answered or passed over.
 */
export const PROTOCOL_VERSION = 1;

/** WebSocket subprotocol (RFC 6455 section 1.9) that both ends must agree on. */
export const SUBPROTOCOL = "farglass.v1";

/** Version of the software, shown in `--help`, `/healthz` and the console's footer. */
export const SOFTWARE_VERSION = "0.1.0";
