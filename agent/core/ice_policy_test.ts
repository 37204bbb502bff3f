/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { checkCandidate } from "@farglass/protocol";
import {
  acceptAddress,
  acceptRemoteCandidate,
  acceptSource,
  hostAddresses,
  type IcePolicy,
  iceTargets,
  MAX_HOST_ADDRESSES,
} from "./ice_policy.ts";

const open: IcePolicy = { loopbackOnly: false, loopbackToo: false, relayOnly: false };
const loopback: IcePolicy = { loopbackOnly: true, loopbackToo: false, relayOnly: false };
const relay: IcePolicy = { loopbackOnly: false, loopbackToo: false, relayOnly: true };
const both: IcePolicy = { loopbackOnly: false, loopbackToo: true, relayOnly: false };

Deno.test("hostAddresses: all but loopback, only loopback, or none", () => {
  const own = ["127.0.0.1", "::1", "192.0.2.4", "2001:db8::4"];
  assert.deepEqual(hostAddresses(own, open), ["192.0.2.4", "2001:db8::4"]);
  assert.deepEqual(hostAddresses(own, loopback), ["127.0.0.1"]);
  assert.deepEqual(hostAddresses(own, relay), []);
  assert.deepEqual(hostAddresses(own, both), ["127.0.0.1", "192.0.2.4", "2001:db8::4"]);
  const many = Array.from({ length: 40 }, (_, i) => `192.0.2.${i}`);
  assert.equal(hostAddresses(many, open).length, MAX_HOST_ADDRESSES);
});

Deno.test("acceptRemoteCandidate: loopback if and only if loopbackOnly, and never TCP", () => {
  const rows: [line: string, open: boolean, loopback: boolean][] = [
    ["candidate:1 1 udp 1 127.0.0.1 45999 typ host", false, true],
    ["candidate:1 1 udp 1 ::1 45999 typ host", false, true],
    ["candidate:1 1 udp 1 192.0.2.4 45999 typ host", true, false],
    ["candidate:1 1 udp 1 192.0.2.4 45999 typ relay raddr 0.0.0.0 rport 0", true, false],
    ["candidate:1 1 udp 1 0f4d1a2b-0000-4000-8000-000000000001.local 45999 typ host", true, false],
    ["candidate:1 1 tcp 1 192.0.2.4 9 typ host tcptype active", false, false],
    ["candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active", false, false],
  ];
  for (const [line, inOpen, inLoopback] of rows) {
    const checked = checkCandidate(line);
    assert.ok(checked.ok, line);
    assert.equal(acceptRemoteCandidate(checked.value, open), inOpen, line);
    assert.equal(acceptRemoteCandidate(checked.value, loopback), inLoopback, line);
  }
});

Deno.test("acceptAddress: loopback beside the others where server and agent share a machine", () => {
  assert.equal(acceptAddress("127.0.0.1", both), true);
  assert.equal(acceptAddress("192.0.2.4", both), true);
  assert.equal(acceptAddress("127.0.0.1", open), false);
  assert.equal(acceptAddress("192.0.2.4", loopback), false);
});

Deno.test("acceptSource", () => {
  assert.equal(acceptSource("192.0.2.4", open), true);
  assert.equal(acceptSource("192.0.2.4", loopback), false);
  assert.equal(acceptSource("127.0.0.1", loopback), true);
});

Deno.test("iceTargets: reads, orders and spreads servers", () => {
  const credentials = { username: "u", credential: "p" };
  const targets = iceTargets([
    {
      urls: ["turns:turn.example:5349?transport=tcp", "turn:turn.example:3478?transport=tcp"],
      ...credentials,
    },
    { urls: ["turn:turn.example", "turn:[2001:db8::4]:3479?transport=udp"], ...credentials },
    { urls: ["stun:stun.example:3000", "stun:other.example"] },
  ], open);
  assert.deepEqual(targets.stun, { host: "stun.example", port: 3000 });
  assert.deepEqual(targets.turn.map((t) => [t.transport, t.host, t.port]), [
    ["udp", "turn.example", 3478],
    ["tcp", "turn.example", 3478],
    ["tls", "turn.example", 5349],
  ]);
});

Deno.test("iceTargets: what cannot be used is left out", () => {
  for (
    const url of [
      "",
      "http://x",
      "turn:",
      "turn:x:99999",
      "turn:x:0",
      "turn:x?transport=sctp",
      "turn:a b",
      "turns:x?transport=udp",
      "stuns:x",
    ]
  ) {
    assert.deepEqual(iceTargets([{ urls: [url], username: "u", credential: "p" }], open), {
      stun: null,
      turn: [],
    }, url);
  }
  assert.deepEqual(iceTargets([{ urls: ["turn:x"] }], open).turn, []);
  assert.equal(iceTargets([{ urls: ["stun:x"] }], relay).stun, null);
  assert.equal(iceTargets([{ urls: ["stun:192.0.2.4"] }], loopback).stun, null);
});
