/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import {
  type DiffMessage,
  encodeDiff,
  hashPixels,
  packRuns,
  type Rect,
  RUNS_SLACK_BYTES,
} from "@farglass/protocol";
import { DiffPicture } from "./diff_picture.ts";
import { unpackDiff } from "./unpack_diff.ts";

const BLUE = 0x000000ff, GREEN = 0x0000ff00, RED = 0x00ff0000;

/** BGRX bytes of `patches`, cut out of a picture of words. */
function cut(picture: Uint32Array, width: number, patches: readonly Rect[]): Uint8Array {
  const words = patches.flatMap((p) =>
    Array.from(
      { length: p.width * p.height },
      (_, i) => picture[(p.y + Math.floor(i / p.width)) * width + p.x + i % p.width],
    )
  );
  return new Uint8Array(Uint32Array.from(words).buffer);
}

function packed(raw: Uint8Array, patches: readonly Rect[]): Uint8Array {
  const words = new Uint32Array(raw.buffer).map((word) => word & 0xffffff);
  const out = new Uint8Array(raw.length + RUNS_SLACK_BYTES);
  const length = packRuns(words, patches, out);
  ok(length !== null);
  return out.subarray(0, length);
}

function message(
  picture: Uint32Array,
  size: { readonly width: number; readonly height: number },
  patches: readonly Rect[],
  more: Partial<DiffMessage> = {},
): Uint8Array {
  const { runs = false, deflated = false } = more;
  const raw = cut(picture, size.width, patches);
  const blob = runs ? packed(raw, patches) : raw;
  return encodeDiff({
    frame: 1,
    part: 0,
    last: true,
    capturedAtMs: 1,
    ...size,
    hash: null,
    regions: null,
    patches,
    stream: 0,
    runs,
    deflated,
    body: deflated ? new Uint8Array(deflateRawSync(blob)) : blob,
    ...more,
  });
}

const taken = (picture: DiffPicture, bytes: Uint8Array) => {
  const result = unpackDiff(bytes);
  ok(result.ok, result.ok ? "" : result.error.message);
  return picture.take(result.value);
};

Deno.test("BGRX becomes opaque RGBA", () => {
  const picture = new DiffPicture();
  const words = Uint32Array.of(BLUE, GREEN, RED, 0xaa123456);
  taken(picture, message(words, { width: 4, height: 1 }, [{ x: 0, y: 0, width: 4, height: 1 }]));
  deepEqual([...picture.rgba], [
    ...[0, 0, 255, 255],
    ...[0, 255, 0, 255],
    ...[255, 0, 0, 255],
    ...[0x12, 0x34, 0x56, 255],
  ]);
});

Deno.test("the picture is whole once every pixel came, in any order, over any number of messages", () => {
  const size = { width: 8, height: 6 };
  const words = Uint32Array.from({ length: 48 }, (_, i) => i * 1001);
  const picture = new DiffPicture();
  const top = { x: 0, y: 0, width: 8, height: 3 };
  const left = { x: 0, y: 2, width: 5, height: 4 };
  const right = { x: 5, y: 3, width: 3, height: 3 };
  equal(taken(picture, message(words, size, [right], { last: false, frame: 9 })).whole, false);
  equal(taken(picture, message(words, size, [right])).whole, false);
  equal(taken(picture, message(words, size, [left], { deflated: true })).whole, false);
  const hash = hashPixels(words);
  const last = taken(picture, message(words, size, [top], { hash }));
  deepEqual(last, {
    frame: 1,
    last: true,
    whole: true,
    equal: true,
    changed: true,
    regions: null,
    complete: true,
  });
  deepEqual(picture.takeDirty(), [right, right, left, top]);
  deepEqual(picture.takeDirty(), []);
  picture.begin();
  equal(picture.whole, false);
});

Deno.test("a message that never came is noticed by its part number", () => {
  const size = { width: 2, height: 1 };
  const words = Uint32Array.of(1, 2);
  const picture = new DiffPicture();
  const complete = (parts: readonly (readonly [frame: number, part: number])[]) =>
    parts.map(([frame, part]) =>
      taken(picture, message(words, size, [], { frame, part })).complete
    );
  deepEqual(complete([[1, 0], [1, 1], [1, 2]]), [true, true, true]);
  deepEqual(complete([[2, 0], [2, 2], [2, 3]]), [true, false, false]);
  deepEqual(complete([[3, 1], [4, 0], [4, 1]]), [false, true, true]);
});

Deno.test("an equal hash proves the picture whole; another one tells the difference", () => {
  const size = { width: 2, height: 2 };
  const words = Uint32Array.of(1, 2, 3, 4);
  const all = [{ x: 0, y: 0, ...size }];
  const picture = new DiffPicture();
  taken(picture, message(words, size, all));
  picture.begin();
  const still = taken(picture, message(words, size, [], { hash: hashPixels(words) }));
  deepEqual(still, {
    frame: 1,
    last: true,
    whole: true,
    equal: true,
    changed: false,
    regions: null,
    complete: true,
  });
  equal(taken(picture, message(words, size, [], { hash: 1 })).equal, false);
});

Deno.test("the fourth byte does not count", () => {
  const size = { width: 1, height: 1 };
  const picture = new DiffPicture();
  const sent = Uint32Array.of(0xff000007);
  const step = taken(
    picture,
    message(sent, size, [{ x: 0, y: 0, ...size }], { hash: hashPixels(Uint32Array.of(7)) }),
  );
  equal(step.equal, true);
});

Deno.test("a new size begins a new picture", () => {
  const picture = new DiffPicture();
  const words = new Uint32Array(64).fill(RED);
  taken(picture, message(words, { width: 8, height: 8 }, [{ x: 0, y: 0, width: 8, height: 8 }]));
  ok(picture.whole);
  taken(picture, message(words, { width: 4, height: 4 }, [{ x: 0, y: 0, width: 4, height: 2 }]));
  equal(picture.whole, false);
  deepEqual([picture.width, picture.height, picture.rgba.length], [4, 4, 64]);
});

Deno.test("damage is a coded error", () => {
  const size = { width: 4, height: 4 };
  const words = new Uint32Array(16).fill(GREEN);
  const all = [{ x: 0, y: 0, ...size }];
  const bad = [
    message(words, size, all, { deflated: true, body: new Uint8Array([1, 2, 3]) }),
    message(words, size, all, {
      deflated: true,
      body: new Uint8Array(deflateRawSync(new Uint8Array(65))),
    }),
    message(words, size, all, { body: new Uint8Array(63) }),
    message(words, size, all, { runs: true, body: new Uint8Array([0x80]) }),
    message(words, size, all, { runs: true, body: new Uint8Array(64) }),
    message(words, size, all, { runs: true, deflated: true, body: new Uint8Array([1, 2, 3]) }),
    message(words, size, all, {
      ...{ runs: true, deflated: true },
      body: new Uint8Array(deflateRawSync(new Uint8Array(4_000_000))),
    }),
    message(words, { width: 2, height: 2 }, all),
    new Uint8Array(3),
  ];
  for (const bytes of bad) {
    const result = unpackDiff(bytes);
    equal(result.ok ? "ok" : result.error.code, "malformed");
  }
});

Deno.test("any sequence of patches gives the picture they describe", () => {
  const size = { width: 16, height: 9 };
  const rect = fc.tuple(fc.nat(15), fc.nat(8), fc.nat(15), fc.nat(8)).map(([x, y, w, h]) => ({
    x,
    y,
    width: Math.min(w + 1, size.width - x),
    height: Math.min(h + 1, size.height - y),
  }));
  const change = fc.tuple(fc.array(rect, { minLength: 1, maxLength: 4 }), fc.nat(0xffffff));
  const packing = fc.record({ runs: fc.boolean(), deflated: fc.boolean() });
  fc.assert(fc.property(fc.array(change, { maxLength: 12 }), packing, (changes, packing) => {
    const picture = new DiffPicture();
    const wanted = new Uint32Array(size.width * size.height);
    const all = [{ x: 0, y: 0, ...size }];
    taken(picture, message(wanted, size, all));
    for (const [patches, colour] of changes) {
      for (const p of patches) {
        for (let y = p.y; y < p.y + p.height; y++) {
          wanted.fill(colour, y * size.width + p.x, y * size.width + p.x + p.width);
        }
      }
      const hash = hashPixels(wanted);
      equal(
        taken(picture, message(wanted, size, patches, { ...packing, hash })).equal,
        true,
      );
    }
    const shown = new Uint32Array(picture.rgba.buffer);
    shown.forEach((pixel, i) => {
      const rgb = ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff);
      equal(rgb, wanted[i]);
    });
  }));
});

Deno.test("noise never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
    if (noise.length > 0) noise[0] = 0xfd;
    unpackDiff(noise);
  }));
});
