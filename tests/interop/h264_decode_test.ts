/** What FFmpeg decodes after packetise and depacketise is what went into the encoder. */
import assert from "node:assert/strict";
import { packetize } from "../../agent/core/h264_packetizer.ts";
import { joinAnnexB } from "../../agent/core/nal_units.ts";
import { evenSide } from "../../agent/core/pixel_copy.ts";
import { decodeAnnexB, probeAnnexB } from "../support/ffmpeg.ts";
import { openTestEncoder } from "../support/libav.ts";
import { depacketize } from "../support/h264_depacketizer.ts";
import { BAR_COLOURS, colourAt, colourDistance, Picture, psnr } from "../support/pictures.ts";

const PAYLOAD_BYTES = 1160;

/** Encodes `count` pictures drawn by `draw` and takes them through RTP payloads. */
async function throughRtp(
  width: number,
  height: number,
  count: number,
  draw: (picture: Picture, index: number) => void,
): Promise<{ stream: Uint8Array; sent: Picture[] }> {
  const encoder = await openTestEncoder({ width, height, bitrateKbps: 20_000, maxFps: 30 });
  const picture = new Picture(width, height);
  const sent: Picture[] = [];
  const nals: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    draw(picture, i);
    const copy = new Picture(width, height);
    copy.pixels.set(picture.pixels);
    sent.push(copy);
    const encoded = await encoder.encode(picture.frame(i + 1, i * 33), i === 0 || i === 8);
    nals.push(...depacketize(packetize(encoded.units, PAYLOAD_BYTES)));
  }
  encoder.close();
  return { stream: joinAnnexB(nals), sent };
}

Deno.test("h264: bars and a moving box decode to what went in, above 35 dB", async () => {
  const { stream, sent } = await throughRtp(640, 480, 12, (picture, i) => {
    if (i === 0) picture.bars();
    picture.fill(0, 300, 640, 60, [20, 40, 60]);
    picture.fill(i * 40, 300, 60, 60, [240, 200, 40]);
  });
  const decoded = await decodeAnnexB(stream, 640, 480);
  assert.equal(decoded.length, sent.length);
  decoded.forEach((picture, i) => {
    const quality = psnr(picture, sent[i]);
    assert.ok(quality > 35, `picture ${i}: ${quality.toFixed(1)} dB`);
    BAR_COLOURS.forEach((rgb, bar) => {
      const seen = colourAt(picture, bar * 64 + 32, 100);
      assert.ok(colourDistance(seen, rgb) <= 4, `bar ${bar}: ${seen}`);
    });
  });
});

Deno.test("h264: a still screen of text sharpens above 38 dB within six pictures", async () => {
  const { stream, sent } = await throughRtp(640, 480, 7, (picture) => picture.text(0, 480, 7));
  const decoded = await decodeAnnexB(stream, 640, 480);
  const quality = psnr(decoded[6], sent[6]);
  assert.ok(quality > 38, `${quality.toFixed(1)} dB`);
});

Deno.test("h264: ffprobe sees constrained baseline, no B pictures, BT.601 limited, IDR where asked", async () => {
  const { stream } = await throughRtp(640, 480, 12, (picture, i) => {
    picture.fill(i * 20, 0, 100, 100, [i * 20, 100, 200]);
  });
  const { streams, frames } = await probeAnnexB(stream);
  assert.equal(streams.length, 1);
  const { profile, has_b_frames, color_range, color_space, color_transfer, color_primaries } =
    streams[0];
  assert.deepEqual(
    { profile, has_b_frames, color_range, color_space, color_transfer, color_primaries },
    {
      profile: "Constrained Baseline",
      has_b_frames: 0,
      color_range: "tv",
      color_space: "smpte170m",
      color_transfer: "bt709",
      color_primaries: "bt709",
    },
  );
  assert.equal(frames.map((frame) => frame.pict_type).join(""), "IPPPPPPPIPPP");
});

for (const [width, height] of [[641, 480], [640, 481], [321, 243]]) {
  Deno.test(`h264: ${width}x${height} is padded by its own edge`, async () => {
    const { stream, sent } = await throughRtp(width, height, 6, (picture) => picture.bars());
    const decoded = (await decodeAnnexB(stream, evenSide(width), evenSide(height))).at(-1);
    assert.ok(decoded !== undefined);
    const cropped = new Picture(width, height);
    for (let y = 0; y < height; y++) {
      const from = y * decoded.strideBytes;
      cropped.pixels.set(decoded.pixels.subarray(from, from + width * 4), y * cropped.strideBytes);
    }
    assert.ok(psnr(cropped, sent[5]) > 35);
    const corner = colourAt(decoded, decoded.width - 1, 10);
    assert.ok(colourDistance(corner, colourAt(sent[5], width - 1, 10)) <= 4, `corner ${corner}`);
  });
}
