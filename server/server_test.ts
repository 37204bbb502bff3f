/** The whole server on a loopback port with real sockets. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { MessageOf } from "@farglass/protocol";
import { DEFAULT_SETTINGS, type Settings } from "./settings_schema.ts";
import { connectAgent, connectConsole, type LinkClient } from "./testing/link_client.ts";
import { approve, withDesktop, withServer } from "./testing/server_fixture.ts";
import { CAPS, sampleCandidate, sampleSdp } from "./testing/samples.ts";

const TURN: Settings["webrtc"] = {
  ...DEFAULT_SETTINGS.webrtc,
  relayHint: "turn",
  servers: [{
    urls: ["turn:127.0.0.1:3478"],
    credentialSecret: "the-secret-of-this-test",
    credentialType: "password",
  }],
};

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
    assert.match(metrics, /farglass_negotiation_duration_seconds_count\{phase="connected"\} 1/);
    await c.close();
    await a.close();
  });
});

Deno.test("server: a resumed agent receives what it missed exactly once, in order", async () => {
  await withServer({}, async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const a = agent.client;
    const c = viewer.client;
    const ids = await approve(c, a, desktopId);
    await a.drop();
    await c.next("PEER_PRESENCE", 0, (m) => !m.payload.online);
    await c.next("DESKTOP_LIST", 0, (m) => !m.payload.desktops[0].online);
    const epochs = [1, 2, 3, 4, 5];
    for (const epoch of epochs) {
      c.send({
        type: "VIEWER_CONTROL",
        ...ids,
        payload: { op: "select", transport: "diff-ws", epoch },
      });
    }
    // Said while it was away: sent with the resume.
    a.send({
      type: "VIEWER_CONTROL",
      ...ids,
      payload: { op: "selected", transport: "diff-ws", epoch: 1 },
    });
    const again = await connectAgent(server, { agentId: agent.agentId, client: a });
    assert.equal(again.resumed, true);
    await c.next("PEER_PRESENCE", 0, (m) => m.payload.online);
    await c.next("VIEWER_CONTROL");
    await a.next("VIEWER_CONTROL", 0, (m) => "epoch" in m.payload && m.payload.epoch === 5);
    const seen = a.messages.flatMap((m) =>
      m.type === "VIEWER_CONTROL" && m.payload.op === "select" ? [m.payload.epoch] : []
    );
    assert.deepEqual(seen, epochs);
    await c.close();
    await a.close();
  });
});

Deno.test("server: an agent that comes back without its link ends its sessions", async () => {
  await withServer({}, async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    await approve(viewer.client, agent.client, desktopId);
    const next = await connectAgent(server, { agentId: agent.agentId });
    assert.equal(next.resumed, false);
    assert.equal((await agent.client.closed).code, 4000);
    const ended = await viewer.client.next("SESSION_ENDED");
    assert.equal(ended.payload.reason, "agent-restarted");
    await viewer.client.next("DESKTOP_LIST", 0, (m) => !m.payload.desktops[0].online);
    const count = viewer.client.messages.length;
    next.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
    await viewer.client.next("DESKTOP_LIST", count, (m) => m.payload.desktops[0].online);
    await next.client.close();
    const gone = viewer.client.messages.length;
    await viewer.client.next("DESKTOP_LIST", gone, (m) => !m.payload.desktops[0].online);
    await viewer.client.close();
  });
});

Deno.test("server: bad messages get a coded error and disturb nobody", async () => {
  await withServer({}, async ({ server }) => {
    const { agent, viewer, desktopId } = await withDesktop(server);
    const c = viewer.client;
    const other = await connectConsole(server);
    const bad: readonly (readonly [string, string])[] = [
      ["{", "malformed"],
      ["[]", "malformed"],
      [JSON.stringify({ type: "NO_SUCH_TYPE", seq: c.link.sent + 1 }), "unknown-type"],
      [JSON.stringify({ type: "WELCOME", seq: 0 }), "wrong-direction"],
      [JSON.stringify({ type: "PEER_STATE", seq: c.link.sent + 2 }), "malformed"],
    ];
    for (const [text, code] of bad) {
      const from = c.messages.length;
      c.raw(text);
      assert.equal((await c.next("ERROR", from)).payload.code, code);
    }
    // Two of them had used up a number.
    c.link = { ...c.link, sent: c.link.sent + 2 };
    const ids = await approve(c, agent.client, desktopId);
    const stale = c.send({
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...ids,
      payload: { kind: "answer", generation: 1, sdp: "v=0" },
    });
    const error = await c.next("ERROR", 0, (m) => m.payload.refSeq === stale);
    assert.equal(error.payload.code, "wrong-direction");
    assert.equal(error.payload.refType, "DESKTOP_WEBRTC_SIGNAL");
    // Another console knows nothing of the session.
    other.client.send({
      type: "SESSION_ENDED",
      ...ids,
      payload: { reason: "killed", by: "server" },
    });
    assert.equal((await other.client.next("ERROR")).payload.code, "session-not-found");
    assert.equal(c.messages.some((m) => m.type === "SESSION_ENDED"), false);
    for (let i = 0; i < 30; i++) c.raw("nonsense");
    assert.equal((await c.closed).code, 1008);
    const metrics = await (await fetch(server.metricsUrl)).text();
    assert.match(metrics, /farglass_rejected_messages_total\{code="unknown-type"\} 1/);
    await other.client.close();
    await agent.client.close();
  });
});

Deno.test("server: a session made by REST is taken over by its operator's console", async () => {
  await withServer({}, async ({ server }) => {
    const { agent, viewer, desktopId } = await withDesktop(server);
    const headers = { cookie: viewer.cookie, origin: server.baseUrl };
    const api = `${server.baseUrl}/api/v1/remote-desktop`;
    const post = (body: unknown) =>
      fetch(`${api}/sessions`, { method: "POST", headers, body: JSON.stringify(body) });
    const made = await post({ desktopId });
    assert.equal(made.status, 201);
    const { data: { sessionId } } = await made.json();
    const asked = await agent.client.next("SESSION_REQUEST");
    assert.equal(asked.sessionId, sessionId);
    const request = { type: "SESSION_REQUEST", desktopId, sessionId } as const;
    const stranger = await connectConsole(server);
    stranger.client.send({ ...request, payload: { requestId: randomUUID() } });
    assert.equal((await stranger.client.next("ERROR")).payload.code, "forbidden");
    const requestId = randomUUID();
    viewer.client.send({ ...request, payload: { requestId } });
    const answer = await viewer.client.next("SESSION_REQUEST");
    assert.deepEqual([answer.sessionId, answer.payload.requestId], [sessionId, requestId]);
    const list = await (await fetch(`${api}/sessions?stage=requested`, { headers })).json();
    assert.equal(list.data[0].sessionId, sessionId);
    const bad = await fetch(`${api}/sessions?stage=nonsense`, { headers });
    assert.equal(bad.status, 400);
    assert.equal((await bad.json()).error.code, "malformed");
    const missing = await post({ desktopId: randomUUID() });
    assert.equal(missing.status, 404);
    assert.equal((await missing.json()).error.code, "desktop-not-found");
    const large = await post({ desktopId, filler: "x".repeat(70_000) });
    assert.equal(large.status, 413);
    assert.equal((await large.json()).error.code, "too-large");
    await Promise.all([stranger.client.close(), viewer.client.close(), agent.client.close()]);
  });
});

Deno.test("server: stopping closes every socket with 1001", async () => {
  await withServer({}, async ({ server }) => {
    const { agent, viewer } = await withDesktop(server);
    await server.close();
    assert.deepEqual(
      await Promise.all([agent.client.closed, viewer.client.closed]),
      [{ code: 1001 }, { code: 1001 }],
    );
  });
});
