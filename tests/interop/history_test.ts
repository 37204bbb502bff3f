/** An ended session's record outlives its desktop, the server and Redis. */
import assert from "node:assert/strict";
import { approve, withDesktop } from "../../server/testing/server_fixture.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { startNodes } from "../support/nodes.ts";

interface Answer {
  readonly success: boolean;
  readonly data?: {
    readonly ended: { readonly reason: string } | null;
    readonly timeline: {
      readonly endedAt: number | null;
      readonly lanes: readonly { readonly lane: string; readonly spans: readonly unknown[] }[];
      readonly steps: readonly { readonly type: string }[];
    };
  };
}

Deno.test("timeline and bundle are there after restarts of server and Redis, when the desktop is forgotten", async () => {
  await using nodes = await startNodes(1);
  const [{ server }] = nodes.nodes;
  const { desktopId, agent, viewer } = await withDesktop(server);
  const { sessionId } = await approve(viewer.client, agent.client, desktopId);
  const path = `/api/v1/remote-desktop/sessions/${sessionId}`;
  const { cookie } = viewer;
  const read = async (baseUrl: string, what: string) => {
    const answer = await fetch(`${baseUrl}${path}/${what}`, { headers: { cookie } });
    return { status: answer.status, body: await answer.json() as Answer };
  };
  const killed = await fetch(`${server.baseUrl}${path}`, {
    method: "DELETE",
    headers: { cookie, origin: server.baseUrl },
  });
  await killed.body?.cancel();
  await viewer.client.next("SESSION_ENDED");
  const before = await read(server.baseUrl, "timeline");
  assert.equal(before.body.data?.ended?.reason, "killed");
  await viewer.client.close();
  await agent.client.close();
  // Server and Redis go and come back.
  await server.close();
  nodes.nodes.length = 0;
  await nodes.redis.stop("SIGKILL");
  nodes.redis = await nodes.redis.again();
  // A day later its desktop is forgotten.
  assert.equal(await nodes.redis.cli("DEL", `fg:{${desktopId}}:state`), "1");
  const again = (await nodes.add()).server;
  const after = await read(again.baseUrl, "timeline");
  assert.deepEqual(after, before);
  const bundle = await read(again.baseUrl, "bundle");
  assert.equal(bundle.status, 200);
  assert.deepEqual(bundle.body.data?.timeline, before.body.data?.timeline);
  const key = `fg:{${desktopId}}:ended:${sessionId}`;
  const leftMs = Number(await nodes.redis.cli("PTTL", key));
  const keptMs = DEFAULT_SETTINGS.history.hours * 3_600_000;
  assert.ok(leftMs > keptMs - 60_000 && leftMs <= keptMs, `${leftMs}`);
  // Beyond its time nothing of it is left.
  await nodes.redis.cli("PEXPIRE", key, "1");
  assert.equal((await read(again.baseUrl, "timeline")).status, 404);
});
