/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { isHostAllowed, isOriginAllowed, originPolicy, parseOrigin } from "./origins.ts";

Deno.test("parseOrigin", () => {
  const rows: readonly (readonly [string, string | null])[] = [
    ["https://Desk.Example.com", "https://desk.example.com"],
    ["https://desk.example.com/", "https://desk.example.com"],
    ["https://desk.example.com:443", "https://desk.example.com"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://[::1]:8080", "http://[::1]:8080"],
    ["https://desk.example.com/path", null],
    ["https://user@desk.example.com", null],
    ["ftp://desk.example.com", null],
    ["null", null],
    ["", null],
  ];
  for (const [text, origin] of rows) assert.equal(parseOrigin(text)?.origin ?? null, origin, text);
});

Deno.test("originPolicy: the server's own names and what it is told, exactly", () => {
  const policy = originPolicy({
    host: "127.0.0.1",
    port: 8080,
    publicUrl: "https://desk.example.com",
    allowedOrigins: ["https://other.example.com:8443"],
  });
  const rows: readonly (readonly [string | null, boolean])[] = [
    ["http://127.0.0.1:8080", true],
    ["http://localhost:8080", true],
    ["http://[::1]:8080", true],
    ["https://desk.example.com", true],
    ["https://other.example.com:8443", true],
    ["https://other.example.com", false],
    ["http://desk.example.com", false],
    ["http://127.0.0.1", false],
    ["http://127.0.0.1:80800", false],
    ["https://desk.example.com.evil.example", false],
    ["https://evil.example/https://desk.example.com", false],
    ["null", false],
    [null, false],
  ];
  for (const [origin, allowed] of rows) {
    assert.equal(isOriginAllowed(policy, origin), allowed, String(origin));
  }
  assert.ok(isHostAllowed(policy, "desk.example.com"));
  assert.ok(isHostAllowed(policy, "LOCALHOST:8080"));
  assert.ok(!isHostAllowed(policy, "evil.example:8080"));
  assert.ok(!isHostAllowed(policy, null));
});

Deno.test("originPolicy: a public address does not go by loopback names", () => {
  const options = { port: 8080, publicUrl: "", allowedOrigins: [] };
  const policy = originPolicy({ host: "desk.example.com", ...options });
  assert.deepEqual([...policy.hosts], ["desk.example.com:8080"]);
  const everywhere = originPolicy({ host: "0.0.0.0", ...options });
  assert.ok(isHostAllowed(everywhere, "127.0.0.1:8080"));
});
