/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { EVENT_ACTIONS } from "@farglass/protocol";
import { fullEvent } from "../../../tests/support/event_samples.ts";
import { lineBytes } from "./ports.ts";
import { syslogMessage } from "./syslog.ts";

const origin = { hostname: "desk one\n", processId: "42" };
/** RFC 5424 section 6: HEADER SP STRUCTURED-DATA SP MSG. */
const MESSAGE =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (\[origin software="[^"\]\\]+" swVersion="[^"\]\\]+"\]) (.*)$/;

Deno.test("syslogMessage: every action makes an RFC 5424 message", () => {
  for (const action of EVENT_ACTIONS) {
    const match = MESSAGE.exec(syslogMessage(fullEvent(action), "{}", origin));
    assert.ok(match, action);
    assert.equal(match[3], "deskone");
    assert.equal(match[6], action);
    assert.equal(match[8], "{}");
  }
});

Deno.test("syslogMessage: facility log audit, severity by the event's", () => {
  const priority = (action: Parameters<typeof fullEvent>[0]) =>
    syslogMessage(fullEvent(action), "", origin).split(">")[0];
  assert.deepEqual(
    (["sign-in", "control-taken", "sign-in-refused", "events-dropped"] as const).map(priority),
    ["<110", "<109", "<108", "<107"],
  );
});

Deno.test("lineBytes: as UTF-8 counts them, and the line's end", () => {
  for (const [text, bytes] of [["", 1], ["abc", 4], ["é", 3], ["€", 4], ["😀", 5]] as const) {
    assert.equal(lineBytes(text), bytes);
  }
});
