/// <reference lib="dom" />
/** Two server processes on one Redis, a real agent and a real browser. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { type Balancer, startBalancer } from "../support/balancer.ts";
import { launchChromium } from "../support/chromium.ts";
import {
  clockIn,
  openConsole,
  readScreen,
  toPagePoint,
  waitForTransport,
} from "../support/console_page.ts";
import { freePort } from "../support/coturn.ts";
import { chooseTransport, e2eTest, eventsOf, waitForExactPicture } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { startAgent, startPainter, startServer, type TestServer } from "../support/stack.ts";
import { startXvfb } from "../support/xvfb.ts";

interface Node {
  readonly port: number;
  readonly server: TestServer;
}

interface Cluster extends AsyncDisposable {
  redis: TestRedis;
  readonly nodes: readonly [Node, Node];
  /** Where consoles go, and where agents go. */
  readonly consoles: Balancer;
  readonly agents: Balancer;
}

/** Two nodes with the same secrets behind balancers; everybody goes to the first node. */
async function startCluster(): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const redis = await startRedis();
  const consoles = stack.use(await startBalancer());
  const agents = stack.use(await startBalancer());
  const dataDir = await Deno.makeTempDir({ prefix: "farglass-nodes-" });
  stack.defer(() => Deno.remove(dataDir, { recursive: true }));
  const start = async (name: string): Promise<Node> => {
    const port = await freePort();
    const server = stack.use(
      await startServer({
        port,
        dataDir: dataDir,
        config: {
          publicUrl: consoles.origin,
          allowedOrigins: [agents.origin],
          node: { id: name },
          redis: { url: redis.url },
        },
      }),
    );
    return { port, server };
  };
  const nodes = [await start("node-a"), await start("node-b")] as const;
  for (const balancer of [consoles, agents]) balancer.targets = nodes.map(({ port }) => port);
  const owned = stack.move();
  const cluster: Cluster = {
    ...{ redis, nodes, consoles, agents },
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync();
      await cluster.redis[Symbol.asyncDispose]();
    },
  };
  return cluster;
}

const agentServer = (cluster: Cluster) => ({
  signalUrl: `${cluster.agents.origin.replace("http", "ws")}/ws/rd-signal`,
  agentSecretFile: join(cluster.nodes[0].server.dataDir, "agent.secret"),
});

/** A real desktop and its agent, watched by a console that signs in at a node. */
async function startWatched(
  cluster: Cluster,
  at: Node,
  options: { readonly painter: "clock" | "window"; readonly init?: () => void },
) {
  await using stack = new AsyncDisposableStack();
  const xvfb = stack.use(await startXvfb({ width: 1280, height: 720 }));
  const painter = stack.use(await startPainter(options.painter, { display: xvfb.display }));
  const agent = stack.use(
    await startAgent({ server: agentServer(cluster), capture: "x11", display: xvfb.display }),
  );
  const browser = stack.use(await launchChromium());
  const { page } = stack.use(
    await openConsole(browser, {
      consoleUrl: await at.server.freshLink(),
      connect: agent.desktopId,
      init: options.init,
    }),
  );
  const owned = stack.move();
  return { xvfb, painter, agent, page, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Runs in the page: keeps its peer connections, and the longest time without a new video frame. */
function watchVideo(): void {
  const seen: { peers: RTCPeerConnection[]; gapMs: number; frames: number } = {
    peers: [],
    gapMs: 0,
    frames: 0,
  };
  Object.assign(globalThis, { seen });
  const Native = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      seen.peers.push(this);
    }
  };
  let last: number | null = null;
  const hook = () => {
    const video = document.querySelector("video");
    if (video === null || (video as { hooked?: boolean }).hooked === true) return;
    (video as { hooked?: boolean }).hooked = true;
    const frame = () => {
      const now = performance.now();
      if (last !== null) seen.gapMs = Math.max(seen.gapMs, now - last);
      last = now;
      seen.frames++;
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  };
  setInterval(hook, 100);
}

interface Seen {
  peers: RTCPeerConnection[];
  gapMs: number;
  frames: number;
}

const seenBy = (page: Page) =>
  page.evaluate(() => {
    const { gapMs, frames, peers } = (globalThis as unknown as { seen: Seen }).seen;
    return { gapMs, frames, peers: peers.length };
  });
const forgetGap = (page: Page) =>
  page.evaluate(() => {
    (globalThis as unknown as { seen: Seen }).seen.gapMs = 0;
  });

/** Links with a socket at a node, by role. */
async function linksAt(node: Node): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${node.port}/metrics`)).text();
  const of = (role: string) =>
    new RegExp(`^farglass_connected_${role}s (\\d+)$`, "m").exec(text)?.[1];
  return `${of("agent")} agents, ${of("console")} consoles`;
}

e2eTest("nodes: agent at one, console at the other: video, exact picture, input", async (t) => {
  await using cluster = await startCluster();
  const [a, b] = cluster.nodes;
  cluster.agents.targets = [a.port];
  cluster.consoles.targets = [b.port];
  await using watched = await startWatched(cluster, b, { painter: "window" });
  const { xvfb, painter: window_, page } = watched;
  await t.step("picture by rtp", async () => {
    await waitForTransport(page, "rtp");
    assert.equal(await linksAt(a), "1 agents, 0 consoles");
    assert.equal(await linksAt(b), "0 agents, 1 consoles");
  });
  await t.step("the picture to the pixel by the diff channel", async () => {
    await chooseTransport(page, "diff");
    await waitForTransport(page, "diff-dc");
    await waitForExactPicture(page, xvfb.display);
  });
  await t.step("a click reaches the X client", async () => {
    const from = window_.mark();
    const { x, y } = await toPagePoint(page, 640, 360);
    await page.mouse.click(x, y);
    await window_.waitForLine(/"?button|press/i, 10_000, from);
  });
});

e2eTest("nodes: no WebRTC, agent and console at different nodes: the relay crosses", async () => {
  await using cluster = await startCluster();
  const [a, b] = cluster.nodes;
  cluster.agents.targets = [a.port];
  cluster.consoles.targets = [b.port];
  await using watched = await startWatched(cluster, b, {
    painter: "clock",
    init: () => {
      RTCPeerConnection.prototype.setRemoteDescription = () =>
        Promise.reject(new DOMException("refused by the test", "OperationError"));
    },
  });
  const { xvfb, painter: clock, page } = watched;
  await waitForTransport(page, "diff-ws");
  await clock.ask("stop", /"done"/);
  await waitForExactPicture(page, xvfb.display);
});

/** Another operator's cookie, signed in at a node. */
async function operatorAt(node: Node): Promise<string> {
  const link = await node.server.freshLink();
  const { pathname, search } = new URL(link);
  const answer = await fetch(`http://127.0.0.1:${node.port}${pathname}${search}`, {
    redirect: "manual",
    headers: { host: new URL(link).host },
  });
  await answer.body?.cancel();
  return answer.headers.getSetCookie()[0].split(";")[0];
}

/** Asks for a session by REST; whether the agent has decided it. It is ended again. */
async function decidedSession(node: Node, cookie: string, desktopId: string): Promise<boolean> {
  const path = `http://127.0.0.1:${node.port}/api/v1/remote-desktop/sessions`;
  const headers = { cookie };
  const made = await fetch(path, { method: "POST", headers, body: JSON.stringify({ desktopId }) });
  const { data } = await made.json();
  if (made.status !== 201) return false;
  const url = `${path}/${data.sessionId}`;
  try {
    await poll("a decision", 3_000, async () => {
      const { data: now } = await (await fetch(url, { headers })).json();
      return now.stage === "approved" || null;
    });
    return true;
  } finally {
    await (await fetch(url, { method: "DELETE", headers })).body?.cancel();
  }
}

e2eTest("nodes: kill -9 in a live session: video goes on, the other node takes over", async (t) => {
  await using cluster = await startCluster();
  const [a, b] = cluster.nodes;
  await using watched = await startWatched(cluster, a, { painter: "clock", init: watchVideo });
  const { agent, page } = watched;
  await waitForTransport(page, "rtp");
  assert.equal(await linksAt(a), "1 agents, 1 consoles");
  const before = await seenBy(page);

  await t.step("video never stops, both come back within 3 s", async () => {
    await forgetGap(page);
    await a.server.process.stop("SIGKILL");
    const killedAt = performance.now();
    await poll(
      "both links at the other node",
      3_000,
      async () => await linksAt(b) === "1 agents, 1 consoles" || null,
    );
    // Not only connected: a request reaches the agent, and its decision comes back.
    const leftMs = Math.max(1, 3_000 - (performance.now() - killedAt));
    const cookie = await operatorAt(b);
    await poll(
      "a session asked for and decided",
      leftMs,
      async () => await decidedSession(b, cookie, agent.desktopId) || null,
    );
    console.log(`nodes: signalling again after ${Math.round(performance.now() - killedAt)} ms`);
    const { frames } = await seenBy(page);
    await poll("more video", 5_000, async () => (await seenBy(page)).frames > frames + 30 || null);
    const after = await seenBy(page);
    assert.equal(after.peers, before.peers, "the same peer connection");
    assert.ok(after.gapMs < 1_000, `no frame for ${after.gapMs} ms`);
    console.log(`nodes: longest time between two frames ${Math.round(after.gapMs)} ms`);
  });

  await t.step("a restart of WebRTC succeeds through the other node", async () => {
    const connected = () =>
      eventsOf(b.server, "DESKTOP_WEBRTC_STATE").filter((e) => e.stage === "connected").length;
    const already = connected();
    await page.evaluate(() => {
      (globalThis as unknown as { seen: Seen }).seen.peers.at(-1)?.close();
    });
    await poll("connected anew", 30_000, () => connected() > already || null);
    await waitForTransport(page, "rtp", 30_000);
    assert.ok((await seenBy(page)).peers > before.peers);
    const shown = clockIn(await readScreen(page));
    await poll("the clock to go on", 10_000, async () => {
      const now = clockIn(await readScreen(page));
      return now !== null && now !== shown || null;
    });
  });
});

e2eTest(
  "nodes: SIGTERM of a node in a live session: everybody moves, the picture never stops",
  async () => {
    await using cluster = await startCluster();
    const [a, b] = cluster.nodes;
    for (const balancer of [cluster.agents, cluster.consoles]) balancer.targets = [a.port];
    await using watched = await startWatched(cluster, a, { painter: "clock", init: watchVideo });
    const { page } = watched;
    await waitForTransport(page, "rtp");
    assert.equal(await linksAt(a), "1 agents, 1 consoles");
    const { peers, frames } = await seenBy(page);
    await forgetGap(page);
    // As a balancer does that asks /readyz.
    for (const balancer of [cluster.agents, cluster.consoles]) balancer.targets = [b.port];
    const stoppedAt = performance.now();
    const stopped = a.server.process.stop("SIGTERM");
    await poll(
      "both links at the other node",
      10_000,
      async () => await linksAt(b) === "1 agents, 1 consoles" || null,
    );
    assert.equal((await stopped).code, 0);
    const ms = performance.now() - stoppedAt;
    assert.ok(ms <= 10_000, `${ms} ms`);
    await poll("more video", 5_000, async () => (await seenBy(page)).frames > frames + 60 || null);
    const after = await seenBy(page);
    assert.equal(after.peers, peers, "the same peer connection");
    assert.ok(after.gapMs < 1_000, `no frame for ${after.gapMs} ms`);
    assert.equal(eventsOf(b.server, "SESSION_ENDED").length, 0);
    // What is asked now is decided at the other node.
    await chooseTransport(page, "diff");
    await waitForTransport(page, "diff-dc");
    await poll(
      "the change told to the other node",
      5_000,
      () => eventsOf(b.server, "DESKTOP_TRANSPORT_FALLBACK").length > 0 || null,
    );
  },
);

/** Longer than every lease, heartbeat and wait of the server but the credentials'. */
const OUTAGE_MS = 30_000;

/** Resident memory of a process in MiB. */
async function residentMiB(server: TestServer): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${server.process.pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

/** Why the console says that signalling waits; null when it does not. */
const bannerIn = (page: Page) =>
  page.evaluate(() => document.querySelector("[data-testid=link-banner]")?.textContent ?? null);

e2eTest(
  "nodes: Redis is away for 30 s under a live session: media goes on, signalling waits and says so",
  async (t) => {
    await using cluster = await startCluster();
    const [a] = cluster.nodes;
    await using watched = await startWatched(cluster, a, { painter: "clock", init: watchVideo });
    const { page } = watched;
    await waitForTransport(page, "rtp");
    const ready = async () => {
      const answer = await fetch(`http://127.0.0.1:${a.port}/readyz`);
      return `${answer.status} ${(await answer.json()).status}`;
    };
    assert.equal(await ready(), "200 ready");
    await forgetGap(page);
    await cluster.redis.stop("SIGKILL");
    const awayAt = performance.now();
    const outageLeft = () => OUTAGE_MS - (performance.now() - awayAt);

    await t.step("says that it is not ready, and the console why it waits", async () => {
      await poll(
        "word that it is not ready",
        5_000,
        async () => await ready() === "503 store-unavailable" || null,
      );
      await poll(
        "a visible reason",
        5_000,
        async () => /cannot reach its store/.test(await bannerIn(page) ?? "") || null,
      );
    });

    const memory = await residentMiB(a.server);
    await t.step("30 s: video goes on, memory stays, /readyz stays true", async () => {
      let { frames } = await seenBy(page);
      let most = 0;
      await poll("the end of the outage", OUTAGE_MS + 20_000, async () => {
        const now = await poll("more video", 2_000, async () => {
          const seen = await seenBy(page);
          return seen.frames >= frames + 10 ? seen : null;
        });
        assert.ok(now.gapMs < 1_000, `no frame for ${now.gapMs} ms`);
        ({ frames } = now);
        most = Math.max(most, await residentMiB(a.server) - memory);
        assert.equal(await ready(), "503 store-unavailable");
        assert.match(await bannerIn(page) ?? "", /cannot reach its store/);
        // What the console decides now it can only tell later.
        return outageLeft() < 8_000 || null;
      });
      console.log(`nodes: memory grew by at most ${most.toFixed(1)} MiB`);
      assert.ok(most < 48, `${most.toFixed(0)} MiB more`);
      assert.equal((await seenBy(page)).peers, 1);
    });

    await t.step("the picture even changes its transport meanwhile", async () => {
      await chooseTransport(page, "diff");
      await waitForTransport(page, "diff-dc");
      const left = outageLeft();
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
    });

    await t.step("Redis is back: nothing is lost, and all of it is told", async () => {
      cluster.redis = await cluster.redis.again();
      await poll("ready again", 10_000, async () => await ready() === "200 ready" || null);
      await poll(
        "no more reason to wait",
        10_000,
        async () => await bannerIn(page) === null || null,
      );
      await poll(
        "the change of transport, told late",
        10_000,
        () => eventsOf(a.server, "DESKTOP_TRANSPORT_FALLBACK").length > 0 || null,
      );
      assert.equal(eventsOf(a.server, "SESSION_ENDED").length, 0);
      await chooseTransport(page, "video");
      await waitForTransport(page, "rtp");
    });
  },
);
