/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { ssim } from "./ssim.ts";

const picture = (level: (x: number, y: number) => number) => {
  const rgba = new Uint8Array(32 * 16 * 4).fill(255);
  for (let i = 0; i < 32 * 16; i++) rgba.fill(level(i % 32, i >> 5), i * 4, i * 4 + 3);
  return { width: 32, height: 16, rgba };
};

Deno.test("ssim: 1 for equal pictures, little for unlike ones, between for noise", () => {
  const ramp = picture((x, y) => x * 7 + y);
  const noisy = picture((x, y) => x * 7 + y + (x * 31 + y * 17) % 9);
  const stripes = picture((x) => x % 2 === 0 ? 0 : 255);
  const opposite = picture((x) => x % 2 === 0 ? 255 : 0);
  assert.equal(ssim(ramp, ramp), 1);
  assert.ok(ssim(stripes, opposite) < -0.9);
  const alike = ssim(ramp, noisy);
  assert.ok(alike > 0.8 && alike < 1, `${alike}`);
  assert.equal(ssim(ramp, { ...ramp, width: 16, height: 32 }), 0);
});
