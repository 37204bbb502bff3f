/** The whole server on a loopback port with real sockets. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageOf } from "@farglass/protocol";
import { JsonLog } from "./adapters/json_log.ts";
import { type RunningServer, startServer } from "./app.ts";
import { DEFAULT_SETTINGS, type Settings } from "./settings_schema.ts";
import {
  CAPS,
  connectAgent,
  connectConsole,
  type LinkClient,
  sampleCandidate,
  sampleSdp,
} from "./testing/link_client.ts";

interface Fixture {
  readonly server: RunningServer;
  readonly lines: string[];
}

async function withServer(
  settings: Partial<Settings>,
  run: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "farglass-server-"));
  const lines: string[] = [];
  const server = await startServer({
    settings: { ...DEFAULT_SETTINGS, port: 0, dataDir: directory, ...settings },
    log: new JsonLog("debug", (line) => lines.push(line), Date.now),
    rootDirectory: directory,
  });
  try {
    await run({ server, lines });
  } finally {
    await server.close();
    await rm(directory, { recursive: true });
  }
}

const TURN: Settings["webrtc"] = {
  ...DEFAULT_SETTINGS.webrtc,
  relayHint: "turn",
  servers: [{
    urls: ["turn:127.0.0.1:3478"],
    credentialSecret: "the-secret-of-this-test",
    credentialType: "password",
  }],
};

/** An agent with one desktop, online in the console's list. */
async function withDesktop(server: RunningServer) {
  const desktopId = randomUUID();
  const agent = await connectAgent(server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(server);
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  return { desktopId, agent, viewer };
}

/** Asks for the desktop and lets the agent accept. */
async function approve(console_: LinkClient, agent: LinkClient, desktopId: string) {
  const requestId = randomUUID();
  console_.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
  const asked = await agent.next(
    "SESSION_REQUEST",
    0,
    (m) => m.payload.requestId === requestId,
  );
  const { sessionId = "" } = asked;
  agent.send({
    type: "SESSION_DECISION",
    desktopId,
    sessionId,
    payload: { decision: "accept", by: "policy", reason: "approved-by-policy", viewOnly: false },
  });
  await console_.next("DESKTOP_CAPS", 0, (m) => m.sessionId === sessionId);
  await agent.next("DESKTOP_CAPS", 0, (m) => m.sessionId === sessionId);
  return { sessionId, desktopId };
}

const stagesOf = (client: LinkClient) =>
  client.messages.filter((m): m is MessageOf<"DESKTOP_WEBRTC_STATE"> =>
    m.type === "DESKTOP_WEBRTC_STATE"
  ).map((m) => m.payload.stage);

Deno.test("server: a negotiation from request to connected, with TURN, history and log", async () => {
  await withServer({ webrtc: TURN }, async ({ server, lines }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const a = agent.client;
    const c = viewer.client;
    const ids = await approve(c, a, desktopId);
    const caps = await c.next("DESKTOP_CAPS");
    const { webrtc } = caps.payload;
    assert.equal(webrtc?.relayHint, "turn");
    assert.equal(webrtc?.token?.ttlSeconds, 600);
    assert.match(webrtc?.iceServers[0].username ?? "", new RegExp(`^\\d+:${desktopId}$`));
    assert.deepEqual((await a.next("DESKTOP_CAPS")).payload.webrtc, webrtc);

    const candidate = {
      kind: "ice-candidate",
      generation: 1,
      candidate: sampleCandidate(40_001),
      sdpMid: "0",
      sdpMLineIndex: 0,
    } as const;
    c.send({
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...ids,
      payload: { kind: "offer", generation: 1, sdp: sampleSdp() },
    });
    c.send({ type: "DESKTOP_WEBRTC_SIGNAL", ...ids, payload: candidate });
    await a.next("DESKTOP_WEBRTC_SIGNAL", 0, (m) => m.payload.kind === "ice-candidate");
    const order = a.messages.filter((m): m is MessageOf<"DESKTOP_WEBRTC_SIGNAL"> =>
      m.type === "DESKTOP_WEBRTC_SIGNAL"
    ).map((m) => m.payload.kind);
    assert.deepEqual(order, ["offer", "ice-candidate"]);
    // A candidate before its answer waits for it.
    a.send({ type: "DESKTOP_WEBRTC_SIGNAL", ...ids, payload: candidate });
    a.send({
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...ids,
      payload: { kind: "answer", generation: 1, sdp: sampleSdp() },
    });
    await c.next("DESKTOP_WEBRTC_SIGNAL", 0, (m) => m.payload.kind === "ice-candidate");
    const back = c.messages.filter((m): m is MessageOf<"DESKTOP_WEBRTC_SIGNAL"> =>
      m.type === "DESKTOP_WEBRTC_SIGNAL"
    ).map((m) => m.payload.kind);
    assert.deepEqual(back, ["answer", "ice-candidate"]);
    a.send({ type: "PEER_STATE", ...ids, payload: { generation: 1, state: "connecting" } });
    await c.next("DESKTOP_WEBRTC_STATE", 0, (m) => m.payload.stage === "connecting");
    c.send({
      type: "PEER_STATE",
      ...ids,
      payload: {
        generation: 1,
        state: "connected",
        candidatePair: { local: "host", remote: "host", protocol: "udp" },
      },
    });
    await c.next("DESKTOP_WEBRTC_STATE", 0, (m) => m.payload.stage === "connected");
    assert.deepEqual(stagesOf(c), [
      "requested",
      "approved",
      "offered",
      "answered",
      "connecting",
      "connected",
    ]);

    const headers = { cookie: viewer.cookie };
    const url = `${server.baseUrl}/api/v1/remote-desktop/sessions/${ids.sessionId}`;
    const shown = await (await fetch(url, { headers })).json();
    assert.equal(shown.data.stage, "connected");
    assert.ok(shown.data.events.length >= 7);
    const killed = await fetch(url, {
      method: "DELETE",
      headers: { ...headers, origin: server.baseUrl },
    });
    assert.deepEqual(await killed.json(), { success: true, data: { sessionId: ids.sessionId } });
    assert.equal((await c.next("SESSION_ENDED")).payload.reason, "killed");
    await a.next("DESKTOP_KILL", 0, (m) => m.sessionId === ids.sessionId);

    const text = lines.join("\n");
    for (const leak of [/a=fingerprint/, /candidate:1/, /127\.0\.0\.1/, /secret-of-this/]) {
      assert.doesNotMatch(text, leak);
    }
    assert.equal(
      lines.filter((l) => JSON.parse(l).event === "DESKTOP_WEBRTC_STATE").length,
      stagesOf(c).length,
    );
    const metrics = await (await fetch(server.metricsUrl)).text();
    assert.match(metrics, /farglass_connected_agents 1/);
    assert.match(metrics, /farglass_negotiation_duration_seconds_count 1/);
    await c.close();
    await a.close();
  });
});
