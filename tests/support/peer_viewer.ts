/** A browser page that offers as the console does, joined to an agent's peer without a server. */
import type { Browser, Page } from "playwright-core";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import type { Peer, PeerChannel, PeerEvents, PeerOptions } from "../../agent/core/ports.ts";

type Candidate = { candidate: string; sdpMid: string | null; sdpMLineIndex: number | null } | null;

export const LOOPBACK: PeerOptions = {
  iceServers: [],
  videoCodecs: ["h264", "vp8"],
  relayOnly: false,
  loopbackOnly: true,
};

/** What the page runs; not checked as Deno code, for it is none. */
const PAGE_SCRIPT = Deno.readTextFileSync(new URL("./peer_viewer_page.js", import.meta.url));

/** Peers whose last picture has not left yet; whoever feeds them waits, as the agent does. */
export const blockedPeers = new WeakSet<Peer>();

/** A page and its agent's peer. `await using` closes both. */
export interface PeerViewer<P extends Peer = WeriftPeer> extends AsyncDisposable {
  readonly page: Page;
  readonly peer: P;
  readonly states: string[];
  /** ICE and DTLS of the agent's side, in order. */
  readonly layers: string[];
  readonly localCandidates: string[];
  readonly messages: { channel: PeerChannel; data: string | Uint8Array }[];
  readonly keyframeRequests: () => number;
  readonly drains: () => number;
  /** Whether the agent has told all its candidates. */
  readonly gathered: () => boolean;
  readonly offer: string;
  readonly answer: string;
  readonly answerMs: number;
  /** From the answer's delivery to the page until the peer said connected. */
  readonly connectMs: Promise<number>;
  /** Waits, bounded, until `check` holds; it is asked again at each event and each 20 ms. */
  until(what: string, check: () => boolean | Promise<boolean>, timeoutMs?: number): Promise<void>;
  inbound(): Promise<Record<string, number> | null>;
  pixels(points: [number, number][]): Promise<number[][]>;
}

export interface ViewerOptions<P extends Peer = WeriftPeer> {
  /** Makes the agent's peer; werift's without it. */
  readonly create?: (options: PeerOptions, events: PeerEvents) => P;
  readonly peer?: PeerOptions;
  /** Servers for the page's own side. */
  readonly iceServers?: { urls: string[]; username?: string; credential?: string }[];
  readonly relayOnly?: boolean;
  /** The page offers to hear sound. */
  readonly sound?: boolean;
  /** Runs when the agent has answered and has its first candidate, before the page knows. */
  readonly beforeDelivery?: (peer: P, candidates: readonly string[]) => void | Promise<void>;
  /** Changes the offer on its way. */
  readonly mangleOffer?: (sdp: string) => string;
}

/** Opens a page, lets it offer and the agent's peer answer. */
export async function openPeerViewer<P extends Peer = WeriftPeer>(
  browser: Browser,
  options: ViewerOptions<P> = {},
): Promise<PeerViewer<P>> {
  const config = {
    iceServers: options.iceServers ?? [],
    iceTransportPolicy: options.relayOnly ? "relay" : "all",
    sound: options.sound ?? false,
  };
  const html = `<!doctype html><title>viewer</title><body data-config='${
    JSON.stringify(config)
  }'><script src="/page.js"></script>`;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      new URL(request.url).pathname === "/page.js"
        ? new Response(PAGE_SCRIPT, { headers: { "content-type": "text/javascript" } })
        : new Response(html, { headers: { "content-type": "text/html" } }),
  );
  const page = await browser.newPage();
  const states: string[] = [];
  const layers: string[] = [];
  const localCandidates: string[] = [];
  const messages: PeerViewer["messages"] = [];
  const create = options.create ?? ((...args) => new WeriftPeer(...args) as Peer as P);
  let keyframeRequests = 0;
  let drains = 0;
  let gathered = false;
  const connected = Promise.withResolvers<number>();
  connected.promise.catch(() => {});
  let delivered = false;
  const firstCandidate = Promise.withResolvers<void>();
  const early: Candidate[] = [];
  const toPage = (candidate: Candidate) =>
    page.evaluate(`viewer.pc.addIceCandidate(${JSON.stringify(candidate) ?? ""})`)
      .catch(() => {/* the page is closing */});
  const peer = create(options.peer ?? LOOPBACK, {
    onState: (state) => {
      states.push(state);
      if (state === "connected") connected.resolve(performance.now());
      if (state === "failed" || state === "closed") connected.reject(new Error(`peer ${state}`));
    },
    onLayer: ({ layer, state }) => layers.push(`${layer} ${state}`),
    onCandidate: (candidate) => {
      if (candidate === null) gathered = true;
      else localCandidates.push(candidate.candidate);
      firstCandidate.resolve();
      if (delivered) void toPage(candidate);
      else early.push(candidate);
    },
    onChannelOpen: (channel) => states.push(`open ${channel}`),
    onChannelClose: (channel) => states.push(`close ${channel}`),
    onMessage: (channel, data) => messages.push({ channel, data }),
    onDrain: () => drains++,
    onKeyframeRequest: () => keyframeRequests++,
    onVideoTarget: ({ blocked }) => blocked ? blockedPeers.add(peer) : blockedPeers.delete(peer),
  });
  await page.exposeFunction(
    "agentCandidate",
    (candidate: Candidate) => peer.addCandidate(candidate),
  );
  await page.goto(`http://127.0.0.1:${server.addr.port}/`);
  const made: string = await page.evaluate("viewer.offer()");
  const offer = options.mangleOffer?.(made) ?? made;
  const begun = performance.now();
  const answer = await peer.answer(offer);
  const answerMs = performance.now() - begun;
  if (options.beforeDelivery !== undefined) {
    await firstCandidate.promise;
    await options.beforeDelivery(peer, localCandidates);
  }
  const description = JSON.stringify({ type: "answer", sdp: answer });
  await page.evaluate(`viewer.pc.setRemoteDescription(${description})`);
  const answeredAt = performance.now();
  delivered = true;
  for (const candidate of early.splice(0)) await toPage(candidate);
  const connectMs = connected.promise.then((at) => at - answeredAt);
  connectMs.catch(() => {/* a test that does not connect does not ask */});
  const viewer: PeerViewer<P> = {
    page,
    peer,
    states,
    layers,
    localCandidates,
    messages,
    keyframeRequests: () => keyframeRequests,
    drains: () => drains,
    gathered: () => gathered,
    offer,
    answer,
    answerMs,
    connectMs,
    async until(what, check, timeoutMs = 10_000) {
      const deadline = performance.now() + timeoutMs;
      while (!(await check())) {
        if (performance.now() > deadline) throw new Error(`Not in ${timeoutMs} ms: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    inbound: () => page.evaluate("viewer.inbound()"),
    pixels: (points) => page.evaluate(`viewer.pixels(${JSON.stringify(points)})`),
    async [Symbol.asyncDispose]() {
      await peer.close();
      await page.close();
      await server.shutdown();
    },
  };
  return viewer;
}
