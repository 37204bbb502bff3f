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
    // The policy's limit holds for the preset; what the network has proved to carry may be less.
    const limited = (kbps: number) => kbps > 1_000 && kbps <= 6_000;
    // And so may be the pictures a second: rather few than unreadable ones (video_flow.ts).
    const readable = (kbps: number, fps: number) => Math.min(fps, Math.floor(kbps / 50));
    const before = await poll("the encoder", 15_000, async () => {
      const video = await videoOf(world);
      const [one] = video.encoders;
      return limited(one?.bitrateKbps ?? 0) && one.maxFps === 20 ? video : null;
    });
    for (
      const [preset, holds, fps] of [
        ["low-bandwidth", (kbps: number) => kbps === 1_000, 12],
        ["motion", limited, 60],
      ] as const
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
      await poll(`${preset} at the encoder`, 15_000, async () => {
        const [one] = (await videoOf(world)).encoders;
        const kbps = one?.bitrateKbps ?? 0;
        return holds(kbps) && one.maxFps === readable(kbps, fps) ? true : null;
      });
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
