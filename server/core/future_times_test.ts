/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { ControllerDriver, on, SCRIPTS } from "../testing/controller_driver.ts";
import { AGENT_LINK, CONSOLE_LINK } from "../testing/controller_driver.ts";
import { nextDeadline } from "./controller.ts";
import { withoutFuture } from "./future_times.ts";

const DAY_MS = 86_400_000;

Deno.test("future times: none → the very same desktop", () => {
  const d = new ControllerDriver().run(...SCRIPTS.connected);
  assert.equal(withoutFuture(d.desktop!, d.policy, d.now), d.desktop);
});

/** What is waited for when the clock is set back by a day, and what must then still end it. */
const WAITS = {
  "consent": [SCRIPTS.requested, "consent-timeout"],
  "an offer": [SCRIPTS.approved, "negotiation-deadline"],
  "a lost agent": [[...SCRIPTS.connected, on.link(AGENT_LINK, "lost")], "agent-lost"],
  "a lost console": [[...SCRIPTS.connected, on.link(CONSOLE_LINK, "lost")], "console-lost"],
} as const;

for (const [what, [script, reason]] of Object.entries(WAITS)) {
  Deno.test(`future times: waiting for ${what}, a day back → it still ends soon`, () => {
    const d = new ControllerDriver().run(...script);
    d.now -= DAY_MS;
    assert.equal(nextDeadline(d.desktop, d.now, d.policy), d.now, "the tick is due at once");
    d.run(on.tick);
    const at = nextDeadline(d.desktop, d.now, d.policy);
    assert.ok(at !== null && at > d.now && at <= d.now + 60_000, `${at}`);
    d.now = at;
    d.run(on.tick);
    assert.equal(d.desktop?.ended[0].reason, reason);
  });
}

Deno.test("future times: the budget of offers fills again", () => {
  const d = new ControllerDriver().run(...SCRIPTS.connected);
  const [before] = Object.values(d.desktop!.sessions);
  d.now -= DAY_MS;
  const [after] = Object.values(withoutFuture(d.desktop!, d.policy, d.now).sessions);
  assert.equal(after.offers.tokens, before.offers.tokens);
  assert.equal(after.offers.atMs, d.now);
});
