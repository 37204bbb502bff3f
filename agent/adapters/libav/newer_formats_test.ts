/** AV1 and H.265: what encoders make, cut into packets and put together again, is decoded. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { VideoCodec } from "@farglass/protocol";
import { depacketizeAv1 } from "../../../tests/support/av1_depacketizer.ts";
import { depacketizeH265 } from "../../../tests/support/h265_depacketizer.ts";
import { openTestEncoder } from "../../../tests/support/libav.ts";
import { Picture } from "../../../tests/support/pictures.ts";
import { packetizeAv1 } from "../../core/av1_packetizer.ts";
import { packetizeH265 } from "../../core/h265_packetizer.ts";
import type { EncodedFrame } from "../../core/ports.ts";
import { joinUnits } from "./bitstream.ts";
import { ENCODERS } from "./catalogue.ts";
import { loadLibav } from "./load.ts";
import { probeSoftware } from "./probe.ts";

const PICTURES = 12;
const SIZE = { width: 320, height: 240 };

/** One picture through RTP and back. */
function throughRtp({ codec, units, keyframe }: EncodedFrame, limit: number): Uint8Array[] {
  if (codec === "h265") return depacketizeH265(packetizeH265(units, limit));
  const { obus, newSequence } = depacketizeAv1(packetizeAv1(units, limit));
  assert.equal(newSequence, keyframe);
  return obus;
}

/** Hashes of the pictures that FFmpeg's program decodes a stream to. */
function decode(stream: Uint8Array, format: "obu" | "hevc"): string[] {
  const args = ["-v", "error", "-f", format, "-i", "-", "-f", "framemd5", "-"];
  const ended = spawnSync("ffmpeg", args, { input: stream, encoding: "utf8" });
  assert.equal(ended.stderr, "");
  return ended.stdout.split("\n").flatMap((line) =>
    /^\d/.test(line) ? [line.split(",").at(-1)?.trim() ?? ""] : []
  );
}

const concat = (parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

const ENCODED: readonly (readonly [encoder: string, codec: VideoCodec, format: "obu" | "hevc"])[] =
  [
    ["libsvtav1", "av1", "obu"],
    ["libx265", "h265", "hevc"],
  ];
for (const [encoder, codec, format] of ENCODED) {
  Deno.test(`${encoder}: keyframes where they are asked for, and through packets the same pictures`, async () => {
    const opened = await openTestEncoder({ ...SIZE, bitrateKbps: 3_000, maxFps: 30, encoder });
    const drawn = new Picture(SIZE.width, SIZE.height);
    drawn.bars();
    const direct: Uint8Array[] = [];
    const sent: Uint8Array[] = [];
    let kinds = "";
    for (let i = 0; i < PICTURES; i++) {
      drawn.fill(i * 10, 130, 40, 40, [200, i * 20, 0]);
      drawn.text(40 + i * 7, 60, i);
      const frame = await opened.encode(drawn.frame(i + 1, i * 33), i === 5);
      assert.equal(frame.codec, codec);
      kinds += frame.keyframe ? "I" : "P";
      direct.push(joinUnits(frame));
      // Each picture at another size of packets.
      sent.push(joinUnits({ codec, units: throughRtp(frame, 40 + i * 101) }));
    }
    opened.close();
    assert.equal(kinds, "IPPPPIPPPPPP");
    const hashes = decode(concat(sent), format);
    assert.equal(hashes.length, PICTURES);
    assert.equal(new Set(hashes).size, PICTURES);
    assert.deepEqual(hashes, decode(concat(direct), format));
    // And from the second keyframe on.
    assert.deepEqual(decode(concat(sent.slice(5)), format), hashes.slice(5));
  });
}

Deno.test("probeSoftware tries the costly encoders only when the owner names one", async () => {
  for (const [name] of ENCODED) {
    const results = await probeSoftware(name);
    assert.deepEqual(results.map((one) => [one.name, one.works]), [
      ["libx264", true],
      ["libvpx", true],
      [name, true],
    ]);
  }
});

Deno.test("libsvtav1: the rate it is opened with holds", async () => {
  const rates: number[] = [];
  for (const bitrateKbps of [500, 2_000]) {
    const opened = await openTestEncoder({
      ...SIZE,
      bitrateKbps,
      maxFps: 30,
      encoder: "libsvtav1",
    });
    let bytes = 0;
    for (let i = 0; i < 60; i++) {
      const drawn = new Picture(SIZE.width, SIZE.height);
      for (let n = 0; n < 60; n++) {
        const at = (i * 60 + n) * 7_919;
        drawn.fill(at % 300, at % 220, 20, 20, [at % 256, at * 3 % 256, at * 7 % 256]);
      }
      const { units } = await opened.encode(drawn.frame(i + 1, i * 33), false);
      if (i >= 20) bytes += units.reduce((sum, { length }) => sum + length, 0);
    }
    opened.close();
    rates.push(bytes * 8 * 30 / 40 / 1_000);
  }
  const [low, high] = rates;
  assert.ok(low < 500 * 1.5 && high > low * 1.5 && high < 2_000 * 1.5, `${rates}`);
});

Deno.test("every encoder of this FFmpeg build takes what the catalogue tells it", async () => {
  const loaded = await loadLibav();
  assert.ok(loaded.ok);
  const { av, k } = loaded.value;
  let taken = 0;
  for (const { caps: { name }, options } of ENCODERS) {
    // deno-lint-ignore no-explicit-any -- node-av's type lists the names of one platform's build.
    const codec = av.Codec.findEncoderByName(name as any);
    if (codec === null) continue;
    using context = new av.CodecContext();
    context.allocContext3(codec);
    for (const quality of ["sharp", "smooth"] as const) {
      for (const [key, value] of Object.entries(options(quality))) {
        const code = context.setOption(key, value, k.AV_OPT_TYPE_STRING, k.AV_OPT_SEARCH_CHILDREN);
        assert.ok(code >= 0, `${name}: ${key}=${value}`);
      }
    }
    taken++;
  }
  assert.ok(taken >= 4);
});
