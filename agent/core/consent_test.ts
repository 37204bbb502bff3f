/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { consentQuestion, readConsent } from "./consent.ts";

Deno.test("only a clear yes allows", () => {
  for (const yes of ["y", "Y", " yes ", "YES", "y\r"]) {
    assert.equal(readConsent(yes), "allowed-by-owner", yes);
  }
  for (const no of ["", "n", "no", "yy", "yes please", "1", "j"]) {
    assert.equal(readConsent(no), "denied-by-owner", no);
  }
});

Deno.test("a name cannot steer the terminal", () => {
  assert.equal(consentQuestion("Ada Łovelace"), "Allow Ada Łovelace to see this screen? [y/N] ");
  assert.equal(
    consentQuestion("\u001b[2J\nroot\u202e"),
    "Allow ?[2J?root? to see this screen? [y/N] ",
  );
  assert.ok(consentQuestion("x".repeat(1000)).length < 130);
});
