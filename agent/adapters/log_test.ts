import assert from "node:assert/strict";
import { openLog, redact } from "./log.ts";

Deno.test("addresses, descriptions and secrets never reach the log", () => {
  const rows = [
    "connect to 192.0.2.17:443",
    "peer 2001:db8::17 failed",
    "peer fe80::1 failed",
    "candidate:1 1 udp 1 192.0.2.1 9 typ host",
    "a=ice-pwd:abcdefghijklmnop",
    "secret 0123456789abcdef0123456789abcdef0123456789abcdef",
    "1d3a2b64-0f4c-4c3f-8d1a-1f0f3d1c2b3a.local",
  ];
  for (const row of rows) {
    const clean = redact(row);
    assert.ok(clean.includes("[redacted]"), clean);
    assert.doesNotMatch(clean, /192\.0|2001:db8|fe80|ice-pwd|abcdef0123|\.local/);
  }
  const harmless = "Connected at 12:30:45, attempt 3: next in 0.2 s";
  assert.equal(redact(harmless), harmless);
});

Deno.test("plain and JSON lines", () => {
  const lines: string[] = [];
  openLog(true, (line) => lines.push(line))("warn", "Lost 192.0.2.1", { attempt: 2 });
  const { at, ...rest } = JSON.parse(lines[0]);
  assert.match(at, /^\d{4}-/);
  assert.deepEqual(rest, { level: "warn", part: "agent", text: "Lost [redacted]", attempt: 2 });
  openLog(false, (line) => lines.push(line))("info", "Ready", { port: 1 });
  assert.match(lines[1], /^\d\d:\d\d:\d\d agent Ready port=1\n$/);
});
