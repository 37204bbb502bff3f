/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { consentQuestion, readConsent } from "./consent.ts";

const ask = (operator: string, ...displays: string[]) =>
  consentQuestion({ operator, displays }, { sound: false });

Deno.test("only a clear yes allows", () => {
  for (const yes of ["y", "Y", " yes ", "YES", "y\r"]) {
    assert.equal(readConsent(yes), "allowed-by-owner", yes);
  }
  for (const no of ["", "n", "no", "yy", "yes please", "1", "j"]) {
    assert.equal(readConsent(no), "denied-by-owner", no);
  }
});

Deno.test("a name cannot steer the terminal", () => {
  assert.equal(ask("Ada Łovelace"), "Allow Ada Łovelace to see this screen? [y/N] ");
  assert.equal(
    consentQuestion({ operator: "Ada", displays: [] }, { sound: true }),
    "Allow Ada to see this screen and hear its sound? [y/N] ",
  );
  assert.equal(
    ask("\u001b[2J\nroot\u202e"),
    "Allow ?[2J?root? to see this screen? [y/N] ",
  );
  assert.ok(ask("x".repeat(1000)).length < 130);
  assert.equal(
    ask("Ada", "DP-1", "HDMI-\u001b1"),
    "Allow Ada to see this screen (DP-1, HDMI-?1)? [y/N] ",
  );
  assert.equal(ask("Ada", "DP-1"), "Allow Ada to see this screen? [y/N] ");
});
