/** What security.md asks of the agent's peer, tried from outside: forged, spoofed, hostile, lost. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { LibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import { connectionInternals } from "../../agent/adapters/peer_werift/internals.ts";
import type { PeerEvents, PeerOptions } from "../../agent/core/ports.ts";
import { poll } from "../support/process.ts";
import { launchChromium } from "../support/chromium.ts";
import { chromiumOffer, REMOTE_UFRAG } from "../support/offers.ts";
import {
  bindingRequest,
  lineOf,
  openSocket,
  portOf,
  send,
  until,
} from "../support/peer_attacks.ts";
import { LOOPBACK, openPeerViewer } from "../support/peer_viewer.ts";
import { withWeriftConsole } from "../support/werift_console.ts";

type AnyPeer = WeriftPeer | LibdatachannelPeer;
type Create<P extends AnyPeer> = (options: PeerOptions, events: PeerEvents) => P;

const createWerift: Create<WeriftPeer> = (options, events) => new WeriftPeer(options, events);
const LIBRARIES: Readonly<Record<string, Create<AnyPeer>>> = {
  werift: createWerift,
  libdatachannel: (options, events) => new LibdatachannelPeer(options, events),
};

/** One test for each library. */
function peerTest(
  name: string,
  run: (make: (options?: PeerOptions) => Made, create: Create<AnyPeer>) => Promise<void>,
): void {
  for (const [library, create] of Object.entries(LIBRARIES)) {
    Deno.test(`${library} peer: ${name}`, () => run((options) => makeAny(create, options), create));
  }
}

type Made = ReturnType<typeof makeAny<AnyPeer>>;
const makePeer = (options?: PeerOptions) => makeAny(createWerift, options);

/** A peer whose events are collected. */
function makeAny<P extends AnyPeer>(create: Create<P>, options: PeerOptions = LOOPBACK) {
  const candidates: string[] = [];
  const gathered = Promise.withResolvers<void>();
  const events: PeerEvents = {
    onState: () => {},
    onLayer: () => {},
    onCandidate: (candidate) => {
      if (candidate === null) gathered.resolve();
      else candidates.push(candidate.candidate);
    },
    onChannelOpen: () => {},
    onChannelClose: () => {},
    onMessage: () => {},
    onDrain: () => {},
    onKeyframeRequest: () => {},
    onVideoTarget: () => {},
  };
  const peer = create(options, events);
  const close = () => peer.close();
  return { peer, candidates, gathered: gathered.promise, [Symbol.asyncDispose]: close };
}

Deno.test("peer: no server given means no server asked, not a public one", async () => {
  for (const iceServers of [[], [{ urls: ["stun:"] }], [{ urls: ["turn:127.0.0.1:9"] }]]) {
    await using made = makePeer({ ...LOOPBACK, iceServers });
    const { peer, gathered, candidates } = made;
    await peer.answer(chromiumOffer());
    const { connection } = peer.pc.iceTransports[0];
    assert.equal(connection.stunServer, undefined);
    assert.equal(connection.turnServer, undefined);
    await gathered;
    assert.deepEqual(candidates.map((line) => line.split(" ")[7]), ["host"]);
  }
});

Deno.test("peer: a given STUN server is the one used", async () => {
  await using made = makePeer({ ...LOOPBACK, iceServers: [{ urls: ["stun:127.0.0.1:9999"] }] });
  const { peer } = made;
  await peer.answer(chromiumOffer());
  assert.deepEqual(peer.pc.iceTransports[0].connection.stunServer, ["127.0.0.1", 9999]);
});

Deno.test("peer: relay only without a TURN server tells and opens no address", async () => {
  await using made = makePeer({ ...LOOPBACK, relayOnly: true });
  const { peer, gathered, candidates } = made;
  await peer.answer(chromiumOffer());
  await gathered;
  assert.deepEqual(candidates, []);
  assert.equal(connectionInternals(peer.pc.iceTransports[0].connection).protocols.length, 0);
});

peerTest("ICE credentials are long and new each time", async (make) => {
  const seen = new Set<string>();
  for (let i = 0; i < 4; i++) {
    await using made = make();
    const { peer } = made;
    const answer = await peer.answer(chromiumOffer());
    const [ufrag, password] = [lineOf(answer, "ice-ufrag"), lineOf(answer, "ice-pwd")];
    assert.match(ufrag, /^[0-9A-Za-z+/]{8}$/);
    assert.match(password, /^[0-9A-Za-z+/]{24}$/);
    seen.add(ufrag).add(password);
  }
  assert.equal(seen.size, 8);
});

peerTest("forged STUN requests get no answer, a signed one does", async (make) => {
  await using made = make();
  const { peer, candidates, gathered } = made;
  const answer = await peer.answer(chromiumOffer());
  await gathered;
  const [ufrag, password] = [lineOf(answer, "ice-ufrag"), lineOf(answer, "ice-pwd")];
  const port = portOf(candidates[0]);
  await using stranger = await openSocket();
  const forged = [
    bindingRequest(null, null),
    bindingRequest(`${ufrag}:${REMOTE_UFRAG}`, null),
    bindingRequest(`${ufrag}:${REMOTE_UFRAG}`, "wrong-password-wrong-pass"),
    bindingRequest(`${ufrag}:other`, password),
    bindingRequest(`other:${REMOTE_UFRAG}`, password),
    bindingRequest(null, password),
  ];
  for (let round = 0; round < 40; round++) {
    for (const request of forged) await send(stranger.socket, request, port);
  }
  if (peer instanceof WeriftPeer) {
    await until("all forgeries seen", () => peer.rejected.forgedRequests >= 200);
  }
  await send(stranger.socket, bindingRequest(`${ufrag}:${REMOTE_UFRAG}`, password), port);
  await until("the answer to the signed one", () => stranger.received.length > 0);
  // The agent answers once and begins a check of its own to that address.
  const responses = stranger.received.filter((data) => data.readUInt16BE(0) === 0x0101);
  assert.equal(responses.length, 1);
});

peerTest("any datagrams leave it working", async (make) => {
  await using made = make();
  const { peer, candidates, gathered } = made;
  const answer = await peer.answer(chromiumOffer());
  await gathered;
  const port = portOf(candidates[0]);
  const [ufrag, password] = [lineOf(answer, "ice-ufrag"), lineOf(answer, "ice-pwd")];
  await using stranger = await openSocket();
  const request = bindingRequest(`${ufrag}:${REMOTE_UFRAG}`, null);
  for (let i = 0; i < 500; i++) {
    const noise = i % 2 === 0 ? randomBytes(1 + i % 300) : Buffer.from(request);
    if (i % 2 === 1) noise[i % noise.length] ^= 1 + i % 255;
    await send(stranger.socket, noise, port);
    // Not more at once than a socket's buffer holds.
    if (i % 25 === 24) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const rejected = () =>
    peer instanceof WeriftPeer ? peer.rejected.strayPackets + peer.rejected.forgedRequests : 500;
  await until("noise seen", () => rejected() > 250);
  assert.equal(stranger.received.length, 0);
  await send(stranger.socket, bindingRequest(`${ufrag}:${REMOTE_UFRAG}`, password), port);
  await until("an answer", () => stranger.received.length > 0);
});

peerTest("hostile candidates bring no packet", async (make) => {
  await using trap = await openSocket();
  // The open policy: loopback is what is forbidden there. No other address is in play.
  await using made = make({ ...LOOPBACK, loopbackOnly: false });
  const { peer } = made;
  const inline = `candidate:1 1 udp 2113937151 127.0.0.1 ${trap.port} typ host`;
  await peer.answer(chromiumOffer({ candidates: [inline] }));
  const lines = [
    inline,
    `candidate:1 1 udp 2113937151 ::1 ${trap.port} typ host`,
    `candidate:1 1 udp 2113937151 ::ffff:127.0.0.1 ${trap.port} typ host`,
    `candidate:1 1 udp 2113937151 localhost ${trap.port} typ host`,
    `candidate:1 1 udp 2113937151 0.0.0.0 ${trap.port} typ host`,
    `candidate:1 1 tcp 1518280447 127.0.0.1 ${trap.port} typ host tcptype passive`,
    "candidate:\r\na=evil",
  ];
  for (const candidate of lines) {
    await peer.addCandidate({ candidate, sdpMid: "0", sdpMLineIndex: 0 });
  }
  if (peer instanceof WeriftPeer) {
    assert.equal(peer.pc.iceTransports[0].connection.remoteCandidates.length, 0);
  }
  // Where loopback is allowed the very same candidate is tried, by a peer that begins later.
  await using witness = await openSocket();
  await using allowed = make();
  await allowed.peer.answer(chromiumOffer());
  const candidate = inline.replace(` ${trap.port} `, ` ${witness.port} `);
  await allowed.peer.addCandidate({ candidate, sdpMid: "0", sdpMLineIndex: 0 });
  await until("the witness", () => witness.received.length > 0);
  assert.equal(trap.received.length, 0);
});

peerTest("a candidate for no section, or too many of them, changes nothing", async (make) => {
  await using made = make();
  const { peer } = made;
  await peer.answer(chromiumOffer());
  const candidate = "candidate:1 1 udp 2113937151 127.0.0.1 45999 typ host";
  await peer.addCandidate({ candidate, sdpMid: "nine", sdpMLineIndex: null });
  await peer.addCandidate({ candidate, sdpMid: null, sdpMLineIndex: 16 });
  await peer.addCandidate({ candidate, sdpMid: null, sdpMLineIndex: null });
  const held = () =>
    peer instanceof WeriftPeer ? peer.pc.iceTransports[0].connection.remoteCandidates.length : 0;
  assert.equal(held(), 0);
  for (let i = 0; i < 200; i++) {
    const line = `candidate:1 1 udp 2113937151 127.0.0.1 ${20_000 + i} typ host`;
    await peer.addCandidate({ candidate: line, sdpMid: "0", sdpMLineIndex: 0 });
  }
  assert.ok(held() <= 64);
});

peerTest("the answer does not wait for gathering", async (make) => {
  // A TURN server that never answers: gathering lasts, the answer does not.
  await using silent = await openSocket();
  await using made = make({
    ...LOOPBACK,
    iceServers: [{ urls: [`turn:127.0.0.1:${silent.port}`], username: "u", credential: "p" }],
  });
  const { peer, candidates } = made;
  const answer = await peer.answer(chromiumOffer());
  assert.doesNotMatch(answer, /a=candidate|end-of-candidates/);
  await until("the host candidate", () => candidates.length === 1);
  await until("an allocation request", () => silent.received.length > 0);
});

peerTest("close frees everything at any moment, and may be called twice", async (make) => {
  const fresh = make();
  await fresh.peer.close();
  await fresh.peer.close();
  await assert.rejects(fresh.peer.answer(chromiumOffer()), /closed/);
  const answering = make();
  const answer = answering.peer.answer(chromiumOffer());
  const closing = answering.peer.close();
  await Promise.allSettled([answer, closing]);
  const gathering = make();
  await gathering.peer.answer(chromiumOffer());
  await gathering.peer.close();
  assert.equal(gathering.peer.send("control", "x"), false);
  assert.equal(
    gathering.peer.sendVideo({ codec: "h264", units: [], keyframe: true, capturedAtMs: 0 }),
    0,
  );
  await gathering.peer.addCandidate(null);
});

peerTest("refused offers are errors without the description in them", async (make) => {
  const offers = [
    "",
    "v=0\r\n",
    chromiumOffer().replaceAll("sha-256", "sha-1"),
    chromiumOffer() + "a=x:\u0007\r\n",
    chromiumOffer() + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(5),
    chromiumOffer() + "a=x:".padEnd(17_000, "x") + "\r\n",
  ];
  for (const offer of offers) {
    await using made = make();
    const { peer } = made;
    await assert.rejects(peer.answer(offer), (error: Error) => {
      assert.doesNotMatch(error.message, /ice-pwd|a=|m=/);
      return true;
    });
  }
});

peerTest("an off-path ClientHello flood does not disturb a session", async (_make, create) => {
  await using browser = await launchChromium();
  await using stranger = await openSocket();
  const hello = Buffer.alloc(120);
  hello.set([
    22,
    254,
    253,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    107,
    1,
    0,
    0,
    95,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    95,
    254,
    253,
  ]);
  let flooding = true;
  let flood = Promise.resolve();
  const flow = async (port: number) => {
    while (flooding) {
      for (let i = 0; i < 10; i++) await send(stranger.socket, hello, port);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  try {
    await using viewer = await openPeerViewer(browser, {
      create,
      // The page hears of the agent's address when the flood is there already.
      async beforeDelivery(peer, [candidate]) {
        flood = flow(portOf(candidate));
        if (!(peer instanceof WeriftPeer)) return;
        await poll("the flood", 10_000, () => peer.rejected.strayPackets > 100 || null);
      },
    });
    await viewer.connectMs;
    await viewer.until(
      "four channels",
      () => viewer.states.filter((state) => state.startsWith("open")).length === 4,
      30_000,
    );
    assert.equal(stranger.received.length, 0);
  } finally {
    flooding = false;
    await flood;
  }
});

type Damage = "repeat what comes" | "lose each flight's first" | "lose the last flight";

/** Puts itself between the peer's DTLS and its socket. */
function damage(peer: WeriftPeer, how: Damage): void {
  const { connection } = peer.pc.iceTransports[0];
  if (how === "repeat what comes") {
    for (const protocol of connectionInternals(connection).protocols) {
      const receive = protocol.datagramReceived!;
      protocol.datagramReceived = (data, addr) => {
        const again = Buffer.from(data);
        receive.call(protocol, data, addr);
        if (again[0] === 22) receive.call(protocol, again, addr);
      };
    }
    return;
  }
  const original = connection.send;
  const lost = new Set<number>();
  connection.send = (data) => {
    // By handshake type, or the ChangeCipherSpec that begins the last flight.
    const key = data[0] === 20 ? 20 : data[0] === 22 ? 100 + data[13] : -1;
    const hit = how === "lose the last flight" ? key === 20 : key >= 0;
    if (!hit || lost.has(key)) return original(data);
    lost.add(key);
    return Promise.resolve();
  };
}

for (
  const how of ["repeat what comes", "lose each flight's first", "lose the last flight"] as const
) {
  Deno.test(`peer: the DTLS handshake survives: ${how}`, async () => {
    await using browser = await launchChromium();
    await using viewer = await openPeerViewer(browser, {
      beforeDelivery: (peer) => damage(peer, how),
    });
    await viewer.connectMs;
    await viewer.until(
      "four channels",
      () => viewer.states.filter((state) => state.startsWith("open")).length === 4,
    );
  });
}

Deno.test("werift peer: malformed SCTP of an accepted console ends neither the process nor the session", async () => {
  await using made = makePeer();
  const { peer } = made;
  const failures: unknown[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    failures.push(event.reason);
  };
  addEventListener("unhandledrejection", onRejection);
  try {
    await withWeriftConsole(made, async (attacker) => {
      const { sctp } = attacker.sctpTransport!;
      const [dtls] = attacker.dtlsTransports;
      const DCEP = 50;
      for (let i = 0; i < 50; i++) {
        await dtls.sendData(randomBytes(1 + i * 7));
        await sctp.send(0, 40 + i, randomBytes(5));
        await sctp.send(i, DCEP, Buffer.from([2]));
        await sctp.send(200 + i % 3, DCEP, Buffer.concat([Buffer.from([3]), randomBytes(20)]));
      }
      await until("faults", () => peer.rejected.sctpFaults > 50);
      assert.ok(peer.send("control", "still here"));
    });
    assert.deepEqual(failures, []);
  } finally {
    removeEventListener("unhandledrejection", onRejection);
  }
});

Deno.test("libdatachannel peer: malformed SCTP of an accepted console ends neither the process nor the session", async () => {
  const states: string[] = [];
  await using made = makeAny((options, events) =>
    new LibdatachannelPeer(options, { ...events, onState: (state) => states.push(state) })
  );
  await withWeriftConsole(made, async (attacker) => {
    const [dtls] = attacker.dtlsTransports;
    for (let i = 0; i < 200; i++) await dtls.sendData(randomBytes(1 + i * 5));
  });
  assert.ok(!states.includes("failed") && !states.includes("closed"), states.join());
});

Deno.test("peer: fragments without an end fill no more than the receive window", async () => {
  await using made = makePeer();
  await made.peer.answer(chromiumOffer());
  const sctp = made.peer.pc.sctpTransport!.sctp as unknown as {
    receiveDataChunk(chunk: object): void;
    inboundStreams: Record<number, { reassembly: { userData: Buffer }[] }>;
  };
  const userData = Buffer.alloc(1_100);
  for (let tsn = 1; tsn < 3_000; tsn++) {
    sctp.receiveDataChunk({ tsn, flags: 0, streamId: 0, streamSeqNum: 0, protocol: 53, userData });
  }
  const held = sctp.inboundStreams[0].reassembly.length * userData.length;
  assert.ok(held <= 1024 * 1024 && held > 900_000, `${held} bytes`);
  assert.ok(made.peer.rejected.sctpFaults > 1_000);
});
