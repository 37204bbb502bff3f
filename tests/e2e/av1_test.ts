/// <reference lib="dom" />
/**
 * AV1 between an encoder that the owner names and a browser that calls its decoder hardware: here
 * both are software, and all between them is as it is with hardware.
 */
import assert from "node:assert/strict";
import { clockIn, readScreen, waitForTransport } from "../support/console_page.ts";
import {
  chooseTransport,
  e2eTest,
  encodersOf,
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
