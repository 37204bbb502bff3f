/** Clocks that jump or disagree: sessions, links, waits, tickets, credentials and leases go on. */
import assert from "node:assert/strict";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import {
  connectConsole,
  type LinkClient,
  signIn,
  ticketFor,
} from "../../server/testing/link_client.ts";
import {
  connectPeers,
  heartbeat,
  type NodeSession,
  openSession,
  select,
} from "../support/node_session.ts";
import { startNodes, type TestNode } from "../support/nodes.ts";
import { poll } from "../support/process.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A machine's clock that a test may set. */
function machineClock(aheadMs = 0) {
  const clock = { aheadMs, now: () => Date.now() + clock.aheadMs };
  return clock;
}

/** TURN servers, so that sessions have credentials with a time. */
const WEBRTC = {
  ...DEFAULT_SETTINGS.webrtc,
  servers: [{
    urls: ["turn:127.0.0.1:3478"],
    credentialSecret: "secret",
    credentialType: "password" as const,
  }],
};

/** A session whose peers are connected. */
async function liveSession(agents: TestNode, consoles: TestNode): Promise<NodeSession> {
  const session = await openSession(agents, consoles);
  await connectPeers(session);
  return session;
}

const beat = (client: LinkClient) => heartbeat(client, 300);
const pongs = (client: LinkClient) => client.messages.filter((m) => m.type === "PONG").length;

/** The session still carries messages, and nobody was told of a loss. */
async function assertAlive({ agent, viewer, desktopId, sessionId }: NodeSession, epoch: number) {
  for (const { client } of [agent, viewer]) {
    const seen = pongs(client);
    await client.until(() => pongs(client) >= seen + 3, "heartbeats");
    assert.ok(!client.messages.some((m) => m.type === "SESSION_ENDED"));
    assert.ok(!client.messages.some((m) => m.type === "PEER_PRESENCE"));
  }
  viewer.client.send(select({ desktopId, sessionId }, epoch));
  await agent.client.next(
    "VIEWER_CONTROL",
    0,
    (m) => m.payload.op === "select" && m.payload.epoch === epoch,
  );
}

const JUMPS = [10 * MINUTE_MS, -10 * MINUTE_MS, DAY_MS, -DAY_MS] as const;

Deno.test("clocks: a machine's clock jumps by minutes and days, there and back", async () => {
  await using all = await startNodes(0, {}, { webrtc: WEBRTC });
  const clock = machineClock();
  const a = await all.add(clock.now);
  const b = await all.add();
  const session = await liveSession(a, b);
  const stops = [beat(session.agent.client), beat(session.viewer.client)];
  try {
    let epoch = 0;
    for (const jumpMs of JUMPS) {
      for (const aheadMs of [jumpMs, 0]) {
        const ticket = await ticketFor(a.server, await signIn(a.server));
        assert.ok(ticket.length > 0);
        const issued = session.viewer.client.messages.length;
        clock.aheadMs = aheadMs;
        // Credentials carry the machine's time, so they are given out anew.
        const caps = await session.viewer.client.next("DESKTOP_CAPS", issued);
        const issuedAt = (caps.payload.webrtc?.token?.issuedAt ?? 0) * 1000;
        assert.ok(Math.abs(issuedAt - clock.now()) < 10_000, `${issuedAt}`);
        await assertAlive(session, ++epoch);
        assert.ok(a.lines.some((line) => line.includes('"clock-jumped"')));
        // A ticket, and a way through sign-in, as before.
        const fresh = await connectConsole(a.server);
        await fresh.client.next("DESKTOP_LIST");
        await fresh.client.close();
      }
    }
    for (const { lines } of [a, b]) {
      assert.ok(!lines.some((line) => /node-lost|controller-failed/.test(line)));
    }
  } finally {
    for (const stop of stops) stop();
  }
});

Deno.test("clocks: a session that was signed in before a jump of a day ends with a code", async () => {
  await using all = await startNodes(0);
  const clock = machineClock();
  const node = await all.add(clock.now);
  const session = await liveSession(node, node);
  clock.aheadMs = DAY_MS;
  const stops = [beat(session.agent.client), beat(session.viewer.client)];
  try {
    await assertAlive(session, 1);
  } finally {
    for (const stop of stops) stop();
  }
  const { cookie } = session.viewer;
  // A cookie is good for half a day by the machine's clock; the way back is a fresh sign-in.
  const answer = await fetch(`${node.server.baseUrl}/api/v1/console/ticket`, {
    method: "POST",
    headers: { cookie, origin: node.server.baseUrl },
  });
  assert.deepEqual([answer.status, (await answer.json()).error.code], [401, "unauthorized"]);
});

Deno.test("clocks: nodes ten minutes apart share desktops, waits and tickets", async () => {
  await using all = await startNodes(0, {}, { webrtc: WEBRTC });
  const fast = await all.add(machineClock(10 * MINUTE_MS).now);
  const slow = await all.add(machineClock(-10 * MINUTE_MS).now);
  const one = await liveSession(fast, slow);
  const two = await liveSession(slow, fast);
  const stops = [one, two].flatMap(({ agent, viewer }) => [
    beat(agent.client),
    beat(viewer.client),
  ]);
  try {
    await Promise.all([assertAlive(one, 1), assertAlive(two, 1)]);
    // A wait that one node began the other measures, too: the console comes back in time.
    await one.viewer.client.drop();
    await one.agent.client.next("PEER_PRESENCE", 0, (m) => !m.payload.online);
    const back = await connectConsole(fast.server, one.viewer);
    assert.equal(back.resumed, true);
    await one.agent.client.next("PEER_PRESENCE", 0, (m) => m.payload.online);
    // Single-use secrets are good at either node, whatever both believe.
    const cookie = await signIn(fast.server);
    const other = await connectConsole(slow.server, { cookie });
    await other.client.next("DESKTOP_LIST");
    const stored = await all.redis.cli("HGET", `fg:{${one.desktopId}}:state`, `s:${one.sessionId}`);
    const { createdAtMs } = JSON.parse(stored);
    assert.ok(Math.abs(createdAtMs - Date.now()) < 60_000, "the time of Redis, not of a node");
    for (const { lines } of all.nodes) assert.ok(!lines.some((l) => l.includes("node-lost")));
  } finally {
    for (const stop of stops) stop();
  }
});

Deno.test("clocks: a wait by the store's clock that was set back is still kept", async () => {
  await using all = await startNodes(1);
  const [node] = all.nodes;
  const session = await liveSession(node, node);
  const { desktopId, sessionId, agent, viewer } = session;
  const key = `fg:{${desktopId}}:state`;
  // As a store that believed in tomorrow would have left it: no answer comes for a day.
  const stored = JSON.parse(await all.redis.cli("HGET", key, `s:${sessionId}`));
  const stage = "approved";
  const late = { ...stored, stage, negotiateByMs: Date.now() + DAY_MS };
  await all.redis.cli("HSET", key, `s:${sessionId}`, JSON.stringify(late));
  await all.redis.cli("HINCRBY", key, "rev", "1");
  const stops = [beat(agent.client), beat(viewer.client)];
  try {
    const again = await all.add();
    await poll("the wait brought to what it may be", 10_000, async () => {
      const text = await all.redis.cli("HGET", key, `s:${sessionId}`);
      return JSON.parse(text).negotiateByMs < Date.now() + MINUTE_MS || null;
    });
    assert.ok(!again.lines.some((line) => line.includes("failed")));
  } finally {
    for (const stop of stops) stop();
  }
});
