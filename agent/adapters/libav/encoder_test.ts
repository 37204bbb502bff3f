import assert from "node:assert/strict";
import { openTestEncoder, type TestEncoder } from "../../../tests/support/libav.ts";
import { Picture } from "../../../tests/support/pictures.ts";
import { NAL, nalType } from "../../core/nal_units.ts";
import { openConverter } from "./converter.ts";
import { openLibavEncoder } from "./encoder.ts";
import { probeSoftware } from "./probe.ts";

const open = (width: number, height: number): Promise<TestEncoder> =>
  openTestEncoder({ width, height, bitrateKbps: 4000, maxFps: 30 });

function picture(width: number, height: number): Picture {
  const drawn = new Picture(width, height);
  drawn.bars();
  return drawn;
}

Deno.test("probeSoftware: libx264 and libvpx work, with sane bounds", async () => {
  const results = await probeSoftware();
  assert.deepEqual(results.map(({ name }) => name), ["libx264", "libvpx"]);
  for (const result of results) {
    assert.ok(result.works);
    const { minBitrateKbps, defaultBitrateKbps, maxBitrateKbps } = result.caps;
    assert.ok(minBitrateKbps < defaultBitrateKbps && defaultBitrateKbps < maxBitrateKbps);
  }
});

Deno.test("openLibavEncoder: an impossible size and an unknown name are coded errors", async () => {
  const knobs = { bitrateKbps: 1, maxFps: 30, quality: "balanced" } as const;
  for (const [encoder, side] of [["libx264", 0], ["libx263", 64]] as const) {
    const opened = await openLibavEncoder({ encoder, width: side, height: side, ...knobs });
    assert.ok(!opened.ok);
    assert.equal(opened.error.code, "encoder-failed");
  }
});

Deno.test("encode: the first picture is an IDR with its parameter sets, and so is each asked for", async () => {
  const encoder = await open(320, 240);
  const drawn = picture(320, 240);
  const kinds: string[] = [];
  for (let i = 0; i < 6; i++) {
    drawn.fill(i * 10, 130, 40, 40, [200, i * 30, 0]);
    const encoded = await encoder.encode(drawn.frame(i + 1, i * 33), i === 3);
    const types = encoded.units.map(nalType);
    if (encoded.keyframe) {
      for (const type of [NAL.sps, NAL.pps, NAL.idr]) assert.ok(types.includes(type));
    } else assert.ok(types.every((type) => type === NAL.slice));
    assert.equal(encoded.capturedAtMs, i * 33);
    kinds.push(encoded.keyframe ? "I" : "P");
  }
  assert.equal(kinds.join(""), "IPPIPP");
  encoder.close();
});

Deno.test("encode: the SPS says constrained baseline", async () => {
  const encoder = await open(320, 240);
  const encoded = await encoder.encode(picture(320, 240).frame(1, 0), false);
  const sps = encoded.units.find((nal) => nalType(nal) === NAL.sps);
  assert.ok(sps !== undefined);
  assert.equal(sps[1], 66);
  // constraint_set0_flag and constraint_set1_flag (H.264 section A.2.1.1).
  assert.equal(sps[2] & 0xc0, 0xc0);
  encoder.close();
});

Deno.test("encode: a clock that stands still or jumps back still gives a picture each time", async () => {
  const encoder = await open(64, 64);
  const drawn = picture(64, 64);
  for (const at of [5, 5, 4, 1000, 999]) {
    assert.ok((await encoder.encode(drawn.frame(1, at), false)).units.length > 0);
  }
  encoder.close();
});

Deno.test("encode: a picture of another size, a second one at a time and a closed encoder reject", async () => {
  const { encoder, encode, close } = await open(64, 64);
  const other = await openConverter({ width: 66, height: 64 });
  assert.ok(other.ok);
  const wide = await other.value.convert(picture(66, 64).frame(1, 0));
  await assert.rejects(encoder.encode(wide, false), /66x64/);
  other.value.close();
  const own = await openConverter({ width: 64, height: 64 });
  assert.ok(own.ok);
  const fits = await own.value.convert(picture(64, 64).frame(1, 0));
  const first = encoder.encode(fits, false);
  await assert.rejects(encoder.encode(fits, false), /one frame at a time/);
  await first;
  const last = await own.value.convert(picture(64, 64).frame(3, 66));
  encoder.close();
  encoder.close();
  await assert.rejects(encoder.encode(last, false), /closed/);
  own.value.close();
  close();
  await assert.rejects(encode(picture(64, 64).frame(4, 99), false), /closed/);
});

Deno.test("close during encode waits for the picture under way", async () => {
  const { encoder, close } = await open(640, 480);
  const converter = await openConverter({ width: 640, height: 480 });
  assert.ok(converter.ok);
  const encoding = encoder.encode(
    await converter.value.convert(picture(640, 480).frame(1, 0)),
    false,
  );
  encoder.close();
  converter.value.close();
  assert.ok((await encoding).keyframe);
  close();
});

Deno.test("encode: odd sizes and padded rows", async () => {
  for (const [width, height] of [[65, 64], [64, 65], [67, 33]]) {
    const encoder = await open(width, height);
    const padded = new Picture(width, height, 3);
    padded.bars();
    assert.ok((await encoder.encode(padded.frame(1, 0), false)).keyframe);
    encoder.close();
  }
});

Deno.test("setRate: libx264 follows from the next picture on, up and down, without a keyframe", async () => {
  const [width, height, fps] = [640, 480, 30];
  const encoder = await open(width, height);
  const noise = seededNoise(7);
  let at = 0;
  let keyframes = 0;
  const measure = async (pictures: number, maxFps: number): Promise<number> => {
    let bytes = 0;
    for (let i = 0; i < pictures; i++) {
      at += 1000 / maxFps;
      const drawn = new Picture(width, height);
      noise(drawn.frame(1, 0).pixels);
      const encoded = await encoder.encode(drawn.frame(1, at), false);
      bytes += encoded.units.reduce((sum, nal) => sum + nal.length, 0);
      if (encoded.keyframe) keyframes++;
    }
    return bytes * 8 * maxFps / pictures / 1000;
  };
  await measure(15, fps);
  for (const [bitrateKbps, maxFps] of [[1_000, 30], [4_000, 30], [1_000, 10], [2_000, 15]]) {
    encoder.setRate({ bitrateKbps, maxFps, quality: "balanced" });
    await measure(5, maxFps);
    const kbps = await measure(20, maxFps);
    // Noise cannot be coded well at any rate, so the bound is what decides.
    assert.ok(kbps > bitrateKbps * 0.3 && kbps < bitrateKbps * 1.25, `${kbps} for ${bitrateKbps}`);
  }
  assert.equal(keyframes, 1);
  encoder.close();
});

const openVp8 = (width: number, height: number, bitrateKbps: number): Promise<TestEncoder> =>
  openTestEncoder({ width, height, bitrateKbps, maxFps: 30, encoder: "libvpx" });

Deno.test("libvpx: a keyframe first and where one is asked for, each picture one unit", async () => {
  const encoder = await openVp8(320, 240, 4_000);
  const drawn = picture(320, 240);
  const kinds: string[] = [];
  for (let i = 0; i < 6; i++) {
    drawn.fill(i * 10, 130, 40, 40, [200, i * 30, 0]);
    const encoded = await encoder.encode(drawn.frame(i + 1, i * 33), i === 3);
    assert.equal(encoded.codec, "vp8");
    assert.equal(encoded.units.length, 1);
    kinds.push(encoded.keyframe ? "I" : "P");
  }
  assert.equal(kinds.join(""), "IPPIPP");
  encoder.close();
});

Deno.test("libvpx: setRate holds from the next pictures on, up and down, without a keyframe", async () => {
  const [width, height] = [640, 480];
  const encoder = await openVp8(width, height, 2_000);
  let index = 0;
  let keyframes = 0;
  const measure = async (pictures: number, maxFps: number): Promise<number> => {
    let bytes = 0;
    for (let i = 0; i < pictures; i++, index++) {
      const drawn = picture(width, height);
      drawn.fill(index * 9 % 400, index * 7 % 360, 240, 120, [index * 31 % 256, 90, 200]);
      drawn.text(index * 7 % 400, index * 7 % 400 + 60, index);
      const encoded = await encoder.encode(drawn.frame(index + 1, index * 33), false);
      bytes += encoded.units[0].length;
      if (encoded.keyframe) keyframes++;
    }
    return bytes * 8 * maxFps / pictures / 1000;
  };
  const seen: number[] = [];
  for (const [bitrateKbps, maxFps] of [[2_000, 30], [1_000, 30], [4_000, 30], [1_000, 10]]) {
    encoder.setRate({ bitrateKbps, maxFps, quality: "balanced" });
    await measure(20, maxFps);
    seen.push(await measure(40, maxFps));
  }
  const [usual, low, high, slow] = seen;
  assert.ok(low < 1_500 && low < usual * 0.75, `${seen}`);
  assert.ok(high > usual && slow < 1_500, `${seen}`);
  assert.equal(keyframes, 1);
  encoder.close();
});

Deno.test("libvpx: another quality needs another encoder, and a young one is kept", async () => {
  const encoder = await openVp8(64, 64, 1_000);
  const drawn = picture(64, 64);
  await encoder.encode(drawn.frame(1, 0), false);
  encoder.setRate({ bitrateKbps: 1_000, maxFps: 30, quality: "sharp" });
  assert.equal((await encoder.encode(drawn.frame(2, 33), false)).keyframe, false);
  encoder.close();
});

/** Fills pixels with blocks of 8 px in random colours; the same ones for the same seed. */
function seededNoise(seed: number): (pixels: Uint8Array) => void {
  let state = seed;
  return (pixels) => {
    for (let i = 0; i < pixels.length; i += 32) {
      state = (state * 1_664_525 + 1_013_904_223) >>> 0;
      pixels.fill(state >>> 24, i, i + 32);
    }
  };
}
