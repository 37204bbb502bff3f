import assert from "node:assert/strict";
import type { Rect } from "@farglass/protocol";
import { Picture } from "../../../tests/support/pictures.ts";
import { fuzzSeed } from "../../../tests/support/seed.ts";
import type { Frame, PictureConverter } from "../../core/ports.ts";
import { LibavPicture, openConverter } from "./converter.ts";

async function open(width: number, height: number): Promise<PictureConverter> {
  const opened = await openConverter({ width, height });
  assert.ok(opened.ok);
  return opened.value;
}

/** The planes' visible bytes, row by row. */
async function planes(converter: PictureConverter, frame: Frame): Promise<number[][]> {
  const picture = await converter.convert(frame);
  assert.ok(picture instanceof LibavPicture);
  const { data, linesize, width, height } = picture.frame;
  assert.ok(data !== null);
  return [0, 1, 2].map((i) => {
    const [columns, rows] = i === 0 ? [width, height] : [width / 2, height / 2];
    return Array.from({ length: rows }, (_, y) => [
      ...data[i].subarray(y * linesize[i], y * linesize[i] + columns),
    ]).flat();
  });
}

/** Numbers from 0 to 1; the same ones for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
    return state / 2 ** 32;
  };
}

/** Blocks of 8×8 in random colours: chroma has edges everywhere. */
function scatter(picture: Picture, random: () => number): Rect {
  const width = 1 + Math.floor(random() * picture.width / 2);
  const height = 1 + Math.floor(random() * picture.height / 2);
  const x = Math.floor(random() * (picture.width - width));
  const y = Math.floor(random() * (picture.height - height));
  for (let dy = 0; dy < height; dy += 8) {
    for (let dx = 0; dx < width; dx += 8) {
      const colour = [random() * 256, random() * 256, random() * 256];
      picture.fill(x + dx, y + dy, Math.min(8, width - dx), Math.min(8, height - dy), colour);
    }
  }
  return { x, y, width, height };
}

for (const [width, height] of [[640, 360], [1030, 614], [333, 201]]) {
  Deno.test(`convert: damaged parts at ${width}×${height} give what the whole picture gives`, async () => {
    const random = seededRandom(fuzzSeed("converter"));
    const picture = new Picture(width, height, 2);
    const converter = await open(width, height);
    await converter.convert(picture.frame(1, 0));
    for (let i = 0; i < 12; i++) {
      const damage = [scatter(picture, random)];
      if (i % 3 === 0) damage.push(scatter(picture, random));
      converter.damage(damage);
      const frame = { ...picture.frame(i + 2, i), damage };
      const parts = await planes(converter, frame);
      const fresh = await open(width, height);
      const whole = await planes(fresh, frame);
      fresh.close();
      assert.deepEqual(parts[0], whole[0]);
      for (const plane of [1, 2]) {
        // swscale rounds chroma by its place in the call.
        const worst = parts[plane].reduce(
          (most, v, at) => Math.max(most, Math.abs(v - whole[plane][at])),
          0,
        );
        assert.ok(worst <= 1, `plane ${plane} differs by ${worst}`);
      }
    }
    converter.close();
  });
}

Deno.test("convert: a frame that can be held is, until all of it has been read", async () => {
  const random = seededRandom(fuzzSeed("converter"));
  const picture = new Picture(1280, 720, 2);
  const [holding, copying] = [await open(1280, 720), await open(1280, 720)];
  let held = 0;
  let holds = 0;
  const hold = () => {
    held++;
    holds++;
    return () => held--;
  };
  for (let i = 1; i <= 6; i++) {
    const damage = [scatter(picture, random), scatter(picture, random)];
    const frame = picture.frame(i, i * 33);
    holding.damage(damage);
    copying.damage(damage);
    const before = holds;
    const converting = planes(holding, { ...frame, hold });
    assert.equal(held, holds - before);
    const found = await converting;
    assert.equal(held, 0);
    assert.deepEqual(found, await planes(copying, frame));
  }
  // The first picture is converted whole, and too large to be converted at once.
  assert.ok(holds > 0);
  holding.close();
  copying.close();
});

Deno.test("convert: luma is each pixel's by BT.601, chroma that of the mean of 2×2", async () => {
  const random = seededRandom(fuzzSeed("converter"));
  const picture = new Picture(256, 128, 2);
  for (let y = 0; y < 128; y++) {
    for (let x = 0; x < 256; x++) {
      picture.fill(x, y, 1, 1, [random() * 256, random() * 256, random() * 256]);
    }
  }
  const converter = await open(256, 128);
  const frame = picture.frame(1, 0);
  const [luma, cb, cr] = await planes(converter, frame);
  const pixel = (x: number, y: number) => {
    const at = y * frame.strideBytes + x * 4;
    return [...frame.pixels.subarray(at, at + 3)];
  };
  // ITU-R BT.601 in limited range, of blue, green and red.
  const of = (base: number, factors: readonly number[], bgr: readonly number[]) =>
    base + factors.reduce((sum, factor, i) => sum + factor * bgr[i] / 255, 0);
  const near = (found: number, wanted: number, where: string) =>
    assert.ok(Math.abs(found - wanted) < 2, `${where}: ${found} for ${wanted}`);
  for (let y = 0; y < 128; y++) {
    for (let x = 0; x < 256; x++) {
      near(luma[y * 256 + x], of(16, [24.966, 128.553, 65.481], pixel(x, y)), `luma ${x},${y}`);
      if (x % 2 === 1 || y % 2 === 1) continue;
      const four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
      const mean = [0, 1, 2].map((i) => four.reduce((sum, one) => sum + one[i] / 4, 0));
      const at = y / 2 * 128 + x / 2;
      near(cb[at], of(128, [112, -74.203, -37.797], mean), `Cb ${x},${y}`);
      near(cr[at], of(128, [-18.214, -93.786, 112], mean), `Cr ${x},${y}`);
    }
  }
  converter.close();
});

Deno.test("convert: a picture that is held keeps its pixels", async () => {
  const picture = new Picture(640, 360);
  const converter = await open(640, 360);
  const first = await converter.convert(picture.frame(1, 0));
  assert.ok(first instanceof LibavPicture);
  const held = first.frame.clone();
  assert.ok(held !== null);
  picture.fill(0, 0, 640, 360, [255, 255, 255]);
  converter.damage([{ x: 0, y: 0, width: 640, height: 360 }]);
  const white = await planes(converter, picture.frame(2, 33));
  assert.equal(white[0][0], 235);
  assert.equal(held.data?.[0][0], 16);
  held.free();
  converter.close();
});

Deno.test("convert: one at a time, and none after close", async () => {
  const converter = await open(64, 64);
  const frame = new Picture(64, 64).frame(1, 0);
  const first = converter.convert(frame);
  await assert.rejects(converter.convert(frame), /one frame at a time/);
  await first;
  converter.close();
  await assert.rejects(converter.convert(frame), /closed/);
});
