/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { ConsoleHarness } from "../../tests/support/console_harness.ts";
import { MAX_DECISIONS, MAX_SAMPLES } from "./report.ts";

Deno.test("report: one reading of the HUD a second, ten minutes of them", () => {
  const h = new ConsoleHarness();
  h.live();
  for (let i = 0; i < 40; i++) {
    h.stats(i * 15);
    h.advance(500);
  }
  const { samples } = h.state.session?.report ?? { samples: [] };
  assert.ok(samples.length >= 15, `${samples.length}`);
  for (let i = 1; i < samples.length; i++) {
    assert.ok(samples[i].at - samples[i - 1].at >= 1_000);
  }
  const last = samples.at(-1);
  assert.deepEqual([last?.transport, last?.stage], ["rtp", "approved"]);
  assert.equal(last?.fps, 30);
  assert.equal(last?.captured, 0);
  h.advance(MAX_SAMPLES * 1_000 + 60_000);
  assert.equal(h.state.session?.report.samples.length, MAX_SAMPLES);
});

Deno.test("report: each decision with its figures, and no more than the bound", () => {
  const h = new ConsoleHarness();
  h.live();
  h.do({ type: "video-fault" });
  h.advance(1_000);
  const decisions = () => h.state.session?.report.decisions ?? [];
  const told = decisions().map((x) => `${x.what} ${x.from} ${x.to} ${x.reason}`);
  assert.ok(told.includes("chosen none rtp transport-selected"), told.join("\n"));
  assert.ok(told.includes("shown none rtp transport-selected"), told.join("\n"));
  assert.ok(told.includes("lost rtp null decoder-error"), told.join("\n"));
  assert.ok(told.includes("chosen rtp diff-dc decoder-error"), told.join("\n"));
  assert.deepEqual(decisions().find((x) => x.what === "lost")?.evidence, { videoElement: 1 });
  for (let i = 0; i < 2 * MAX_DECISIONS; i++) {
    h.do({ type: "choose", choice: i % 2 === 0 ? "diff" : "video" });
  }
  assert.equal(decisions().length, MAX_DECISIONS);
});
