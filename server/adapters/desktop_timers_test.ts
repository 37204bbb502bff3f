import assert from "node:assert/strict";
import type { DesktopState } from "../core/state.ts";
import { DesktopTimers } from "./desktop_timers.ts";

const desktop = { desktopId: "a" } as DesktopState;

Deno.test("DesktopTimers: what is due is told once, the newest word counts", async () => {
  const due: string[] = [];
  const told = Promise.withResolvers<void>();
  const timers = new DesktopTimers((desktopId) => {
    due.push(desktopId);
    if (desktopId === "last") told.resolve();
  });
  timers.arm("sooner", 3_600_000);
  timers.arm("sooner", 0);
  timers.arm("gone", 0);
  timers.rest("gone", null);
  timers.arm("last", 5);
  assert.equal(timers.knows("last", desktop), true);
  await told.promise;
  assert.deepEqual(due, ["sooner", "last"]);
  assert.equal(timers.knows("last", desktop), false);
  timers.arm("again", 0);
  timers.close();
  timers.arm("again", 0);
  assert.equal(timers.knows("again", desktop), false);
});

Deno.test("DesktopTimers: a state without a deadline is looked at once, its successor again", () => {
  const timers = new DesktopTimers(() => {});
  assert.equal(timers.knows("a", desktop), false);
  timers.rest("a", desktop);
  assert.equal(timers.knows("a", desktop), true);
  assert.equal(timers.knows("a", { ...desktop }), false);
});
