/**
 * How fast patches travel through a TURN server: the agent's peer fills the diff channel towards a
 * page in Chromium, by relay only, over UDP and over TCP, and directly for comparison.
 *
 *   deno task bench:turn [--seconds 4] [--runs 3] [direct|udp|tcp]
 */
import { cpuUsage } from "node:process";
import type { Browser } from "playwright-core";
import { benchFlags, machine, percentile, progress, round } from "../support/bench.ts";
import { launchChromium } from "../support/chromium.ts";
import { type Coturn, startCoturn } from "../support/coturn.ts";
import { LOOPBACK, openPeerViewer, type ViewerOptions } from "../support/peer_viewer.ts";

const PATHS = ["direct", "udp", "tcp"] as const;
type Path = (typeof PATHS)[number];

/** The size of a diff message, and what may wait in the channel: agent/viewer_session.ts. */
const MESSAGE_BYTES = 16 * 1024;
const MAX_BUFFERED_BYTES = 64 * 1024;
const CREDENTIAL_SECONDS = 600;

interface Rates {
  /** Megabytes (10^6) a second that arrived in the page. */
  readonly perSecond: number;
  /** The same for each second that this process, which is the agent's side, had a processor. */
  readonly perCpuSecond: number;
}

async function measure(browser: Browser, options: ViewerOptions, seconds: number): Promise<Rates> {
  await using viewer = await openPeerViewer(browser, options);
  await viewer.connectMs;
  await viewer.until("the diff channel", () => viewer.states.includes("open diff"));
  await viewer.page.evaluate(`
    viewer.bytes = 0;
    viewer.channels.diff.onmessage = ({ data }) => { viewer.bytes += data.byteLength; };
  `);
  const message = new Uint8Array(MESSAGE_BYTES);
  const cpuBefore = cpuUsage();
  const begun = performance.now();
  const endsAt = begun + seconds * 1000;
  while (performance.now() < endsAt) {
    while (viewer.peer.bufferedBytes("diff") < MAX_BUFFERED_BYTES) {
      viewer.peer.send("diff", message);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { user, system } = cpuUsage(cpuBefore);
  const megabytes: number = await viewer.page.evaluate("viewer.bytes / 1e6");
  return {
    perSecond: megabytes / ((performance.now() - begun) / 1000),
    perCpuSecond: megabytes / ((user + system) / 1e6),
  };
}

function optionsOf(path: Path, coturn: Coturn): ViewerOptions {
  if (path === "direct") return { peer: LOOPBACK };
  const expiresAt = Math.floor(Date.now() / 1000) + CREDENTIAL_SECONDS;
  const url = path === "udp" ? coturn.udpUrl : coturn.tcpUrl;
  const server = { urls: [url], ...coturn.credentials("bench", expiresAt) };
  const peer = { iceServers: [server], relayOnly: true, loopbackOnly: true };
  return { peer, iceServers: [server], relayOnly: true };
}

async function main(): Promise<void> {
  const { seconds, runs, only } = benchFlags({ seconds: 4, runs: 3 });
  const paths = PATHS.filter((path) => only.length === 0 || only.includes(path));
  await using coturn = await startCoturn();
  await using browser = await launchChromium();
  const rates = new Map<Path, Rates[]>(paths.map((path) => [path, []]));
  for (let run = 1; run <= runs; run++) {
    for (const path of paths) {
      const rate = await measure(browser, optionsOf(path, coturn), seconds);
      progress(
        `${path}, run ${run} of ${runs}: ${round(rate.perSecond)} MB/s, ${
          round(rate.perCpuSecond)
        } a CPU second`,
      );
      rates.get(path)?.push(rate);
    }
  }
  const results = [...rates].map(([path, list]) => ({
    path,
    medianMBps: round(percentile(list.map((rate) => rate.perSecond), 0.5)),
    medianMBpCpuSecond: round(percentile(list.map((rate) => rate.perCpuSecond), 0.5)),
    runs: list.map((rate) => round(rate.perSecond)),
  }));
  console.log(JSON.stringify({ bench: "turn", machine: machine(), seconds, results }));
}

await main();
Deno.exit(0);
