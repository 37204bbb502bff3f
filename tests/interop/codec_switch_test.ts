/**
 * One answer names every format that both ends have, so the agent may go from one to another with
 * a keyframe, without a new offer. Against a real Chromium, by each peer library.
 */
import assert from "node:assert/strict";
import type { VideoCodec } from "@farglass/protocol";
import { LibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import type { Peer, PeerEvents, PeerOptions } from "../../agent/core/ports.ts";
import { launchChromium } from "../support/chromium.ts";
import { LOOPBACK, openPeerViewer } from "../support/peer_viewer.ts";
import { colourDistance } from "../support/pictures.ts";
import { VideoPump } from "../support/video_pump.ts";

type Create = (options: PeerOptions, events: PeerEvents) => Peer;
const LIBRARIES: readonly (readonly [library: string, create: Create])[] = [
  ["werift", (...args) => new WeriftPeer(...args)],
  ["libdatachannel", (...args) => new LibdatachannelPeer(...args)],
];

/** Codecs in turn, each with a colour of its own. */
const COURSE: readonly (readonly [codec: VideoCodec, colour: [number, number, number]])[] = [
  ["av1", [200, 40, 40]],
  ["h264", [40, 180, 60]],
  ["vp8", [60, 60, 200]],
  ["av1", [220, 200, 40]],
];

/** Runs in the page: the format of what was received last. */
const CODEC = `(async () => {
  const stats = await viewer.pc.getStats();
  for (const report of stats.values()) {
    if (report.type === "inbound-rtp" && report.kind === "video") {
      return stats.get(report.codecId)?.mimeType ?? null;
    }
  }
  return null;
})()`;

for (const [library, create] of LIBRARIES) {
  Deno.test(`${library} peer: Chromium follows from AV1 to H.264 to VP8 and back, without an offer`, async () => {
    await using browser = await launchChromium();
    const videoCodecs: readonly VideoCodec[] = ["av1", "h264", "vp8"];
    await using viewer = await openPeerViewer<Peer>(browser, {
      create,
      peer: { ...LOOPBACK, videoCodecs },
    });
    await viewer.connectMs;
    assert.deepEqual(viewer.peer.videoCodecs, videoCodecs);
    for (const [codec, colour] of COURSE) {
      const draw = (
        picture: Parameters<Parameters<typeof VideoPump.start>[0]["draw"]>[0],
        i: number,
      ) => {
        picture.fill(0, 0, 640, 480, colour);
        picture.text(300, 440, i);
      };
      await using _pump = await VideoPump.start({
        ...{ width: 640, height: 480, codec, draw },
        peers: [viewer.peer],
      });
      await viewer.until(`the colour by ${codec}`, async () => {
        const [shown] = await viewer.pixels([[320, 120]]);
        return shown !== undefined && colourDistance(shown, colour) < 30;
      });
      // Chromium's statistics may be some tens of ms old.
      await viewer.until(
        `${codec} in the statistics`,
        async () => String(await viewer.page.evaluate(CODEC)).toLowerCase() === `video/${codec}`,
      );
    }
    const inbound = await viewer.inbound();
    assert.equal(inbound?.packetsLost, 0);
    assert.equal(viewer.states.filter((state) => state === "connected").length, 1);
  });
}
