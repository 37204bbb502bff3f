/// <reference lib="dom" />
/** A browser that reports no arrivals, only REMB (draft-alvestrand-rmcat-remb-03). */
import assert from "node:assert/strict";
import { hud, waitForTransport } from "../support/console_page.ts";
import { e2eTest, startWorld } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { BadNetwork } from "../support/udp_relay.ts";

const SEED = 11;
const LINK_KBPS = 1_500;
/** Issue 4 section 3. */
const MOST_QUEUE_MS = 150;

/** Takes transport-wide feedback out of what the page offers. */
function offerRembOnly(): void {
  const make: (this: RTCPeerConnection) => Promise<RTCSessionDescriptionInit> =
    RTCPeerConnection.prototype.createOffer;
  const without = /^a=(rtcp-fb:\d+ transport-cc|extmap:\d+ \S*transport-wide-cc\S*)\r\n/gm;
  RTCPeerConnection.prototype.createOffer = async function (this: RTCPeerConnection) {
    const made = await make.call(this);
    return { type: made.type, sdp: made.sdp?.replace(without, "") };
  } as typeof RTCPeerConnection.prototype.createOffer;
}

e2eTest("REMB is all that a browser reports: the video keeps within a narrow link", async () => {
  await using network = new BadNetwork(SEED, { kbps: LINK_KBPS, delayMs: 10 });
  await using world = await startWorld({ agent: { flags: ["--video-only"] } });
  await using opened = await world.open({
    init: offerRembOnly,
    prepare: (context) => network.prepare(context),
  });
  const { page } = opened;
  await using _clock = await startPainter("clock", {
    display: world.xvfb.display,
    args: ["--hz", "30", "--rects", "150"],
  });
  await waitForTransport(page, "rtp", 40_000);
  await poll("a target by REMB", 20_000, async () => {
    const facts = await hud(page);
    return facts["target-reason"] === "remb" && Number(facts.target) < LINK_KBPS || null;
  });
  let since = performance.now();
  await poll("a short queue for two seconds", 20_000, () => {
    const now = performance.now();
    if (network.down.queueingMs(now) > MOST_QUEUE_MS) since = now;
    return now - since >= 2_000 || null;
  });
  const { target, fps } = await hud(page);
  assert.ok(Number(fps) >= 2, `${fps} pictures a second`);
  // A wider link is found by what arrives: a tenth more within seconds.
  network.set({ kbps: null });
  await poll(
    "a higher target",
    20_000,
    async () => Number((await hud(page)).target) > 1.1 * Number(target) || null,
  );
});
