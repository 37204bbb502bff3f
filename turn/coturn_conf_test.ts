/** The sample keeps the rules of the threat table. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

const lines = (await readFile(new URL("coturn.conf", import.meta.url), "utf8"))
  .split("\n").map((l) => l.trim()).filter((l) => l !== "" && !l.startsWith("#"));

Deno.test("coturn.conf: authenticates by secret, never by OAuth, and has no back doors", () => {
  for (const line of ["use-auth-secret", "no-tcp-relay", "no-multicast-peers", "no-cli"]) {
    assert.ok(lines.includes(line), line);
  }
  for (const word of ["oauth", "no-auth", "allow-loopback-peers", "web-admin"]) {
    assert.ok(!lines.some((l) => l.startsWith(word)), word);
  }
});

Deno.test("coturn.conf: special-purpose ranges are denied, also as IPv4-mapped addresses", () => {
  const denied = lines.filter((l) => l.startsWith("denied-peer-ip=")).map((l) => l.slice(15));
  const toNumber = (ip: string) => ip.split(".").reduce((n, part) => n * 256 + Number(part), 0);
  const covers = (ip: string) =>
    denied.some((range) => {
      const [from, to] = range.split("-");
      return !from.includes(":") && toNumber(from) <= toNumber(ip) && toNumber(ip) <= toNumber(to);
    });
  for (
    const ip of [
      "0.0.0.0",
      "10.1.2.3",
      "100.100.0.1",
      "127.0.0.1",
      "169.254.169.254",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "198.18.0.1",
      "224.0.0.1",
      "255.255.255.255",
    ]
  ) assert.ok(covers(ip), ip);
  assert.ok(!covers("8.8.8.8"));
  assert.ok(denied.includes("::ffff:0.0.0.0-::ffff:255.255.255.255"));
  assert.ok(denied.includes("::-::1"));
});
