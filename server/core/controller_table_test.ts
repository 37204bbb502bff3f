/// <reference lib="deno.ns" />
/** Every stage × every event, illegal ones too. */
import assert from "node:assert/strict";
import { SENDERS, type Signal, STAGES } from "@farglass/protocol";
import { expand, prepare, type Row, SCRIPT_OF } from "../testing/negotiation_rows.ts";
import { NEGOTIATION } from "../testing/negotiation_table.ts";
import { AGENT_LINK, ControllerDriver, on } from "../testing/controller_driver.ts";
import type { ControllerEvent, ControllerMessage } from "./events.ts";
import { isLegalEdge } from "./stages.ts";
import type { PeerState } from "./state.ts";

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

/** Every kind of event there is; a new one is a type error here until it is named. */
const KINDS: Readonly<Record<Exclude<ControllerEvent["kind"], "message">, readonly string[]>> = {
  caps: [""],
  request: [""],
  attach: [""],
  "agent-error": [""],
  reissue: [""],
  tick: [""],
  kill: ["session", "desktop"],
  link: ["lost", "resumed", "gone", "replaced"].flatMap((c) => [`agent ${c}`, `console ${c}`]),
};
const SIGNALS: Readonly<Record<Signal["kind"], true>> = {
  offer: true,
  answer: true,
  "ice-candidate": true,
  "ice-end": true,
  restart: true,
};
const PEER_STATES: Readonly<Record<PeerState, true>> = {
  connecting: true,
  connected: true,
  disconnected: true,
  failed: true,
  closed: true,
};
const MESSAGES: Readonly<Record<ControllerMessage["type"], readonly string[]>> = {
  SESSION_DECISION: ["accept", "deny", "timeout"],
  SESSION_ENDED: [""],
  DESKTOP_WEBRTC_SIGNAL: Object.keys(SIGNALS),
  PEER_STATE: Object.keys(PEER_STATES),
  DESKTOP_TRANSPORT_FALLBACK: [""],
  DESKTOP_TRANSPORT_RESTORED: [""],
  VIEWER_CONTROL: [""],
  VIEWER_CHOICE: ["sound", "display"],
  DESKTOP_KILL: ["session", "desktop"],
};

function nameOf(event: ControllerEvent): string {
  switch (event.kind) {
    case "link":
      return `link ${event.linkId === AGENT_LINK ? "agent" : "console"} ${event.change}`;
    case "kill":
      return `kill ${event.sessionId === null ? "desktop" : "session"}`;
    case "message": {
      const { type, payload } = event.message;
      const what = type === "SESSION_DECISION"
        ? payload.decision
        : type === "DESKTOP_WEBRTC_SIGNAL" || type === "VIEWER_CHOICE"
        ? payload.kind
        : type === "PEER_STATE"
        ? payload.state
        : type === "DESKTOP_KILL"
        ? payload.scope
        : "";
      return `${event.from} ${type} ${what}`;
    }
    default:
      return `${event.kind} `;
  }
}

Deno.test("controller: the table has a row for every kind of event, from each side that may send it", () => {
  const rows = NEGOTIATION.flatMap((group) => group.rows);
  const has = new Set(rows.flatMap((row) => [row.events(1)].flat()).map(nameOf));
  const wanted = [
    ...Object.entries(KINDS).flatMap(([kind, of]) => of.map((what) => `${kind} ${what}`)),
    ...Object.entries(MESSAGES).flatMap(([type, of]) =>
      SENDERS[type as ControllerMessage["type"]].filter((side) => side !== "server").flatMap(
        (side) => of.map((what) => `${side} ${type} ${what}`),
      )
    ),
  ];
  assert.deepEqual(wanted.filter((name) => !has.has(name)), []);
});
