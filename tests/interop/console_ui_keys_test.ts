/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The console by keyboard alone, with an in-memory client (tests/support/ui_story.ts). */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import {
  calls,
  card,
  focused,
  LAPTOP,
  lastCall,
  PHONE,
  type StoryStage,
  withPage,
} from "../support/ui_story_page.ts";
import { startStory } from "../support/ui_story_server.ts";
import { DESKTOP_ID } from "../support/ui_story_views.ts";

Deno.test("console UI by keyboard", async (t) => {
  await using story = await startStory();
  await using browser = await launchChromium();
  const stage: StoryStage = { browser, origin: story.origin };
  await t.step("every control of the list is reached by Tab", () => tabList(stage));
  await t.step("every control of the session is reached by Tab", () => tabSession(stage));
  await t.step("the stage takes all keys, the chord gives them back", () => chord(stage));
  await t.step("on-screen keyboard: text, Backspace and Enter", () => softKeyboard(stage));
});

/** Names of all controls that a keyboard has to reach; a radio group counts by its chosen radio. */
const reachable = (page: Page) =>
  page.evaluate(() => {
    const all = document.querySelectorAll<HTMLElement>(
      "a[href], button, input, textarea, summary, [tabindex]",
    );
    return [...all]
      .filter((element) =>
        element.checkVisibility({ visibilityProperty: true }) && !element.matches(":disabled") &&
        element.tabIndex >= 0
      )
      .map((element) =>
        element.dataset.testid ?? element.getAttribute("aria-label") ?? element.innerText.trim()
      );
  });

/** The focused element shows that it is: an outline, or the ring around the picture. */
const focusIsVisible = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement as HTMLElement;
    const outline = getComputedStyle(element);
    return outline.outlineStyle !== "none" && parseFloat(outline.outlineWidth) >= 2 ||
      document.querySelector('[data-testid="focus-ring"]') !== null;
  });

/** Presses Tab until the focus is back where it began; names what it met. */
async function tabThrough(page: Page, limit = 60): Promise<string[]> {
  const met: string[] = [];
  for (let n = 0; n < limit; n++) {
    await page.keyboard.press("Tab");
    const name = await focused(page);
    if (name === "" || met.includes(name)) break;
    met.push(name);
  }
  return met;
}

async function tabList(stage: StoryStage): Promise<void> {
  await withPage(stage, "offline", async (page) => {
    await page.keyboard.press("Tab");
    assert.equal(await focusIsVisible(page), true);
    assert.deepEqual(
      new Set([await focused(page), ...await tabThrough(page)]),
      new Set(await reachable(page)),
    );
  });
  await withPage(stage, "list", async (page) => {
    await card(page, DESKTOP_ID).getByTestId("connect").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("session").waitFor();
    assert.deepEqual((await calls(page)).some(([name]) => name === "connect"), true);
  });
}

async function tabSession(stage: StoryStage): Promise<void> {
  for (const viewport of [LAPTOP, PHONE]) {
    await withPage(stage, "live", async (page) => {
      await page.getByTestId("stage").focus();
      assert.equal(await focusIsVisible(page), true);
      await page.keyboard.press("Control+Alt+Shift");
      const start = await focused(page);
      assert.equal(start, "Back to the list");
      const met = [start];
      for (let n = 0; n < 60 && met.at(-1) !== "stage"; n++) {
        await page.keyboard.press("Tab");
        met.push(await focused(page));
        assert.equal(await focusIsVisible(page), true, `${met.at(-1)} shows its focus`);
      }
      assert.deepEqual(
        (await reachable(page)).filter((name) => !met.includes(name)),
        [],
        "reached by Tab before the stage keeps the keyboard",
      );
    }, { viewport });
  }
}

async function chord(stage: StoryStage): Promise<void> {
  await withPage(stage, "live", async (page) => {
    await page.getByTestId("stage").click();
    assert.equal(await focused(page), "stage");
    assert.match(await page.getByTestId("key-hint").innerText(), /Ctrl \+ Alt \+ Shift/);
    const taken = ["Tab", "Escape", "F5", "a", "Enter"];
    for (const key of taken) await page.keyboard.press(key);
    assert.equal(await focused(page), "stage");
    await page.keyboard.down("Control");
    await page.keyboard.down("Alt");
    await page.keyboard.down("Shift");
    assert.notEqual(await focused(page), "stage");
    assert.deepEqual(
      await page.evaluate(() => globalThis.story.keys),
      [...taken, "Control", "Alt"],
      "the last key of the chord is not the desktop's",
    );
    for (const key of ["Shift", "Alt", "Control"]) await page.keyboard.up(key);
    await page.getByTestId("stage").focus();
    const area = (await page.getByTestId("picture-area").boundingBox())!;
    await page.mouse.click(area.x + area.width / 2, area.y + 4);
    assert.notEqual(await focused(page), "stage", "a click beside the picture lets go too");
  });
}

async function softKeyboard(stage: StoryStage): Promise<void> {
  await withPage(stage, "live", async (page) => {
    await page.getByTestId("soft-keyboard").click();
    assert.equal(await focused(page), "soft-keyboard-field");
    await page.keyboard.insertText("hé😀");
    assert.deepEqual(await lastCall(page), ["typeText", "hé😀"]);
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Enter");
    await page.keyboard.type("x");
    assert.deepEqual(await lastCall(page), ["typeText", "x"]);
    assert.deepEqual(await page.evaluate(() => globalThis.story.keys), ["Backspace", "Enter"]);
  }, { viewport: PHONE, hasTouch: true, isMobile: true });
}
