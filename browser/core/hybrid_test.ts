/// <reference lib="deno.ns" />
/** Hybrid mode as the console's machine decides it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { caps, ConsoleHarness } from "../../tests/support/console_harness.ts";
import type { Environment } from "./policy.ts";
import { surfaceOf } from "./view.ts";

const able: Environment = { webrtc: true, videoCodecs: ["h264"], hybrid: true };
const hybridCaps = caps({ hybrid: true });

const live = (): ConsoleHarness => {
  const h = new ConsoleHarness(able);
  h.live(hybridCaps);
  return h;
};
const fallbacks = (h: ConsoleHarness) =>
  h.messages("DESKTOP_TRANSPORT_FALLBACK").map(({ payload: p }) => `${p.from}→${p.to} ${p.reason}`);

Deno.test("Auto with an agent and a browser that can → hybrid, both surfaces", () => {
  const h = live();
  equal(h.session.transport, "hybrid");
  equal(surfaceOf(h.state), "both");
  const kinds = h.effects.map((e) => e.type);
  ok(kinds.includes("bind-video"));
  ok(h.effects.some((e) => e.type === "accept-diff" && e.hybrid && e.source?.via === "dc"));
});

for (
  const [name, environment, description] of [
    ["the agent does not offer it", able, caps()],
    ["the browser cannot", { webrtc: true, videoCodecs: ["h264"], hybrid: false }, hybridCaps],
  ] as const
) {
  Deno.test(`Auto, but ${name} → rtp`, () => {
    const h = new ConsoleHarness(environment);
    h.live(description);
    equal(h.session.transport, "rtp");
  });
}

Deno.test("the operator's choice: Video → rtp, Diff → diff-dc, Auto → hybrid again", () => {
  const h = live();
  h.do({ type: "choose", choice: "video" });
  equal(h.session.transport, "rtp");
  h.do({ type: "choose", choice: "diff" });
  equal(h.session.transport, "diff-dc");
  h.do({ type: "choose", choice: "auto" });
  equal(h.session.transport, "hybrid");
  deepEqual(h.selects, ["hybrid", "rtp", "diff-dc", "hybrid"]);
});

Deno.test("regions that are shown are told to the agent", () => {
  const h = live();
  h.do({ type: "regions", version: 7 });
  deepEqual(h.controls.at(-1)?.message, { op: "regions", version: 7 });
});

Deno.test("a browser that does not tell frame times after all → rtp", () => {
  const h = live();
  h.do({ type: "no-frame-times" });
  equal(h.session.transport, "rtp");
});

/** The desktop changes and frames are sent, but none is decoded any more. */
function stall(h: ConsoleHarness): void {
  h.stats(10);
  for (let i = 0; i < 10; i++) {
    h.world.captured += 15;
    h.world.rtpFrames += 15;
    h.advance(500);
    h.stats(10);
  }
}

Deno.test("video that shows a part of the screen stalls → diff-dc with evidence", () => {
  const h = live();
  h.do({ type: "video-needed", needed: true });
  stall(h);
  equal(h.session.transport, "diff-dc");
  deepEqual(fallbacks(h), ["hybrid→diff-dc rtp-stalled"]);
});

Deno.test("while patches show everything, no video is no stall", () => {
  const h = live();
  h.do({ type: "video-needed", needed: false });
  stall(h);
  equal(h.session.transport, "hybrid");
  deepEqual(fallbacks(h), []);
});

Deno.test("the path breaks → diff-ws; when it is proved again → hybrid", () => {
  const h = live();
  h.world.beating.clear();
  h.advance(4_000);
  equal(h.session.transport, "diff-ws");
  h.advance(3_000);
  h.connected();
  h.advance(3_000);
  equal(h.session.transport, "hybrid");
  equal(h.messages("DESKTOP_TRANSPORT_RESTORED").at(-1)?.payload.from, "diff-ws");
});

Deno.test("figures of both ways are added; the livelier picture rate counts", () => {
  const h = live();
  h.do({ type: "video-needed", needed: true });
  for (let i = 0; i < 8; i++) {
    h.do({ type: "diff-stats", frames: i * 5, bytes: i * 62_500 });
    h.stats(i * 15);
    h.advance(500);
  }
  const { hud } = h.session;
  equal(Math.round(hud.fps ?? 0), 30);
  // 125 kB and 30 frames of 1 kB each second.
  equal(Math.round((hud.bitrateKbps ?? 0) / 10), 124);
});
