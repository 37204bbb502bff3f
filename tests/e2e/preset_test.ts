/// <reference lib="dom" />
/** The operator chooses what the video is made for, by keyboard; it holds at once. */
import assert from "node:assert/strict";
import type { AgentStatus } from "../../agent/agent.ts";
import { waitFor, waitForTransport } from "../support/console_page.ts";
import { chooseTransport, e2eTest, startWorld, statusOf, type World } from "../support/e2e.ts";
import { poll } from "../support/process.ts";

const videoOf = async (world: World) => (await statusOf(world)).video;

const count = ({ keyframes }: AgentStatus["video"]): number =>
  Object.values(keyframes).reduce((sum, one) => sum + one, 0);

e2eTest(
  "preset: low bandwidth and back by keyboard; the encoder follows without a keyframe",
  async () => {
    const flags = ["--policy-max-bitrate-kbps", "6000", "--encoder-preset", "text"];
    await using world = await startWorld({ agent: { capture: "synthetic", flags } });
    await using opened = await world.open();
    const { page } = opened;
    await waitForTransport(page, "rtp");
    await chooseTransport(page, "video");
    // The policy's limit holds for the preset, and loopback is soon known to carry that.
    const encoderHas = (what: string, kbps: number, maxFps: number) =>
      poll(what, 30_000, async () => {
        const video = await videoOf(world);
        const [one] = video.encoders;
        return one?.bitrateKbps === kbps && one.maxFps === maxFps ? video : null;
      });
    const before = await encoderHas("text at the encoder", 6_000, 20);
    for (
      const [preset, kbps, fps] of [["low-bandwidth", 1_000, 12], ["motion", 6_000, 60]] as const
    ) {
      await page.getByTestId("video-preset").focus();
      await page.keyboard.press("Enter");
      const entry = page.getByTestId(`preset-${preset}`);
      await entry.waitFor({ state: "visible" });
      // The one in force has the focus; the arrows go round.
      for (let i = 0; i < 4; i++) {
        if (await entry.evaluate((node) => node === node.ownerDocument.activeElement)) break;
        await page.keyboard.press("ArrowDown");
      }
      await page.keyboard.press("Enter");
      await encoderHas(`${preset} at the encoder`, kbps, fps);
      await waitFor(
        page,
        `${preset} in the menu`,
        (id) =>
          document.querySelector(`[data-testid="preset-${id}"]`)?.getAttribute("aria-checked") ===
            "true",
        preset,
      );
    }
    const after = await videoOf(world);
    const asked = (video: AgentStatus["video"]) =>
      (video.keyframes.pli ?? 0) + (video.keyframes.fir ?? 0);
    assert.equal(count(after) - asked(after), count(before) - asked(before));
  },
);
