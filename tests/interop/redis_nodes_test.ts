/** Two nodes on one Redis: any client at any node, and back at another. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { encodeDiff, encodeDiffAck, encodeRelay, type SecurityEvent } from "@farglass/protocol";
import type { Settings } from "../../server/settings_schema.ts";
import {
  connectAgent,
  connectConsole,
  type LinkClient,
  signIn,
} from "../../server/testing/link_client.ts";
import { CAPS, sampleCandidate, sampleSdp } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { connectPeers } from "../support/node_session.ts";
import { startNodes, type TestNodes } from "../support/nodes.ts";
import { poll } from "../support/process.ts";

/** An agent at the first node, a console at the last, and a session between them. */
async function openSession(all: TestNodes) {
  const [first] = all.nodes;
  const last = all.nodes[all.nodes.length - 1];
  const desktopId = randomUUID();
  const agent = await connectAgent(first.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(last.server);
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  const session = await approve(viewer.client, agent.client, desktopId);
  return { agent, viewer, ...session };
}

const candidate = (ids: { desktopId: string; sessionId: string }, port: number) =>
  ({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...ids,
    payload: {
      kind: "ice-candidate",
      generation: 1,
      candidate: sampleCandidate(port),
      sdpMid: "0",
      sdpMLineIndex: 0,
    },
  }) as const;

const portsOf = (client: LinkClient): number[] =>
  client.messages.flatMap((m) =>
    m.type === "DESKTOP_WEBRTC_SIGNAL" && m.payload.kind === "ice-candidate"
      ? [Number(m.payload.candidate.split(" ")[5])]
      : []
  );

Deno.test("nodes: a session between an agent of one and a console of the other", async () => {
  await using all = await startNodes(2);
  const { agent, viewer, desktopId, sessionId } = await openSession(all);
  const ids = { desktopId, sessionId };
  viewer.client.send({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...ids,
    payload: { kind: "offer", generation: 1, sdp: sampleSdp() },
  });
  await agent.client.next("DESKTOP_WEBRTC_SIGNAL", 0, (m) => m.payload.kind === "offer");
  agent.client.send({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...ids,
    payload: { kind: "answer", generation: 1, sdp: sampleSdp() },
  });
  await viewer.client.next("DESKTOP_WEBRTC_SIGNAL", 0, (m) => m.payload.kind === "answer");
  for (let port = 40_000; port < 40_010; port++) viewer.client.send(candidate(ids, port));
  await agent.client.until(() => portsOf(agent.client).length === 10);
  assert.deepEqual(portsOf(agent.client), Array.from({ length: 10 }, (_, i) => 40_000 + i));
  const ready = await fetch(`${all.nodes[1].server.baseUrl}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [200, { status: "ready" }]);
});

Deno.test("nodes: the diff relay crosses them, both ways", async () => {
  await using all = await startNodes(2);
  const { agent, viewer, sessionId } = await openSession(all);
  const frame = encodeRelay(
    "diff",
    sessionId,
    encodeDiff({
      frame: 1,
      part: 0,
      last: true,
      capturedAtMs: 1,
      width: 8,
      height: 8,
      hash: null,
      regions: null,
      patches: [],
      stream: 0,
      runs: false,
      deflated: false,
      body: new Uint8Array(),
    }),
  );
  agent.client.raw(frame);
  await viewer.client.until(() => viewer.client.binary.length === 1, "the diff frame");
  assert.deepEqual([...viewer.client.binary[0]], [...frame]);
  const ack = encodeRelay("ack", sessionId, encodeDiffAck({ frame: 1, outcome: "painted" }));
  viewer.client.raw(ack);
  await agent.client.until(() => agent.client.binary.length === 1, "the ack");
  assert.deepEqual([...agent.client.binary[0]], [...ack]);
});

Deno.test("nodes: a client that comes back elsewhere gets what it missed, once, in order", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(all);
  const ids = { desktopId, sessionId };
  viewer.client.send({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...ids,
    payload: { kind: "offer", generation: 1, sdp: sampleSdp() },
  });
  await agent.client.next("DESKTOP_WEBRTC_SIGNAL");
  viewer.client.send(candidate(ids, 40_000));
  await agent.client.until(() => portsOf(agent.client).length === 1);
  await agent.client.drop();
  await viewer.client.next("PEER_PRESENCE", 0, (m) => !m.payload.online);
  for (let port = 40_001; port < 40_006; port++) viewer.client.send(candidate(ids, port));
  const back = await connectAgent(b.server, { agentId: agent.agentId, client: agent.client });
  assert.equal(back.resumed, true);
  await agent.client.until(() => portsOf(agent.client).length === 6);
  await viewer.client.next("PEER_PRESENCE", 0, (m) => m.payload.online);
  // The console moves the other way, with a message that nobody has taken yet.
  await viewer.client.drop();
  viewer.client.send(candidate(ids, 40_006));
  const moved = await connectConsole(a.server, { cookie: viewer.cookie, client: viewer.client });
  assert.equal(moved.resumed, true);
  await agent.client.until(() => portsOf(agent.client).length === 7);
  assert.deepEqual(portsOf(agent.client), Array.from({ length: 7 }, (_, i) => 40_000 + i));
});

Deno.test("nodes: events say where the operator is, whichever node and end tell of it", async () => {
  const telemetry: Settings["telemetry"] = { format: "native", sinks: [{ type: "stdout" }] };
  await using all = await startNodes(2, {}, { telemetry, trustedProxies: ["127.0.0.1"] });
  const [a, b] = all.nodes;
  const desktopId = randomUUID();
  const agent = await connectAgent(a.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const cookie = await signIn(b.server);
  const viewer = await connectConsole(b.server, { cookie, from: "198.51.100.7" });
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  const session = await approve(viewer.client, agent.client, desktopId);
  await connectPeers({ agent, viewer, ...session });
  await viewer.client.drop();
  await connectConsole(a.server, { cookie, client: viewer.client, from: "203.0.113.9" });
  await agent.client.next("PEER_PRESENCE", 0, (m) => m.payload.online);
  // The agent tells of it, at the other node.
  const choice = { kind: "sound", on: true } as const;
  agent.client.send({ type: "VIEWER_CHOICE", ...session, payload: choice });
  const from = agent.client.messages.length;
  await viewer.client.drop();
  await connectConsole(a.server, { cookie, client: viewer.client, from: "203.0.113.10" });
  await agent.client.next("PEER_PRESENCE", from, (m) => m.payload.online);
  agent.client.send({ type: "VIEWER_CHOICE", ...session, payload: { ...choice, on: false } });
  const events = await poll("the last event", 5_000, () => {
    const lines = all.nodes.flatMap(({ stdout }) => stdout.join("").trim().split("\n"));
    const told: SecurityEvent[] = lines.filter((l) => l !== "").map((l) => JSON.parse(l));
    return told.some((e) => e.action === "sound-stopped") ? told : null;
  });
  const sourceOf = (action: SecurityEvent["action"]) =>
    events.find((e) => e.action === action)?.source?.address;
  for (const action of ["session-requested", "session-started", "control-taken"] as const) {
    assert.equal(sourceOf(action), "198.51.100.7", action);
  }
  assert.equal(sourceOf("session-decided"), "127.0.0.1");
  assert.equal(sourceOf("sound-started"), "203.0.113.9");
  assert.equal(sourceOf("sound-stopped"), "203.0.113.10");
});
