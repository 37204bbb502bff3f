/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  bitrateText,
  clockText,
  countdownText,
  fpsText,
  milliText,
  percentText,
  spanText,
} from "./format.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const CASES: readonly [call: string, got: string, want: string][] = [
  ["bitrate unknown", bitrateText(null), "—"],
  ["bitrate under a megabit", bitrateText(839.6), "840 kb/s"],
  ["bitrate from a megabit", bitrateText(1000), "1.0 Mb/s"],
  ["bitrate", bitrateText(12_345), "12.3 Mb/s"],
  ["ms unknown", milliText(null), "—"],
  ["ms under ten", milliText(2.34), "2.3 ms"],
  ["ms whole under ten", milliText(3), "3 ms"],
  ["ms", milliText(11.6), "12 ms"],
  ["percent unknown", percentText(null), "—"],
  ["percent zero", percentText(0), "0 %"],
  ["percent small", percentText(0.004), "0.4 %"],
  ["percent", percentText(0.123), "12 %"],
  ["fps unknown", fpsText(null), "—"],
  ["fps", fpsText(29.6), "30"],
  ["countdown", countdownText(563_000), "9:23"],
  ["countdown rounds up", countdownText(1), "0:01"],
  ["countdown over", countdownText(-5_000), "0:00"],
  ["span seconds", spanText(40_900), "40 s"],
  ["span never negative", spanText(-1), "0 s"],
  ["span minutes", spanText(3 * MINUTE_MS), "3 min"],
  ["span hours", spanText(2 * HOUR_MS), "2 h"],
  ["span hours and minutes", spanText(2 * HOUR_MS + 5 * MINUTE_MS), "2 h 5 min"],
  ["span days", spanText(49 * HOUR_MS), "2 d"],
  ["clock", clockText(new Date(2026, 0, 2, 3, 4, 5).getTime()), "03:04:05"],
];

for (const [name, got, want] of CASES) {
  Deno.test(`format: ${name} → ${want}`, () => assert.equal(got, want));
}
