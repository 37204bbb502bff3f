/** The agent's peer and its sound, by each library, against a real Chromium, over loopback. */
import assert from "node:assert/strict";
import { openOpusEncoder } from "../../agent/adapters/libav/opus.ts";
import { LibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import { SOUND_STREAM } from "../../agent/core/offer_audio.ts";
import { type Peer, SOUND_FRAME_SAMPLES } from "../../agent/core/ports.ts";
import { SilenceGate } from "../../agent/core/sound_framer.ts";
import { launchChromium } from "../support/chromium.ts";
import { LOOPBACK, openPeerViewer, type ViewerOptions } from "../support/peer_viewer.ts";
import { EAR_SCRIPT, type Heard, isTone, toneFrame } from "../support/tone.ts";
import { VideoPump } from "../support/video_pump.ts";

type AnyPeer = WeriftPeer | LibdatachannelPeer;

const LIBRARIES: readonly {
  readonly library: string;
  readonly create: NonNullable<ViewerOptions<AnyPeer>["create"]>;
}[] = [
  { library: "werift", create: (...args) => new WeriftPeer(...args) },
  { library: "libdatachannel", create: (...args) => new LibdatachannelPeer(...args) },
];
const TONES = [440, 1000] as const;
const FRAME_MS = 10;

const REPORTS = `viewer.pc.getStats()
  .then((stats) => [...stats.values()].filter(({ type }) => type === "remote-outbound-rtp"))`;

/** Sends tones, or silence, in real time until it is disposed of. */
class SoundPump implements AsyncDisposable {
  silent = false;
  frames = 0;
  packets = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly peer: Peer) {
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const opened = await openOpusEncoder({ bitrateKbps: 96 });
    const gate = new SilenceGate();
    assert.ok(opened.ok);
    const begun = performance.now();
    for (let i = 0; !this.#stopped; i++) {
      const position = i * SOUND_FRAME_SAMPLES;
      const pcm = toneFrame(position, SOUND_FRAME_SAMPLES, this.silent ? [0, 0] : TONES);
      this.frames++;
      if (gate.passes(pcm)) {
        const data = opened.value.encode(pcm);
        const capturedAtMs = begun + i * FRAME_MS;
        if (this.peer.sendSound({ data, position, capturedAtMs }) > 0) this.packets++;
      }
      const waitMs = begun + (i + 1) * FRAME_MS - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
    }
    opened.value.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

for (const { library, create } of LIBRARIES) {
  Deno.test(`${library} peer: stereo sound beside video, silence costs nothing`, async () => {
    await using browser = await launchChromium();
    const peer = { ...LOOPBACK, sound: true };
    await using viewer = await openPeerViewer(browser, { create, peer, sound: true });
    await viewer.connectMs;
    await using pump = new SoundPump(viewer.peer);
    await using _video = await VideoPump.start({
      width: 320,
      height: 240,
      draw: (picture, i) => picture.fill(0, 0, 320, 240, i % 2 === 0 ? [0, 0, 0] : [255, 255, 255]),
      peers: [viewer.peer],
    });
    await viewer.page.evaluate(EAR_SCRIPT);
    await viewer.page.evaluate(`
      const audio = document.createElement("audio");
      audio.srcObject = new MediaStream([viewer.pc.getReceivers()[1].track]);
      void audio.play();
      ear(audio.srcObject);
    `);
    let heard: Heard[] = [];
    const hears = async (check: (heard: Heard[]) => boolean) =>
      check(heard = await viewer.page.evaluate("hear()"));
    try {
      await viewer.until("both tones", () => hears(([l, r]) => isTone(l, 440) && isTone(r, 1000)));
    } catch (error) {
      throw new Error(`heard ${JSON.stringify(heard)}`, { cause: error });
    }
    // Sound and video go by one clock: a report's time is that of its sending, on this machine.
    await viewer.until("sender reports of both", async () => {
      const reports: Record<string, number>[] = await viewer.page.evaluate(REPORTS);
      return reports.length === 2 &&
        reports.every((one) => Math.abs(one.remoteTimestamp - one.timestamp) < 100);
    });
    // A browser would hold streams of one name back until they fit: the sound, for 100 ms and more.
    const named = viewer.answer.split(/^m=/m).filter((part) => part.includes(SOUND_STREAM));
    assert.deepEqual(named.map((part) => part.slice(0, 5)), ["audio"]);
    pump.silent = true;
    await viewer.until("silence", () => hears(([l, r]) => l.db < -80 && r.db < -80));
    const began = pump.frames;
    await viewer.until("a while of it", () => pump.frames >= began + 50);
    // Nothing more is sent, and nothing is made up at the other end.
    const before = { packets: pump.packets, frames: pump.frames };
    await viewer.until("a second of silence", async () => {
      assert.ok(await hears(([l, r]) => l.db < -80 && r.db < -80), JSON.stringify(heard));
      return pump.frames >= before.frames + 100;
    });
    assert.equal(pump.packets, before.packets);
    pump.silent = false;
    await viewer.until(
      "the tones again",
      () => hears(([l, r]) => isTone(l, 440) && isTone(r, 1000)),
    );
  });

  Deno.test(`${library} peer: sound that may not be sent is refused, the rest goes on`, async () => {
    await using browser = await launchChromium();
    await using viewer = await openPeerViewer(browser, { create, sound: true });
    await viewer.connectMs;
    await viewer.until("the channels", () => viewer.states.includes("open control"));
    const audio = viewer.answer.split(/^m=/m).find((part) => part.startsWith("audio"));
    assert.ok(audio !== undefined);
    assert.match(audio, /^audio 0 |^a=inactive/m);
    assert.equal(viewer.peer.soundReady, false);
    const data = new Uint8Array([0xfc, 1, 2]);
    assert.equal(viewer.peer.sendSound({ data, position: 0, capturedAtMs: 0 }), 0);
  });
}
