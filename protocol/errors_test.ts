import assert from "node:assert/strict";
import { codedError, ERROR_CODES, ERRORS, retryLater, statusOf } from "./errors.ts";

Deno.test("errors: every code has one plain sentence, advice and a status", () => {
  for (const code of ERROR_CODES) {
    const { message, advice, status } = ERRORS[code];
    for (const text of [message, advice]) {
      assert.match(text, /^[A-Z].*[^.]$/, code);
      assert.ok(text.length <= 120, code);
    }
    assert.ok(status >= 400 && status <= 599, code);
    assert.equal(statusOf(code), status);
  }
});

Deno.test("errors: a limit says when there is room again", () => {
  assert.deepEqual(retryLater("rate-limited", { ms: 12.3, detail: "offers" }), {
    ...codedError("rate-limited", "offers"),
    retryAfterMs: 13,
  });
  assert.equal(retryLater("rate-limited", { ms: -5 }).retryAfterMs, 0);
});
