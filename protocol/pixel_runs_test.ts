/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { BAD_RUNS, bytesOf, hexOf, RUNS_CASES } from "../tests/support/codec_cases.ts";
import { patchPixels, type Rect } from "./diff_codec.ts";
import { packRuns, unpackRuns } from "./pixel_runs.ts";

/** Room that is always enough. */
const roomFor = (patches: readonly Rect[]) => new Uint8Array(patchPixels(patches) * 4 + 16);

function packed(words: Uint32Array, patches: readonly Rect[]): Uint8Array {
  const out = roomFor(patches);
  const length = packRuns(words, patches, out);
  assert.ok(length !== null);
  return out.subarray(0, length);
}

for (const { name, patches, words, hex } of RUNS_CASES) {
  Deno.test(`runs: ${name}: pack`, () => {
    assert.equal(hexOf(packed(Uint32Array.from(words), patches)), hexOf(bytesOf(hex)));
  });
  Deno.test(`runs: ${name}: unpack`, () => {
    const out = new Uint32Array(words.length).fill(0xabcdef);
    assert.equal(unpackRuns(bytesOf(hex), patches, out), true);
    assert.deepEqual([...out], words);
  });
}
for (const { name, patches, hex } of BAD_RUNS) {
  Deno.test(`runs: ${name} is refused`, () => {
    assert.equal(unpackRuns(bytesOf(hex), patches, new Uint32Array(patchPixels(patches))), false);
  });
}

/** Patches full of repetition, as screens are, and of chance. */
const pictures = fc.record({
  sizes: fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 12 })), {
    maxLength: 5,
  }),
  colours: fc.array(fc.nat(0xffffff), { minLength: 1, maxLength: 90 }),
  choices: fc.array(fc.nat(), { minLength: 1, maxLength: 200 }),
  rowRepeats: fc.integer({ min: 1, max: 4 }),
}).map(({ sizes, colours, choices, rowRepeats }) => {
  const patches = sizes.map(([width, height]) => ({ x: 0, y: 0, width, height }));
  const words: number[] = [];
  for (const { width, height } of patches) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const row = y - y % rowRepeats;
        words.push(colours[choices[(row * 31 + (x >> 2)) % choices.length] % colours.length]);
      }
    }
  }
  return { patches, words: Uint32Array.from(words) };
});

Deno.test("runs: what was packed is unpacked to the same pixels, in the room of raw ones", () => {
  fc.assert(fc.property(pictures, ({ patches, words }) => {
    const out = new Uint32Array(words.length).fill(0xabcdef);
    assert.equal(unpackRuns(packed(words, patches), patches, out), true);
    assert.deepEqual(out, words);
  }));
});

Deno.test("runs: the fourth byte of a pixel is not told", () => {
  fc.assert(fc.property(pictures, fc.nat(0xff), ({ patches, words }, noise) => {
    const noisy = words.map((word, i) => word | Math.imul(i, noise) << 24);
    const out = new Uint32Array(words.length);
    assert.equal(unpackRuns(packed(noisy, patches), patches, out), true);
    assert.deepEqual(out, words);
  }));
});

Deno.test("runs: any room is kept to, and enough of it is used", () => {
  fc.assert(fc.property(pictures, fc.nat(4_000), ({ patches, words }, roomBytes) => {
    const out = new Uint8Array(roomBytes);
    const length = packRuns(words, patches, out);
    if (length === null) assert.ok(packed(words, patches).length + 16 > roomBytes);
    else assert.deepEqual(out.subarray(0, length), packed(words, patches));
  }));
});

Deno.test("runs: fuzz: any bytes are unpacked within the room or refused", () => {
  const patches = [{ x: 0, y: 0, width: 40, height: 3 }, { x: 0, y: 0, width: 7, height: 9 }];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const guarded = new Uint32Array(patchPixels(patches) + 2).fill(7);
      const out = guarded.subarray(1, guarded.length - 1);
      if (unpackRuns(bytes, patches, out)) {
        const again = new Uint32Array(out.length);
        assert.equal(unpackRuns(packed(out, patches), patches, again), true);
        assert.deepEqual(again, out);
      }
      assert.deepEqual([guarded[0], guarded.at(-1)], [7, 7]);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("runs: fuzz: every cut and every changed byte of packed pixels", () => {
  for (const { patches, words, hex } of RUNS_CASES) {
    const bytes = bytesOf(hex);
    const out = new Uint32Array(words.length);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(unpackRuns(bytes.subarray(0, length), patches, out), false);
    }
    for (let at = 0; at < bytes.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = bytes.slice();
        changed[at] = value;
        unpackRuns(changed, patches, out);
      }
    }
  }
});
