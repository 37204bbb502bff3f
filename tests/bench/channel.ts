/**
 * How fast patches travel: the agent's peer, by each peer library, fills the diff channel towards a
 * page in Chromium, directly and through a TURN server over UDP and over TCP.
 *
 *   deno task bench:channel [--seconds 4] [--runs 3] [werift|libdatachannel] [direct|udp|tcp]
 */
import { cpuUsage } from "node:process";
import { createLibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { createWeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import type { Peer, PeerFactory } from "../../agent/core/ports.ts";
import type { Browser } from "playwright-core";
import { benchFlags, machine, percentile, progress, round } from "../support/bench.ts";
import { launchChromium } from "../support/chromium.ts";
import { type Coturn, startCoturn } from "../support/coturn.ts";
import { LOOPBACK, openPeerViewer, type ViewerOptions } from "../support/peer_viewer.ts";

const PATHS = ["direct", "udp", "tcp"] as const;
type Path = (typeof PATHS)[number];
const LIBRARIES: Readonly<Record<string, PeerFactory>> = {
  werift: createWeriftPeer,
  libdatachannel: createLibdatachannelPeer,
};

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

async function measure(
  browser: Browser,
  options: ViewerOptions<Peer>,
  seconds: number,
): Promise<Rates> {
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

function optionsOf(path: Path, coturn: Coturn): Omit<ViewerOptions<Peer>, "create"> {
  if (path === "direct") return { peer: LOOPBACK };
  const expiresAt = Math.floor(Date.now() / 1000) + CREDENTIAL_SECONDS;
  const url = path === "udp" ? coturn.udpUrl : coturn.tcpUrl;
  const server = { urls: [url], ...coturn.credentials("bench", expiresAt) };
  const peer = { ...LOOPBACK, iceServers: [server], relayOnly: true };
  return { peer, iceServers: [server], relayOnly: true };
}

async function main(): Promise<void> {
  const { seconds, runs, only } = benchFlags({ seconds: 4, runs: 3 });
  const chosen = <T extends string>(all: readonly T[]) => {
    const named = all.filter((name) => only.includes(name));
    return named.length === 0 ? all : named;
  };
  const cases = chosen(Object.keys(LIBRARIES)).flatMap((library) =>
    chosen(PATHS)
      // libdatachannel speaks UDP to a TURN server, nothing else.
      .filter((path) => library === "werift" || path !== "tcp")
      .map((path) => ({ library, path, rates: [] as Rates[] }))
  );
  await using coturn = await startCoturn();
  await using browser = await launchChromium();
  for (let run = 1; run <= runs; run++) {
    for (const { library, path, rates } of cases) {
      const options = { ...optionsOf(path, coturn), create: LIBRARIES[library] };
      const rate = await measure(browser, options, seconds);
      progress(
        `${library}, ${path}, run ${run} of ${runs}: ` +
          `${round(rate.perSecond)} MB/s, ${round(rate.perCpuSecond)} a CPU second`,
      );
      rates.push(rate);
    }
  }
  const results = cases.map(({ library, path, rates }) => ({
    library,
    path,
    medianMBps: round(percentile(rates.map((rate) => rate.perSecond), 0.5)),
    medianMBpCpuSecond: round(percentile(rates.map((rate) => rate.perCpuSecond), 0.5)),
    runs: rates.map((rate) => round(rate.perSecond)),
  }));
  console.log(JSON.stringify({ bench: "channel", machine: machine(), seconds, results }));
}

await main();
Deno.exit(0);
