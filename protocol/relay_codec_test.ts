/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { BAD_RELAY, bytesOf, RELAY_CASES } from "../tests/support/codec_cases.ts";
import { testCodec } from "../tests/support/codec_checks.ts";
import { MAX_DIFF_MESSAGE_BYTES } from "./limits.ts";
import { decodeRelay, encodeRelay, type RelayFrame } from "./relay_codec.ts";

const encode = (frame: RelayFrame) => encodeRelay(frame.kind, frame.sessionId, frame.payload);

testCodec({ name: "relay", encode, decode: decodeRelay }, RELAY_CASES, BAD_RELAY);

Deno.test("relay: the largest diff message fits", () => {
  const payload = new Uint8Array(MAX_DIFF_MESSAGE_BYTES);
  const frame = encodeRelay("diff", RELAY_CASES[0].value.sessionId, payload);
  assert.ok(decodeRelay(frame).ok);
});

Deno.test("relay: the payload is a view, not a copy", () => {
  const bytes = bytesOf(RELAY_CASES[0].hex);
  const decoded = decodeRelay(bytes);
  assert.ok(decoded.ok);
  assert.equal(decoded.value.payload.buffer, bytes.buffer);
});

Deno.test("relay: an upper-case session id is written like a lower-case one", () => {
  const { kind, sessionId, payload } = RELAY_CASES[0].value;
  assert.deepEqual(
    encodeRelay(kind, sessionId.toUpperCase(), payload),
    encodeRelay(kind, sessionId, payload),
  );
});
