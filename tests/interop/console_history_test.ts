/// <reference lib="dom" />
/** Sessions that are over, in Chromium: a desktop's list, and one session by its address. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { outcomeWords, sessionIn, sessionsIn } from "../../browser/core/past_sessions.ts";
import { endedView, sessionView } from "../../server/core/views.ts";
import { timelineOf } from "../../server/core/timeline.ts";
import {
  ControllerDriver,
  DESKTOP,
  on,
  SCRIPTS,
  SESSION,
} from "../../server/testing/controller_driver.ts";
import { launchChromium } from "../support/chromium.ts";
import { focused, LAPTOP, overflowsSideways, PHONE, withPage } from "../support/ui_story_page.ts";
import { startStory } from "../support/ui_story_server.ts";
import { DESKTOP_ID } from "../support/ui_story_views.ts";

/** A session of the server's own core that was connected and then killed. */
function killed() {
  const driver = new ControllerDriver().run(...SCRIPTS.connected);
  const live = driver.desktop?.sessions[SESSION];
  assert.ok(live !== undefined);
  driver.now += 90_000;
  const [ended] = driver.run(on.kill()).desktop?.ended ?? [];
  return { live, ended };
}

/** Answers as the server does, for what the pages ask. */
async function answerFor(page: Page): Promise<string[]> {
  const { ended } = killed();
  const asked: string[] = [];
  await page.route("**/api/v1/**", async (route) => {
    const { pathname, search } = new URL(route.request().url());
    asked.push(pathname + search);
    const one = endedView(ended);
    const timeline = timelineOf(ended, ended.endedAtMs);
    const data = pathname.endsWith("/sessions")
      ? [{ ...one, createdAt: one.createdAt - 1, sessionId: DESKTOP_ID }, one]
      : pathname.endsWith("/timeline")
      ? { ...one, timeline }
      : pathname.endsWith("/bundle")
      ? { versions: { server: "x" } }
      : pathname.endsWith(SESSION)
      ? { ...one, events: ended.events }
      : null;
    await route.fulfill({ json: data === null ? { success: false } : { success: true, data } });
  });
  return asked;
}

Deno.test("history: what the server tells of sessions is what the console reads", () => {
  const { live, ended } = killed();
  const views = [endedView(ended), sessionView(live)];
  const read = sessionsIn({ success: true, data: views });
  assert.deepEqual(read?.map((s) => outcomeWords(s)), [
    "The session was ended by the server",
    "Still open",
  ]);
  const one = sessionIn({ success: true, data: { ...views[0], events: ended.events } });
  assert.deepEqual([one?.sessionId, one?.desktopId, one?.ended?.reason], [
    SESSION,
    DESKTOP,
    "killed",
  ]);
  for (const wrong of [null, { success: false }, { success: true, data: [{ sessionId: 5 }] }]) {
    assert.deepEqual([sessionsIn(wrong), sessionIn(wrong)], [null, null]);
  }
});

Deno.test("history: from the list to a session of last week and back, by keyboard", async () => {
  await using story = await startStory();
  await using browser = await launchChromium();
  await withPage({ browser, origin: story.origin }, "list", async (page) => {
    const asked = await answerFor(page);
    const card = page.locator(`[data-desktop-id="${DESKTOP_ID}"]`);
    const link = card.getByRole("link", { name: "Past sessions of Build server" });
    // Who speaks to the browser says what is read on a link (WCAG 2.2, 2.5.3).
    assert.equal(await link.textContent(), "Past sessions");
    await link.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sessions of Build server" }).waitFor();
    const rows = page.getByTestId("history").getByRole("listitem");
    await rows.first().waitFor();
    assert.equal(await rows.count(), 2);
    assert.match(await rows.first().innerText(), /The session was ended by the server\s+90 s/);
    await rows.first().getByRole("link").focus();
    await page.keyboard.press("Enter");
    const record = page.getByTestId("record");
    await record.getByRole("radio", { name: "Whole session" }).click();
    await record.getByRole("img", { name: "Course of the session over 90 s" }).waitFor();
    assert.match(await record.innerText(), /Why\s+The session was ended by the server/);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByTestId("export-bundle").click(),
    ]);
    assert.equal(download.suggestedFilename(), `farglass-session-${SESSION}.json`);
    await page.getByTestId("history-back").click();
    await page.getByTestId("history-none").or(page.getByTestId("history")).waitFor();
    await page.getByTestId("history-back").focus();
    assert.equal(await focused(page), "history-back");
    await page.keyboard.press("Enter");
    await page.getByTestId("desktop-list").waitFor();
    assert.ok(asked[0].endsWith(`/sessions?desktopId=${DESKTOP_ID}`), asked[0]);
    assert.equal(await page.evaluate(() => globalThis.story.calls.length), 0, "nobody connects");
  });
});

for (const viewport of [LAPTOP, PHONE]) {
  Deno.test(`history: both pages fit, ${viewport.width} wide`, async () => {
    await using story = await startStory();
    await using browser = await launchChromium();
    const stage = { browser, origin: story.origin };
    for (const path of [`#/history/${DESKTOP_ID}`, `#/record/${SESSION}`]) {
      await withPage(stage, "list", async (page) => {
        await answerFor(page);
        await page.evaluate((hash) => location.hash = hash, path);
        await page.getByTestId(path.includes("record") ? "lanes" : "history").waitFor();
        assert.equal(await overflowsSideways(page), false);
        const shots = Deno.env.get("FARGLASS_SHOTS");
        if (shots === undefined) return;
        const name = path.includes("record") ? "record" : "history";
        await page.screenshot({ path: `${shots}/${name}-${viewport.width}.png` });
      }, { viewport });
    }
  });
}

Deno.test("history: a session that is not known says so, and the way back is there", async () => {
  await using story = await startStory();
  await using browser = await launchChromium();
  await withPage({ browser, origin: story.origin }, "list", async (page) => {
    await page.route("**/api/v1/**", (route) => route.fulfill({ json: { success: false } }));
    await page.evaluate((hash) => location.hash = hash, `#/record/${SESSION}`);
    await page.getByTestId("history-none").getByText("could not be read").waitFor();
    await page.getByTestId("history-back").click();
    await page.getByTestId("desktop-list").waitFor();
  });
});
