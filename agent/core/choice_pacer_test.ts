/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import type { ViewerChoice } from "@farglass/protocol";
import { CHOICE_INTERVAL_MS, ChoicePacer, MAX_WAITING_CHOICES } from "./choice_pacer.ts";

const sound = (on: boolean): ViewerChoice => ({ kind: "sound", on });
const display = (from: string, to: string): ViewerChoice => ({
  kind: "display",
  from,
  to,
  reason: "operator-choice",
});

Deno.test("a choice is told at once, the next after a pause, each once and in order", () => {
  const pacer = new ChoicePacer();
  assert.deepEqual([pacer.take(0), pacer.dueMs], [null, null]);
  pacer.add(sound(true));
  assert.deepEqual(pacer.take(1_000), sound(true));
  pacer.add(display("A", "B"));
  pacer.add(sound(false));
  assert.equal(pacer.take(1_000 + CHOICE_INTERVAL_MS - 1), null);
  assert.equal(pacer.dueMs, 1_000 + CHOICE_INTERVAL_MS);
  assert.deepEqual(pacer.take(2_000), display("A", "B"));
  assert.equal(pacer.take(2_001), null);
  assert.deepEqual(pacer.take(3_000), sound(false));
  assert.equal(pacer.dueMs, null);
});

Deno.test("a flood of choices: as many as may wait, then the last one tells where it ended", () => {
  const pacer = new ChoicePacer();
  const names = Array.from({ length: 1_000 }, (_, i) => `D${i}`);
  names.slice(1).forEach((to, i) => pacer.add(display(names[i], to)));
  pacer.add(sound(true));
  const told: ViewerChoice[] = [];
  for (let now = 0;; now += CHOICE_INTERVAL_MS) {
    const next = pacer.take(now);
    if (next === null) break;
    told.push(next);
  }
  assert.equal(told.length, MAX_WAITING_CHOICES + 1);
  assert.deepEqual(told[0], display("D0", "D1"));
  assert.deepEqual(told.at(-2), display(`D${MAX_WAITING_CHOICES - 1}`, "D999"));
  assert.deepEqual(told.at(-1), sound(true));
});
