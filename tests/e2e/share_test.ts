/// <reference lib="dom" />
/** One narrow link for a film, typed text and sound at once: each gets its part, input first. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { percentile } from "../support/bench.ts";
import { presentedFrames, waitForVideoAt } from "../support/composed_page.ts";
import { hud, waitForTransport } from "../support/console_page.ts";
import { e2eTest, eventsOf, startWorld } from "../support/e2e.ts";
import { commandTerminal, startFilm, startTerminal } from "../support/film.ts";
import { poll } from "../support/process.ts";
import { startPulse } from "../support/pulse.ts";
import { EAR_SCRIPT, type Heard, isTone } from "../support/tone.ts";
import { BadNetwork } from "../support/udp_relay.ts";

const SEED = 7;
const LINK = { kbps: 1_000, delayMs: 20 };
const FILM = "testsrc2=size=640x360:rate=30,noise=alls=40:allf=t";
const HZ = 440;
/** A busy machine takes its time, too; `deno task bench:network` tells how quick it is. */
const MOST_KEY_MS = 500;
const MOST_QUEUE_MS = 150;

/** Runs in the page: notes when keys go down and when the terminal's first rows change. */
function watchTyping(): void {
  const canvas = document.querySelector<HTMLCanvasElement>('[data-testid="screen-canvas"]')!;
  const probe = new OffscreenCanvas(500, 60).getContext("2d", { willReadFrequently: true })!;
  const noted = { keys: [] as number[], changes: [] as number[] };
  Object.assign(globalThis, { typing: noted });
  addEventListener("keydown", () => noted.keys.push(performance.now()), { capture: true });
  let last = 0;
  const look = () => {
    probe.drawImage(canvas, 10, 10, 500, 60, 0, 0, 500, 60);
    const words = new Uint32Array(probe.getImageData(0, 0, 500, 60).data.buffer);
    const sum = words.reduce((hash, word) => Math.imul(hash ^ word, 0x01000193), 0x811c9dc5);
    if (sum !== last) noted.changes.push(performance.now());
    last = sum;
    requestAnimationFrame(look);
  };
  look();
}

interface Typing {
  readonly keys: readonly number[];
  readonly changes: readonly number[];
}
const typing = (page: Page): Promise<Typing> => page.evaluate("typing");

interface Watched {
  readonly page: Page;
  readonly network: BadNetwork;
}

/** Types, one key after the other was seen, and says what it took. */
async function type({ page, network }: Watched, count: number) {
  const queues: number[] = [];
  const timer = setInterval(() => queues.push(network.down.queueingMs(performance.now())), 20);
  const first = (await typing(page)).keys.length;
  try {
    for (let i = 0; i < count; i++) {
      const { length } = (await typing(page)).changes;
      await page.keyboard.press("abcdefghij"[i % 10]);
      await poll(
        "the key on the glass",
        10_000,
        async () => (await typing(page)).changes.length > length || null,
      );
    }
  } finally {
    clearInterval(timer);
  }
  const { keys, changes } = await typing(page);
  const trips = keys.slice(first).map((at) => (changes.find((c) => c > at) ?? Infinity) - at);
  assert.equal(trips.length, count);
  const keyMs = percentile(trips, 0.5) ?? Infinity;
  // Three quarters: a busy machine may stop the relay itself, which looks like a queue.
  const queueMs = percentile(queues, 0.75) ?? Infinity;
  const text = JSON.stringify({ trips, queueMs, hud: await hud(page) });
  assert.ok(keyMs <= MOST_KEY_MS, text);
  assert.ok(queueMs <= MOST_QUEUE_MS, text);
}

e2eTest(
  "a narrow link for a film, typing and sound: keys first, sound whole, film on",
  async (t) => {
    await using pulse = await startPulse(["only"]);
    await using network = new BadNetwork(SEED, LINK);
    await using world = await startWorld({
      agent: { hybrid: true, flags: ["--audio"], env: pulse.env },
    });
    const { display } = world.xvfb;
    await using _terminal = startTerminal(display, { geometry: "80x24+10+10" });
    await using opened = await world.open({ prepare: (context) => network.prepare(context) });
    const { page } = opened;
    await waitForTransport(page, "hybrid", 40_000);
    const stopTone = await pulse.tone("only", HZ);
    await page.getByTestId("sound").click();
    await using film = startFilm({ display, x: 600, y: 200, source: FILM });
    await waitForVideoAt(page, { x: 900, y: 400, video: true });
    await commandTerminal(display, "windowfocus", "--sync");
    await page.getByTestId("stage").focus();
    await page.evaluate(watchTyping);
    const step = async (name: string, body: () => Promise<void>) =>
      assert.ok(await t.step({ name, sanitizeOps: false, sanitizeResources: false, fn: body }));

    await step("typing beside the film", async () => {
      const before = await presentedFrames(page);
      await type({ page, network }, 20);
      await poll("the film", 10_000, async () => await presentedFrames(page) > before + 10 || null);
    });

    await step("typing while the film's last picture is sent exactly", async () => {
      film.pause();
      await waitForVideoAt(page, { x: 900, y: 220, video: false });
      await type({ page, network }, 10);
    });

    await step("the film goes on by video; the sound was never given up", async () => {
      film.resume();
      await waitForVideoAt(page, { x: 900, y: 400, video: true });
      await page.evaluate(EAR_SCRIPT);
      await page.evaluate(
        `void ear(document.querySelector('[data-testid="desktop-sound"]').srcObject)`,
      );
      await poll("the tone", 10_000, async () => {
        const heard: Heard[] = await page.evaluate("hear()");
        return heard.every((side) => isTone(side, HZ)) || null;
      });
      assert.deepEqual(eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK"), []);
    });
    await stopTone();
  },
);
