/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { HISTORY_PACKETS, RtpHistory } from "./rtp_history.ts";

const packet = (sequence: number) => ({
  sequence,
  payloadType: 96 + sequence % 2,
  timestamp: 1,
  marker: false,
  payload: Uint8Array.of(sequence & 0xff),
});

Deno.test("RtpHistory keeps the last packets over the wrap of the sequence", () => {
  const history = new RtpHistory();
  for (let i = 0; i < HISTORY_PACKETS + 10; i++) {
    const sequence = (65_000 + i) & 0xffff;
    history.add(sequence, packet(sequence));
  }
  assert.equal(history.take(65_009, 0), null);
  assert.equal(history.take(65_010, 0)?.sequence, 65_010);
  const last = (65_000 + HISTORY_PACKETS + 9) & 0xffff;
  assert.equal(history.take(last, 0)?.sequence, last);
  assert.equal(history.take(last + 1, 0), null);
});

Deno.test("RtpHistory gives a packet again only after a pause", () => {
  const history = new RtpHistory();
  history.add(7, packet(7));
  assert.ok(history.take(7, 100));
  assert.equal(history.take(7, 110), null);
  assert.ok(history.take(7, 120));
  assert.equal(history.take(7, 300, 200), null);
  assert.ok(history.take(7, 320, 200));
});

Deno.test("RtpHistory repeats a lost packet unless a later copy is under way", () => {
  const history = new RtpHistory();
  history.add(7, packet(7));
  history.left(7, 100);
  history.left(7, 105);
  assert.equal(history.takeLost(7, 100, 0), null);
  assert.equal(history.takeLost(7, 105, 0)?.sequence, 7);
  assert.equal(history.takeLost(7, 105, 1), null);
  // A NACK for the same loss comes a moment later.
  assert.equal(history.take(7, 10), null);
  history.left(7, 110);
  assert.equal(history.takeLost(7, 110, 30)?.sequence, 7);
});

Deno.test("RtpHistory outlasts a keyframe at the highest rate, and forgets what came before one", () => {
  // 50 Mb/s for one and a half 30ths of a second, in packets of 1150 bytes.
  assert.ok(HISTORY_PACKETS > 10 * 50_000_000 / 8 * 1.5 / 30 / 1150);
  const history = new RtpHistory();
  history.add(3, packet(3));
  assert.equal(history.last?.sequence, 3);
  history.clear();
  assert.equal(history.take(3, 0), null);
  assert.equal(history.last, null);
});

Deno.test("RtpHistory knows a large packet, until it is gone", () => {
  const history = new RtpHistory();
  const sized = (sequence: number, bytes: number) => ({
    ...packet(sequence),
    payload: new Uint8Array(bytes),
  });
  const largest = () => history.largest?.sequence ?? null;
  assert.equal(largest(), null);
  for (const [sequence, bytes] of [[1, 1_000], [2, 1_100], [3, 40]]) {
    history.add(sequence, sized(sequence, bytes));
  }
  assert.equal(largest(), 2);
  history.add(2 + HISTORY_PACKETS, sized(2 + HISTORY_PACKETS, 30));
  assert.equal(largest(), 2 + HISTORY_PACKETS);
  history.add(4, sized(4, 900));
  assert.equal(largest(), 4);
  history.clear();
  assert.equal(largest(), null);
});
