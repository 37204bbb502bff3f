/// <reference lib="dom" />
/** Hybrid mode: video where the screen moves, exact patches everywhere else, and no seam in time. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import {
  clockLooks,
  composedPicture,
  differencesIn,
  presentedFrames,
  waitForVideoAt,
  watchClock,
} from "../support/composed_page.ts";
import { hud, readScreen, waitForTransport } from "../support/console_page.ts";
import {
  chooseTransport,
  e2eTest,
  eventsOf,
  startWorld,
  waitForExactPicture,
} from "../support/e2e.ts";
import { commandTerminal, startFilm, startTerminal } from "../support/film.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { gateVideo, stallVideo, watchedFrames, watchForBlack } from "../support/video_gate.ts";
import { meanDifference, readXScreen } from "../support/xshot.ts";

const HYBRID = { agent: { hybrid: true } };
/** 1280×720 fits beside the HUD without scaling. */
const VIEWPORT = { width: 1680, height: 840 };
const FILM = { x: 600, y: 200, width: 640, height: 360 };
/** Patches of it are never cheap. */
const NOISE = "color=gray:size=640x384:rate=30,noise=alls=20:allf=t";
const SOURCE = "testsrc2=size=640x360:rate=30";
/** Inside the terminal at 10,10: 80 columns of 6 pixels and 24 rows of 13. */
const TEXT = { x: 14, y: 14, width: 470, height: 300 };

const oneToOne = (page: Page) => page.getByRole("radio", { name: "1:1" }).click();

e2eTest(
  "typing beside a film: text exact to the pixel, the film runs, then all is exact",
  async (t) => {
    await using world = await startWorld(HYBRID);
    const { display } = world.xvfb;
    await using _terminal = startTerminal(display, { geometry: "80x24+10+10" });
    await using opened = await world.open({ viewport: VIEWPORT });
    const { page } = opened;
    await waitForTransport(page, "hybrid");
    await waitForExactPicture(page, display);
    await oneToOne(page);
    await using film = startFilm({ display, ...FILM, source: SOURCE });

    await t.step("the film becomes video, the terminal stays patches", async () => {
      await waitForVideoAt(page, { x: 900, y: 400, video: true });
      await waitForVideoAt(page, { x: 100, y: 100, video: false });
      assert.equal((await readScreen(page)).from, "hybrid");
      assert.equal((await hud(page)).transport, "hybrid");
    });

    await t.step("typed text is exact while the film runs", async () => {
      const before = await presentedFrames(page);
      const blank = readXScreen(display);
      await commandTerminal(display, "windowfocus", "--sync");
      await page.getByTestId("stage").focus();

      await page.keyboard.type("the quick brown fox jumps over the lazy dog", { delay: 20 });
      await poll("exact text in the page's screenshot", 10_000, async () => {
        const screen = readXScreen(display);
        const shown = await composedPicture(page);
        assert.equal(shown.width, screen.width);
        const typed = differencesIn(screen, blank, TEXT) > 500;
        return typed && differencesIn(screen, shown, TEXT) === 0 ? true : null;
      });
      await poll("the film to go on", 10_000, async () => {
        const frames = await presentedFrames(page);
        return frames - before > 20 ? true : null;
      });
      await waitForVideoAt(page, { x: 900, y: 400, video: true });
      const shown = await composedPicture(page);
      assert.ok(meanDifference(shown, readXScreen(display)) < 16, "the film looks like itself");
    });

    await t.step("a window moved over the film", async () => {
      for (let x = 10; x <= 700; x += 30) {
        await commandTerminal(display, "windowmove", String(x), "230");
      }
      await commandTerminal(display, "windowmove", "10", "10");
      await poll("exact text again", 10_000, async () => {
        const shown = await composedPicture(page);
        return differencesIn(readXScreen(display), shown, TEXT) === 0 ? true : null;
      });
      await waitForTransport(page, "hybrid");
    });

    await t.step("the film ends: every pixel is exact, and proved", async () => {
      await film.stop();
      await waitForExactPicture(page, display);
      await waitForVideoAt(page, { x: 900, y: 400, video: false });
      await poll("exact since", 10_000, async () => (await hud(page))["exact-since"] || null);
    });

    await t.step("the operator's choice, and back", async () => {
      await chooseTransport(page, "diff");
      await waitForTransport(page, "diff-dc");
      await chooseTransport(page, "auto");
      await waitForTransport(page, "hybrid");
      await waitForExactPicture(page, display);
      await chooseTransport(page, "video");
      await waitForTransport(page, "rtp");
    });
  },
);

e2eTest("a clock that goes from patches to video and back never goes back in time", async () => {
  await using world = await startWorld(HYBRID);
  const { display } = world.xvfb;
  await using clock = await startPainter("clock", { display, args: ["--hz", "30"] });
  // It begins below the clock, in the same row of tiles.
  await using film = startFilm({ display, x: 0, y: 16, source: NOISE });
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "hybrid");
  await watchClock(page);
  for (let round = 0; round < 3; round++) {
    await clock.ask("go", /"done"/);
    film.resume();
    await waitForVideoAt(page, { x: 8, y: 8, video: true });
    await poll("some more times by video", 10_000, async () => {
      const byVideo = (await clockLooks(page)).filter((l) => l.video && l.time !== null);
      return new Set(byVideo.map((l) => l.time)).size >= 10 * (round + 1) ? true : null;
    });
    film.pause();
    await clock.ask("stop", /"done"/);
    await waitForVideoAt(page, { x: 8, y: 8, video: false });
    await waitForExactPicture(page, display);
  }
  const looks = await clockLooks(page);
  const times = looks.flatMap(({ time }) => time === null ? [] : [time]);
  assert.ok(new Set(times).size > 30, `${new Set(times).size} times in ${looks.length} looks`);
  assert.ok(looks.some((l) => l.video) && looks.some((l) => !l.video));
  for (let i = 1; i < times.length; i++) {
    assert.ok(times[i] >= times[i - 1], `${times[i - 1]} was followed by ${times[i]}`);
  }
});

e2eTest(
  "resize in mid-motion: the new screen comes without a new connection, then exactly",
  async () => {
    await using world = await startWorld({ ...HYBRID, size: { width: 1280, height: 800 } });
    const { display } = world.xvfb;
    await using clock = await startPainter("clock", { display, args: ["--hz", "30"] });
    // It begins below the clock, in the same row of tiles.
    await using film = startFilm({ display, x: 0, y: 16, source: NOISE });
    await using opened = await world.open();
    const { page } = opened;
    await waitForTransport(page, "hybrid");
    await waitForVideoAt(page, { x: 300, y: 200, video: true });
    await world.xvfb.resize({ width: 1024, height: 768 });
    await poll("the new size", 15_000, async () => {
      const { width, height, from } = await readScreen(page);
      return width === 1024 && height === 768 && from === "hybrid" ? true : null;
    });
    await waitForVideoAt(page, { x: 300, y: 200, video: true });
    film.pause();
    await clock.ask("stop", /"done"/);
    await waitForExactPicture(page, display);
    assert.equal((await hud(page)).transport, "hybrid");
    assert.equal(eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK").length, 0);
  },
);

e2eTest(
  "video stalls under a film: patches take over with evidence and no black frame",
  async () => {
    await using world = await startWorld(HYBRID);
    const { display } = world.xvfb;
    await using clock = await startPainter("clock", { display, args: ["--hz", "30"] });
    // It begins below the clock, in the same row of tiles.
    await using film = startFilm({ display, x: 0, y: 16, source: NOISE });
    await clock.ask("rect 700 200 500 400 4080c0", /"done"/);
    await using opened = await world.open({ init: gateVideo });
    const { page } = opened;
    await waitForTransport(page, "hybrid");
    await waitForVideoAt(page, { x: 300, y: 200, video: true });
    await watchForBlack(page, { x: 900, y: 400 });
    await stallVideo(page);
    await waitForTransport(page, "diff-dc", 15_000);
    const event = await poll(
      "the fallback event",
      5_000,
      () => eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK").at(-1) ?? null,
    );
    const text = JSON.stringify(event);
    assert.match(text, /"from":"hybrid","to":"diff-dc"/);
    assert.match(text, /"reason":"rtp-stalled"/);
    assert.match(text, /"evidence":\{"[A-Za-z]+":[\d.]+/);
    film.pause();
    await clock.ask("stop", /"done"/);
    await waitForExactPicture(page, display);
    const watched = await watchedFrames(page);
    assert.ok(watched.frames > 50, JSON.stringify(watched));
    assert.deepEqual([watched.black, watched.none], [0, 0]);
  },
);
