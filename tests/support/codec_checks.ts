/** What every binary codec must hold, run on its case table. */
import assert from "node:assert/strict";
import type { CodedError, ErrorCode, Result } from "@farglass/protocol";
import { ERROR_CODES } from "@farglass/protocol";
import { type BadBytes, bytesOf, type CodecCase, hexOf } from "./codec_cases.ts";

export interface Codec<T> {
  readonly name: string;
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): Result<T, CodedError>;
}

/** Registers the table tests of a codec: each row both ways, each bad row with its code. */
export function testCodec<T>(
  codec: Codec<T>,
  cases: readonly CodecCase<T>[],
  bad: readonly BadBytes[],
): void {
  for (const { name, value, hex } of cases) {
    Deno.test(`${codec.name}: ${name}: encode`, () => {
      assert.equal(hexOf(codec.encode(value)), hexOf(bytesOf(hex)));
    });
    Deno.test(`${codec.name}: ${name}: decode`, () => {
      assert.deepEqual(plain(codec.decode(bytesOf(hex))), plain({ ok: true, value }));
    });
    Deno.test(`${codec.name}: ${name}: decode from the middle of a larger buffer`, () => {
      const bytes = bytesOf(hex);
      const larger = new Uint8Array(bytes.length + 7).fill(0xee);
      larger.set(bytes, 3);
      const decoded = codec.decode(larger.subarray(3, 3 + bytes.length));
      assert.deepEqual(plain(decoded), plain({ ok: true, value }));
    });
  }
  for (const { name, hex, code } of bad) {
    Deno.test(`${codec.name}: ${name} → ${code}`, () => {
      assert.equal(codeOf(codec.decode(bytesOf(hex))), code);
    });
  }
  Deno.test(`${codec.name}: every cut of every case is read or refused by a code`, () => {
    for (const { hex } of cases) {
      const bytes = bytesOf(hex);
      for (let length = 0; length < bytes.length; length++) {
        checkBytes(codec, bytes.slice(0, length));
      }
    }
  });
  Deno.test(`${codec.name}: every change of one byte is read or refused by a code`, () => {
    for (const { hex } of cases) {
      const bytes = bytesOf(hex);
      for (let at = 0; at < bytes.length; at++) {
        for (let value = 0; value < 256; value++) {
          const changed = bytes.slice();
          changed[at] = value;
          checkBytes(codec, changed);
        }
      }
    }
  });
}

/**
 * Decodes anything: a refusal has a known code, and what is read is read again the same after it
 * was encoded.
 */
export function checkBytes<T>(codec: Codec<T>, bytes: Uint8Array): void {
  const decoded = codec.decode(bytes);
  if (!decoded.ok) {
    assert.ok(ERROR_CODES.includes(decoded.error.code), decoded.error.code);
    return;
  }
  const again = codec.decode(codec.encode(decoded.value));
  assert.deepEqual(plain(again), plain(decoded), `${codec.name} ${hexOf(bytes)}`);
}

export const codeOf = (result: Result<unknown, CodedError>): ErrorCode | "ok" =>
  result.ok ? "ok" : result.error.code;

/** Byte arrays as text, so that a view and a copy compare equal. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hexOf(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
