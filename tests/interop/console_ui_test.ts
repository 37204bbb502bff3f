/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The console's pages in Chromium, with an in-memory client (tests/support/ui_story.ts). */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import {
  calls,
  card,
  focused,
  LAPTOP,
  lastCall,
  overflowsSideways,
  PHONE,
  show,
  type StoryStage,
  withPage,
} from "../support/ui_story_page.ts";
import { startStory } from "../support/ui_story_server.ts";
import { DESKTOP_ID } from "../support/ui_story_views.ts";

const OFFLINE_ID = DESKTOP_ID.replace(/01$/, "04");
const UNLISTED_ID = DESKTOP_ID.replace(/01$/, "99");

const HUD_IDS = [
  "transport",
  "stage",
  "path",
  "resolution",
  "fps",
  "bitrate",
  "rtt",
  "loss",
  "decode",
  "jitter-buffer",
  "turn-ttl",
  "relay-hint",
  "exact-since",
  "timeline",
];

Deno.test("console UI", async (t) => {
  await using story = await startStory();
  await using browser = await launchChromium();
  const stage: StoryStage = { browser, origin: story.origin };

  await t.step("list: every desktop with its state, one click connects", () => listStep(stage));
  await t.step("list: empty, loading, offline, signed out, broken", () => listStates(stage));
  await t.step("list: fits a phone and both colour schemes", () => listFits(stage));
  await t.step(
    "?connect: waits for the desktop, then connects and leaves the address",
    () => connectByAddress(stage),
  );
  await t.step("back disconnects, forward connects again", () => history(stage));
  for (const viewport of [LAPTOP, PHONE]) {
    for (const colorScheme of ["light", "dark"] as const) {
      const name = `session at ${viewport.width}×${viewport.height}, ${colorScheme}`;
      await t.step(name, () => sessionFits(stage, viewport, colorScheme));
    }
  }
  await t.step("HUD: words for people, data-value for machines", () => hudFacts(stage));
  await t.step("HUD: a sheet on a phone, closable beside the picture", () => hudOpens(stage));
  await t.step("tools: each reaches the client", () => tools(stage));
  await t.step("policy: refused choices say why", () => refusals(stage));
  await t.step("overlays: waiting, recovering, ended", () => overlays(stage));
  await t.step("scaling: 1:1 is one remote pixel on one pixel and scrolls", () => scaling(stage));
  await t.step("full screen: the tools hide and come back", () => fullscreen(stage));
  await t.step("theme: cycles and stays after a reload", () => theme(stage));
});

async function listStep(stage: StoryStage): Promise<void> {
  await withPage(stage, "list", async (page) => {
    const cards = page.getByTestId("desktop-list").getByTestId("desktop-card");
    assert.equal(await cards.count(), 4);
    assert.equal(await page.title(), "Desktops · Farglass");
    const offline = card(page, OFFLINE_ID);
    assert.equal(await offline.getAttribute("data-online"), "false");
    assert.equal(await offline.getByTestId("connect").isDisabled(), true);
    const first = card(page, DESKTOP_ID);
    assert.match(await first.innerText(), /Online\s+for 2 h 5 min/);
    assert.match(await first.innerText(), /1920 × 1080 · X11 screen/);
    assert.match(await first.innerText(), /2 viewers/);
    assert.match(await cards.nth(2).innerText(), /View only/);
    await first.getByTestId("connect").click();
    await page.getByTestId("session").waitFor();
    assert.deepEqual((await calls(page)).filter(([name]) => name === "connect"), [
      ["connect", DESKTOP_ID],
    ]);
    assert.equal(new URL(page.url()).hash, `#/session/${DESKTOP_ID}`);
    assert.equal(await page.title(), "Build server – Connected · Farglass");
  });
}

async function listStates(stage: StoryStage): Promise<void> {
  await withPage(stage, "empty", async (page) => {
    const text = await page.getByTestId("no-desktops").innerText();
    assert.match(text, new RegExp(`--server ${stage.origin.replace("http", "ws")}`));
  });
  await withPage(stage, "loading", async (page) => {
    assert.match(await page.getByTestId("link-banner").innerText(), /Connecting/);
    assert.equal(await page.getByTestId("desktop-list").getAttribute("aria-busy"), "true");
  });
  await withPage(stage, "offline", async (page) => {
    assert.match(await page.getByTestId("link-retry-in").innerText(), /Next attempt in \d s/);
    assert.equal(await card(page, DESKTOP_ID).getByTestId("connect").isDisabled(), true);
    await page.getByTestId("retry-now").click();
    assert.deepEqual(await lastCall(page), ["retryNow", null]);
    assert.equal(await page.title(), "Offline · Farglass");
  });
  await withPage(stage, "signed-out", async (page) => {
    assert.match(await page.getByTestId("signed-out").innerText(), /fresh sign-in link/);
  });
  await withPage(stage, "list", async (page) => {
    await page.evaluate(() => globalThis.story.patch({ link: { state: "outdated" } }));
    assert.match(await page.getByTestId("link-banner").innerText(), /another version/);
    await Promise.all([page.waitForEvent("load"), page.getByTestId("reload").click()]);
    await page.getByTestId("desktop-list").waitFor();
  });
  const context = await stage.browser.newContext(); // the crash is reported as a page error
  const page = await context.newPage();
  await page.goto(`${stage.origin}/?scene=list`);
  await page.evaluate(() => globalThis.story.crash());
  assert.match(await page.getByTestId("broken").innerText(), /ran into a problem[\s\S]*TypeError/);
  await context.close();
}

async function listFits(stage: StoryStage): Promise<void> {
  const background = (page: Page) =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const seen = new Set<string>();
  for (const colorScheme of ["light", "dark"] as const) {
    await withPage(stage, "list", async (page) => {
      assert.equal(await overflowsSideways(page), false);
      seen.add(await background(page));
    }, { viewport: PHONE, colorScheme });
  }
  assert.equal(seen.size, 2, "light and dark differ");
}

async function connectByAddress(stage: StoryStage): Promise<void> {
  await withPage(stage, "list", async (page) => {
    await page.getByTestId("session").waitFor();
    await page.waitForURL(`${stage.origin}/#/session/${DESKTOP_ID}`);
    assert.deepEqual(
      (await calls(page)).filter(([name]) => name !== "attach"),
      [["connect", DESKTOP_ID]],
    );
  }, { query: `&connect=${DESKTOP_ID}` });
  await withPage(stage, "list", async (page) => {
    await page.getByText("does not know this desktop yet").waitFor();
    await page.evaluate((desktopId) => {
      const [first] = globalThis.story.view().desktops ?? [];
      globalThis.story.patch({ desktops: [{ ...first, desktopId, online: false }] });
    }, UNLISTED_ID);
    await page.getByText("The desktop is offline").waitFor();
    assert.deepEqual((await calls(page)).filter(([name]) => name === "connect"), []);
    await page.evaluate((desktopId) => {
      const [first] = globalThis.story.view().desktops ?? [];
      globalThis.story.patch({ desktops: [{ ...first, desktopId, online: true }] });
    }, UNLISTED_ID);
    await page.getByTestId("overlay-waiting").waitFor({ state: "detached" });
    assert.deepEqual(await lastCall(page), ["connect", UNLISTED_ID]);
    assert.equal(new URL(page.url()).search, "");
  }, { query: `&connect=${UNLISTED_ID}` });
}

async function history(stage: StoryStage): Promise<void> {
  await withPage(stage, "list", async (page) => {
    await card(page, DESKTOP_ID).getByTestId("connect").click();
    await page.getByTestId("session").waitFor();
    await page.goBack();
    await page.getByTestId("desktop-list").waitFor();
    assert.deepEqual(await lastCall(page), ["disconnect", null]);
    await page.goForward();
    await page.getByTestId("session").waitFor();
    await page.waitForFunction(() => globalThis.story.calls.at(-1)?.[0] === "connect");
    await page.getByTestId("disconnect").click();
    await page.getByTestId("desktop-list").waitFor();
    const names = (await calls(page)).map(([name]) => name).filter((name) => name !== "attach");
    assert.deepEqual(names, ["connect", "disconnect", "connect", "disconnect"]);
  });
}

async function sessionFits(
  stage: StoryStage,
  viewport: typeof LAPTOP,
  colorScheme: "light" | "dark",
): Promise<void> {
  await withPage(stage, "live", async (page) => {
    const box = (await page.getByTestId("stage").boundingBox())!;
    assert.ok(Math.abs(box.width / box.height - 1920 / 1080) < 0.01, "keeps the aspect ratio");
    const area = (await page.getByTestId("picture-area").boundingBox())!;
    assert.ok(box.width >= area.width - 2 || box.height >= area.height - 2, "fills the space");
    for (const id of ["screen-canvas", "screen-video"]) {
      const shown = await page.getByTestId(id).isVisible();
      assert.equal(shown, id === "screen-canvas", `${id} visible`);
    }
    assert.deepEqual(await page.getByTestId("screen-canvas").boundingBox(), box);
    assert.equal(await overflowsSideways(page), false);
    for (const id of HUD_IDS) assert.equal(await page.getByTestId(`hud-${id}`).count(), 1, id);
    const disconnect = (await page.getByTestId("disconnect").boundingBox())!;
    assert.ok(disconnect.x + disconnect.width <= viewport.width, "disconnect is in view");
    await page.getByTestId("details-toggle").scrollIntoViewIfNeeded();
    assert.equal(await page.getByTestId("details-toggle").isVisible(), true);
  }, { viewport, colorScheme });
}

async function hudFacts(stage: StoryStage): Promise<void> {
  const facts = (page: Page) =>
    page.evaluate((ids) =>
      Object.fromEntries(ids.map((id) => {
        const element = document.querySelector<HTMLElement>(`[data-testid="hud-${id}"]`)!;
        return [id, [element.innerText.replaceAll(/\s+/g, " ").trim(), element.dataset.value]];
      })), HUD_IDS);
  await withPage(stage, "live", async (page) => {
    const { timeline: _, "turn-ttl": ttl, ...rest } = await facts(page);
    assert.deepEqual(rest, {
      "transport": ["Video rtp", "rtp"],
      "stage": ["Connected", "connected"],
      "path": ["Relayed by TURN, TCP", "relay/tcp"],
      "resolution": ["1920 × 1080", "1920x1080"],
      "fps": ["30fps", "29.6"],
      "bitrate": ["4.2Mb/s", "4210"],
      "rtt": ["12ms", "11.6"],
      "loss": ["0.4%", "0.004"],
      "decode": ["2.3 ms", "2.34"],
      "jitter-buffer": ["14 ms", "14"],
      "relay-hint": ["TURN as a fallback", "turn"],
      "exact-since": ["—", ""],
    });
    assert.match(ttl[0]!, /^9:\d\d$/);
    const entries = page.getByTestId("hud-timeline").locator("li");
    assert.match(await entries.first().innerText(), /^Back to video/);
    assert.match(await entries.last().innerText(), /^You asked for the desktop/);
    const switched = entries.filter({ hasText: "Switched from video to diff" });
    await switched.locator("summary").click();
    assert.match(await switched.innerText(), /no video frame arrives[\s\S]*stalledMs 2040/);
  });
  await withPage(stage, "diff", async (page) => {
    const shown = await facts(page);
    assert.deepEqual(shown.transport, ["Diff via server diff-ws", "diff-ws"]);
    assert.deepEqual(shown.path, ["Via server, WebSocket", "server/ws"]);
    assert.deepEqual(shown["turn-ttl"], ["—", ""]);
    assert.match(shown["exact-since"][0]!, /^\d\d:\d\d:\d\d \(4\d s\)$/);
    const transport = page.getByTestId("hud-transport");
    assert.equal(await transport.getAttribute("data-transport"), "diff-ws");
  });
}

async function hudOpens(stage: StoryStage): Promise<void> {
  await withPage(stage, "live", async (page) => {
    assert.equal(await page.getByTestId("hud-fps").isVisible(), true);
    await page.getByTestId("details-toggle").click();
    assert.equal(await page.getByTestId("hud").isVisible(), false);
    await page.reload();
    await page.getByTestId("session").waitFor();
    assert.equal(await page.getByTestId("hud").isVisible(), false, "stays closed");
  });
  await withPage(stage, "live", async (page) => {
    assert.equal(await page.getByTestId("hud-fps").isVisible(), false);
    const before = (await page.getByTestId("stage").boundingBox())!;
    await page.getByTestId("details-peek").click();
    assert.equal(await page.getByTestId("hud-fps").isVisible(), true);
    const after = (await page.getByTestId("stage").boundingBox())!;
    assert.ok(after.y < before.y && after.height > 0, "the picture makes room");
  }, { viewport: PHONE, hasTouch: true, isMobile: true });
}

async function tools(stage: StoryStage): Promise<void> {
  await withPage(stage, "live", async (page) => {
    const option = (choice: string) =>
      page.getByTestId("transport-switch").locator(`[data-value="${choice}"]`);
    await option("diff").click();
    assert.deepEqual(await lastCall(page), ["choose", "diff"]);
    assert.equal(await option("diff").getAttribute("aria-checked"), "true");
    await page.keyboard.press("ArrowLeft");
    assert.deepEqual(await lastCall(page), ["choose", "video"]);
    for (const keys of ["ctrl-alt-del", "super", "alt-tab", "escape", "print-screen"]) {
      await page.getByTestId("special-keys").click();
      await page.getByTestId(`special-${keys}`).click();
      assert.deepEqual(await lastCall(page), ["sendSpecial", keys]);
      assert.equal(await focused(page), "stage", "the keyboard is the desktop's again");
    }
    await page.getByTestId("type-text").click();
    await page.getByTestId("type-text-field").fill("Grüße ☀");
    await page.getByText("Press Enter afterwards").click();
    await page.getByTestId("type-text-send").click();
    assert.deepEqual(await lastCall(page), ["typeText", "Grüße ☀\n"]);
    await page.getByTestId("type-text").click();
    assert.equal(await page.getByTestId("type-text-field").inputValue(), "");
    await page.keyboard.press("Escape");
    await page.getByTestId("type-text-dialog").waitFor({ state: "hidden" });
    await page.getByTestId("view-only").click();
    assert.deepEqual(await lastCall(page), ["setViewOnly", true]);
    assert.equal(await page.getByTestId("view-only").getAttribute("aria-pressed"), "true");
    assert.equal(await page.getByTestId("special-keys").isDisabled(), true);
  });
}

async function refusals(stage: StoryStage): Promise<void> {
  await withPage(stage, "restricted", async (page) => {
    const video = page.getByTestId("transport-switch").locator('[data-value="video"]');
    assert.equal(await video.getAttribute("aria-disabled"), "true");
    await video.click({ force: true }); // playwright waits for aria-disabled to end
    assert.match(await page.getByTestId("notice").innerText(), /policy allows diff only/);
    assert.deepEqual((await calls(page)).filter(([name]) => name === "choose"), []);
    assert.equal(await page.getByTestId("view-only").isDisabled(), true);
    assert.match((await page.getByTestId("view-only").getAttribute("title"))!, /only be viewed/);
  });
}

async function overlays(stage: StoryStage): Promise<void> {
  await withPage(stage, "waiting", async (page) => {
    const text = await page.getByTestId("overlay-waiting").innerText();
    assert.match(text, /Waiting for the owner/);
    await show(page, "recovering");
    await page.getByTestId("overlay-recovering").waitFor();
    const banner = (await page.getByTestId("overlay-recovering").boundingBox())!;
    const box = (await page.getByTestId("stage").boundingBox())!;
    assert.ok(banner.height < box.height / 4, "the last picture stays in view");
    const hit = await page.evaluate(
      ({ x, y }) => document.elementFromPoint(x, y)?.closest("[data-testid=stage]") !== null,
      {
        x: box.x + box.width / 2,
        y: box.y + box.height / 2,
      },
    );
    assert.equal(hit, true, "the stage still takes the pointer");
    assert.equal(await page.title(), "Build server – Reconnecting · Farglass");

    await show(page, "ended");
    const ended = page.getByTestId("overlay-ended");
    assert.equal(await ended.getAttribute("data-reason"), "agent-lost");
    assert.match(await ended.innerText(), /The agent went away[\s\S]*machine is on/);
    assert.equal(await focused(page), "connect-again");
    await page.keyboard.press("Enter");
    assert.deepEqual(await lastCall(page), ["connect", DESKTOP_ID]);
    await ended.waitFor({ state: "detached" });
    await show(page, "ended");
    await page.getByTestId("back-to-list").click();
    await page.getByTestId("desktop-list").waitFor();
    assert.deepEqual(await lastCall(page), ["disconnect", null]);
  });
  await withPage(stage, "live", async (page) => {
    await page.evaluate(() => globalThis.story.patch({ link: { state: "signed-out" } }));
    assert.match(await page.getByTestId("link-banner").innerText(), /signed out/);
    assert.equal(await page.getByTestId("stage").isVisible(), true, "the session goes on");
  });
}

async function scaling(stage: StoryStage): Promise<void> {
  await withPage(stage, "live", async (page) => {
    await page.getByTestId("scaling").locator('[data-value="one-to-one"]').click();
    const box = (await page.getByTestId("stage").boundingBox())!;
    assert.deepEqual([box.width, box.height], [960, 540]);
    await page.getByTestId("pan").click();
    const scrolled = await page.getByTestId("picture-area").evaluate((area) => {
      area.scrollTo(10_000, 10_000);
      return area.scrollLeft > 0;
    });
    assert.equal(scrolled, true);
    const hit = await page.evaluate(() =>
      document.elementFromPoint(200, 400)?.getAttribute("data-testid")
    );
    assert.equal(hit, "picture-area", "while panning the picture takes no pointer");
  }, { viewport: PHONE, deviceScaleFactor: 2 });
}

async function fullscreen(stage: StoryStage): Promise<void> {
  await withPage(stage, "live", async (page) => {
    await page.getByTestId("fullscreen").click();
    await page.waitForFunction(() => document.fullscreenElement !== null);
    await page.getByTestId("stage").click();
    await page.getByTestId("toolbar").waitFor({ state: "hidden" });
    await page.getByTestId("reveal-tools").click();
    await page.getByTestId("toolbar").waitFor({ state: "visible" });
    assert.equal(await focused(page), "Back to the list");
    await page.getByTestId("fullscreen").click();
    await page.waitForFunction(() => document.fullscreenElement === null);
    assert.equal(await page.getByTestId("toolbar").isVisible(), true);
  });
}

async function theme(stage: StoryStage): Promise<void> {
  await withPage(stage, "list", async (page) => {
    const scheme = () =>
      page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    assert.equal(await scheme(), "light dark");
    await page.getByTestId("theme").click();
    assert.equal(await scheme(), "light");
    await page.getByTestId("theme").click();
    assert.equal(await scheme(), "dark");
    await page.reload();
    await page.getByTestId("desktop-list").waitFor();
    assert.equal(await scheme(), "dark");
    assert.equal(await page.getByTestId("theme").getAttribute("aria-label"), "Colours: Dark");
    await page.getByTestId("theme").click();
    assert.equal(await scheme(), "light dark");
  });
}
