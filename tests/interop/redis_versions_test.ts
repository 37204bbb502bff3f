/** Nodes, clients and stored values of other versions, and what is no value of ours at all. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  BEATS_KEY,
  channelOf,
  DESKTOPS_KEY,
  linkKey,
  mailKey,
  nodeLinksKey,
  stateKey,
} from "../../server/adapters/redis_keys.ts";
import { connectAgent, connectConsole } from "../../server/testing/link_client.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import {
  connectPeers,
  epochs,
  heartbeat,
  oneTo,
  openSession,
  select,
} from "../support/node_session.ts";
import { startNodes } from "../support/nodes.ts";
import { poll } from "../support/process.ts";

Deno.test("versions: fields of a newer node survive an older one's writes", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const session = await openSession(a, b);
  const { agent, viewer, desktopId, sessionId } = session;
  const key = stateKey(desktopId);
  const field = `s:${sessionId}`;
  const stored = JSON.parse(await all.redis.cli("HGET", key, field));
  const newer = {
    ...stored,
    recording: { since: 1 },
    operator: { ...stored.operator, team: "blue" },
  };
  const head = JSON.parse(await all.redis.cli("HGET", key, "d"));
  const newerHead = JSON.stringify({ ...head, labels: ["x"] });
  await all.redis.cli("HSET", key, field, JSON.stringify(newer), "d", newerHead, "n:new", "kept");
  await all.redis.cli("HINCRBY", key, "rev", "1");
  await connectPeers(session);
  const again = { ...CAPS, name: "Renamed" };
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: again });
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops[0]?.name === "Renamed");
  const after = JSON.parse(await all.redis.cli("HGET", key, field));
  assert.equal(after.stage, "connected");
  assert.deepEqual(after.recording, { since: 1 });
  assert.equal(after.operator.team, "blue");
  assert.deepEqual(JSON.parse(await all.redis.cli("HGET", key, "d")).labels, ["x"]);
  assert.equal(await all.redis.cli("HGET", key, "n:new"), "kept");
});

Deno.test("versions: a value of a newer node is refused with a code and left as it is", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const { agent, viewer, desktopId, sessionId } = await openSession(a, b);
  const bystander = await openSession(b, a);
  const key = stateKey(desktopId);
  const shape = ["v", "2", "rev", "77", "d", "in a way that only newer nodes read"];
  await all.redis.cli("DEL", key);
  await all.redis.cli("HSET", key, ...shape);
  const before = await all.redis.cli("HGETALL", key);
  const requestId = randomUUID();
  viewer.client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
  const refused = await viewer.client.next("ERROR", 0, (m) => m.payload.requestId === requestId);
  assert.equal(refused.payload.code, "desktop-newer");
  assert.ok(refused.payload.retryable && (refused.payload.retryAfterMs ?? 0) > 0);
  const rest = await fetch(`${b.server.baseUrl}/api/v1/remote-desktop/sessions/${sessionId}`, {
    method: "DELETE",
    headers: { cookie: viewer.cookie, origin: b.server.baseUrl },
  });
  assert.ok(rest.status === 404 || rest.status === 503, `${rest.status}`);
  await rest.body?.cancel();
  // Its agent is sent to look for a node that knows.
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  assert.equal((await agent.client.closed).code, 1013);
  // Others see it no more, and nothing else is touched.
  const list = await fetch(`${a.server.baseUrl}/api/v1/remote-desktop/agents`, {
    headers: { cookie: viewer.cookie },
  });
  assert.equal(list.status, 200);
  assert.ok(!(await list.text()).includes(desktopId));
  bystander.viewer.client.send(select(bystander, 1));
  await bystander.agent.client.until(() => epochs(bystander.agent.client).length === 1);
  const third = await all.add();
  const late = await connectConsole(third.server);
  await late.client.next("DESKTOP_LIST");
  assert.equal(await all.redis.cli("HGETALL", key), before, "as it was");
  assert.notEqual(await all.redis.cli("ZSCORE", DESKTOPS_KEY, desktopId), "");
  for (const { lines } of all.nodes) {
    assert.ok(!lines.some((line) => /controller-failed|store-corrupt|list-failed/.test(line)));
  }
});

Deno.test("versions: a newer node's link is not taken over, its client begins anew", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const viewer = await connectConsole(a.server);
  const { linkId } = viewer.client;
  await all.redis.cli("HSET", linkKey(linkId), "v", "2", "shape", "new");
  await viewer.client.drop();
  const back = await connectConsole(b.server, viewer);
  assert.equal(back.resumed, false);
  await viewer.client.next("DESKTOP_LIST");
  assert.equal(await all.redis.cli("HGET", linkKey(linkId), "shape"), "new");
});

Deno.test("versions: an older node's beats, by the time alone, count while they come", async () => {
  await using all = await startNodes(1);
  const [node] = all.nodes;
  // As a node before steady clocks beats.
  const beat = async () => {
    const [seconds, micros] = (await all.redis.cli("TIME")).split("\n").map(Number);
    const ms = String(seconds * 1000 + Math.floor(micros / 1000));
    await all.redis.cli("ZADD", BEATS_KEY, ms, "old-node");
  };
  const linkId = randomUUID();
  await all.redis.cli("SADD", nodeLinksKey("old-node"), linkId);
  const isDown = () => node.lines.some((line) => /"node-lost".*old-node/.test(line));
  let beats = 0;
  const beating = setInterval(() => void beat().then(() => beats++), 400);
  await poll("ten beats", 15_000, () => {
    assert.ok(!isDown());
    return beats >= 10 || null;
  }).finally(() => clearInterval(beating));
  await poll("its death", 4_000, () => isDown() || null);
  await poll(
    "its links cleared away",
    4_000,
    async () => await all.redis.cli("EXISTS", nodeLinksKey("old-node")) === "0" || null,
  );
});

Deno.test("foreign: nothing that is published or stored beside ours ends a node or a session", async () => {
  await using all = await startNodes(2);
  const [a, b] = all.nodes;
  const session = await openSession(a, b);
  const { agent, viewer, desktopId } = session;
  await connectPeers(session);
  const stops = [heartbeat(agent.client), heartbeat(viewer.client)];
  try {
    const topics = [
      `link:${agent.client.linkId}`,
      `link:${viewer.client.linkId}`,
      ...["routes", "desktops", "desktop-lost"],
    ];
    const garbage = ["", "{", "null", "[]", "7", '"x"', "{}", '{"draft":null}', '{"draft":{}}'];
    const odd = ['{"n":9,"desktopId":"x","draft":{"type":"NEW"}}', '{"sessionId":5}', '{"new":1}'];
    for (const topic of topics) {
      for (const text of [...garbage, ...odd]) {
        await all.redis.cli("PUBLISH", channelOf(topic), text);
      }
    }
    // A key of ours that is another type now, and mail that is none.
    const mail = mailKey(desktopId, agent.client.linkId);
    await all.redis.cli("SET", mail, "foreign");
    for (let n = 1; n <= 5; n++) viewer.client.send(select(session, n));
    await agent.client.until(() => epochs(agent.client).length === 5, "messages");
    assert.deepEqual(epochs(agent.client), oneTo(5));
    await all.redis.cli("HSET", mail, "m:900", "no JSON");
    for (
      const [key, ...set] of [
        [linkKey(agent.client.linkId), "DEL"],
        [linkKey(viewer.client.linkId), "DEL"],
      ]
    ) await all.redis.cli(set[0], key);
    await all.redis.cli("SET", linkKey(viewer.client.linkId), "foreign");
    await viewer.client.drop();
    const back = await connectConsole(a.server, viewer);
    assert.equal(back.resumed, false, "a link that cannot be read is begun anew");
    await viewer.client.next("DESKTOP_LIST");
    const fresh = await connectAgent(b.server);
    fresh.client.send({ type: "DESKTOP_CAPS", desktopId: fresh.agentId, payload: CAPS });
    const ids = { desktopId: fresh.agentId };
    await viewer.client.next(
      "DESKTOP_LIST",
      0,
      (m) => m.payload.desktops.some((d) => d.desktopId === ids.desktopId),
    );
    await approve(viewer.client, fresh.client, ids.desktopId);
    const all_ = [...a.lines, ...b.lines];
    assert.ok(all_.some((line) => /"store-corrupt"/.test(line)));
    assert.ok(all_.some((line) => /"store-corrupt".*"notice"/.test(line)));
  } finally {
    for (const stop of stops) stop();
  }
});
