/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { BAD_TEXTS, goodMessage, MESSAGE_CASES } from "../tests/support/message_cases.ts";
import { codeOf } from "../tests/support/codec_checks.ts";
import { MAX_ENVELOPE_BYTES } from "./limits.ts";
import { decodeMessage, MESSAGE_TYPES, type Sender, SENDERS, UNSEQUENCED } from "./messages.ts";

const EVERYBODY: readonly Sender[] = ["agent", "console", "server"];

for (const { name, from, message } of MESSAGE_CASES) {
  Deno.test(`decodeMessage: ${name} → read as it was written`, () => {
    assert.deepEqual(decodeMessage(JSON.stringify(message), from), { ok: true, value: message });
  });
}

for (const { name, from, text, code } of BAD_TEXTS) {
  Deno.test(`decodeMessage: ${name} → ${code}`, () => {
    assert.equal(codeOf(decodeMessage(text, from)), code);
  });
}

Deno.test("decodeMessage: every type has a case", () => {
  for (const type of MESSAGE_TYPES) goodMessage(type);
});

for (const type of MESSAGE_TYPES) {
  Deno.test(`decodeMessage: ${type} is taken from ${SENDERS[type].join(" and ")} only`, () => {
    const text = JSON.stringify(goodMessage(type).message);
    for (const sender of EVERYBODY) {
      const expected = SENDERS[type].includes(sender) ? "ok" : "wrong-direction";
      assert.equal(codeOf(decodeMessage(text, sender)), expected, sender);
    }
  });

  Deno.test(`decodeMessage: ${type} drops fields it does not know`, () => {
    const { message, from } = goodMessage(type);
    const newer = { ...message, future: 1, payload: { ...message.payload, future: { a: [1] } } };
    assert.deepEqual(decodeMessage(JSON.stringify(newer), from), { ok: true, value: message });
  });

  Deno.test(`decodeMessage: ${type} without any one of its fields is read or refused`, () => {
    const { message, from } = goodMessage(type);
    for (const holder of [message, message.payload] as Record<string, unknown>[]) {
      for (const key of Object.keys(holder)) {
        const kept = holder[key];
        delete holder[key];
        const code = codeOf(decodeMessage(JSON.stringify(message), from));
        holder[key] = kept;
        assert.ok(code === "ok" || code === "malformed", `${key}: ${code}`);
      }
    }
  });
}

Deno.test("decodeMessage: an error names the field, never its value", () => {
  const text = JSON.stringify(goodMessage("HELLO").message).replace('"agent"', '"s3cret-value"');
  const decoded = decodeMessage(text, "agent");
  assert.ok(!decoded.ok);
  assert.match(decoded.error.message, /HELLO payload\.role/);
  assert.doesNotMatch(JSON.stringify(decoded.error), /s3cret/);
});

Deno.test("decodeMessage: __proto__ in a payload changes no prototype", () => {
  const text = JSON.stringify(goodMessage("DESKTOP_TRANSPORT_FALLBACK").message)
    .replace('"evidence":{', '"evidence":{"__proto__":1,"constructor":2,');
  const decoded = decodeMessage(text, "console");
  if (decoded.ok) {
    assert.equal(Object.getPrototypeOf(decoded.value), Object.prototype);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test("decodeMessage: the largest description with its escapes fits an envelope", () => {
  const { message, from } = goodMessage("DESKTOP_WEBRTC_SIGNAL");
  const sdp = "a=\r\n".repeat(4096);
  const text = JSON.stringify({ ...message, payload: { kind: "offer", generation: 1, sdp } });
  assert.ok(text.length <= MAX_ENVELOPE_BYTES);
  assert.ok(decodeMessage(text, from).ok);
});

Deno.test("links need no number for messages that are not sent again", () => {
  assert.deepEqual([...UNSEQUENCED].sort(), ["DESKTOP_LIST", "HELLO", "PING", "PONG", "WELCOME"]);
});
