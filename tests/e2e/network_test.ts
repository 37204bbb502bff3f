/**
 * Video through bad networks: Chromium and the agent with a relay in user space between them
 * (udp_relay.ts), and a desktop that changes more than the link carries. What the relay's own queue
 * held and what the glass showed is asserted; how quickly, `deno task bench:network` tells.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { type ClockSample, percentile, sampleClock } from "../support/bench.ts";
import { waitForTransport } from "../support/console_page.ts";
import { e2eTest, startWorld } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { BadNetwork } from "../support/udp_relay.ts";

const SEED = 7;
const LOOK_MS = 20;
/** Issue 4 section 3. */
const MOST_QUEUE_MS = 150;
/** A machine with much else to do still shows so many of 30 pictures a second. */
const FEWEST_PER_SECOND = 2;

const target = async (page: Page): Promise<number> =>
  Number(await page.getByTestId("hud-target").getAttribute("data-value") ?? NaN);

/** No painted time that was shown is older than one before it. */
function assertNothingStale(samples: readonly ClockSample[]): void {
  const back = samples.findIndex(({ painted }, i) => i > 0 && painted < samples[i - 1].painted);
  assert.equal(back, -1, "an older picture was shown after a newer one");
}

/** Watches glass and link for `seconds`: the picture goes on, and only forwards. */
async function watch(page: Page, network: BadNetwork, seconds: number) {
  const queues: number[] = [];
  const timer = setInterval(() => queues.push(network.down.queueingMs(performance.now())), LOOK_MS);
  try {
    const samples = await sampleClock(page, seconds);
    assertNothingStale(samples);
    const least = FEWEST_PER_SECOND * seconds;
    assert.ok(samples.length >= least, `${samples.length} pictures in ${seconds} s`);
    // Three quarters: a busy machine may stop the relay itself, which looks like a queue.
    return { samples, queueMs: percentile(queues, 0.75) ?? 0 };
  } finally {
    clearInterval(timer);
  }
}

/** Waits until the relay's queue has been short for a second of looks in a row. */
async function waitForShortQueue(network: BadNetwork): Promise<void> {
  let since = performance.now();
  await poll("a short queue", 15_000, () => {
    const now = performance.now();
    if (network.down.queueingMs(now) > MOST_QUEUE_MS) since = now;
    return now - since >= 1_000 ? true : null;
  });
}

e2eTest("the video adapts to a bad network and comes back", async (t) => {
  await using network = new BadNetwork(SEED, { kbps: 500, delayMs: 10 });
  await using world = await startWorld({ agent: { flags: ["--video-only"] } });
  await using opened = await world.open({ prepare: (context) => network.prepare(context) });
  const { page } = opened;
  await using _clock = await startPainter("clock", {
    display: world.xvfb.display,
    args: ["--hz", "30", "--rects", "150"],
  });
  await waitForTransport(page, "rtp", 40_000);
  const step = async (name: string, body: () => Promise<void>) =>
    assert.ok(await t.step({ name, sanitizeOps: false, sanitizeResources: false, fn: body }));

  await step("500 kb/s: the picture goes on and the queue is short", async () => {
    await waitForShortQueue(network);
    const { queueMs } = await watch(page, network, 4);
    assert.ok(queueMs <= MOST_QUEUE_MS, `the queue was ${queueMs} ms`);
    assert.ok(await target(page) < 1_000, "the target is near what the link carries");
  });

  await step("10 Mb/s, then 1 Mb/s, then 10 again", async () => {
    const rises = () =>
      poll("nine tenths of 10 Mb/s", 20_000, async () => await target(page) >= 9_000 || null);
    network.set({ kbps: 10_000 });
    await rises();
    network.set({ kbps: 1_000 });
    await waitForShortQueue(network);
    const { queueMs } = await watch(page, network, 3);
    assert.ok(queueMs <= MOST_QUEUE_MS, `the queue was ${queueMs} ms`);
    assert.ok(await target(page) <= 1_500, "the target fell with the link");
    network.set({ kbps: 10_000 });
    await rises();
  });

  await step("an outage of 3 s: the newest picture comes first", async () => {
    network.set({ outage: true });
    const during = Date.now() + 500;
    const samples = await sampleClock(page, 3);
    network.set({ outage: false });
    const back = Date.now();
    samples.push(...await sampleClock(page, 2));
    assertNothingStale(samples);
    const at = ({ painted }: ClockSample) => painted + Math.floor(back / 2 ** 32) * 2 ** 32;
    const replayed = samples.filter((sample) => at(sample) > during && at(sample) < back - 500);
    assert.deepEqual(replayed, [], "pictures of the outage were shown after it");
    assert.ok(samples.some((sample) => at(sample) > back), "the picture goes on");
  });

  await step("20 % loss: the picture goes on", async () => {
    network.set({ kbps: null, loss: 0.2 });
    await watch(page, network, 4);
    assert.ok(network.down.counters.lost > 100, "packets were lost");
  });
});
