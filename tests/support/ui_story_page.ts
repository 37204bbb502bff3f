/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** One scene of the UI story in a page of its own. */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Scene } from "./ui_story_views.ts";

export const LAPTOP = { width: 1366, height: 768 };
export const PHONE = { width: 390, height: 844 };

type ContextOptions = NonNullable<Parameters<Browser["newContext"]>[0]>;

/** Everything the steps need of the running story. */
export interface StoryStage {
  readonly browser: Browser;
  readonly origin: string;
}

/** Opens a scene, runs `use`, and fails on any error or CSP violation in the page. */
export async function withPage(
  { browser, origin }: StoryStage,
  scene: Scene,
  use: (page: Page, context: BrowserContext) => Promise<void>,
  options: ContextOptions & { readonly query?: string } = {},
): Promise<void> {
  const { query, ...rest } = options;
  const context = await browser.newContext({ viewport: LAPTOP, colorScheme: "light", ...rest });
  const errors: string[] = [];
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(`${origin}/?scene=${scene}${query ?? ""}`);
    // The page counts as loaded before React has rendered for the first time.
    await page.locator("#root > *").first().waitFor({ state: "attached" });
    await use(page, context);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

/** What the UI asked of its client, oldest first. */
export const calls = (page: Page) => page.evaluate(() => globalThis.story.calls);
/** The newest call. */
export const lastCall = async (page: Page) => (await calls(page)).at(-1);
/** Changes the scene. */
export const show = (page: Page, scene: Scene) =>
  page.evaluate((s) => globalThis.story.show(s), scene);
/** A desktop's card in the list. */
export const card = (page: Page, id: string) => page.locator(`[data-desktop-id="${id}"]`);

/** What has the keyboard: its test id, else its label or text. */
export const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement as HTMLElement | null;
    if (element === document.body) return "";
    return element?.dataset.testid ?? element?.getAttribute("aria-label") ??
      element?.innerText.trim() ?? "";
  });

/** Whether the page is wider than its window. */
export const overflowsSideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
