/// <reference lib="dom" />
/**
 * Pictures wait in the browser only for measured jitter, and a buffer that has grown is emptied
 * without a new connection: Chromium, with a relay in user space before the agent.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { waitForTransport } from "../support/console_page.ts";
import { e2eTest, startWorld } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { BadNetwork } from "../support/udp_relay.ts";

/** Runs in the page before its scripts: keeps the control channel where the test finds it. */
function keepControl(): void {
  const create = RTCPeerConnection.prototype.createDataChannel;
  const kept = { peers: 0, control: null as RTCDataChannel | null };
  Object.assign(globalThis, { kept });
  RTCPeerConnection.prototype.createDataChannel = function (label, options) {
    const channel = create.call(this, label, options);
    if (label === "control") {
      kept.control = channel;
      kept.peers++;
    }
    return channel;
  };
}

interface Kept {
  readonly kept: { readonly peers: number; readonly control: RTCDataChannel };
}

const value = (page: Page, id: string) =>
  page.getByTestId(id).getAttribute("data-value", { timeout: 5_000 });
const becomes = (page: Page, id: string, wanted: (value: string | null) => boolean, what: string) =>
  poll(what, 20_000, async () => wanted(await value(page, id)) || null);

e2eTest(
  "playout: a grown jitter buffer is drained, jitter alone makes pictures wait",
  async (t) => {
    await using network = new BadNetwork(7, { delayMs: 10 });
    await using world = await startWorld({ agent: { flags: ["--video-only"] } });
    await using opened = await world.open({
      init: keepControl,
      prepare: (context) => network.prepare(context),
    });
    const { page } = opened;
    await using _clock = await startPainter("clock", {
      display: world.xvfb.display,
      args: ["--hz", "30", "--rects", "50"],
    });
    await waitForTransport(page, "rtp", 40_000);
    const step = async (name: string, fn: () => Promise<void>) =>
      assert.ok(await t.step({ name, sanitizeOps: false, sanitizeResources: false, fn }));
    const reason = (wanted: string) =>
      becomes(page, "hud-playout-reason", (now) => now === wanted, wanted);

    await step(
      "a browser that begins to hold pictures back: drained, on the same peer",
      async () => {
        // Nothing but the sender makes Chromium hold pictures for so long on a good network.
        await page.evaluate(() => {
          const { kept } = globalThis as unknown as Kept;
          kept.control.send(JSON.stringify({ op: "playout", minMs: 500 }));
        });
        await becomes(page, "hud-jitter-buffer", (ms) => Number(ms) > 300, "a grown buffer");
        await reason("playout-drained");
        await becomes(page, "hud-jitter-buffer", (ms) => Number(ms) < 100, "an empty buffer");
        const peers = await page.evaluate(() => (globalThis as unknown as Kept).kept.peers);
        assert.equal(peers, 1, "no other connection was made");
      },
    );

    await step("jitter raises the playout delay", async () => {
      // That its end lowers it is tested beside core/playout.ts: a busy machine jitters, too.
      network.set({ jitterMs: 500 });
      await reason("playout-jitter");
    });

    await step("the server counts decisions by reason", async () => {
      const lines = await poll("both ends' decisions", 20_000, async () => {
        const text = await (await fetch(world.server.metricsUrl)).text();
        const counts = [
          ...text.matchAll(/^farglass_congestion_decisions_total\{reason="([\w-]+)"\}/gm),
        ];
        const reasons = counts.map(([, name]) => name);
        const wanted = ["playout-drained", "playout-jitter"];
        const agents = reasons.filter((name) => !name.startsWith("playout-"));
        return wanted.every((name) => reasons.includes(name)) && agents.length > 0 ? reasons : null;
      });
      assert.ok(lines.length >= 3);
    });
  },
);
