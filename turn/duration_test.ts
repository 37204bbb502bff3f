import assert from "node:assert/strict";
import { parseDuration } from "./duration.ts";

Deno.test("parseDuration", () => {
  const rows: readonly (readonly [string, number | null])[] = [
    ["90s", 90],
    ["10m", 600],
    ["24h", 86_400],
    ["1d", 86_400],
    ["1h30m", 5400],
    ["0s", 0],
    ["", null],
    ["10", null],
    ["m", null],
    ["-1m", null],
    ["1.5h", null],
    ["10 m", null],
    ["10M", null],
    ["1234567s", null],
  ];
  for (const [text, seconds] of rows) assert.equal(parseDuration(text), seconds, text);
});
