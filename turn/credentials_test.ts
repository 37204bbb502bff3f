import assert from "node:assert/strict";
import { MAX_TTL_SECONDS, MIN_TTL_SECONDS, mintTurnCredentials } from "./credentials.ts";

const desktopId = "0f4a4c9e-5d7a-4c1e-9f53-6f0e4f8f1a2b";

Deno.test("mintTurnCredentials: known answer", () => {
  // printf '1700000600:0f4a…' | openssl dgst -sha1 -hmac coturn-static-secret -binary | base64
  assert.deepEqual(
    mintTurnCredentials("coturn-static-secret", {
      desktopId,
      ttlSeconds: 600,
      nowSeconds: 1_700_000_000.9,
    }),
    {
      username: `1700000600:${desktopId}`,
      credential: "G8qilZd9CNxzZQ5cgTI7x2cj2lk=",
      token: { issuedAt: 1_700_000_000, expiresAt: 1_700_000_600, ttlSeconds: 600 },
    },
  );
});

Deno.test("mintTurnCredentials: the lifetime has bounds", () => {
  const mint = (ttlSeconds: number) => () =>
    mintTurnCredentials("secret", { desktopId, ttlSeconds, nowSeconds: 0 });
  for (const ttl of [0, -1, MIN_TTL_SECONDS - 1, MAX_TTL_SECONDS + 1, 90.5, NaN, Infinity]) {
    assert.throws(mint(ttl), RangeError, String(ttl));
  }
  assert.equal(mint(MIN_TTL_SECONDS)().token.expiresAt, MIN_TTL_SECONDS);
  assert.equal(mint(MAX_TTL_SECONDS)().token.expiresAt, MAX_TTL_SECONDS);
  assert.throws(
    () => mintTurnCredentials("", { desktopId, ttlSeconds: 600, nowSeconds: 0 }),
    /secret is empty/,
  );
});

Deno.test("mintTurnCredentials: another desktop, secret or time is another credential", () => {
  const mint = (secret: string, id: string, nowSeconds: number) =>
    mintTurnCredentials(secret, { desktopId: id, ttlSeconds: 600, nowSeconds }).credential;
  const all = [mint("a", "x", 0), mint("b", "x", 0), mint("a", "y", 0), mint("a", "x", 1)];
  assert.equal(new Set(all).size, all.length);
});
