import assert from "node:assert/strict";
import { ControllerDriver, DESKTOP, on, SCRIPTS, SESSION } from "../testing/controller_driver.ts";
import { applyTold, changeOf, decodeDesktop, STORE_VERSION, toldOf } from "./redis_codec.ts";
import type { DesktopState } from "../core/state.ts";

const OTHER = "55555555-5555-4555-8555-555555555555";
const CONSOLE = "66666666-6666-4666-8666-666666666666";

/** A write as it is told, through JSON as on its way. */
const told = (rev: number, before: DesktopState, after: DesktopState) => {
  const set = changeOf(before, after).set.map(([field, text]) => [field, JSON.parse(text)]);
  return JSON.parse(JSON.stringify({ v: STORE_VERSION, rev, set: Object.fromEntries(set) }));
};

/** A desktop as a node has it that has read the whole. */
function read(desktop: DesktopState, revision: number) {
  const fields = { rev: String(revision), ...Object.fromEntries(changeOf(null, desktop).set) };
  const decoded = decodeDesktop(DESKTOP, fields);
  assert.equal(decoded.kind, "desktop");
  if (decoded.kind !== "desktop") throw new Error("unreachable");
  return decoded.stored;
}

for (const [name, script] of Object.entries(SCRIPTS)) {
  Deno.test(`told changes: what a node knows after each step of "${name}" is what it would read`, () => {
    const driver = new ControllerDriver();
    const events = [...script, on.request(OTHER, CONSOLE), on.kill()];
    let known: ReturnType<typeof read> | null = null;
    for (const [i, event] of events.entries()) {
      const before = driver.desktop;
      const after = driver.run(event).desktop;
      if (after === null) continue;
      if (known === null || before === null) {
        known = read(after, i + 1);
        continue;
      }
      const change = toldOf(told(known.revision + 1, before, after));
      assert.ok(change !== null);
      known = applyTold(known, change);
      assert.ok(known !== null, `step ${i}`);
      assert.deepEqual(known, read(after, known.revision), `step ${i}`);
    }
  });
}

Deno.test("told changes: what is foreign, out of turn or newer is not applied", () => {
  const before = new ControllerDriver().run(...SCRIPTS.connected).desktop!;
  const after = new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop!;
  const known = read(before, 7);
  const good = told(8, before, after);
  const apply = (change: unknown, stored = known) => {
    const checked = toldOf(change);
    return checked === null ? null : applyTold(stored, checked);
  };
  assert.deepEqual(apply(good)?.desktop, read(after, 8).desktop);
  for (const rev of [1, 7, 9]) assert.equal(apply({ ...good, rev }), null);
  assert.equal(apply({ ...good, v: STORE_VERSION + 1 }), null);
  for (const foreign of [null, 1, "x", [], {}, { v: 1, rev: "8", set: {} }, { v: 1, rev: 8 }]) {
    assert.equal(apply(foreign), null);
  }
  const { d } = good.set;
  const bad = [
    { d: null },
    { d: { ...d, desktopId: OTHER } },
    { d: { ...d, live: [OTHER] } },
    { d: { ...d, past: [OTHER] } },
    { [`s:${SESSION}`]: { ...before.sessions[SESSION], stage: "dancing" } },
    { [`s:${SESSION}`]: { ...before.sessions[SESSION], sessionId: OTHER } },
  ];
  for (const set of bad) assert.equal(apply({ ...good, set }), null, JSON.stringify(set));
  assert.equal(apply({ ...good, set: {} })?.revision, 8);
  // A session that could not be read is dealt with by whoever reads it.
  const corrupt = [{ sessionId: OTHER, consoleLinkId: null }];
  assert.equal(apply(good, { ...known, corrupt }), null);
});

Deno.test("told changes: a foreign value in any field is refused as it is when the whole is read", () => {
  const { desktop } = new ControllerDriver().run(...SCRIPTS.connected);
  const known = read(desktop!, 7);
  const fields = Object.fromEntries(changeOf(null, desktop!).set);
  const whole = (field: string, value: unknown) =>
    decodeDesktop(DESKTOP, { ...fields, rev: "8", [field]: JSON.stringify(value) });
  let refused = 0;
  for (const field of ["d", `s:${SESSION}`]) {
    const good = JSON.parse(fields[field]);
    for (const key of [...Object.keys(good), "listening", "trace"]) {
      for (const value of [undefined, null, 7, "x", [], [{}], {}, { at: "x" }]) {
        const changed = JSON.parse(JSON.stringify({ ...good, [key]: value }));
        const decoded = whole(field, changed);
        const reads = decoded.kind === "desktop" && decoded.stored.corrupt === undefined;
        const change = toldOf({ v: STORE_VERSION, rev: 8, set: { [field]: changed } });
        const applied = applyTold(known, change!);
        assert.equal(applied !== null, reads, `${field}.${key}: ${JSON.stringify(value)}`);
        if (applied !== null && decoded.kind === "desktop") {
          assert.deepEqual(applied.desktop, decoded.stored.desktop);
        }
        if (!reads) refused++;
      }
    }
  }
  assert.ok(refused > 50, `${refused}`);
});
