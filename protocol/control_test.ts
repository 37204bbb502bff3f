/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { BAD_CONTROL, CONTROL_CASES } from "../tests/support/control_cases.ts";
import { codeOf } from "../tests/support/codec_checks.ts";
import { controlMessageSchema, decodeControl } from "./control.ts";
import { MAX_CONTROL_MESSAGE_BYTES, MAX_ENVELOPE_BYTES } from "./limits.ts";
import { goodMessage } from "../tests/support/message_cases.ts";
import { decodeMessage } from "./messages.ts";

for (const message of CONTROL_CASES) {
  const text = JSON.stringify(message);
  Deno.test(`decodeControl: ${text.slice(0, 70)} → read as it was written`, () => {
    assert.deepEqual(decodeControl(text), { ok: true, value: message });
  });

  Deno.test(`VIEWER_CONTROL carries ${text.slice(0, 70)}`, () => {
    const envelope = JSON.stringify({ ...goodMessage("VIEWER_CONTROL").message, payload: message });
    assert.ok(envelope.length <= MAX_ENVELOPE_BYTES);
    const decoded = decodeMessage(envelope, "agent");
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value.payload, message);
  });
}

Deno.test("decodeControl: every operation has a case", () => {
  const known = controlMessageSchema.options.map((option) => option.entries.op);
  assert.equal(new Set(CONTROL_CASES.map(({ op }) => op)).size, known.length);
});

for (const { name, text, code } of BAD_CONTROL) {
  Deno.test(`decodeControl: ${name} → ${code}`, () => {
    assert.equal(codeOf(decodeControl(text)), code);
  });
}

Deno.test("decodeControl: the largest cursor fits", () => {
  const largest = CONTROL_CASES.filter(({ op }) => op === "cursor")
    .map((message) => JSON.stringify(message).length);
  assert.ok(Math.max(...largest) > 96 * 96 * 4);
  assert.ok(Math.max(...largest) <= MAX_CONTROL_MESSAGE_BYTES);
});

Deno.test("decodeControl: a pong with a reason of a later version still counts, without its facts", () => {
  const pong = { op: "pong", id: 1, at: 1, agentAt: 1, captured: 1, rtpFrames: 1, diffFrames: 1 };
  const patches = { rttMs: 1, queueMs: 1, linkKbps: null, windowBytes: 1, decisions: {} };
  const text = JSON.stringify({ ...pong, patches: { ...patches, reason: "patches-of-tomorrow" } });
  const decoded = decodeControl(text);
  assert.ok(decoded.ok);
  assert.deepEqual({ ...decoded.value, patches: "left out" }, { ...pong, patches: "left out" });
  assert.equal((decoded.value as { patches?: unknown }).patches, undefined);
});
