/// <reference lib="dom" />
/** The session's course and the support bundle in the HUD, in Chromium. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { recordIn } from "../../browser/core/session_record.ts";
import { timelineOf } from "../../server/core/timeline.ts";
import { ControllerDriver, on, SCRIPTS, SESSION } from "../../server/testing/controller_driver.ts";
import { launchChromium } from "../support/chromium.ts";
import {
  LAPTOP,
  overflowsSideways,
  PHONE,
  type StoryStage,
  withPage,
} from "../support/ui_story_page.ts";
import { startStory } from "../support/ui_story_server.ts";

const span = (from: number, to: number, label: string) => ({ from, to, label, cause: null });
/** A minute whose connection took a good second; the agent is one that does not tell its ICE. */
const timeline = (end: number) => ({
  startedAt: 1_000,
  endedAt: null,
  lanes: [
    {
      lane: "signalling",
      spans: [
        { ...span(1_000, 1_500, "requested"), cause: "session-requested" },
        span(1_500, 1_700, "offered"),
      ],
    },
    {
      lane: "connection",
      spans: [
        span(1_700, 2_000, "connecting"),
        span(2_000, 30_000, "connected"),
        { ...span(30_000, 32_000, "degraded"), cause: "ice-disconnected" },
        span(32_000, end, "connected"),
      ],
    },
    {
      lane: "ice-console",
      spans: [
        span(1_710, 1_748, "checking"),
        span(1_748, 30_000, "connected"),
        span(30_000, 31_990, "disconnected"),
        span(31_990, end, "connected"),
      ],
    },
    { lane: "ice-agent", spans: [] },
    {
      lane: "dtls-console",
      spans: [span(1_748, 1_860, "connecting"), span(1_860, end, "connected")],
    },
    {
      lane: "dtls-agent",
      spans: [span(1_750, 1_850, "connecting"), span(1_850, end, "connected")],
    },
    { lane: "first-frame", spans: [span(1_000, 2_200, "first frame")] },
    {
      lane: "transport",
      spans: [
        span(2_200, 40_000, "rtp"),
        span(40_000, 45_000, "diff-ws"),
        span(45_000, end, "rtp"),
      ],
    },
  ],
});

/** Bars of a lane: label and share of the width. */
const barsOf = (page: Page, lane: string) =>
  page.locator(`[data-lane="${lane}"] rect[data-span]`).evaluateAll((bars) =>
    bars.map((bar) =>
      `${bar.getAttribute("data-span")} ${
        Math.round(
          Number(bar.getAttribute("width")) / 3,
        )
      } %`
    )
  );

/** The page with its panel open and the course asked for. */
async function showCourse(page: Page, end: number): Promise<string[]> {
  const asked: string[] = [];
  await page.route("**/api/v1/**", async (route) => {
    asked.push(new URL(route.request().url()).pathname);
    await route.fulfill({ json: { success: true, data: { timeline: timeline(end) } } });
  });
  if (await page.getByTestId("lanes-toggle").isHidden()) {
    await page.getByTestId("details-peek").click();
  }
  await page.getByTestId("lanes-toggle").click();
  await page.getByTestId("lanes").waitFor();
  return asked;
}

Deno.test("console: the course as lanes, its set-up and its whole, and in words", async () => {
  await using story = await startStory();
  await using browser = await launchChromium();
  const stage: StoryStage = { browser, origin: story.origin };
  await withPage(stage, "live", async (page) => {
    const asked = await showCourse(page, 61_000);
    assert.match(asked[0], /^\/api\/v1\/remote-desktop\/sessions\/[0-9a-f-]{36}\/timeline$/);
    const lanes = page.getByTestId("lanes");
    await lanes.getByRole("img", { name: "Course of the session over 1.44 s" }).waitFor();
    assert.deepEqual(await barsOf(page, "dtls-console"), ["connecting 8 %", "connected 40 %"]);
    assert.deepEqual(await barsOf(page, "ice-console"), ["checking 2 %", "connected 48 %"]);
    assert.deepEqual(await barsOf(page, "ice-agent"), []);
    assert.match(await lanes.innerText(), /ICE, this browser/);
    await lanes.getByRole("radio", { name: "Whole session" }).click();
    await lanes.getByRole("img", { name: "Course of the session over 60 s" }).waitFor();
    assert.deepEqual(await barsOf(page, "transport"), ["rtp 63 %", "diff-ws 8 %", "rtp 26 %"]);
    await lanes.locator("summary").click();
    const words = await lanes.innerText();
    assert.match(words, /First picture[\s\S]*first picture\s+0 ms\s+1\.20 s/);
    assert.match(words, /DTLS, this browser[\s\S]*connecting\s+748 ms\s+112 ms/);
    assert.match(words, /unsteady\s+The network path broke\s+29 s\s+2\.00 s/);
    await page.getByTestId("lanes-toggle").click();
    assert.equal(await lanes.count(), 0);
  });
});

for (const viewport of [LAPTOP, PHONE]) {
  for (const colorScheme of ["light", "dark"] as const) {
    Deno.test(`console: the course fits, ${viewport.width} wide and ${colorScheme}`, async () => {
      await using story = await startStory();
      await using browser = await launchChromium();
      await withPage({ browser, origin: story.origin }, "live", async (page) => {
        await showCourse(page, 61_000);
        assert.equal(await overflowsSideways(page), false);
        const box = await page.getByTestId("lanes").boundingBox();
        assert.ok(box !== null && box.width > 250 && box.x + box.width <= viewport.width);
        const shots = Deno.env.get("FARGLASS_SHOTS");
        if (shots === undefined) return;
        for (const id of ["lanes", "export-addresses"]) {
          await page.getByTestId(id).scrollIntoViewIfNeeded();
          await page.screenshot({
            path: `${shots}/course-${viewport.width}-${colorScheme}-${id}.png`,
          });
        }
        await page.locator('[data-testid="lanes"] summary').click();
        await page.getByTestId("lanes").locator("table").nth(3).scrollIntoViewIfNeeded();
        await page.screenshot({
          path: `${shots}/course-${viewport.width}-${colorScheme}-words.png`,
        });
      }, { viewport, colorScheme });
    });
  }
}

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
