/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import { REASONS, STAGES, TRANSPORTS } from "@farglass/protocol";
import type { TimelineEntry } from "./session_view.ts";
import {
  addEntry,
  evidenceText,
  MAX_TIMELINE_ENTRIES,
  retryText,
  stageText,
  switchText,
} from "./timeline.ts";

Deno.test("every stage, reason and switch has its own plain words", () => {
  const stages = STAGES.map(stageText);
  equal(new Set(stages).size, STAGES.length);
  const switches = TRANSPORTS.flatMap((from) =>
    TRANSPORTS.filter((to) => to !== from && to !== "none").map((to) => switchText(from, to))
  );
  equal(new Set(switches).size, switches.length);
  for (const text of [...stages, ...switches, ...Object.values(REASONS)]) {
    ok(/^[A-Z].*[^.]$/.test(text), text);
  }
});

Deno.test("evidenceText rounds", () => {
  equal(evidenceText({ rttMs: 1.23456, lost: 7 }), "rttMs 1.23, lost 7");
  equal(evidenceText({}), "");
});

Deno.test("addEntry numbers, leaves repeats out and forgets the oldest", () => {
  const entry = (text: string) =>
    ({ at: 1, kind: "note", text, reason: null, detail: null }) as const;
  const twice = addEntry(addEntry([], entry("a")), entry("a"));
  deepEqual(twice, [{ id: 1, ...entry("a") }]);
  let timeline: readonly TimelineEntry[] = [];
  for (let i = 0; i < 100; i++) timeline = addEntry(timeline, entry(`${i}`));
  equal(timeline.length, MAX_TIMELINE_ENTRIES);
  equal(timeline.at(-1)?.id, 100);
});

Deno.test("retryText: whether and when", () => {
  const texts = [{ retryable: false }, { retryable: true }, {
    retryable: true,
    retryAfterMs: 1_200,
  }]
    .map(retryText);
  deepEqual(texts, [
    "Another try would end the same way",
    "Another try makes sense",
    "Another try makes sense in 2 s",
  ]);
});
