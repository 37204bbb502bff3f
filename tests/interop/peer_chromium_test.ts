/** The agent's peer, by each library, and video path against a real Chromium, over loopback. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Browser } from "playwright-core";
import type { VideoCodec } from "@farglass/protocol";
import { type RtpHeader, RtpPacket } from "werift";
import { LibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import { launchChromium } from "../support/chromium.ts";
import { openPeerViewer, type PeerViewer, type ViewerOptions } from "../support/peer_viewer.ts";
import { BAR_COLOURS, colourDistance, type Picture } from "../support/pictures.ts";
import { VideoPump } from "../support/video_pump.ts";

type AnyPeer = WeriftPeer | LibdatachannelPeer;
type Create = NonNullable<ViewerOptions<AnyPeer>["create"]>;

const LIBRARIES: readonly { readonly library: string; readonly create: Create }[] = [
  { library: "werift", create: (...args) => new WeriftPeer(...args) },
  { library: "libdatachannel", create: (...args) => new LibdatachannelPeer(...args) },
];

type Open = (
  browser: Browser,
  options?: Omit<ViewerOptions<AnyPeer>, "create">,
) => Promise<PeerViewer<AnyPeer>>;

/** One test for each library and each format that it may agree on. */
function videoTest(name: string, run: (open: Open, codec: VideoCodec) => Promise<void>): void {
  for (const codec of ["h264", "vp8"] as const) {
    for (const { library, create } of LIBRARIES) {
      Deno.test(`${library} peer, ${codec}: ${name}`, () =>
        run((browser, options) => {
          const mangleOffer = codec === "h264" ? undefined : withoutH264;
          return openPeerViewer(browser, { mangleOffer, ...options, create });
        }, codec));
    }
  }
}

/** What a browser without H.264 offers. */
const withoutH264 = (sdp: string): string => sdp.replaceAll("H264/90000", "H263/90000");

/** One test for each library. */
function peerTest(name: string, run: (open: Open) => Promise<void>): void {
  for (const { library, create } of LIBRARIES) {
    Deno.test(`${library} peer: ${name}`, () =>
      run((browser, options) => openPeerViewer(browser, { ...options, create })));
  }
}

/** Decides about each RTP packet that leaves: false drops it. */
function filterRtp(
  { peer }: PeerViewer<AnyPeer>,
  keep: (payload: Buffer, header: RtpHeader) => boolean,
): void {
  if (peer instanceof WeriftPeer) {
    const dtls = peer.pc.dtlsTransports[0];
    const sendRtp = dtls.sendRtp.bind(dtls);
    dtls.sendRtp = (payload, header) =>
      keep(payload, header) ? sendRtp(payload, header) : Promise.resolve(0);
    return;
  }
  const { rtp } = peer;
  assert.ok(rtp !== null);
  const send = rtp.send.bind(rtp);
  rtp.send = (written) => {
    const { header, payload } = RtpPacket.deSerialize(Buffer.from(written.packet));
    if (keep(payload, header)) send(written);
  };
}

const ssrcOf = ({ peer }: PeerViewer<AnyPeer>): number | undefined =>
  peer instanceof WeriftPeer ? peer.pc.getSenders()[0].ssrc : peer.rtp?.ssrc;

/** Bars in the upper half; below, a white box that moves by an eighth of the width each picture. */
function drawBars(picture: Picture, index: number): void {
  const { width, height } = picture;
  if (index === 0) picture.bars();
  picture.fill(0, height >> 1, width, height >> 1, [16, 16, 16]);
  const step = width >> 3;
  picture.fill(index % 8 * step, height >> 1, step, height >> 1, [255, 255, 255]);
}

const barPoints = (width: number): [number, number][] => {
  const wide = Math.ceil(width / BAR_COLOURS.length);
  return BAR_COLOURS.map((_, i) => [Math.min(i * wide + (wide >> 1), width - 4), 20]);
};

async function assertBars(viewer: PeerViewer<AnyPeer>, width: number): Promise<void> {
  const seen = await viewer.pixels(barPoints(width));
  seen.forEach((rgb, i) => {
    assert.ok(colourDistance(rgb, BAR_COLOURS[i]) <= 6, `bar ${i}: ${rgb} for ${BAR_COLOURS[i]}`);
  });
}

const decoded = async (viewer: PeerViewer<AnyPeer>): Promise<number> =>
  (await viewer.inbound())?.framesDecoded ?? 0;

async function untilDecoded(viewer: PeerViewer<AnyPeer>, more: number): Promise<void> {
  const before = await decoded(viewer);
  await viewer.until(`${more} frames more`, async () => await decoded(viewer) >= before + more);
}

videoTest("Chromium shows the colours that went in, and motion", async (open, codec) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  await viewer.connectMs;
  const peers = [viewer.peer];
  await using pump = await VideoPump.start({
    width: 640,
    height: 480,
    draw: drawBars,
    peers,
    codec,
  });
  await untilDecoded(viewer, 20);
  await assertBars(viewer, 640);
  assert.equal(viewer.peer.videoCodecs[0], codec);
  const places = new Set<number>();
  await viewer.until("the box at four places", async () => {
    const row = Array.from({ length: 8 }, (_, i): [number, number] => [i * 80 + 40, 360]);
    const at = (await viewer.pixels(row)).findIndex(([red]) => red > 200);
    if (at >= 0) places.add(at);
    return places.size >= 4;
  });
  const stats = await viewer.inbound();
  assert.ok(stats !== null && stats.keyFramesDecoded >= 1);
  assert.equal(stats.packetsLost, 0);
  assert.ok(pump.frames >= stats.framesDecoded);
});

peerTest("the answer makes the agent DTLS server and takes what low delay needs", async (open) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  await viewer.connectMs;
  const { answer } = viewer;
  assert.doesNotMatch(answer, /a=setup:(?!passive)/);
  assert.match(answer, /^a=sendonly\r?$/m);
  for (const part of ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"]) {
    assert.match(answer, new RegExp(`^a=rtcp-fb:\\d+ ${part}\\r?$`, "m"), part);
  }
  assert.match(answer, /^a=fmtp:\d+ (?=.*packetization-mode=1)(?=.*profile-level-id=42e0)/m);
  assert.match(answer, /^a=fmtp:\d+ apt=\d+/m);
  assert.match(
    answer,
    /^a=extmap:\d+ http:\/\/www\.webrtc\.org\/experiments\/rtp-hdrext\/playout-delay/m,
  );
  assert.match(answer, /^a=extmap:\d+ .*transport-wide-cc/m);
  const formats = [...answer.matchAll(/^a=rtpmap:\d+ (\w+)/gm)].map(([, name]) =>
    name.toLowerCase()
  );
  assert.deepEqual(formats.sort(), ["h264", "rtx", "rtx", "vp8"], "what may be gone over to");
  const pair: { dtlsRole: string; local: { address: string } } = await viewer.page.evaluate(
    "viewer.pair()",
  );
  assert.equal(pair.dtlsRole, "client");
  for (const candidate of viewer.localCandidates) assert.match(candidate, / 127\.0\.0\.1 /);
});

peerTest("each packet asks to be shown at once, and keeps within 1200 bytes", async (open) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  await viewer.connectMs;
  const id = (uri: string) =>
    Number(new RegExp(`^a=extmap:(\\d+) ${uri}`, "m").exec(viewer.answer)?.[1]);
  const playoutDelay = id("http://www.webrtc.org/experiments/rtp-hdrext/playout-delay");
  const transportWideCc = id("http://www.ietf.org/id/draft-holmer");
  const faults: string[] = [];
  filterRtp(viewer, (payload, header) => {
    const at = (wanted: number) => header.extensions.find((e) => e.id === wanted)?.payload;
    if (at(playoutDelay)?.toString("hex") !== "000000") faults.push("playout delay");
    if (at(transportWideCc)?.length !== 2) faults.push("transport-wide sequence");
    if (header.serializeSize + payload.length > 1200) faults.push(`${payload.length} bytes`);
    return true;
  });
  const peers = [viewer.peer];
  const draw = (picture: Picture, i: number) => picture.text(0, 480, i);
  await using _pump = await VideoPump.start({ width: 640, height: 480, draw, peers });
  await untilDecoded(viewer, 40);
  assert.deepEqual(faults, []);
  const stats = await viewer.inbound();
  assert.ok(stats !== null);
  const heldMs = 1000 * stats.jitterBufferDelay / stats.jitterBufferEmittedCount;
  console.log(`jitter buffer ${heldMs.toFixed(1)} ms`);
});

videoTest("lost packets come again on NACK, without a keyframe", async (open, codec) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  await viewer.connectMs;
  const ssrc = ssrcOf(viewer);
  let lost = 0;
  let count = 0;
  filterRtp(viewer, (_payload, header) => {
    if (header.ssrc !== ssrc || ++count % 11 !== 0) return true;
    lost++;
    return false;
  });
  const peers = [viewer.peer];
  const draw = (picture: Picture, i: number) => picture.text(0, 480, 7 + i);
  await using _pump = await VideoPump.start({ width: 640, height: 480, draw, peers, codec });
  await untilDecoded(viewer, 40);
  const stats = await viewer.inbound();
  assert.ok(stats !== null);
  assert.ok(lost > 20);
  assert.ok(stats.retransmittedPacketsReceived > 10, JSON.stringify(stats));
  assert.equal(stats.keyFramesDecoded, 1);
});

videoTest("a break brings a PLI, and a keyframe repairs the picture", async (open, codec) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  await viewer.connectMs;
  const ssrc = ssrcOf(viewer);
  let broken = false;
  let repairing = true;
  filterRtp(viewer, (_payload, header) => header.ssrc === ssrc ? !broken : repairing);
  const peers = [viewer.peer];
  await using pump = await VideoPump.start({
    width: 640,
    height: 480,
    draw: drawBars,
    peers,
    codec,
  });
  await untilDecoded(viewer, 10);
  const before = viewer.keyframeRequests();
  const frames = pump.frames;
  broken = true;
  repairing = false;
  // No more than a slow encoder makes before the path counts as gone and waits for news.
  await viewer.until("4 pictures lost", () => pump.frames > frames + 4);
  broken = false;
  await viewer.until("a request for a keyframe", () => viewer.keyframeRequests() > before);
  // A network that never carried a repair again would look like one that has no room.
  repairing = true;
  pump.keyframeWanted = true;
  await viewer.until(
    "another keyframe",
    async () => ((await viewer.inbound())?.keyFramesDecoded ?? 0) >= 2,
  );
  await untilDecoded(viewer, 10);
  await assertBars(viewer, 640);
});

peerTest("two viewers see the same stream, each with its own packets", async (open) => {
  await using browser = await launchChromium();
  await using first = await open(browser);
  await first.connectMs;
  const sinks = [first.peer];
  await using pump = await VideoPump.start({
    width: 640,
    height: 480,
    draw: drawBars,
    peers: sinks,
  });
  await untilDecoded(first, 10);
  await using second = await open(browser);
  await second.connectMs;
  pump.keyframeWanted = true;
  sinks.push(second.peer);
  await untilDecoded(second, 10);
  await untilDecoded(first, 10);
  await assertBars(first, 640);
  await assertBars(second, 640);
  const [a, b] = [first, second].map(ssrcOf);
  assert.notEqual(a, b);
});

videoTest(
  "another size, odd ones too, is decoded without a new negotiation",
  async (open, codec) => {
    await using browser = await launchChromium();
    await using viewer = await open(browser);
    await viewer.connectMs;
    const peers = [viewer.peer];
    // Redrawn in full, for each size starts with an empty picture.
    const draw = (picture: Picture, i: number) => {
      picture.bars();
      drawBars(picture, i + 1);
    };
    await using pump = await VideoPump.start({ width: 640, height: 480, draw, peers, codec });
    await untilDecoded(viewer, 5);
    for (const [width, height] of [[800, 600], [641, 481], [320, 200]]) {
      await pump.resize(width, height);
      await viewer.until(`${width}x${height}`, async () => {
        const side: number = await viewer.page.evaluate("viewer.video.videoWidth");
        return side === width + width % 2;
      });
      await untilDecoded(viewer, 5);
      await assertBars(viewer, width);
    }
  },
);

peerTest("data channels carry text and bytes both ways, and strangers are closed", async (open) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  const { page, peer } = viewer;
  const opened = () => viewer.states.filter((state) => state.startsWith("open ")).sort();
  await viewer.until("four channels", () => opened().length === 4);
  assert.deepEqual(opened(), ["open control", "open diff", "open input", "open motion"]);
  await page.evaluate("viewer.channels.control.send('hello')");
  await page.evaluate("viewer.channels.motion.send(Uint8Array.of(1, 2, 3))");
  await viewer.until("two messages", () => viewer.messages.length === 2);
  const text = viewer.messages.find((m) => m.channel === "control")?.data;
  const bytes = viewer.messages.find((m) => m.channel === "motion")?.data;
  assert.equal(text, "hello");
  assert.deepEqual([...bytes as Uint8Array], [1, 2, 3]);
  assert.ok(peer.send("control", "there"));
  assert.ok(peer.send("diff", Uint8Array.of(9, 8)));
  await viewer.until("both at the page", async () => {
    const received: { control: string[]; diff: number[][] } = await page.evaluate(
      "viewer.received",
    );
    return received.control[0] === "there" && received.diff[0]?.join() === "9,8";
  });
  await page.evaluate("viewer.open('surprise', {})");
  await viewer.until(
    "the stranger is closed",
    async () => await page.evaluate("viewer.channels.surprise.readyState") === "closed",
  );
  await page.evaluate("viewer.channels.motion.close()");
  await viewer.until("motion closed", () => viewer.states.includes("close motion"));
  assert.equal(peer.send("motion", Uint8Array.of(1)), false);
});

peerTest("bufferedBytes grows with what waits, and onDrain tells when it is low", async (open) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  await viewer.until("the diff channel", () => viewer.states.includes("open diff"));
  const message = new Uint8Array(60_000);
  for (let i = 0; i < 10; i++) assert.ok(viewer.peer.send("diff", message));
  assert.ok(viewer.peer.bufferedBytes("diff") > 300_000);
  await viewer.until("drained", () => viewer.drains() > 0);
  assert.ok(viewer.peer.bufferedBytes("diff") <= 32 * 1024);
  await viewer.until(
    "all at the page",
    async () => await viewer.page.evaluate("viewer.received.diff.length") === 10,
  );
});

peerTest("an offer without video still opens the channels, and says no video", async (open) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser, {
    mangleOffer: (sdp) => withoutH264(sdp).replaceAll("VP8/90000", "VP7/90000"),
  });
  await viewer.until(
    "four channels",
    () => viewer.states.filter((s) => s.startsWith("open")).length === 4,
  );
  assert.match(viewer.answer, /^m=video 0 /m);
  assert.equal(viewer.peer.videoReady, false);
});

videoTest("1080p at 30 Hz arrives whole", async (open, codec) => {
  await using browser = await launchChromium();
  await using viewer = await open(browser);
  const connectMs = await viewer.connectMs;
  const peers = [viewer.peer];
  const draw = (picture: Picture, i: number) => {
    if (i === 0) picture.text(0, 1080, 7);
    picture.fill(i * 16 % 1800, 300, 100, 100, [i * 8 % 256, 90, 200]);
  };
  await using pump = await VideoPump.start({ width: 1920, height: 1080, draw, peers, codec });
  await viewer.until("30 frames", async () => await decoded(viewer) >= 30, 20_000);
  const stats = await viewer.inbound();
  assert.ok(stats !== null);
  assert.equal(stats.frameWidth, 1920);
  const sorted = pump.encodeMs.toSorted((a, b) => a - b);
  console.log(
    `answer ${viewer.answerMs.toFixed(0)} ms, connected ${connectMs.toFixed(0)} ms after it; ` +
      `encode p50 ${sorted[sorted.length >> 1].toFixed(1)} ms; ` +
      `${stats.framesDecoded} of ${pump.frames} decoded, lost ${stats.packetsLost}`,
  );
});
