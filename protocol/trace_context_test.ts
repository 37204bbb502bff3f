import assert from "node:assert/strict";
import { decodeMessage } from "./messages.ts";
import { formatTraceparent, parseTraceparent } from "./trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

/** From the specification's sections 3.2 and 4.3, and what breaks each rule. */
const CASES: readonly (readonly [text: string, sampled: boolean | null])[] = [
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  [`00-${TRACE}-${SPAN}-03`, true],
  [`00-${TRACE}-${SPAN}-ff`, true],
  [`00-${TRACE}-${SPAN}-02`, false],
  [`cc-${TRACE}-${SPAN}-01`, true],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, true],
  [`cc-${TRACE}-${SPAN}-01.what-the-future-will-not-be-like`, null],
  [`00-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, null],
  [`00-${TRACE}-${SPAN}-01-`, null],
  [`ff-${TRACE}-${SPAN}-01`, null],
  [`00-${"0".repeat(32)}-${SPAN}-01`, null],
  [`00-${TRACE}-${"0".repeat(16)}-01`, null],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, null],
  [`00-${TRACE}-${SPAN.toUpperCase()}-01`, null],
  [`0-${TRACE}-${SPAN}-01`, null],
  [`00-${TRACE.slice(1)}-${SPAN}-01`, null],
  [`00-${TRACE}-${SPAN}0-01`, null],
  [`00-${TRACE}-${SPAN}-1`, null],
  [`00-${TRACE}-${SPAN}`, null],
  [` 00-${TRACE}-${SPAN}-01`, null],
  [`00-${TRACE}-${SPAN}-01\n`, null],
  [`00_${TRACE}-${SPAN}-01`, null],
  [`cc-${TRACE}-${SPAN}-01-${"x".repeat(300)}`, null],
  ["", null],
];

for (const [text, sampled] of CASES) {
  Deno.test(`parseTraceparent: ${JSON.stringify(text.slice(0, 80))} → ${sampled ?? "none"}`, () => {
    const expected = sampled === null ? null : { traceId: TRACE, spanId: SPAN, sampled };
    assert.deepEqual(parseTraceparent(text), expected);
    const message = { type: "PING", seq: 1, ack: 0, ts: 0, traceparent: text, payload: {} };
    const decoded = decodeMessage(JSON.stringify(message), "console");
    if (!decoded.ok) throw new Error("A traceparent must never cost the message");
    assert.equal(decoded.value.traceparent, sampled === null ? undefined : text);
  });
}

Deno.test("formatTraceparent: round trip", () => {
  for (const sampled of [true, false]) {
    const context = { traceId: TRACE, spanId: SPAN, sampled };
    assert.deepEqual(parseTraceparent(formatTraceparent(context)), context);
  }
});

for (const traceparent of [1, null, {}, [], true]) {
  Deno.test(`an envelope's traceparent that is ${JSON.stringify(traceparent)} is ignored`, () => {
    const message = { type: "PING", seq: 1, ack: 0, ts: 0, traceparent, payload: {} };
    const decoded = decodeMessage(JSON.stringify(message), "console");
    assert.ok(decoded.ok);
    assert.equal(decoded.value.traceparent, undefined);
  });
}
