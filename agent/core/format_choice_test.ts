/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { VideoCodec } from "@farglass/protocol";
import { FormatChoice } from "./format_choice.ts";

const working = (...codecs: VideoCodec[]) => (codec: VideoCodec) => codecs.includes(codec);
const ALL = working("av1", "h265", "h264", "vp8");

function agreed(...codecs: VideoCodec[]): FormatChoice {
  const choice = new FormatChoice();
  choice.agree(codecs);
  return choice;
}

Deno.test("the best agreed format that works; before any peer, the usual one", () => {
  assert.equal(new FormatChoice().choose(ALL).codec, "h264");
  const { codec, reason, available } = agreed("av1", "h264").choose(ALL);
  assert.deepEqual([codec, reason, available], ["av1", "format-best", true]);
});

Deno.test("a format without a working encoder gives way for the session, and is counted once", () => {
  const choice = agreed("av1", "h264", "vp8");
  assert.equal(choice.choose(ALL).codec, "av1");
  assert.deepEqual(choice.decisions, {});
  const next = choice.choose(working("h264", "vp8"));
  assert.deepEqual([next.codec, next.reason], ["h264", "format-failed"]);
  // It works again, another peer agrees on it again: it has given way.
  choice.agree(["av1", "h264", "vp8"]);
  assert.deepEqual(choice.choose(ALL).codec, "h264");
  assert.deepEqual(choice.decisions, { "format-failed": 1 });
  assert.equal(choice.choose(working("av1", "vp8")).codec, "vp8");
  assert.deepEqual(choice.decisions, { "format-failed": 2 });
});

Deno.test("with nothing left there is no video, and the last format is taken up again", () => {
  const choice = agreed("av1", "h264");
  choice.choose(working("h264"));
  const none = choice.choose(working("av1"));
  assert.deepEqual([none.codec, none.available], ["h264", false]);
  assert.equal(choice.choose(ALL).available, true);
  assert.deepEqual(choice.decisions, { "format-failed": 1 });
});

Deno.test("a pause of all encoders at once makes no format give way", () => {
  const choice = agreed("av1", "h264");
  assert.equal(choice.choose(working()).available, false);
  assert.deepEqual([choice.choose(ALL).codec, choice.decisions], ["av1", {}]);
});

Deno.test("a peer that agreed on nothing else is sent what has given way", () => {
  const choice = agreed("av1", "h264");
  choice.choose(working("h264"));
  choice.agree(["av1"]);
  assert.equal(choice.choose(ALL).codec, "av1");
  choice.agree([]);
  assert.equal(choice.choose(ALL).codec, "av1");
});

Deno.test("only another format that works is a spare, and never for the usual one", () => {
  assert.equal(agreed("av1", "h264").choose(ALL).spare, true);
  assert.equal(agreed("vp8", "h264").choose(ALL).spare, true);
  assert.equal(agreed("av1", "h264").choose(working("av1")).spare, false);
  assert.equal(agreed("h264", "vp8").choose(ALL).spare, false);
  assert.equal(agreed("av1").choose(ALL).spare, false);
});
