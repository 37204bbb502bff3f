/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { parseIp } from "@farglass/protocol";
import { clientAddress, isInRange, parseIpRange } from "./client_address.ts";

const rangesOf = (...texts: readonly string[]) =>
  texts.map((text) => {
    const range = parseIpRange(text);
    assert.ok(range !== null, text);
    return range;
  });

Deno.test("parseIpRange: addresses and prefixes of both versions, nothing else", () => {
  for (const text of ["", "proxy", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "::1/129", "1.2.3.4/8/8"]) {
    assert.equal(parseIpRange(text), null, text);
  }
  assert.equal(parseIpRange("192.0.2.7")?.bits, 32);
  assert.equal(parseIpRange("::1")?.bits, 128);
  assert.equal(parseIpRange("2001:db8::/32")?.bits, 32);
});

Deno.test("isInRange: to the bit, and never across versions", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.8", "192.0.2.7", false],
    ["192.0.2.255", "192.0.2.0/24", true],
    ["192.0.3.0", "192.0.2.0/24", false],
    ["192.0.2.127", "192.0.2.0/25", true],
    ["192.0.2.128", "192.0.2.0/25", false],
    ["203.0.113.9", "0.0.0.0/0", true],
    ["2001:db8:ffff::1", "2001:db8::/32", true],
    ["2001:db9::1", "2001:db8::/32", false],
    ["::1", "::1", true],
    ["::1", "0.0.0.1", false],
    ["0.0.0.1", "::/0", false],
  ];
  for (const [address, range, expected] of rows) {
    const parsed = parseIp(address);
    assert.ok(parsed !== null);
    assert.equal(isInRange(parsed, rangesOf(range)[0]), expected, `${address} in ${range}`);
  }
});

Deno.test("clientAddress: only what trusted proxies have written is believed", () => {
  const trusted = rangesOf("127.0.0.1", "192.0.2.0/24", "2001:db8::/32");
  const rows: readonly (readonly [string | undefined, string | undefined, string | undefined])[] = [
    // Nobody in between.
    ["203.0.113.9", undefined, "203.0.113.9"],
    // Not a proxy of ours: what it says of others is not believed.
    ["203.0.113.9", "198.51.100.1", "203.0.113.9"],
    ["127.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"],
    // A client that made up a header of its own: the proxy appended the truth.
    ["127.0.0.1", "10.0.0.1, 198.51.100.1", "198.51.100.1"],
    // Two proxies in a row.
    ["127.0.0.1", "198.51.100.1, 192.0.2.5", "198.51.100.1"],
    ["127.0.0.1", "192.0.2.4,192.0.2.5", "192.0.2.4"],
    // With ports, as some proxies write them.
    ["127.0.0.1", "198.51.100.1:50712", "198.51.100.1"],
    ["2001:db8::2", "[2001:db9::7]:443", "2001:db9::7"],
    ["127.0.0.1", "2001:db9::7", "2001:db9::7"],
    // Nothing that could be read: the proxy is all that is known.
    ["127.0.0.1", "unknown", "127.0.0.1"],
    ["127.0.0.1", "", "127.0.0.1"],
    ["127.0.0.1", undefined, "127.0.0.1"],
    ["127.0.0.1", `198.51.100.1${",".repeat(5_000)} 198.51.100.2`, "198.51.100.2"],
    [undefined, "198.51.100.1", undefined],
  ];
  for (const [peer, header, expected] of rows) {
    assert.equal(clientAddress(peer, header, trusted), expected, `${peer} ${header?.slice(0, 60)}`);
  }
  assert.equal(clientAddress("127.0.0.1", "198.51.100.1", []), "127.0.0.1");
});
