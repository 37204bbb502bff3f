/// <reference lib="deno.ns" />
/** The choice of a display as the console's machine decides it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { caps, ConsoleHarness, DESKTOP_ID, summary } from "../../tests/support/console_harness.ts";
import { takesPointer } from "./machine.ts";

const display = (id: string, primary = false) => ({
  id,
  name: id,
  width: 800,
  height: 600,
  primary,
});
const two = caps({ displays: [display("A", true), display("B")], allDisplays: true });
const SCREEN = { op: "screen", width: 1600, height: 600, display: "all" } as const;

function live(wanted?: string): ConsoleHarness {
  const h = new ConsoleHarness();
  h.online();
  h.list(summary());
  h.do({ type: "connect", desktopId: DESKTOP_ID, display: wanted });
  h.accepted();
  h.approved(two);
  h.connected();
  h.agent(h.lastPeer, SCREEN);
  h.world.paints = false;
  return h;
}
/** Displays that the agent was told, with `-` where a choice of transport said none. */
const told = (h: ConsoleHarness) =>
  h.controls.flatMap(({ message: m }) => m.op === "select" ? [m.display ?? "-"] : []);

Deno.test("another display → the transport is chosen anew; the old picture until the new one came", () => {
  const h = live();
  h.effects.length = 0;
  h.do({ type: "choose-display", display: "B" });
  deepEqual(told(h), ["-", "B"]);
  equal(h.session.displays.switchingTo, "B");
  equal(takesPointer(h.state), false);
  h.agent(h.lastPeer, { ...SCREEN, width: 800, display: "B", rtpTime: 4_294_967_295 });
  // The picture on the screen is still the old one.
  equal(h.session.width, 1600);
  const { epoch } = h.state.session?.transport ?? { epoch: 0 };
  h.agent(h.lastPeer, { op: "selected", transport: "rtp", epoch });
  const awaited = h.effects.find((e) => e.type === "await-video");
  deepEqual(awaited, { type: "await-video", epoch, sinceRtpTime: 4_294_967_295 });
  h.do({ type: "painted", epoch });
  equal(h.session.width, 800);
  deepEqual([h.session.displays.shown, h.session.displays.switchingTo], ["B", null]);
  equal(takesPointer(h.state), true);
  equal(h.session.timeline.at(-1)?.text, "Display shown: B");
  equal(h.session.transport, "rtp");
  deepEqual(h.messages("DESKTOP_TRANSPORT_FALLBACK"), []);
});

Deno.test("the agent knows the display: a later choice of a transport does not say it again", () => {
  const h = live();
  h.world.paints = true;
  h.do({ type: "choose-display", display: "B" });
  h.agent(h.lastPeer, { ...SCREEN, width: 800, display: "B" });
  h.do({ type: "choose", choice: "diff" });
  deepEqual(told(h), ["-", "B", "-"]);
  h.do({ type: "choose-display", display: "A" });
  h.agent(h.lastPeer, { ...SCREEN, width: 800, display: "A" });
  h.do({ type: "choose-display", display: "B" });
  deepEqual(told(h).slice(3), ["A", "B"]);
});

Deno.test("patches: the whole picture is that of the next stream", () => {
  const h = live();
  h.world.paints = true;
  h.do({ type: "choose", choice: "diff" });
  h.effects.length = 0;
  h.do({ type: "choose-display", display: "B" });
  ok(h.effects.some((e) => e.type === "accept-diff" && e.nextStream === true));
});

Deno.test("what is shown already, or is not there → nothing", () => {
  const h = live();
  for (const id of ["all", "C", ""]) h.do({ type: "choose-display", display: id });
  deepEqual(told(h), ["-"]);
  const single = new ConsoleHarness();
  single.live();
  single.do({ type: "choose-display", display: "0" });
  deepEqual(told(single), ["-"]);
});

Deno.test("remembered → told with the first choice, and again in the next session", () => {
  const h = live("B");
  deepEqual(told(h), ["B"]);
  equal(h.session.displays.switchingTo, null);
  h.inSession({ type: "SESSION_ENDED", payload: { reason: "agent-restarted", by: "agent" } });
  h.advance(600);
  h.accepted();
  h.approved(two);
  h.connected();
  equal(told(h).at(-1), "B");
});

Deno.test("remembered, but no longer there → what the agent shows", () => {
  deepEqual(told(live("C")), ["-"]);
});

Deno.test("the display is removed → the agent's choice is shown, with its reason", () => {
  const h = live();
  h.world.paints = true;
  h.do({ type: "choose-display", display: "B" });
  h.agent(h.lastPeer, { ...SCREEN, width: 800, display: "B" });
  h.agent(h.lastPeer, { ...SCREEN, width: 800, display: "A", reason: "display-removed" });
  equal(h.session.displays.shown, "A");
  const text = "The display that was shown is no longer connected; now shown: A";
  equal(h.session.displays.notice?.text, text);
  deepEqual([h.session.timeline.at(-1)?.text, h.session.timeline.at(-1)?.reason], [
    text,
    "display-removed",
  ]);
  // It comes back and is chosen again: the agent has to be told.
  h.do({ type: "choose-display", display: "B" });
  equal(told(h).at(-1), "B");
});

Deno.test("the display goes while it is chosen → what is shown goes on", () => {
  const h = live();
  h.world.paints = true;
  h.do({ type: "choose", choice: "diff" });
  h.world.paints = false;
  h.do({ type: "choose-display", display: "B" });
  h.effects.length = 0;
  h.agent(h.lastPeer, SCREEN);
  ok(h.effects.some((e) => e.type === "keep-stream"));
});
