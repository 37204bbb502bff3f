/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { OpusPacketizer } from "./opus_rtp.ts";
import { SOUND_FRAME_SAMPLES } from "./ports.ts";

const data = Uint8Array.of(0xf4, 1, 2, 3);

Deno.test("OpusPacketizer marks the first packet and each one after silence", () => {
  const packetizer = new OpusPacketizer(7);
  const frames = [0, 1, 2, 30, 31, 100];
  const packets = frames.map((frame) =>
    packetizer.packet({ data, position: frame * SOUND_FRAME_SAMPLES, capturedAtMs: 0 })
  );
  assert.deepEqual(packets.map(({ marker }) => marker), [true, false, false, true, false, true]);
  assert.deepEqual(
    packets.map(({ timestamp }) => timestamp),
    frames.map((frame) => 7 + frame * SOUND_FRAME_SAMPLES),
  );
});

Deno.test("OpusPacketizer: times wrap at 32 bits, and reach before the first sample", () => {
  const packetizer = new OpusPacketizer(2 ** 32 - 480);
  assert.equal(packetizer.timeOf(0), 2 ** 32 - 480);
  assert.equal(packetizer.timeOf(480), 0);
  assert.equal(packetizer.timeOf(2 ** 33 + 960), 480);
  assert.equal(new OpusPacketizer(10).timeOf(-20), 2 ** 32 - 10);
});
