/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { choosePeerLibrary } from "./peer_choice.ts";

const usual = { setting: "auto", native: true, relayOnly: false, failures: 0 } as const;

Deno.test("choosePeerLibrary: the quick one, unless it cannot do what is asked", () => {
  const rows = [
    [{}, "libdatachannel"],
    [{ failures: 1 }, "werift"],
    [{ failures: 2 }, "libdatachannel"],
    [{ relayOnly: true }, "werift"],
    [{ native: false }, "werift"],
    [{ setting: "werift" }, "werift"],
    [{ setting: "libdatachannel", failures: 1 }, "libdatachannel"],
    [{ setting: "libdatachannel", relayOnly: true }, "werift"],
    [{ setting: "libdatachannel", native: false }, "werift"],
  ] as const;
  for (const [change, wanted] of rows) {
    assert.equal(choosePeerLibrary({ ...usual, ...change }), wanted, JSON.stringify(change));
  }
});
