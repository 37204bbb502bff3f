/**
 * Whatever bytes or text arrive, a decoder answers by a value or a code: it never throws, and
 * what it reads survives a round trip. A failure prints its seed; give it back by FARGLASS_SEED.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkCandidate,
  checkSdp,
  decodeControl,
  decodeDiff,
  decodeDiffAck,
  decodeInput,
  decodeMessage,
  decodeRelay,
  encodeDiff,
  encodeDiffAck,
  encodeInput,
  encodeRelay,
  ERROR_CODES,
  type RelayFrame,
  type Result,
} from "@farglass/protocol";
import chromiumOffer from "../../protocol/testdata/chromium_offer.json" with { type: "json" };
import {
  ACK_CASES,
  BAD_DIFF,
  BAD_INPUT,
  bytesOf,
  DIFF_CASES,
  INPUT_CASES,
  RELAY_CASES,
} from "../support/codec_cases.ts";
import { checkBytes, type Codec, codeOf } from "../support/codec_checks.ts";
import { CONTROL_CASES } from "../support/control_cases.ts";
import { MESSAGE_CASES } from "../support/message_cases.ts";
import { fuzzSeed } from "../support/seed.ts";

const RUNS = 20_000;
const parameters = { numRuns: RUNS, seed: fuzzSeed("protocol codecs") };

const relay: Codec<RelayFrame> = {
  name: "relay",
  encode: (frame) => encodeRelay(frame.kind, frame.sessionId, frame.payload),
  decode: decodeRelay,
};
const diff = { name: "diff", encode: encodeDiff, decode: decodeDiff };
const ack = { name: "ack", encode: encodeDiffAck, decode: decodeDiffAck };
const input = { name: "input", encode: encodeInput, decode: decodeInput };

/** Bytes near a known case: several bytes changed, cut or made longer. */
function near(hexes: readonly string[]): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(4096), value: fc.integer({ min: 0, max: 255 }) });
  return fc.record({
    hex: fc.constantFrom(...hexes),
    changes: fc.array(change, { maxLength: 6 }),
    cut: fc.option(fc.nat(64)),
    tail: fc.uint8Array({ maxLength: 40 }),
  }).map(({ hex, changes, cut, tail }) => {
    const base = bytesOf(hex);
    const head = cut === null ? base : base.subarray(0, Math.max(0, base.length - cut));
    const bytes = new Uint8Array(head.length + tail.length);
    bytes.set(head);
    bytes.set(tail, head.length);
    for (const { at, value } of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return bytes;
  });
}

const hexesOf = (...tables: readonly (readonly { hex: string }[])[]) =>
  tables.flat().map(({ hex }) => hex).filter((hex) => hex.length < 4096);

const BINARY = [
  {
    name: "diff",
    run: (bytes: Uint8Array) => checkBytes(diff, bytes),
    hexes: hexesOf(DIFF_CASES, BAD_DIFF),
  },
  { name: "ack", run: (bytes: Uint8Array) => checkBytes(ack, bytes), hexes: hexesOf(ACK_CASES) },
  {
    name: "input",
    run: (bytes: Uint8Array) => checkBytes(input, bytes),
    hexes: hexesOf(INPUT_CASES, BAD_INPUT),
  },
  {
    name: "relay",
    run: (bytes: Uint8Array) => checkBytes(relay, bytes),
    hexes: hexesOf(RELAY_CASES),
  },
];

for (const { name, run, hexes } of BINARY) {
  Deno.test(`fuzz: ${name}: bytes near good and bad ones`, () => {
    fc.assert(fc.property(near(hexes), run), parameters);
  });
  Deno.test(`fuzz: ${name}: any bytes`, () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 256 }), run), parameters);
  });
}

/** Calls every text decoder; a refusal has a known code. */
function checkText(text: string): void {
  const results: Result<unknown, { code: string }>[] = [
    decodeMessage(text, "agent"),
    decodeMessage(text, "console"),
    decodeMessage(text, "server"),
    decodeControl(text),
    checkSdp(text),
    checkCandidate(text),
  ];
  for (const result of results) {
    if (!result.ok) assert.ok((ERROR_CODES as readonly string[]).includes(result.error.code));
  }
}

const GOOD_TEXTS = [
  ...MESSAGE_CASES.map(({ message }) => JSON.stringify(message)),
  ...CONTROL_CASES.map((message) => JSON.stringify(message)).filter((text) => text.length < 4096),
];

Deno.test("fuzz: texts: every cut of every good one", () => {
  for (const text of GOOD_TEXTS) {
    for (let length = 0; length < text.length; length++) checkText(text.slice(0, length));
  }
});

/** Characters that mean something to JSON, SDP and candidates, and some that mean trouble. */
const CHARACTERS = [...'{}[]",:\\0e-.\r\n= /', "\0", "\x1b", "é", "\u2028", "\ud800", "😀"];

const nearText = (texts: readonly string[]): fc.Arbitrary<string> =>
  fc.record({
    text: fc.constantFrom(...texts),
    changes: fc.array(
      fc.record({
        at: fc.nat(20_000),
        length: fc.nat(12),
        by: fc.oneof(fc.constantFrom(...CHARACTERS), fc.string({ maxLength: 8 })),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  }).map(({ text, changes }) =>
    changes.reduce((now, { at, length, by }) => {
      const from = at % (now.length + 1);
      return now.slice(0, from) + by + now.slice(from + length);
    }, text)
  );

Deno.test("fuzz: texts near good messages", () => {
  fc.assert(fc.property(nearText(GOOD_TEXTS), checkText), parameters);
});

Deno.test("fuzz: texts near a real description and candidate", () => {
  const candidate = "candidate:1 1 udp 2113937151 127.0.0.1 54321 typ host generation 0 ufrag abcd";
  const texts = [chromiumOffer.sdp, candidate, `${chromiumOffer.sdp}a=${candidate}\r\n`];
  fc.assert(fc.property(nearText(texts), checkText), parameters);
});

/** Good messages with one field anywhere replaced by any JSON value. */
const replaced: fc.Arbitrary<string> = fc.record({
  message: fc.constantFrom(...MESSAGE_CASES.map((entry) => entry.message)),
  path: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
  value: fc.jsonValue(),
}).map(({ message, path, value }) => {
  const copy = structuredClone(message) as unknown as Record<string, unknown>;
  let at = copy;
  for (const [depth, step] of path.entries()) {
    const keys = Object.keys(at);
    if (keys.length === 0) break;
    const key = keys[step % keys.length];
    const inner = at[key];
    if (depth === path.length - 1 || typeof inner !== "object" || inner === null) {
      at[key] = value;
      break;
    }
    at = inner as Record<string, unknown>;
  }
  return JSON.stringify(copy);
});

Deno.test("fuzz: messages with one field replaced by anything", () => {
  fc.assert(fc.property(replaced, checkText), parameters);
});

Deno.test("fuzz: what decodeMessage reads, it reads again the same", () => {
  fc.assert(
    fc.property(replaced, fc.constantFrom("agent", "console", "server"), (text, from) => {
      const decoded = decodeMessage(text, from);
      if (!decoded.ok) return;
      // A field that counts as none is as good as left out.
      const value = JSON.parse(JSON.stringify(decoded.value));
      assert.deepEqual(decodeMessage(JSON.stringify(value), from), { ok: true, value });
    }),
    parameters,
  );
});

Deno.test("fuzz: any JSON", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), checkText), parameters);
});

Deno.test("fuzz: a hostile size is refused before it is read", () => {
  for (const unit of ["[", '{"a":', "a=candidate:1 ", '"\\u0000"', "😀"]) {
    const text = unit.repeat(1_000_000 / unit.length);
    assert.equal(codeOf(decodeMessage(text, "agent")), "too-large");
    assert.equal(codeOf(decodeControl(text)), "too-large");
    assert.equal(codeOf(checkSdp(text)), "sdp-too-large");
    assert.equal(codeOf(checkCandidate(text)), "candidate-invalid");
  }
});
