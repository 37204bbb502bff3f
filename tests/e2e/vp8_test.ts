/// <reference lib="dom" />
/** A browser without H.264 sees the desktop as well as any other, beside one that has it. */
import assert from "node:assert/strict";
import type { AgentStatus } from "../../agent/agent.ts";
import { composedPicture, waitForVideoAt } from "../support/composed_page.ts";
import { clockIn, readScreen, waitForTransport } from "../support/console_page.ts";
import {
  chooseTransport,
  e2eTest,
  encodersOf,
  startWorld,
  statusOf,
  VIDEO_TOLERANCE,
  waitForCodec,
  waitForExactPicture,
  waitForVideoPicture,
  type World,
} from "../support/e2e.ts";
import { startFilm } from "../support/film.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { meanDifference, readXScreen } from "../support/xshot.ts";

/** Runs in the page: a browser that was built without H.264 (and newer formats) lists none. */
function withoutH264(): void {
  const list = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
  RTCRtpReceiver.getCapabilities = (kind) => {
    const all = list(kind);
    return all && {
      ...all,
      codecs: all.codecs.filter(({ mimeType }) => !/h264|h265|av1/i.test(mimeType)),
    };
  };
}

const videoOf = async (world: World) => (await statusOf(world)).video;

e2eTest("VP8 beside H.264: the same picture, motion, another rate and another size", async () => {
  await using world = await startWorld();
  await using painter = await startPainter("random", {
    display: world.xvfb.display,
    args: ["--seed", "23", "--count", "60"],
  });
  await painter.waitForLine(/"done"/);
  await using usual = await world.open();
  await using bare = await world.open({ init: withoutH264 });
  for (const { page } of [usual, bare]) {
    await waitForTransport(page, "rtp");
    await chooseTransport(page, "video");
  }
  await waitForCodec(usual.page, "H264");
  await waitForCodec(bare.page, "VP8");
  const [byH264, byVp8] = await Promise.all(
    [usual, bare].map(({ page }) => waitForVideoPicture(page, world.xvfb.display)),
  );
  assert.ok(meanDifference(byH264, byVp8) < VIDEO_TOLERANCE);
  assert.deepEqual(await encodersOf(world), ["libvpx vp8 1", "libx264 h264 1"]);

  await using _clock = await startPainter("clock", {
    display: world.xvfb.display,
    args: ["--hz", "30"],
  });
  const seen = new Set<number>();
  await poll("five different times on the painted clock", 20_000, async () => {
    const time = clockIn(await readScreen(bare.page));
    if (time !== null) seen.add(time);
    return seen.size >= 5 ? true : null;
  });
  const rate = (video: AgentStatus["video"]) =>
    video.encoders.find(({ codec }) => codec === "vp8")?.bitrateKbps ?? 0;
  const before = rate(await videoOf(world));
  await bare.page.getByTestId("video-preset").click();
  await bare.page.getByTestId("preset-low-bandwidth").click();
  await poll("the lower rate at the VP8 encoder", 15_000, async () => {
    const now = rate(await videoOf(world));
    return now > 0 && now < before && now <= 1_000 ? true : null;
  });
  await world.xvfb.resize({ width: 800, height: 600 });
  await poll("VP8 of the new size", 15_000, async () => {
    const shown = await readScreen(bare.page);
    return shown.width === 800 && shown.height === 600 ? true : null;
  });
});

e2eTest("VP8 in hybrid mode: a film beside exact patches, and exact at rest", async () => {
  await using world = await startWorld({ agent: { hybrid: true } });
  const { display } = world.xvfb;
  // 1280×720 fits beside the HUD without scaling.
  const viewport = { width: 1680, height: 840 };
  await using bare = await world.open({ init: withoutH264, viewport });
  const { page } = bare;
  await waitForTransport(page, "hybrid");
  await waitForCodec(page, "VP8");
  await waitForExactPicture(page, display);
  await page.getByRole("radio", { name: "1:1" }).click();
  const place = { x: 600, y: 200, width: 640, height: 360 };
  await using film = startFilm({ display, ...place, source: "testsrc2=size=640x360:rate=30" });
  await waitForVideoAt(page, { x: 900, y: 400, video: true });
  await poll("the film as it is on the screen", 10_000, async () => {
    const shown = await composedPicture(page);
    return meanDifference(shown, readXScreen(display)) < 16 ? true : null;
  });
  await film.stop();
  await waitForExactPicture(page, display);
});
