/// <reference lib="dom" />
/** The session's course and the support bundle in the HUD, in Chromium. */
import assert from "node:assert/strict";
import { recordIn } from "../../browser/core/session_record.ts";
import { timelineOf } from "../../server/core/timeline.ts";
import { ControllerDriver, on, SCRIPTS, SESSION } from "../../server/testing/controller_driver.ts";
import { launchChromium } from "../support/chromium.ts";
import { LAPTOP, overflowsSideways, type StoryStage, withPage } from "../support/ui_story_page.ts";
import { startStory } from "../support/ui_story_server.ts";

const SPAN = { from: 1_000, to: 1_500, label: "requested", cause: "session-requested" };
const TIMELINE = {
  success: true,
  data: {
    timeline: {
      startedAt: 1_000,
      endedAt: null,
      lanes: [
        {
          lane: "signalling",
          spans: [SPAN, { ...SPAN, from: 1_500, to: 1_700, label: "offered" }],
        },
        { lane: "connection", spans: [{ ...SPAN, from: 1_700, to: 9_000, label: "connected" }] },
        { lane: "first-frame", spans: [{ ...SPAN, to: 2_000, label: "first frame" }] },
        { lane: "transport", spans: [{ ...SPAN, from: 2_000, to: 9_000, label: "rtp" }] },
      ],
    },
  },
};

Deno.test("console: the course of a session as a picture, in words, and for support", async () => {
  await using story = await startStory();
  await using browser = await launchChromium();
  const stage: StoryStage = { browser, origin: story.origin };
  await withPage(stage, "live", async (page) => {
    const asked: string[] = [];
    await page.route("**/api/v1/**", async (route) => {
      asked.push(new URL(route.request().url()).pathname);
      await route.fulfill({ json: TIMELINE });
    });
    await page.getByTestId("lanes-toggle").click();
    const lanes = page.getByTestId("lanes");
    await lanes.waitFor();
    assert.match(asked[0], /^\/api\/v1\/remote-desktop\/sessions\/[0-9a-f-]{36}\/timeline$/);
    const picture = lanes.getByRole("img", { name: "Course of the session over 8.00 s" });
    assert.equal(await picture.locator("rect").count(), 5);
    const widths = await picture.locator("rect").evaluateAll((bars) =>
      bars.map((bar) => Number(bar.getAttribute("width")))
    );
    assert.deepEqual(widths.map(Math.round), [19, 8, 274, 38, 263]);
    await lanes.locator("summary").click();
    assert.match(await lanes.innerText(), /First picture[\s\S]*first frame\s+0\.00 s\s+1\.00 s/);
    const link = page.getByTestId("export-bundle");
    assert.match(await link.getAttribute("href") ?? "", /\/sessions\/[0-9a-f-]{36}\/bundle$/);
    assert.notEqual(await link.getAttribute("download"), null);
    assert.equal(await overflowsSideways(page), false);
    await page.getByTestId("lanes-toggle").click();
    assert.equal(await lanes.count(), 0);
  }, { viewport: LAPTOP });
});

Deno.test("console: reads the record that the server writes, and nothing else", () => {
  const driver = new ControllerDriver().run(...SCRIPTS.connected, on.fallback("rtp", "diff-ws"));
  const live = driver.desktop?.sessions[SESSION];
  assert.ok(live !== undefined);
  const timeline = timelineOf({ ...live, endedAtMs: null }, driver.now + 1_000);
  const record = recordIn({ success: true, data: { timeline } });
  assert.deepEqual(record?.lanes, timeline.lanes);
  for (const wrong of [null, 5, { success: true }, { success: false, error: {} }]) {
    assert.equal(recordIn(wrong), null);
  }
});

Deno.test("console: without a record the course says so", async () => {
  await using story = await startStory();
  await using browser = await launchChromium();
  await withPage({ browser, origin: story.origin }, "live", async (page) => {
    await page.route("**/api/v1/**", (route) => route.fulfill({ json: { success: false } }));
    await page.getByTestId("lanes-toggle").click();
    await page.getByText("The server has no record of the session").waitFor();
  });
});
