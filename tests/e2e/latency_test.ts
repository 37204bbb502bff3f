/** The HUD's latency against a clock that an X client paints and the page reads back. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { startBalancer } from "../support/balancer.ts";
import { hudLatency, percentile, sampleClock } from "../support/bench.ts";
import { openConsole, waitForTransport } from "../support/console_page.ts";
import { chooseTransport, e2eTest, startWorld } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";

/** The page reads its clock at animation frames, so it is up to one late. */
const PAGE_FRAME_MS = 17;
/** A shared machine stops now and then, and the two look at different frames. */
const LEEWAY_MS = 10;

/** Reads the HUD and the clock, and says how far apart they are. */
async function compare(page: Page, what: string) {
  await poll("a first reading", 15_000, async () => (await hudLatency(page)).totalMs);
  const samples = await sampleClock(page, 4);
  const { totalMs, errorMs, ...parts } = await hudLatency(page);
  const p50Ms = percentile(samples.map((s) => s.ageMs), 0.5);
  assert.ok(totalMs !== null && errorMs !== null && p50Ms !== null);
  console.log(`${what}: HUD ${totalMs} ± ${errorMs} ms, clock ${p50Ms.toFixed(1)} ms`);
  const allowedMs = errorMs + PAGE_FRAME_MS + LEEWAY_MS;
  assert.ok(Math.abs(totalMs - p50Ms) <= allowedMs, `${totalMs} and ${p50Ms} ms`);
  const sum = Object.values(parts).reduce<number>((all, part) => all + (part ?? NaN), 0);
  assert.ok(Math.abs(sum - totalMs) < 0.5, `${sum} and ${totalMs} ms`);
  for (const [name, part] of Object.entries(parts)) {
    // The clocks' error may make a quick network look quicker than nothing.
    assert.ok(part !== null && part >= (name === "networkMs" ? -errorMs : 0), name);
  }
  return { totalMs, errorMs, p50Ms, networkMs: parts.networkMs ?? NaN };
}

e2eTest("latency in the HUD agrees with the painted clock, for video and for diff", async (t) => {
  await using world = await startWorld();
  await using _clock = await startPainter("clock", { display: world.xvfb.display });
  for (const [choice, transport] of [["video", "rtp"], ["diff", "diff-dc"]] as const) {
    await t.step(choice, async () => {
      await using opened = await world.open();
      const { page } = opened;
      await waitForTransport(page, "rtp", 30_000);
      await chooseTransport(page, choice);
      await waitForTransport(page, transport);
      await compare(page, choice);
    });
  }
});

e2eTest(
  "latency by a slow way, slower back than there: the clocks are as wrong as is said",
  async () => {
    const [thereMs, backMs] = [20, 60];
    await using way = await startBalancer([], { thereMs, backMs });
    await using world = await startWorld({
      server: { config: { webrtc: { enabled: false }, allowedOrigins: [way.origin] } },
    });
    way.targets = [world.server.port];
    await using _clock = await startPainter("clock", { display: world.xvfb.display });
    const link = new URL(await world.server.freshLink());
    link.port = String(way.port);
    await using opened = await openConsole(world.browser, {
      consoleUrl: link.href,
      connect: world.agent.desktopId,
    });
    await waitForTransport(opened.page, "diff-ws", 30_000);
    const { totalMs, errorMs, p50Ms, networkMs } = await compare(opened.page, "through the server");
    assert.ok(errorMs >= (thereMs + backMs) / 2, `± ${errorMs} ms`);
    // The middle of 20 and 60 ms is what a console can know: half the difference is hidden.
    const hiddenMs = (backMs - thereMs) / 2;
    assert.ok(Math.abs(p50Ms - totalMs - hiddenMs) <= PAGE_FRAME_MS + LEEWAY_MS, `${totalMs} ms`);
    assert.ok(networkMs >= (thereMs + backMs) / 2 - LEEWAY_MS, `${networkMs} ms`);
  },
);
