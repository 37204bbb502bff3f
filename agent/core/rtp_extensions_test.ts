/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  absCaptureTime,
  mid,
  playoutDelay,
  rtpTimestamp,
  transportWideCc,
} from "./rtp_extensions.ts";

Deno.test("playoutDelay packs two twelve-bit counts of 10 ms", () => {
  assert.deepEqual([...playoutDelay(0, 0)], [0, 0, 0]);
  assert.deepEqual([...playoutDelay(100, 400)], [0x00, 0xa0, 0x28]);
  assert.deepEqual([...playoutDelay(40_950, 40_950)], [0xff, 0xff, 0xff]);
  assert.deepEqual([...playoutDelay(-1, 1e9)], [0x00, 0x0f, 0xff]);
});

Deno.test("transportWideCc is big-endian", () => {
  assert.deepEqual([...transportWideCc(0x1234)], [0x12, 0x34]);
  assert.deepEqual([...transportWideCc(0xffff)], [0xff, 0xff]);
});

Deno.test("absCaptureTime is NTP in UQ32.32", () => {
  // 1970-01-01 is 2208988800 s in NTP (RFC 868); half a second is half of 2^32.
  assert.deepEqual([...absCaptureTime(500)], [0x83, 0xaa, 0x7e, 0x80, 0x80, 0, 0, 0]);
});

Deno.test("mid is ASCII", () => assert.deepEqual([...mid("0a")], [0x30, 0x61]));

Deno.test("rtpTimestamp runs at 90 kHz and wraps", () => {
  assert.equal(rtpTimestamp(1000, 5), 90_005);
  assert.equal(rtpTimestamp(1, 2 ** 32 - 1), 89);
  assert.equal(rtpTimestamp(1e12, 0), 1e12 * 90 % 2 ** 32);
});
