/** Limits that hold over all nodes. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { placesKey } from "../../server/adapters/redis_keys.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { connectAgent, connectConsole, type LinkClient } from "../../server/testing/link_client.ts";
import { CAPS } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import { startNodes, type TestNode } from "../support/nodes.ts";

const LIMIT = 3;
const limits = { ...DEFAULT_SETTINGS.limits, sessionsPerOperator: LIMIT, sessionsPerDesktop: 64 };

interface Answer {
  readonly sessionId?: string;
  readonly code?: string;
  readonly retryAfterMs?: number;
}

/** Asks for a session; what came of it. */
async function ask(client: LinkClient, desktopId: string): Promise<Answer> {
  const requestId = randomUUID();
  client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
  const answer = () =>
    client.messages.find((m) =>
      m.type === "ERROR" && m.payload.requestId === requestId ||
      m.type === "SESSION_REQUEST" && m.payload.requestId === requestId
    );
  await client.until(() => answer() !== undefined, "an answer");
  const found = answer();
  if (found?.type !== "ERROR") return { sessionId: found?.sessionId };
  return { code: found.payload.code, retryAfterMs: found.payload.retryAfterMs };
}

const end = (client: LinkClient, desktopId: string, sessionId: string) =>
  client.send({
    ...{ type: "SESSION_ENDED", desktopId, sessionId },
    payload: { reason: "operator-disconnect", by: "operator" },
  });

async function share(node: TestNode) {
  const desktopId = randomUUID();
  const agent = await connectAgent(node.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  return { agent, desktopId };
}

Deno.test("limits: an operator's sessions count over all nodes, however many ask at once", async () => {
  await using all = await startNodes(2, {}, { limits });
  const [a, b] = all.nodes;
  const { desktopId, agent } = await share(a);
  const one = await connectConsole(a.server);
  await one.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  const { cookie } = one;
  const two = await connectConsole(b.server, { cookie });
  const asked = await Promise.all(
    Array.from({ length: 12 }, (_, i) => ask((i % 2 === 0 ? one : two).client, desktopId)),
  );
  const made = asked.flatMap(({ sessionId }) => sessionId === undefined ? [] : [sessionId]);
  assert.equal(made.length, LIMIT);
  for (const answer of asked) {
    if (answer.sessionId !== undefined) continue;
    assert.equal(answer.code, "too-many-sessions");
    assert.ok((answer.retryAfterMs ?? 0) > 0);
  }
  // By REST, too, at any node; another operator has places of his own.
  const rest = await fetch(`${b.server.baseUrl}/api/v1/remote-desktop/sessions`, {
    method: "POST",
    headers: { cookie, origin: b.server.baseUrl },
    body: JSON.stringify({ desktopId }),
  });
  assert.deepEqual([rest.status, (await rest.json()).error.code], [429, "too-many-sessions"]);
  const other = await connectConsole(b.server);
  await approve(other.client, agent.client, desktopId);
  // What one node ends makes room at the other.
  const mine =
    one.client.messages.find((m) => m.type === "SESSION_REQUEST" && m.sessionId === made[0]) ===
        undefined
      ? two
      : one;
  end(mine.client, desktopId, made[0]);
  await mine.client.next("SESSION_ENDED", 0, (m) => m.sessionId === made[0]);
  const next = mine === one ? two : one;
  assert.ok((await ask(next.client, desktopId)).sessionId !== undefined);
  assert.equal((await ask(mine.client, desktopId)).code, "too-many-sessions");
});

Deno.test("limits: refused requests and a node that died hold no place", async () => {
  await using all = await startNodes(2, {}, { limits });
  const [a, b] = all.nodes;
  const { desktopId } = await share(a);
  const viewer = await connectConsole(b.server);
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  for (let i = 0; i < LIMIT * 2; i++) {
    assert.equal((await ask(viewer.client, randomUUID())).code, "desktop-not-found");
  }
  const [key] = (await all.redis.cli("KEYS", "fg:*:places")).split("\n").filter((k) => k !== "");
  assert.equal(key, undefined, "nothing is left of them");
  assert.ok((await ask(viewer.client, desktopId)).sessionId !== undefined);
  const [places] = (await all.redis.cli("KEYS", "fg:*:places")).split("\n");
  const operatorId = /\{(.*)\}/.exec(places)?.[1] ?? "";
  assert.equal(placesKey(operatorId), places);
  assert.ok(Number(await all.redis.cli("PTTL", places)) > 0);
  // A node dies after it has taken a place and before the session is stored.
  const [seconds] = (await all.redis.cli("TIME")).split("\n").map(Number);
  for (let i = 0; i < LIMIT; i++) {
    await all.redis.cli("ZADD", places, String((seconds - 11) * 1000), randomUUID());
  }
  assert.ok((await ask(viewer.client, desktopId)).sessionId !== undefined, "they are found out");
  // One that may still be on its way is respected.
  await all.redis.cli("ZADD", places, String(seconds * 1000), randomUUID());
  assert.equal((await ask(viewer.client, desktopId)).code, "too-many-sessions");
});
