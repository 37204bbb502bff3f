/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { copyExact, inflateAtMost, inflateExact } from "./inflate.ts";

const deflated = (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes));

Deno.test("inflateExact gives back exactly what zlib deflated", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000, size: "max" }), (bytes) => {
    const out = inflateExact(deflated(bytes), bytes.length);
    deepEqual(out === null ? null : [...out], [...bytes]);
  }));
});

Deno.test("inflateExact refuses a blob that is shorter or longer than promised", () => {
  const blob = deflated(new Uint8Array(1000).fill(7));
  equal(inflateExact(blob, 999), null);
  equal(inflateExact(blob, 1001), null);
  equal(inflateExact(blob, 0), null);
  equal(inflateExact(blob, 1000)?.length, 1000);
});

Deno.test("inflateExact: a bomb stays within the promised size", () => {
  const bomb = deflated(new Uint8Array(40 * 1024 * 1024));
  ok(bomb.length < 60 * 1024);
  equal(inflateExact(bomb, 4096), null);
});

Deno.test("inflateAtMost gives back what it was, up to the limit", () => {
  const blob = deflated(new Uint8Array(1000).fill(7));
  deepEqual([...inflateAtMost(blob, 5000) ?? []], Array(1000).fill(7));
  equal(inflateAtMost(blob, 1000)?.length, 1000);
  equal(inflateAtMost(blob, 999), null);
  equal(inflateAtMost(new Uint8Array([0xff, 0xff]), 10), null);
});

Deno.test("inflateExact refuses damage", () => {
  const blob = deflated(Uint8Array.from({ length: 4000 }, (_, i) => (i * i) & 0xff));
  equal(inflateExact(blob.subarray(0, blob.length >> 1), 4000), null);
  equal(inflateExact(new Uint8Array([0xff, 0xff, 0xff]), 10), null);
  equal(inflateExact(new Uint8Array(0), 10), null);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(2000), (noise, size) => {
    const out = inflateExact(noise, size);
    ok(out === null || out.length === size);
  }));
});

Deno.test("copyExact aligns what it copies", () => {
  const odd = new Uint8Array([9, 1, 2, 3, 4]).subarray(1);
  const copy = copyExact(odd);
  equal(copy.byteOffset % 4, 0);
  deepEqual([...copy], [1, 2, 3, 4]);
});
