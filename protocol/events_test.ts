/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import * as v from "valibot";
import { ERROR_CODES } from "./errors.ts";
import {
  EVENT_ACTIONS,
  EVENT_CATALOGUE,
  eventReasonText,
  SECURITY_EVENTS,
  securityEventSchema,
} from "./events.ts";
import { fullEvent, SAMPLE_EVENTS } from "../tests/support/event_samples.ts";
import { REASON_CODES } from "./vocabulary.ts";

Deno.test("securityEventSchema: every action passes as it is, full and bare", () => {
  for (const event of SAMPLE_EVENTS) assert.deepEqual(v.parse(securityEventSchema, event), event);
  assert.equal(new Set(EVENT_ACTIONS).size, SECURITY_EVENTS.length);
});

Deno.test("securityEventSchema: what an event must not carry is dropped", () => {
  const event = fullEvent("desktop-webrtc-state");
  const more = { sdp: "v=0", candidate: "candidate:1", credential: "secret", token: "t" };
  const spoiled = { ...event, ...more, details: { ...event.details, ...more } };
  assert.deepEqual(v.parse(securityEventSchema, spoiled), event);
});

Deno.test("securityEventSchema: bad values have no place", () => {
  const good = fullEvent("session-ended");
  const rows: readonly Record<string, unknown>[] = [
    { id: "1" },
    { at: -1 },
    { action: "session-lost" },
    { outcome: "maybe" },
    { actor: { kind: "nobody" } },
    { reason: "because" },
    { traceId: "33333333-3333-4333-8333-333333333333" },
    { evidence: { address: "192.0.2.7" } },
    { details: {} },
    { node: undefined },
  ];
  for (const row of rows) {
    const result = v.safeParse(securityEventSchema, { ...good, ...row });
    assert.ok(!result.success, JSON.stringify(row));
  }
});

Deno.test("events: each action and reason has a plain sentence without a full stop", () => {
  const sentences = [
    ...EVENT_ACTIONS.map((a) => EVENT_CATALOGUE[a].text),
    ...REASON_CODES.map(eventReasonText),
    ...ERROR_CODES.map(eventReasonText),
  ];
  for (const sentence of sentences) assert.match(sentence, /^[A-Z].*[^.]$/);
});
