/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { redact } from "./redact.ts";

const HIDDEN = "[redacted]";

Deno.test("redact: what must never reach a log", () => {
  const rows: readonly (readonly [unknown, unknown])[] = [
    ["v=0\r\no=- 1 1 IN IP4 10.0.0.1", HIDDEN],
    ["candidate:1 1 udp 1 203.0.113.5 40000 typ host", HIDDEN],
    ["bad line a=ice-pwd:abc", HIDDEN],
    ["connect ECONNREFUSED 203.0.113.5:8080", `connect ECONNREFUSED ${HIDDEN}:8080`],
    ["peer 2001:db8:1:2:3:4:5:6 left", `peer ${HIDDEN} left`],
    ["peer fe80::1 left", `peer ${HIDDEN} left`],
    ["key 0123456789abcdef0123456789abcdef", `key ${HIDDEN}`],
    [{ secret: "x", Ticket: 7, credential: "y", sdp: "z", Cookie: "c", link: "l" }, {
      secret: HIDDEN,
      Ticket: HIDDEN,
      credential: HIDDEN,
      sdp: HIDDEN,
      Cookie: HIDDEN,
      link: HIDDEN,
    }],
    [{ deep: [{ password: "p" }, "127.0.0.1"] }, { deep: [{ password: HIDDEN }, HIDDEN] }],
  ];
  for (const [value, expected] of rows) assert.deepEqual(redact(value), expected);
});

Deno.test("redact: what a log is for stays", () => {
  for (
    const value of [
      "2026-01-02T03:04:05.678Z",
      "12:34:56",
      "0f4a4c9e-5d7a-4c1e-9f53-6f0e4f8f1a2b",
      "farglass 0.1.0",
      "connected",
      { sessionId: "s", traceId: "0af7651916cd43dd8448eb211c80319c" },
      { stage: "connected", elapsedMs: 12.5, retries: 0, candidatePair: null, ok: true },
    ]
  ) assert.deepEqual(redact(value), value);
});

Deno.test("redact: bounded in length and depth", () => {
  assert.equal((redact("word ".repeat(1000)) as string).length, 513);
  let deep: unknown = "end";
  for (let i = 0; i < 10; i++) deep = { deep };
  assert.ok(JSON.stringify(redact(deep)).includes(HIDDEN));
});
