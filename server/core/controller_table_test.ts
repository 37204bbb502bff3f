/// <reference lib="deno.ns" />
/** Every stage × every event, illegal ones too. */
import assert from "node:assert/strict";
import { STAGES } from "@farglass/protocol";
import { expand, prepare, type Row, SCRIPT_OF } from "../testing/negotiation_rows.ts";
import { NEGOTIATION } from "../testing/negotiation_table.ts";
import { AGENT_LINK, ControllerDriver, on } from "../testing/controller_driver.ts";
import type { ControllerEvent } from "./events.ts";
import { isLegalEdge } from "./stages.ts";

for (const row of NEGOTIATION.flatMap((group) => group.rows)) {
  Deno.test(`controller: ${row.name}, in every stage`, () => checkRow(row));
}

function checkRow(row: Row): void {
  const expected = expand(row.cells);
  for (const [i, stage] of STAGES.entries()) {
    assert.equal(new ControllerDriver().run(...SCRIPT_OF[stage]).stage, stage);
    const { driver, last } = prepare(row, stage);
    const before = driver.desktop;
    driver.run(last);
    const where = `${stage} + ${row.name}`;
    if (expected[i].startsWith("!")) {
      assert.equal(driver.rejection, expected[i].slice(1), where);
      assert.equal(driver.desktop, before, `${where}: a rejection changes nothing`);
      continue;
    }
    assert.equal(driver.rejection, undefined, where);
    assert.equal(driver.stage, expected[i] === "=" ? stage : expected[i], where);
    for (const effect of driver.effects) {
      if (effect.kind !== "event" || effect.event.type !== "DESKTOP_WEBRTC_STATE") continue;
      const { previous, stage: next } = effect.event;
      assert.ok(previous === null || previous === next || isLegalEdge(previous, next), where);
    }
  }
}

Deno.test("controller: what one console's session goes through leaves another's as it was", () => {
  const other = "99999999-9999-4999-8999-999999999999";
  for (const stage of STAGES) {
    for (const row of NEGOTIATION.flatMap((group) => group.rows)) {
      const driver = new ControllerDriver().run(...SCRIPT_OF[stage]);
      const second = on.request(other, other);
      if (second.kind !== "request") throw new Error("unreachable");
      driver.run({ ...second, consoleLinkId: "second-link" });
      const before = driver.desktop?.sessions[other];
      if (before === undefined) throw new Error("no second session");
      const events = [row.events(Math.max(1, driver.session?.negotiation.generation ?? 1))].flat();
      // What concerns the whole desktop concerns them all.
      if (events.some(wholeDesktop)) continue;
      driver.run(...events);
      assert.deepEqual(driver.desktop?.sessions[other], before, `${stage} + ${row.name}`);
      assert.deepEqual(driver.sent("second-link"), [], `${stage} + ${row.name}`);
    }
  }
});

/** Whether an event is about the desktop, not about one session of it. */
function wholeDesktop(event: ControllerEvent): boolean {
  switch (event.kind) {
    case "caps":
    case "request":
    case "tick":
      return true;
    case "link":
      return event.linkId === AGENT_LINK;
    case "kill":
      return event.sessionId === null;
    case "message":
      return event.message.type === "DESKTOP_KILL" && event.message.payload.scope === "desktop";
    default:
      return false;
  }
}
