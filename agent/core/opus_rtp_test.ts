/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { OpusPacketizer } from "./opus_rtp.ts";
import { SOUND_FRAME_SAMPLES } from "./ports.ts";

const SOUND = Uint8Array.of(0xf4, 1, 2, 3);
const SILENCE = Uint8Array.of(0xf4);

/** What becomes of frames: `T` a packet of sound with the marker, `t` without, `s` silence, `-` none. */
function letters(frames: string, packetizer = new OpusPacketizer(0)): string {
  return [...frames].map((kind, i) => {
    const packet = packetizer.packet({
      data: kind === "t" ? SOUND : SILENCE,
      position: i * SOUND_FRAME_SAMPLES,
      capturedAtMs: 0,
    });
    if (packet === null) return "-";
    assert.equal(packet.timestamp, i * SOUND_FRAME_SAMPLES);
    if (packet.payload === SILENCE) return "s";
    return packet.marker ? "T" : "t";
  }).join("");
}

Deno.test("OpusPacketizer marks the first packet after silence and leaves silence out", () => {
  assert.equal(letters("ttt"), "Ttt");
  assert.equal(letters("ttssstts"), "Tts--Tts");
  const second = letters("t" + "s".repeat(100) + "t");
  assert.equal(second.replaceAll("-", ""), "TsssT");
  assert.equal(second.indexOf("s", 2), 41);
});

Deno.test("OpusPacketizer: times wrap at 32 bits, and reach before the first sample", () => {
  const packetizer = new OpusPacketizer(2 ** 32 - 480);
  const at = (position: number) =>
    packetizer.packet({ data: SOUND, position, capturedAtMs: 0 })?.timestamp;
  assert.equal(at(0), 2 ** 32 - 480);
  assert.equal(at(480), 0);
  assert.equal(at(2 ** 33 + 960), 480);
  assert.equal(new OpusPacketizer(10).timeOf(-20), 2 ** 32 - 10);
});
