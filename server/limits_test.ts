/** Limits, with real sockets: what is over gets a coded error with a time, and costs no memory. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CLOSE, type Draft, encodeDiff, encodeRelay } from "@farglass/protocol";
import { DEFAULT_SETTINGS } from "./settings_schema.ts";
import { connectAgent, connectConsole, type LinkClient } from "./testing/link_client.ts";
import { CAPS } from "./testing/samples.ts";
import { approve, withDesktop, withServer } from "./testing/server_fixture.ts";
import { withServerProcess } from "./testing/server_process.ts";

const MIB = 1024 * 1024;
const settings = (limits: Partial<typeof DEFAULT_SETTINGS.limits>) => ({
  limits: { ...DEFAULT_SETTINGS.limits, ...limits },
});

/** A cursor picture: the largest message there is. */
const cursor = (ids: { readonly desktopId: string; readonly sessionId: string }): Draft => ({
  type: "VIEWER_CONTROL",
  ...ids,
  payload: { op: "cursor", width: 96, height: 96, hotX: 0, hotY: 0, rgba: "A".repeat(49_152) },
});

Deno.test("limits: bytes per second of a console", async () => {
  await withServer(settings({ consoleBytesPerSecond: 65_536 }), async ({ server }) => {
    const { viewer: { client } } = await withDesktop(server);
    const ids = { desktopId: randomUUID(), sessionId: randomUUID() };
    client.send(cursor(ids));
    const second = client.send(cursor(ids));
    const { payload } = await client.next("ERROR", 0, (m) => m.payload.refSeq === second);
    assert.equal(payload.code, "rate-limited");
    assert.ok((payload.retryAfterMs ?? 0) > 0 && (payload.retryAfterMs ?? 0) <= 1_000);
  });
});

Deno.test("limits: sessions of one operator, over all desktops", async () => {
  await withServer(settings({ sessionsPerOperator: 1 }), async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const { sessionId } = await approve(viewer.client, agent.client, desktopId);
    const requestId = randomUUID();
    viewer.client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
    const { payload } = await viewer.client.next("ERROR");
    assert.deepEqual([payload.code, payload.requestId], ["too-many-sessions", requestId]);
    assert.ok((payload.retryAfterMs ?? 0) > 0);
    const reason = "operator-disconnect";
    viewer.client.send({
      type: "SESSION_ENDED",
      desktopId,
      sessionId,
      payload: { reason, by: "operator" },
    });
    await viewer.client.next("SESSION_ENDED");
    await approve(viewer.client, agent.client, desktopId);
  });
});

Deno.test("limits: desktops of a server", async () => {
  await withServer(settings({ desktops: 1 }), async ({ server }) => {
    const { agent } = await withDesktop(server);
    const refused = agent.client.send({
      type: "DESKTOP_CAPS",
      desktopId: randomUUID(),
      payload: CAPS,
    });
    const { payload } = await agent.client.next("ERROR", 0, (m) => m.payload.refSeq === refused);
    assert.deepEqual([payload.code, payload.message], [
      "too-many-connections",
      "The server has no place free: it takes 1 desktops",
    ]);
    assert.ok((payload.retryAfterMs ?? 0) > 0);
  });
});

Deno.test("limits: messages per second of a console", async () => {
  await withServer(settings({ consoleMessagesPerSecond: 10 }), async ({ server }) => {
    const { viewer: { client } } = await withDesktop(server);
    for (let i = 0; i < 40; i++) client.send({ type: "PING", payload: {} });
    const { payload } = await client.next("ERROR");
    assert.equal(payload.code, "rate-limited");
    assert.ok((payload.retryAfterMs ?? 0) > 0 && (payload.retryAfterMs ?? 0) <= 1_000);
  });
});

Deno.test("limits: pixels through the relay beyond the rate are skipped, and the agent is told", async () => {
  await withServer(settings({ relayBytesPerSecond: 65_536 }), async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const { sessionId } = await approve(viewer.client, agent.client, desktopId);
    for (let frame = 1; frame <= 8; frame++) agent.client.raw(diffFrame(sessionId, frame));
    await agent.client.next("RELAY_CONGESTION", 0, (m) => m.payload.congested);
    await viewer.client.until(() => viewer.client.binary.length > 0);
    assert.ok(viewer.client.binary.length < 6, `${viewer.client.binary.length} frames`);
  });
});

/** A diff frame of 16 KiB. */
function diffFrame(sessionId: string, frame: number): Uint8Array {
  const side = 64;
  return encodeRelay(
    "diff",
    sessionId,
    encodeDiff({
      frame,
      part: 0,
      last: true,
      capturedAtMs: 0,
      width: 1280,
      height: 720,
      hash: null,
      regions: null,
      patches: [{ x: 0, y: 0, width: side, height: side }],
      stream: 0,
      runs: false,
      deflated: false,
      body: new Uint8Array(side * side * 4),
    }),
  );
}

/** Waits until the server has acknowledged everything; each answer asks again. */
async function acknowledged(client: LinkClient): Promise<void> {
  for (;;) {
    const seen = client.messages.length;
    client.send({ type: "PING", payload: {} });
    await client.next("PONG", seen);
    if (client.link.unacked.length === 0) return;
  }
}

Deno.test("limits: consoles that do not read are cut off before they cost memory", async () => {
  const fast = 1_073_741_824;
  const limits = {
    agentMessagesPerSecond: 100_000,
    agentBytesPerSecond: fast,
    relayBytesPerSecond: fast,
  };
  await withServerProcess({ limits }, async ({ server, rssBytes }) => {
    const agent = await connectAgent(server);
    const desktopId = agent.agentId;
    agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
    const first = await connectConsole(server);
    await first.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.length === 1);
    const slow: { readonly client: LinkClient; readonly sessionId: string }[] = [];
    for (let i = 0; i < 8; i++) {
      const { client } = i === 0 ? first : await connectConsole(server, { cookie: first.cookie });
      slow.push({ client, ...await approve(client, agent.client, desktopId) });
    }
    const before = await rssBytes();
    for (const { client } of slow) client.socket?.pause();
    // 75 MiB of signalling and 25 MiB of pixels for peers that take nothing.
    for (let i = 0; i < 200; i++) {
      for (const { sessionId } of slow) {
        agent.client.send(cursor({ desktopId, sessionId }));
        agent.client.raw(diffFrame(sessionId, i + 1));
      }
      // The server has dealt with it all when it has acknowledged it.
      await acknowledged(agent.client);
    }
    const grown = (await rssBytes() - before) / MIB;
    for (const { client } of slow) client.socket?.resume();
    const codes = await Promise.all(slow.map(({ client }) => client.closed));
    for (const { code } of codes) {
      assert.ok(code === CLOSE.tryAgainLater || code === 1006, `${code}`);
    }
    // 8 links of 1 MiB and sockets of 1 MiB each, and what the collector has not fetched yet.
    assert.ok(grown < 160, `${grown.toFixed(0)} MiB more`);
  });
});
