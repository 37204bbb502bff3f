/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { newRelayFlow, RELAY_BUFFER_BYTES, relayDiff, type RelayFlow } from "./relay_flow.ts";

/** Steps a flow; each row: frame, last, buffered bytes, time → forward, skipped notice, congestion notice. */
function check(rows: readonly (readonly [number, boolean, number, number, string])[]): RelayFlow {
  let flow = newRelayFlow;
  for (const [frame, last, bufferedBytes, now, expected] of rows) {
    const decision = relayDiff(flow, { frame, last, bufferedBytes }, now);
    flow = decision.flow;
    const words = [
      decision.forward ? "forward" : "skip",
      ...(decision.notifySkipped ? ["skipped"] : []),
      ...(decision.notifyCongestion ? [flow.congested ? "congested" : "clear"] : []),
    ];
    assert.equal(words.join(" "), expected, `frame ${frame} at ${now}`);
  }
  return flow;
}

const FULL = RELAY_BUFFER_BYTES + 1;

Deno.test("relayDiff: the rest of a skipped frame is skipped too, told once", () => {
  const flow = check([
    [1, false, 0, 0, "forward"],
    [1, true, RELAY_BUFFER_BYTES, 1, "forward"],
    [2, false, FULL, 2, "skip skipped congested"],
    [2, false, 0, 3, "skip"],
    [2, true, 0, 4, "skip"],
    [3, true, 0, 5, "forward"],
    [4, true, 0, 300, "forward clear"],
  ]);
  assert.equal(flow.skippedFrames, 1);
});

Deno.test("relayDiff: a frame that lost only its end counts as skipped", () => {
  const flow = check([
    [1, false, 0, 0, "forward"],
    [1, true, FULL, 1, "skip skipped congested"],
    [2, true, 0, 2, "forward"],
  ]);
  assert.equal(flow.skippedFrames, 1);
});

Deno.test("relayDiff: notices are few, and the buffer must be half empty before it is clear", () => {
  check([
    [1, true, FULL, 0, "skip skipped congested"],
    [2, true, RELAY_BUFFER_BYTES - 1, 1_000, "forward"],
    [3, true, 10, 1_001, "forward clear"],
    [4, true, FULL, 1_002, "skip skipped"],
    [5, true, FULL, 1_251, "skip skipped congested"],
  ]);
});
