/// <reference lib="dom" />
/**
 * AV1 between an encoder that the owner names and a browser that calls its decoder hardware: here
 * both are software, and all between them is as it is with hardware.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { clockIn, hud, readScreen, waitForTransport } from "../support/console_page.ts";
import {
  chooseTransport,
  e2eTest,
  encodersOf,
  eventsOf,
  startWorld,
  waitForCodec,
  waitForExactPicture,
  waitForVideoPicture,
} from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";

const SIZE = { width: 800, height: 600 };

/** Runs in the page: a browser whose hardware decodes AV1. */
function hardwareAv1(): void {
  const { mediaCapabilities } = navigator;
  const ask = mediaCapabilities.decodingInfo.bind(mediaCapabilities);
  mediaCapabilities.decodingInfo = async (question: MediaDecodingConfiguration) => {
    const info = await ask(question);
    return /av1/i.test(question.video?.contentType ?? "")
      ? { ...info, powerEfficient: true }
      : info;
  };
}

e2eTest(
  "AV1 for a browser with hardware for it, H.264 for one without, patches stay exact",
  async () => {
    await using world = await startWorld({
      size: SIZE,
      agent: { env: { FARGLASS_ENCODER_PREFERRED: "libsvtav1" } },
    });
    const { display } = world.xvfb;
    await using painter = await startPainter("random", {
      display,
      args: ["--seed", "29", "--count", "60"],
    });
    await painter.waitForLine(/"done"/);
    await using able = await world.open({ init: hardwareAv1 });
    await using usual = await world.open();
    for (const { page } of [able, usual]) {
      await waitForTransport(page, "rtp");
      await chooseTransport(page, "video");
    }
    await waitForCodec(able.page, "AV1");
    await waitForCodec(usual.page, "H264");
    await waitForVideoPicture(able.page, display);
    await waitForVideoPicture(usual.page, display);
    assert.deepEqual(await encodersOf(world), ["libsvtav1 av1 1", "libx264 h264 1"]);

    await using clock = await startPainter("clock", { display, args: ["--hz", "30"] });
    const seen = new Set<number>();
    await poll("five different times on the painted clock", 20_000, async () => {
      const time = clockIn(await readScreen(able.page));
      if (time !== null) seen.add(time);
      return seen.size >= 5 ? true : null;
    });
    await world.xvfb.resize({ width: 640, height: 480 });
    await poll("AV1 of the new size", 15_000, async () => {
      const shown = await readScreen(able.page);
      return shown.width === 640 && shown.height === 480 ? true : null;
    });
    await chooseTransport(able.page, "diff");
    await waitForTransport(able.page, "diff-dc");
    await clock.ask("stop", /"done"/);
    await waitForExactPicture(able.page, display);
  },
);

/** Runs in the page: counts connections and keeps when each picture of the video was presented. */
function watchVideo(): void {
  const watched = { peers: 0, presentedAt: [] as number[] };
  Object.assign(globalThis, { watched });
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (label, options) {
    if (label === "control") watched.peers++;
    return create.call(this, label, options);
  };
  const follow = (video: HTMLVideoElement) => {
    const onPicture = () => {
      watched.presentedAt.push(performance.now());
      video.requestVideoFrameCallback(onPicture);
    };
    video.requestVideoFrameCallback(onPicture);
  };
  const known = new Set<HTMLVideoElement>();
  new MutationObserver(() => {
    for (const video of document.querySelectorAll("video")) {
      if (known.has(video)) continue;
      known.add(video);
      follow(video);
    }
  }).observe(document, { childList: true, subtree: true });
}

interface Watched {
  readonly watched: { readonly peers: number; readonly presentedAt: readonly number[] };
}
const watched = (page: Page) => page.evaluate(() => (globalThis as unknown as Watched).watched);

e2eTest(
  "the only AV1 encoder breaks in mid-stream: H.264 within a second, on the same connection",
  async () => {
    await using world = await startWorld({
      size: SIZE,
      agent: {
        env: { FARGLASS_ENCODER_PREFERRED: "libsvtav1" },
        denoFlags: ["--preload", new URL("../support/break_av1.ts", import.meta.url).pathname],
        flags: ["--video-only"],
      },
    });
    await using able = await world.open({
      init: hardwareAv1,
      prepare: async (context) => void await context.addInitScript(watchVideo),
    });
    const { page } = able;
    const { display } = world.xvfb;
    await using _clock = await startPainter("clock", { display, args: ["--hz", "30"] });
    await waitForTransport(page, "rtp");
    await waitForCodec(page, "AV1");
    assert.deepEqual(await encodersOf(world), ["libsvtav1 av1 1"]);
    const waitForReason = (reason: string) =>
      poll(reason, 10_000, async () => (await hud(page))["codec-reason"] === reason || null);
    await waitForReason("format-best");
    const flowing = (what: string, than: number) =>
      poll(what, 10_000, async () => {
        const { presentedAt } = await watched(page);
        return presentedAt.length > than ? presentedAt : null;
      });
    const before = await flowing("thirty pictures by AV1", 30);
    Deno.kill(world.agent.pid, "SIGUSR2");
    await waitForCodec(page, "H264");
    const after = await flowing("thirty pictures by H.264", before.length + 30);
    const times = after.slice(before.length - 1);
    const gapMs = Math.max(...times.slice(1).map((at, i) => at - times[i]));
    assert.ok(gapMs < 1_000, `no picture for ${Math.round(gapMs)} ms`);
    await waitForVideoPicture(page, display);
    assert.equal((await watched(page)).peers, 1, "no other connection was made");
    assert.deepEqual(await encodersOf(world), ["libx264 h264 1"]);
    const offers = eventsOf(world.server, "DESKTOP_WEBRTC_STATE")
      .filter(({ stage }) => stage === "offered");
    assert.equal(offers.length, 1);
    assert.equal(eventsOf(world.server, "SESSION_ENDED").length, 0);
    assert.deepEqual(eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK"), []);
    await waitForReason("format-failed");
    await poll("the reason in the server's metrics", 20_000, async () => {
      const text = await (await fetch(world.server.metricsUrl)).text();
      return text.includes('decisions_total{reason="format-failed"} 1') || null;
    });
  },
);

/** Runs in the page: a browser that never says what its hardware decodes. */
function silentAboutHardware(): void {
  navigator.mediaCapabilities.decodingInfo = () => new Promise(() => {});
}

e2eTest(
  "a browser that never says what its hardware decodes: the page is painted at once and connects",
  async () => {
    await using world = await startWorld({ size: SIZE });
    await using opened = await world.open({
      init: silentAboutHardware,
      // No timer of the page ends before the clock goes on: what is painted waits for none.
      prepare: async ({ clock }) => {
        await clock.install();
        await clock.pauseAt(Date.now() + 1_000);
      },
    });
    const { page, context } = opened;
    await page.getByTestId("stage").waitFor({ timeout: 20_000 });
    assert.notEqual((await hud(page)).transport, "rtp");
    await context.clock.resume();
    await waitForTransport(page, "rtp");
    await waitForCodec(page, "H264");
    await waitForVideoPicture(page, world.xvfb.display);
  },
);
