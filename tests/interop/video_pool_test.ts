/**
 * The pool of encoders with real parts: the synthetic desktop moves, libx264 encodes, the agent's
 * peers send, Chromium decodes.
 */
import assert from "node:assert/strict";
import { openConverter } from "../../agent/adapters/libav/converter.ts";
import { openLibavEncoder } from "../../agent/adapters/libav/encoder.ts";
import { openSynthetic } from "../../agent/adapters/synthetic/open_synthetic.ts";
import type { EncoderChoice } from "../../agent/core/encoder_chain.ts";
import type { VideoEncoder } from "../../agent/core/ports.ts";
import { Pipeline, type PipelineViewer } from "../../agent/pipeline.ts";
import { launchChromium } from "../support/chromium.ts";
import { openPeerViewer, type PeerViewer } from "../support/peer_viewer.ts";

const SIZE = { width: 1280, height: 720 };

interface Desktop extends AsyncDisposable {
  readonly pipeline: Pipeline;
  /** Every encoder that was opened, in order. */
  readonly opened: VideoEncoder[];
  readonly logs: string[];
}

function startDesktop(names: readonly string[]): Desktop {
  const opened: VideoEncoder[] = [];
  const logs: string[] = [];
  const pipeline = new Pipeline(
    {
      openDesktop: () =>
        Promise.resolve({ ok: true, value: openSynthetic({ ...SIZE, maxFps: 60 }) }),
      openEncoder: async (options) => {
        // Two names for one library: the second takes over from the first.
        const result = await openLibavEncoder({ ...options, encoder: "libx264" });
        if (result.ok) opened.push(result.value);
        return result;
      },
      openConverter,
      encoders: () => names.map((name): EncoderChoice => ({ name, codec: "h264" })),
      now: () => performance.now(),
      random: () => Math.random(),
      log: (_level, text) => logs.push(text),
    },
    { bitrateKbps: 8_000, maxFps: 30 },
    SIZE,
  );
  return { pipeline, opened, logs, [Symbol.asyncDispose]: () => pipeline.close() };
}

/** Shows the desktop to a page; `keyframes` and `pictures` say when each was sent. */
function show({ pipeline }: Desktop, viewer: PeerViewer) {
  const pictures: { at: number; keyframe: boolean; bytes: number }[] = [];
  const unavailable: boolean[] = [];
  const receiver: PipelineViewer = {
    onFrame() {},
    onVideo(frame) {
      const bytes = viewer.peer.sendVideo(frame);
      pictures.push({ at: performance.now(), keyframe: frame.keyframe, bytes });
    },
    onScreen() {},
    onMoved() {},
    onCursorShape() {},
    onCursorPosition() {},
    onFault() {},
    onVideoAvailable: (available) => unavailable.push(available),
  };
  pipeline.attach(receiver);
  pipeline.setVideo(receiver, true);
  return { receiver, pictures, unavailable };
}

const decoded = async (viewer: PeerViewer): Promise<number> =>
  (await viewer.inbound())?.framesDecoded ?? 0;

async function untilDecoded(viewer: PeerViewer, more: number): Promise<void> {
  const before = await decoded(viewer);
  await viewer.until(`${more} frames more`, async () => await decoded(viewer) >= before + more);
}

/** Chromium is no part of what the sanitizers judge. */
const realTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });

realTest(
  "an encoder that dies in mid-stream: the next one takes over within a second, on the same connection",
  async () => {
    await using browser = await launchChromium();
    await using viewer = await openPeerViewer(browser);
    await viewer.connectMs;
    await using desktop = startDesktop(["first", "second"]);
    const { pictures, unavailable } = show(desktop, viewer);
    await untilDecoded(viewer, 15);
    assert.equal(desktop.opened.length, 1);
    // Its context is gone, as after a driver's reset: the next picture fails in earnest.
    const diedAt = performance.now();
    const before = pictures.length;
    desktop.opened[0].close();
    // One that was under way may still be finished.
    const found = () => pictures.slice(before).find(({ keyframe }) => keyframe);
    await viewer.until("a keyframe", () => found() !== undefined);
    const next = found()!;
    assert.ok(next.at - diedAt < 1_000, `${next.at - diedAt} ms`);
    await untilDecoded(viewer, 15);
    assert.equal(desktop.opened.length, 2);
    assert.equal(desktop.pipeline.videoStatus.keyframes["fail-over"], 1);
    assert.ok(desktop.logs.some((line) => line.includes("first: ")), desktop.logs.join());
    assert.equal(desktop.pipeline.videoStatus.encoders[0].name, "second");
    assert.deepEqual(unavailable, []);
    assert.equal(viewer.states.filter((state) => state === "connected").length, 1);
  },
);

realTest(
  "a viewer with little bandwidth gets its own encoder; the other one's pictures are not slowed",
  async () => {
    await using browser = await launchChromium();
    await using slow = await openPeerViewer(browser);
    await using quick = await openPeerViewer(browser);
    await Promise.all([slow.connectMs, quick.connectMs]);
    await using desktop = startDesktop(["libx264"]);
    const slowView = show(desktop, slow);
    const quickView = show(desktop, quick);
    await Promise.all([untilDecoded(slow, 10), untilDecoded(quick, 10)]);
    assert.equal(desktop.opened.length, 1);
    const keyframes = quickView.pictures.filter(({ keyframe }) => keyframe).length;
    desktop.pipeline.setVideoTarget(slowView.receiver, {
      bitrateKbps: 150,
      maxFps: 8,
      blocked: false,
    });
    await slow.until("two encoders", () => desktop.pipeline.videoStatus.encoders.length === 2);
    await Promise.all([untilDecoded(slow, 10), untilDecoded(quick, 40)]);
    const since = performance.now() - 1_000;
    const recent = (view: typeof slowView) => view.pictures.filter(({ at }) => at > since).length;
    assert.ok(recent(slowView) <= 10, `${recent(slowView)}`);
    assert.ok(recent(quickView) > recent(slowView));
    assert.equal(quickView.pictures.filter(({ keyframe }) => keyframe).length, keyframes);
    // And back: both share again, with one keyframe for both.
    desktop.pipeline.setVideoTarget(slowView.receiver, {
      bitrateKbps: 8_000,
      maxFps: 30,
      blocked: false,
    });
    await slow.until(
      "one encoder",
      () => desktop.pipeline.videoStatus.encoders.map(({ viewers }) => viewers).join() === "2",
    );
    await Promise.all([untilDecoded(slow, 10), untilDecoded(quick, 10)]);
    assert.ok(quickView.pictures.filter(({ keyframe }) => keyframe).length <= keyframes + 1);
  },
);
