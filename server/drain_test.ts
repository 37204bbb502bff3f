/** How the program ends: SIGTERM sends its clients away first, SIGINT does not wait. */
import assert from "node:assert/strict";
import WebSocket from "ws";
import { CLOSE, SUBPROTOCOL } from "@farglass/protocol";
import type { RunningServer } from "./app.ts";
import { connectAgent, connectConsole } from "./testing/link_client.ts";
import { CAPS } from "./testing/samples.ts";
import { withServerProcess } from "./testing/server_process.ts";

/** Runs the program with an agent and a console on it, ends it by a signal, and measures. */
async function endBy(
  signal: "SIGTERM" | "SIGINT",
  meanwhile: (server: RunningServer, cookie: string) => Promise<void>,
) {
  let code: number | null = null;
  let ms = Infinity;
  let closes: readonly number[] = [];
  let text: Promise<string> = Promise.resolve("");
  await withServerProcess({}, async ({ server, child, log }) => {
    text = log;
    const agent = await connectAgent(server);
    agent.client.send({ type: "DESKTOP_CAPS", desktopId: agent.agentId, payload: CAPS });
    const viewer = await connectConsole(server);
    await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.length === 1);
    const since = performance.now();
    child.kill(signal);
    const codes = await Promise.all([agent.client.closed, viewer.client.closed]);
    closes = codes.map((c) => c.code);
    await meanwhile(server, viewer.cookie);
    ({ code } = await child.status);
    ms = performance.now() - since;
  });
  return { code, ms, closes, log: await text };
}

/** The refusal of an upgrade: status, code and when to come back. */
async function tryUpgrade(server: RunningServer, cookie: string) {
  const socket = new WebSocket(server.signalUrl, SUBPROTOCOL, {
    headers: { cookie, origin: server.baseUrl },
  });
  return await new Promise<readonly unknown[]>((resolve, reject) => {
    socket.on("open", () => reject(new Error("accepted")));
    socket.on("error", () => {
      // It is reported as `unexpected-response`, too.
    });
    socket.on("unexpected-response", (_request, response) => {
      let text = "";
      response.on("data", (part: Uint8Array) => text += new TextDecoder().decode(part));
      response.on("end", () => {
        const { code } = JSON.parse(text).error;
        resolve([response.statusCode, code, response.headers["retry-after"]]);
      });
    });
  });
}

Deno.test("server: SIGTERM sends clients away, refuses new ones, and ends with 0 within 10 s", async () => {
  const ended = await endBy("SIGTERM", async (server, cookie) => {
    const readyz = await fetch(`${server.baseUrl}/readyz`);
    assert.deepEqual([readyz.status, await readyz.json()], [503, { status: "stopping" }]);
    assert.deepEqual(await tryUpgrade(server, cookie), [503, "server-stopping", "1"]);
    const ticket = await fetch(`${server.baseUrl}/api/v1/console/ticket`, {
      method: "POST",
      headers: { cookie, origin: server.baseUrl },
    });
    assert.deepEqual([ticket.status, ticket.headers.get("retry-after")], [503, "1"]);
    assert.equal((await ticket.json()).error.code, "server-stopping");
    const alive = await fetch(`${server.baseUrl}/healthz`);
    assert.equal(alive.status, 200);
    await alive.body?.cancel();
  });
  assert.equal(ended.code, 0);
  assert.deepEqual(ended.closes, [CLOSE.serviceRestart, CLOSE.serviceRestart]);
  assert.ok(ended.ms <= 10_000, `${ended.ms} ms`);
  assert.match(ended.log, /server-draining.*\n[^]*server-stopped/);
});

Deno.test("server: SIGINT does not wait for anybody, and ends with 0 within 2 s", async () => {
  const ended = await endBy("SIGINT", () => Promise.resolve());
  assert.equal(ended.code, 0);
  assert.deepEqual(ended.closes, [CLOSE.goingAway, CLOSE.goingAway]);
  assert.ok(ended.ms <= 2_000, `${ended.ms} ms`);
});
