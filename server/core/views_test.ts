/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { decodeMessage, MAX_ENVELOPE_BYTES } from "@farglass/protocol";
import { ControllerDriver, DESKTOP, on, SCRIPTS, SESSION } from "../testing/controller_driver.ts";
import { agentViews, desktopList, endedView, sessionView, summaryOf } from "./views.ts";

function connected() {
  const { desktop } = new ControllerDriver().run(...SCRIPTS.connected);
  if (desktop === null) throw new Error("unreachable");
  return desktop;
}

Deno.test("summaryOf: one desktop as the consoles see it", () => {
  const desktop = connected();
  const summary = summaryOf(desktop);
  assert.deepEqual(
    [summary.desktopId, summary.online, summary.viewers, summary.width],
    [DESKTOP, true, 1, 1280],
  );
});

Deno.test("desktopList: fits into a message, however many desktops there are", () => {
  const desktop = connected();
  const name = "é".repeat(256);
  const many = Array.from({ length: 400 }, (_, i) => ({
    ...desktop,
    desktopId: `${String(i).padStart(8, "0")}-0000-4000-8000-000000000000`,
    caps: { ...desktop.caps, name },
  }));
  const desktops = desktopList(many.map(summaryOf));
  const text = JSON.stringify({
    type: "DESKTOP_LIST",
    seq: 1,
    ack: 1,
    ts: 1,
    payload: { desktops },
  });
  assert.ok(text.length + 256 * desktops.length <= MAX_ENVELOPE_BYTES);
  assert.ok(decodeMessage(text, "server").ok);
  assert.ok(desktops.length > 20);
});

Deno.test("desktopList: online first, then by name", () => {
  const desktop = connected();
  const named = (name: string, online: boolean) => ({
    ...desktop,
    caps: { ...desktop.caps, name },
    ...(online ? {} : { link: { at: "gone", sinceMs: 1 } as const }),
  });
  const list = desktopList(
    [named("c", false), named("b", true), named("a", true)].map(summaryOf),
  );
  assert.deepEqual(list.map((d) => d.name), ["a", "b", "c"]);
});

Deno.test("REST views hold no signals, candidates or operator keys", () => {
  const desktop = connected();
  const view = JSON.stringify([
    sessionView(desktop.sessions[SESSION]),
    agentViews([desktop]),
    new ControllerDriver().run(...SCRIPTS.connected, on.kill()).desktop?.ended.map(endedView),
  ]);
  for (const word of ["v=0", "candidate:", "fingerprint", "operatorId", "linkId"]) {
    assert.ok(!view.includes(word), word);
  }
});
