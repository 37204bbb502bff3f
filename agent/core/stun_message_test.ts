/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { classifyDatagram, integrityParts } from "./stun_message.ts";

/** The sample request of RFC 5769 section 2.1. */
const SAMPLE = Uint8Array.from(
  (`000100582112a442b7e7a701bc34d686fa87dfae802200105354554e20746573` +
    `7420636c69656e74002400046e0001ff80290008932ff9b151263b3600060009` +
    `6576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249` +
    `c1b571a280280004e57a3bcf`).match(/../g)!.map((hex) => parseInt(hex, 16)),
);

const KINDS: [name: string, data: number[] | Uint8Array, kind: string][] = [
  ["nothing", [], "malformed"],
  ["DTLS", [22, 254, 253, 0], "other"],
  ["SRTP", [0x80, 96, 0, 0], "other"],
  ["TURN channel data", [0x40, 0, 0, 4], "other"],
  ["a STUN byte alone", [0], "malformed"],
  ["the wrong cookie", SAMPLE.map((b, i) => i === 4 ? 0 : b), "malformed"],
  ["a longer datagram than the header says", [...SAMPLE, 0, 0, 0, 0], "malformed"],
  ["a shorter datagram than the header says", SAMPLE.subarray(0, -4), "malformed"],
  ["a success response", SAMPLE.map((b, i) => i === 0 ? 1 : b), "response"],
  ["an error response", SAMPLE.map((b, i) => i === 0 ? 1 : i === 1 ? 0x11 : b), "response"],
  ["an indication", SAMPLE.map((b, i) => i === 1 ? 0x11 : b), "malformed"],
  ["another method", SAMPLE.map((b, i) => i === 1 ? 3 : b), "malformed"],
  ["an attribute that runs over the end", SAMPLE.map((b, i) => i === 23 ? 200 : b), "malformed"],
  ["a short MESSAGE-INTEGRITY", SAMPLE.map((b, i) => i === 79 ? 16 : b), "malformed"],
];
for (const [name, data, kind] of KINDS) {
  Deno.test(`classifyDatagram: ${name} → ${kind}`, () => {
    assert.equal(classifyDatagram(Uint8Array.from(data)).kind, kind);
  });
}

Deno.test("classifyDatagram and integrityParts: the sample of RFC 5769 verifies", () => {
  const request = classifyDatagram(SAMPLE);
  assert.ok(request.kind === "binding-request" && request.integrityOffset !== null);
  assert.equal(request.username, "evtj:h6vY");
  const { signed, hmac } = integrityParts(SAMPLE, request.integrityOffset);
  const expected = createHmac("sha1", "VOkJxbRl1RmTxUk/WvJxBt").update(signed).digest();
  assert.deepEqual([...hmac], [...expected]);
});

Deno.test("integrityParts leaves the datagram as it is, even a Buffer", () => {
  const datagram = Buffer.from(SAMPLE);
  integrityParts(datagram, 76);
  assert.deepEqual([...datagram], [...SAMPLE]);
});

Deno.test("classifyDatagram: a request without integrity has none", () => {
  const bare = SAMPLE.slice(0, 76);
  bare[3] = 56;
  assert.deepEqual(classifyDatagram(bare), {
    kind: "binding-request",
    username: "evtj:h6vY",
    integrityOffset: null,
  });
});

Deno.test("classifyDatagram: a user name behind MESSAGE-INTEGRITY does not count", () => {
  const moved = Uint8Array.from([
    ...SAMPLE.subarray(0, 20),
    ...SAMPLE.subarray(76, 100),
    ...SAMPLE.subarray(60, 76),
  ]);
  moved[3] = moved.length - 20;
  const request = classifyDatagram(moved);
  assert.ok(request.kind === "binding-request" && request.username === null);
});

Deno.test("classifyDatagram: never throws, and an offset it gives is inside", () => {
  const flipped = fc.array(fc.tuple(fc.nat(SAMPLE.length - 1), fc.nat(255)), { maxLength: 6 }).map(
    (edits) => {
      const data = SAMPLE.slice();
      for (const [at, value] of edits) data[at] = value;
      return data;
    },
  );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), flipped), (data) => {
      const seen = classifyDatagram(data);
      if (seen.kind === "binding-request" && seen.integrityOffset !== null) {
        assert.equal(integrityParts(data, seen.integrityOffset).hmac.length, 20);
      }
    }),
    { numRuns: 2000 },
  );
});
