/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { clip, courseTime, laneFigure, setUpOf, spanTone, wholeCourse } from "./course.ts";
import type { SessionRecord } from "./session_record.ts";

const span = (from: number, to: number, label: string) => ({ from, to, label, cause: null });
const record = (end: number): SessionRecord => ({
  startedAt: 1_000,
  endedAt: null,
  lanes: [
    {
      lane: "connection",
      spans: [span(1_200, 1_300, "connecting"), span(1_300, end, "connected")],
    },
    { lane: "ice-agent", spans: [span(1_210, 1_240, "checking"), span(1_240, end, "connected")] },
    { lane: "first-frame", spans: [span(1_000, 1_500, "first frame")] },
  ],
});

Deno.test("course: the set-up gets a picture of its own when the whole is much longer", () => {
  assert.deepEqual(wholeCourse(record(61_000)), { from: 1_000, to: 61_000 });
  assert.deepEqual(setUpOf(record(61_000)), { from: 1_000, to: 1_600 });
  assert.equal(setUpOf(record(2_000)), null);
  assert.equal(setUpOf({ ...record(9_000), lanes: [] }), null);
});

Deno.test("course: a window shows what of a span lies in it", () => {
  const window = { from: 100, to: 200 };
  assert.deepEqual(clip(span(50, 150, "x"), window), { from: 100, to: 150 });
  assert.deepEqual(clip(span(150, 150, "x"), window), { from: 150, to: 150 });
  for (const out of [span(0, 99, "x"), span(200, 300, "x")]) assert.equal(clip(out, window), null);
});

Deno.test("course: figures, times and tones", () => {
  const [connection, ice, first] = record(9_000).lanes;
  assert.equal(laneFigure(connection), "connected");
  assert.equal(laneFigure(ice), "connected, after 30 ms");
  assert.equal(laneFigure(first), "first picture, 500 ms");
  assert.equal(laneFigure({ lane: "dtls-agent", spans: [] }), "");
  assert.deepEqual([0.4, 38, 1_250, 75_400].map(courseTime), ["0.4 ms", "38 ms", "1.25 s", "75 s"]);
  assert.deepEqual(["connected", "failed", "degraded", "offered", "constructor"].map(spanTone), [
    "good",
    "bad",
    "warn",
    "busy",
    "busy",
  ]);
});
