/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { isForbiddenAddress, isLoopbackAddress, parseIp } from "./ip_address.ts";

const PARSED: readonly { text: string; groups: string | null }[] = [
  { text: "192.0.2.1", groups: "0:0:0:0:0:0:c000:201" },
  { text: "255.255.255.255", groups: "0:0:0:0:0:0:ffff:ffff" },
  { text: "::", groups: "0:0:0:0:0:0:0:0" },
  { text: "::1", groups: "0:0:0:0:0:0:0:1" },
  { text: "1::", groups: "1:0:0:0:0:0:0:0" },
  { text: "2001:DB8::8:800:200c:417a", groups: "2001:db8:0:0:8:800:200c:417a" },
  { text: "1:2:3:4:5:6:7:8", groups: "1:2:3:4:5:6:7:8" },
  { text: "1:2:3:4:5:6:7::", groups: "1:2:3:4:5:6:7:0" },
  { text: "::ffff:192.0.2.1", groups: "0:0:0:0:0:ffff:c000:201" },
  { text: "64:ff9b::192.0.2.1", groups: "64:ff9b:0:0:0:0:c000:201" },
  { text: "", groups: null },
  { text: "1.2.3", groups: null },
  { text: "1.2.3.4.5", groups: null },
  { text: "256.0.0.1", groups: null },
  { text: "01.2.3.4", groups: null },
  { text: "0x7f.0.0.1", groups: null },
  { text: "2130706433", groups: null },
  { text: ":", groups: null },
  { text: ":::", groups: null },
  { text: "1::2::3", groups: null },
  { text: "1:2:3:4:5:6:7", groups: null },
  { text: "1:2:3:4:5:6:7:8:9", groups: null },
  { text: "1:2:3:4:5:6:7:8::", groups: null },
  { text: "12345::", groups: null },
  { text: "::g", groups: null },
  { text: "fe80::1%eth0", groups: null },
  { text: "1.2.3.4::", groups: null },
  { text: "::1.2.3.4:5", groups: null },
  { text: "[::1]", groups: null },
];

for (const { text, groups } of PARSED) {
  Deno.test(`parseIp "${text}" → ${groups ?? "refused"}`, () => {
    const parsed = parseIp(text);
    const shown = parsed?.groups.map((group) => group.toString(16)).join(":") ?? null;
    assert.equal(shown, groups);
    assert.equal(parsed?.version ?? null, groups === null ? null : text.includes(":") ? 6 : 4);
  });
}

const RANGES: readonly { text: string; forbidden: boolean; loopback: boolean }[] = [
  { text: "192.168.1.5", forbidden: false, loopback: false },
  { text: "10.0.0.1", forbidden: false, loopback: false },
  { text: "203.0.113.9", forbidden: false, loopback: false },
  { text: "127.0.0.1", forbidden: false, loopback: true },
  { text: "127.255.255.254", forbidden: false, loopback: true },
  { text: "128.0.0.1", forbidden: false, loopback: false },
  { text: "0.0.0.0", forbidden: true, loopback: false },
  { text: "0.1.2.3", forbidden: true, loopback: false },
  { text: "169.253.255.255", forbidden: false, loopback: false },
  { text: "169.254.169.254", forbidden: true, loopback: false },
  { text: "169.255.0.1", forbidden: false, loopback: false },
  { text: "223.255.255.255", forbidden: false, loopback: false },
  { text: "224.0.0.1", forbidden: true, loopback: false },
  { text: "255.255.255.255", forbidden: true, loopback: false },
  { text: "2001:db8::1", forbidden: false, loopback: false },
  { text: "fd00::2", forbidden: false, loopback: false },
  { text: "::1", forbidden: false, loopback: true },
  { text: "0:0:0:0:0:0:0:1", forbidden: false, loopback: true },
  { text: "0000::0001", forbidden: false, loopback: true },
  { text: "::", forbidden: true, loopback: false },
  { text: "0:0::0", forbidden: true, loopback: false },
  { text: "::ffff:127.0.0.1", forbidden: true, loopback: false },
  { text: "0:0:0:0:0:ffff:7f00:1", forbidden: true, loopback: false },
  { text: "::127.0.0.1", forbidden: true, loopback: false },
  { text: "::7f00:1", forbidden: true, loopback: false },
  { text: "fe80::1", forbidden: true, loopback: false },
  { text: "febf::1", forbidden: true, loopback: false },
  { text: "fec0::1", forbidden: true, loopback: false },
  { text: "fe7f::1", forbidden: false, loopback: false },
  { text: "ff02::1", forbidden: true, loopback: false },
];

for (const { text, forbidden, loopback } of RANGES) {
  const words = forbidden ? "forbidden" : loopback ? "loopback" : "allowed";
  Deno.test(`address "${text}" is ${words}`, () => {
    const address = parseIp(text);
    assert.ok(address !== null);
    assert.equal(isForbiddenAddress(address), forbidden);
    assert.equal(isLoopbackAddress(address), loopback);
  });
}
