/// <reference lib="dom" />
/** The picture is the screen: by video within tolerance, by patches to the pixel, over every carrier. */
import assert from "node:assert/strict";
import { clockIn, readScreen, waitForTransport } from "../support/console_page.ts";
import {
  chooseTransport,
  e2eTest,
  eventsOf,
  startWorld,
  VIDEO_TOLERANCE,
  waitForExactPicture,
  type World,
} from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { meanDifference, readXScreen } from "../support/xshot.ts";

e2eTest("video: the picture is the X screen within tolerance, and motion arrives", async () => {
  await using world = await startWorld();
  await using painter = await startPainter("random", {
    display: world.xvfb.display,
    args: ["--seed", "11", "--count", "60"],
  });
  await painter.waitForLine(/"done"/);
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "rtp");
  await poll("a video picture like the screen", 15_000, async () => {
    const shown = await readScreen(page);
    assert.equal(shown.from, "screen-video");
    return meanDifference(shown, readXScreen(world.xvfb.display)) < VIDEO_TOLERANCE ? true : null;
  });
  await motionArrives(world, async () => clockIn(await readScreen(page)));
});

async function motionArrives(world: World, readClock: () => Promise<number | null>) {
  await using _clock = await startPainter("clock", {
    display: world.xvfb.display,
    args: ["--hz", "30"],
  });
  const seen = new Set<number>();
  await poll("five different times on the painted clock", 20_000, async () => {
    const time = await readClock();
    if (time !== null) seen.add(time);
    return seen.size >= 5 ? true : null;
  });
}

const CARRIERS = [
  { transport: "diff-dc", server: {} },
  { transport: "diff-ws", server: { config: { webrtc: { enabled: false } } } },
] as const;

for (const { transport, server } of CARRIERS) {
  e2eTest(`${transport}: after random drawing the canvas equals the screen`, async () => {
    await using world = await startWorld({ server });
    await using painter = await startPainter("random", {
      display: world.xvfb.display,
      args: ["--seed", "5", "--count", "100"],
    });
    await painter.waitForLine(/"done"/);
    await using opened = await world.open();
    const { page } = opened;
    if (transport === "diff-dc") {
      await waitForTransport(page, "rtp");
      await chooseTransport(page, "diff");
    }
    await waitForTransport(page, transport);
    for (const seed of [21, 22, 23]) {
      await painter.ask(`random ${seed} 400`, /"done"/);
      await waitForExactPicture(page, world.xvfb.display);
    }
    await motionArrives(world, async () => clockIn(await readScreen(page)));
    await waitForExactPicture(page, world.xvfb.display);
    assert.equal((await readScreen(page)).from, "screen-canvas");
  });

  e2eTest(`${transport}: exact again after messages were dropped on purpose`, async () => {
    await using world = await startWorld({ server });
    await using painter = await startPainter("random", {
      display: world.xvfb.display,
      args: ["--seed", "6", "--count", "100"],
    });
    await painter.waitForLine(/"done"/);
    await using opened = await world.open({ init: dropDiffMessages });
    const { page } = opened;
    if (transport === "diff-dc") {
      await waitForTransport(page, "rtp");
      await chooseTransport(page, "diff");
    }
    await waitForTransport(page, transport);
    for (const seed of [31, 32, 33, 34]) await painter.ask(`random ${seed} 300`, /"done"/);
    await waitForExactPicture(page, world.xvfb.display, 30_000);
    const dropped = await page.evaluate(() =>
      (globalThis as { droppedDiffs?: number }).droppedDiffs
    );
    assert.ok((dropped ?? 0) > 3, `only ${dropped} messages were dropped`);
  });
}

/** Runs in the page: every third diff message after the tenth, up to 25 of them, is never seen. */
function dropDiffMessages(): void {
  const counts = globalThis as { droppedDiffs?: number };
  counts.droppedDiffs = 0;
  let seen = 0;
  /** True for messages that shall vanish. */
  const vanishes = (data: unknown): boolean => {
    if (!(data instanceof ArrayBuffer)) return false;
    const bytes = new Uint8Array(data);
    const isDiff = bytes[0] === 0xfd || (bytes[0] === 1 && bytes[17] === 0xfd);
    if (!isDiff || seen++ < 10 || seen % 3 !== 0 || counts.droppedDiffs! >= 25) return false;
    counts.droppedDiffs!++;
    return true;
  };
  for (const type of [WebSocket, RTCDataChannel]) {
    const add = type.prototype.addEventListener;
    const filtered = (listener: (event: Event) => void) => (event: Event) => {
      if (event.type !== "message" || !vanishes((event as MessageEvent).data)) listener(event);
    };
    type.prototype.addEventListener = function (
      this: EventTarget,
      name: string,
      listener: EventListenerOrEventListenerObject,
      options?: AddEventListenerOptions | boolean,
    ) {
      const call = typeof listener === "function"
        ? listener
        : (event: Event) => listener.handleEvent(event);
      add.call(this as WebSocket, name, name === "message" ? filtered(call) : listener, options);
    };
    const onmessage = Object.getOwnPropertyDescriptor(type.prototype, "onmessage")!;
    Object.defineProperty(type.prototype, "onmessage", {
      ...onmessage,
      set(listener: ((event: Event) => void) | null) {
        onmessage.set!.call(this, listener === null ? null : filtered(listener));
      },
    });
  }
}

e2eTest("two consoles at once: one by video, one by diff, the same desktop", async () => {
  await using world = await startWorld();
  await using clock = await startPainter("clock", { display: world.xvfb.display });
  await using first = await world.open();
  await waitForTransport(first.page, "rtp");
  await using second = await world.open();
  await waitForTransport(second.page, "rtp");
  await chooseTransport(second.page, "diff");
  await waitForTransport(second.page, "diff-dc");
  const seen = { rtp: new Set<number>(), diff: new Set<number>() };
  await poll("both see the clock run", 20_000, async () => {
    const [video, diff] = await Promise.all([readScreen(first.page), readScreen(second.page)]);
    for (const [set, picture] of [[seen.rtp, video], [seen.diff, diff]] as const) {
      const time = clockIn(picture);
      if (time !== null) set.add(time);
    }
    return seen.rtp.size >= 4 && seen.diff.size >= 4 ? true : null;
  });
  await clock.ask("stop", /"done"/);
  await clock.ask("rect 300 300 200 100 12ab9f", /"done"/);
  await waitForExactPicture(second.page, world.xvfb.display);
  await poll("the same picture by video", 10_000, async () => {
    const shown = await readScreen(first.page);
    return meanDifference(shown, readXScreen(world.xvfb.display)) < VIDEO_TOLERANCE ? true : null;
  });
});

e2eTest("resize: the X screen changes size and both transports follow", async () => {
  await using world = await startWorld({ size: { width: 1280, height: 800 } });
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "rtp");
  await world.xvfb.resize({ width: 1024, height: 768 });
  await poll("video of the new size", 15_000, async () => {
    const shown = await readScreen(page);
    return shown.width === 1024 && shown.height === 768 ? true : null;
  });
  // As after a rotation, which Xvfb itself does not offer.
  await world.xvfb.resize({ width: 600, height: 800 });
  await poll("video of the turned screen", 15_000, async () => {
    const shown = await readScreen(page);
    return shown.width === 600 && shown.height === 800 ? true : null;
  });
  await chooseTransport(page, "diff");
  await waitForTransport(page, "diff-dc");
  await waitForExactPicture(page, world.xvfb.display);
  await world.xvfb.resize({ width: 800, height: 600 });
  await waitForExactPicture(page, world.xvfb.display);
  assert.equal((await readScreen(page)).width, 800);
  assert.equal(eventsOf(world.server, "SESSION_ENDED").length, 0);
});
