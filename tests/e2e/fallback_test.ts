/// <reference lib="dom" />
/** When the network breaks the picture stays, the operator is told why, and WebRTC comes back. */
import assert from "node:assert/strict";
import { clockIn, readScreen, waitFor, waitForTransport } from "../support/console_page.ts";
import { e2eTest, eventsOf, startWorld, waitForExactPicture } from "../support/e2e.ts";
import { createNetns } from "../support/netns.ts";
import { poll } from "../support/process.ts";
import { startAgent, startPainter, startServer } from "../support/stack.ts";
import { gateVideo, stallVideo, watchedFrames, watchForBlack } from "../support/video_gate.ts";

/** What an operator has who chose nothing. */
const HYBRID = { hybrid: true };

e2eTest("UDP cut in mid-session: fallback with evidence, no black frame, return", async (t) => {
  await using netns = await createNetns();
  await using world = await startWorld({ netns, agent: HYBRID });
  await using clock = await startPainter("clock", { display: world.xvfb.display });
  await clock.ask("rect 0 200 1280 500 4080c0", /"done"/);
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "hybrid");
  // A place inside the painted blue area.
  await watchForBlack(page, { x: 600, y: 400 });

  await t.step("fallback to the relay, with event and evidence", async () => {
    await netns.setUdpBlocked(true);
    await waitForTransport(page, "diff-ws", 20_000);
    const time = await poll(
      "the clock by relay",
      10_000,
      async () => clockIn(await readScreen(page)),
    );
    await poll("the clock to go on", 10_000, async () => {
      const now = clockIn(await readScreen(page));
      return now !== null && now !== time ? true : null;
    });
    const event = await poll(
      "the server's fallback event",
      5_000,
      () => eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK").at(-1) ?? null,
    );
    const text = JSON.stringify(event);
    assert.match(text, /"from":"hybrid"/);
    assert.match(text, /"to":"diff-ws"/);
    assert.match(text, /"reason":"(heartbeat-lost|rtp-stalled|ice-disconnected|ice-failed)"/);
    assert.match(text, /"evidence":\{"[A-Za-z]+":[\d.]+/);
    const timeline = await page.getByTestId("hud-timeline").innerText();
    assert.match(timeline, /server/i, "the timeline says in plain words how the picture comes");
  });

  await t.step("return when UDP works again", async () => {
    await netns.setUdpBlocked(false);
    await waitForTransport(page, "hybrid", 60_000);
    const restored = await poll(
      "the server's restored event",
      5_000,
      () => eventsOf(world.server, "DESKTOP_TRANSPORT_RESTORED").at(-1) ?? null,
    );
    assert.match(JSON.stringify(restored), /"to":"hybrid"/);
  });

  await t.step("the picture was never black, and there was always a screen", async () => {
    const watched = await watchedFrames(page);
    assert.ok(watched.frames > 50, JSON.stringify(watched));
    assert.deepEqual([watched.black, watched.none], [0, 0]);
  });

  await t.step("metrics count it by reason", async () => {
    // The server runs in the namespace: its metrics are read from there.
    const { command, args } = netns.wrap("curl", ["-s", world.server.metricsUrl]);
    const { stdout } = await new Deno.Command(command, { args }).output();
    assert.match(
      new TextDecoder().decode(stdout),
      /farglass_transport_fallbacks_total\{reason="[a-z-]+"\} [1-9]/,
    );
  });
});

e2eTest("no WebRTC from the start: the relay shows the picture and says why", async () => {
  await using netns = await createNetns();
  await netns.setUdpBlocked(true);
  await using world = await startWorld({ netns });
  await using clock = await startPainter("clock", { display: world.xvfb.display });
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "diff-ws", 20_000);
  await clock.ask("stop", /"done"/);
  await waitForExactPicture(page, world.xvfb.display);
  const event = await poll(
    "the fallback event",
    5_000,
    () => eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK").at(-1) ?? null,
  );
  assert.match(JSON.stringify(event), /"reason":"(connect-timeout|ice-failed)"/);
});

e2eTest(
  "the browser refuses to negotiate: negotiation-error, and the relay shows the picture",
  async () => {
    await using world = await startWorld();
    await using _clock = await startPainter("clock", { display: world.xvfb.display });
    await using opened = await world.open({
      init: () => {
        RTCPeerConnection.prototype.setRemoteDescription = () =>
          Promise.reject(new DOMException("refused by the test", "OperationError"));
      },
    });
    const { page } = opened;
    await waitForTransport(page, "diff-ws");
    const event = await poll(
      "the fallback event",
      5_000,
      () => eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK").at(-1) ?? null,
    );
    assert.match(JSON.stringify(event), /"reason":"negotiation-error"/);
  },
);

e2eTest(
  "video stalls while the desktop changes: the diff channel takes over within seconds",
  async () => {
    await using world = await startWorld();
    await using _clock = await startPainter("clock", { display: world.xvfb.display });
    await using opened = await world.open({ init: gateVideo });
    const { page } = opened;
    await waitForTransport(page, "rtp");
    await stallVideo(page);
    await waitForTransport(page, "diff-dc", 15_000);
    const event = await poll(
      "the fallback event",
      5_000,
      () => eventsOf(world.server, "DESKTOP_TRANSPORT_FALLBACK").at(-1) ?? null,
    );
    assert.match(JSON.stringify(event), /"reason":"rtp-stalled"/);
  },
);

e2eTest("server restart: agent and console come back by themselves", async () => {
  await using world = await startWorld({ agent: HYBRID });
  await using clock = await startPainter("clock", { display: world.xvfb.display });
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "hybrid");
  await world.server.process.stop("SIGKILL");
  await using again = await startServer({
    port: world.server.port,
    dataDir: world.server.dataDir,
  });
  await again.process.waitForLine(/DESKTOP_WEBRTC_STATE.*"stage":"connected"/, 30_000);
  await waitForTransport(page, "hybrid", 30_000);
  await clock.ask("stop", /"done"/);
  await clock.ask("go", /"done"/);
  const before = clockIn(await readScreen(page));
  await poll("the clock to go on", 15_000, async () => {
    const now = clockIn(await readScreen(page));
    return now !== null && now !== before ? true : null;
  });
});

e2eTest("agent killed: the console says so within 5 s and recovers when it returns", async () => {
  await using world = await startWorld({ agent: HYBRID });
  await using _clock = await startPainter("clock", { display: world.xvfb.display });
  await using opened = await world.open();
  const { page } = opened;
  await waitForTransport(page, "hybrid");
  await world.agent.process.stop("SIGKILL");
  await waitFor(
    page,
    "word that the agent is offline",
    () => /agent is offline|agent went away/i.test(document.body.innerText),
    null,
    5_000,
  );
  // The last picture stays.
  assert.ok((await readScreen(page)).width > 0);
  await using _again = await startAgent({
    server: world.server,
    capture: "x11",
    display: world.xvfb.display,
    stateDir: world.agent.stateDir,
    ...HYBRID,
  });
  await waitForTransport(page, "hybrid", 30_000);
  const before = clockIn(await readScreen(page));
  await poll("the clock to go on", 15_000, async () => {
    const now = clockIn(await readScreen(page));
    return now !== null && now !== before ? true : null;
  });
});
