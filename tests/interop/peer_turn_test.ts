/** The agent's peer through a real TURN server: by relay only, over UDP and TCP, or not at all. */
import assert from "node:assert/strict";
import { createLibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { launchChromium } from "../support/chromium.ts";
import { startCoturn } from "../support/coturn.ts";
import { LOOPBACK, openPeerViewer } from "../support/peer_viewer.ts";
import { VideoPump } from "../support/video_pump.ts";

const soon = () => Math.floor(Date.now() / 1000) + 600;

for (const transport of ["udp", "tcp"] as const) {
  Deno.test(`peer: relay only over ${transport} carries channels and video`, async () => {
    await using turn = await startCoturn();
    await using browser = await launchChromium();
    const url = transport === "udp" ? turn.udpUrl : turn.tcpUrl;
    const server = { urls: [url], ...turn.credentials("peer", soon()) };
    await using viewer = await openPeerViewer(browser, {
      peer: { ...LOOPBACK, iceServers: [server], relayOnly: true },
      iceServers: [server],
      relayOnly: true,
    });
    await viewer.connectMs;
    assert.deepEqual(viewer.localCandidates.map((line) => line.split(" ")[7]), ["relay"]);
    for (const line of viewer.localCandidates) assert.match(line, /raddr 0\.0\.0\.0 rport 0/);
    await using _pump = await VideoPump.start({
      width: 640,
      height: 480,
      draw: (picture, i) => picture.text(0, 480, i),
      peers: [viewer.peer],
    });
    await viewer.until(
      "20 frames",
      async () => ((await viewer.inbound())?.framesDecoded ?? 0) >= 20,
    );
    const pair: { local: { candidateType: string }; remote: { candidateType: string } } =
      await viewer
        .page.evaluate("viewer.pair()");
    assert.equal(pair.local.candidateType, "relay");
    await viewer.until("the diff channel", () => viewer.states.includes("open diff"));
    for (let i = 0; i < 10; i++) viewer.peer.send("diff", new Uint8Array(50_000));
    await viewer.until(
      "half a megabyte",
      async () => await viewer.page.evaluate("viewer.received.diff.length") === 10,
    );
  });
}

Deno.test("libdatachannel peer: allocates over udp, and meets a page that is relay only", async () => {
  await using turn = await startCoturn();
  await using browser = await launchChromium();
  const server = { urls: [turn.udpUrl], ...turn.credentials("peer", soon()) };
  await using viewer = await openPeerViewer(browser, {
    create: createLibdatachannelPeer,
    // TURN by TCP is left out, not an error.
    peer: { ...LOOPBACK, iceServers: [server, { ...server, urls: [turn.tcpUrl] }] },
    iceServers: [server],
    relayOnly: true,
  });
  await viewer.connectMs;
  await viewer.until("the end of gathering", () => viewer.gathered());
  const types = viewer.localCandidates.map((line) => line.split(" ")[7]);
  for (const type of ["host", "relay"]) assert.ok(types.includes(type), types.join());
  await viewer.until("the diff channel", () => viewer.states.includes("open diff"));
  for (let i = 0; i < 10; i++) viewer.peer.send("diff", new Uint8Array(50_000));
  await viewer.until(
    "half a megabyte",
    async () => await viewer.page.evaluate("viewer.received.diff.length") === 10,
  );
});

Deno.test("peer: with two TURN servers a dead first one does not matter", async () => {
  await using turn = await startCoturn();
  await using browser = await launchChromium();
  const credentials = turn.credentials("peer", soon());
  const live = { urls: [turn.udpUrl], ...credentials };
  await using viewer = await openPeerViewer(browser, {
    peer: {
      ...LOOPBACK,
      // Nobody listens on port 1 of loopback.
      iceServers: [{ urls: ["turn:127.0.0.1:1?transport=tcp"], ...credentials }, live],
      relayOnly: true,
    },
    iceServers: [live],
    relayOnly: true,
  });
  await viewer.connectMs;
});

for (
  const [name, expiresAt, spoil] of [
    ["expired", 1_600_000_000, (text: string) => text],
    ["altered", soon(), (text: string) => text.replace(/^./, (first) => first === "A" ? "B" : "A")],
  ] as const
) {
  Deno.test(`peer: an ${name} TURN credential gives no address`, async () => {
    await using turn = await startCoturn();
    await using browser = await launchChromium();
    const { username, credential } = turn.credentials("peer", expiresAt);
    await using viewer = await openPeerViewer(browser, {
      peer: {
        ...LOOPBACK,
        iceServers: [{ urls: [turn.udpUrl], username, credential: spoil(credential) }],
        relayOnly: true,
      },
    });
    await viewer.until("the end of gathering", () => viewer.gathered());
    assert.deepEqual(viewer.localCandidates, []);
  });
}
