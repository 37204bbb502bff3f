/// <reference lib="dom" />
/** Relay only, through a real coturn, with the credentials that the server mints. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { clockIn, hud, readScreen, waitFor, waitForTransport } from "../support/console_page.ts";
import { type Coturn, startCoturn } from "../support/coturn.ts";
import { launchChromium } from "../support/chromium.ts";
import { e2eTest, startWorld } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";

/** Server settings that allow no path but the relay. */
const relayOnly = (coturn: Coturn, url: string) => ({
  config: {
    webrtc: {
      enabled: true,
      credentialTTL: "10m",
      relayHint: "turn",
      iceTransportPolicy: "relay",
      servers: [{
        urls: [url],
        credentialSecret: coturn.secret,
        credentialType: "password",
      }],
    },
  },
});

for (const protocol of ["udp", "tcp"] as const) {
  e2eTest(
    `relay only by ${protocol.toUpperCase()}: picture, path and token in the HUD`,
    async () => {
      await using coturn = await startCoturn(protocol === "tcp" ? { tcpOnly: true } : {});
      await using world = await startWorld({
        server: relayOnly(coturn, protocol === "udp" ? coturn.udpUrl : coturn.tcpUrl),
      });
      await using _clock = await startPainter("clock", { display: world.xvfb.display });
      await using opened = await world.open();
      const { page } = opened;
      await waitForTransport(page, "rtp", 30_000);
      const seen = new Set<number>();
      await poll("the clock to run through the relay", 15_000, async () => {
        const time = clockIn(await readScreen(page));
        if (time !== null) seen.add(time);
        return seen.size >= 4 ? true : null;
      });
      await waitFor(
        page,
        "the relay in the HUD",
        (protocol) => {
          const text = document.querySelector<HTMLElement>('[data-testid="hud-path"]');
          const shown = `${text?.dataset.value} ${text?.innerText}`.toLowerCase();
          return shown.includes("relay") && shown.includes(protocol);
        },
        protocol,
      );
      const facts = await hud(page);
      assert.match(facts["relay-hint"], /turn/);
      assert.match(facts["turn-ttl"], /\d/);
      const log = await coturn.log();
      const users = new Set(log.match(/\d{10}:[0-9a-f-]{36}/g));
      assert.equal(users.size >= 1, true, "coturn saw the minted user name");
      assert.ok(
        [...users].every((user) => user.endsWith(world.agent.desktopId)),
        "name is desktop's",
      );
      const allocations = log.match(/ALLOCATE processed, success/g)?.length ?? 0;
      assert.ok(
        allocations >= 2,
        `console and agent each allocate a relay, coturn saw ${allocations}`,
      );
    },
  );
}

e2eTest(
  "coturn refuses an expired, an altered and a foreign credential, and takes a good one",
  async (t) => {
    await using coturn = await startCoturn();
    await using browser = await launchChromium();
    const page = await browser.newPage();
    const now = Math.floor(Date.now() / 1000);
    const good = coturn.credentials("a-desktop", now + 600);
    const expired = coturn.credentials("a-desktop", now - 60);
    const cases = [
      ["good", good, true],
      ["expired", expired, false],
      ["altered password", { ...good, credential: `x${good.credential.slice(1)}` }, false],
      ["altered name", { ...good, username: `${now + 9_999}:a-desktop` }, false],
    ] as const;
    for (const [name, credential, accepted] of cases) {
      await t.step(name, async () => {
        const outcome = await gatherRelay(page, { urls: coturn.udpUrl, ...credential });
        assert.equal(outcome.relay, accepted, JSON.stringify(outcome));
        // Chromium reports a refused allocation as 401, or 400 for a stale user name.
        if (!accepted) assert.ok(outcome.errors.includes(401), JSON.stringify(outcome));
      });
    }
  },
);

/** Whether Chromium gets a relay candidate with these credentials, and the codes it was refused with. */
async function gatherRelay(
  page: Page,
  server: RTCIceServer,
): Promise<{ relay: boolean; errors: number[] }> {
  return await page.evaluate(async (server) => {
    const peer = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: "relay" });
    const errors: number[] = [];
    let relay = false;
    peer.addEventListener("icecandidateerror", (event) => errors.push(event.errorCode));
    peer.createDataChannel("probe");
    const done = new Promise<void>((resolve) => {
      peer.addEventListener("icecandidate", (event) => {
        if (event.candidate === null) resolve();
        else if (event.candidate.type === "relay") relay = true;
      });
    });
    await peer.setLocalDescription();
    await done;
    peer.close();
    return { relay, errors };
  }, server);
}
