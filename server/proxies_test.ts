/** Where clients are, told by a reverse proxy in front of the server: in events and in limits. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import type { SecurityEvent } from "@farglass/protocol";
import { type RunningServer, startServer } from "./app.ts";
import { DEFAULT_SETTINGS, type Settings } from "./settings_schema.ts";
import { agentAuthorization, LinkClient, ticketFor } from "./testing/link_client.ts";
import { agentInfo } from "./testing/samples.ts";

const OPERATOR = "198.51.100.7";
const AGENT = "2001:db8::9";

/** Events of what `run` does, in their order. */
async function eventsOf(
  settings: Partial<Settings>,
  run: (server: RunningServer) => Promise<void>,
): Promise<readonly SecurityEvent[]> {
  const dataDir = await mkdtemp(join(tmpdir(), "farglass-proxies-"));
  let told = "";
  const server = await startServer({
    settings: {
      ...DEFAULT_SETTINGS,
      port: 0,
      dataDir,
      telemetry: { format: "native", sinks: [{ type: "stdout" }] },
      ...settings,
    },
    log: { write: () => {} },
    rootDirectory: dataDir,
    stdout: (bytes) => {
      told += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  try {
    await run(server);
  } finally {
    await server.close();
    await rm(dataDir, { recursive: true });
  }
  return told.trim().split("\n").map((line) => JSON.parse(line) as SecurityEvent);
}

/** Signs in, opens both kinds of links and fails once at each, as a proxy would hand it on. */
async function comeByProxy(server: RunningServer): Promise<void> {
  const from = (address: string) => ({ "x-forwarded-for": `10.9.9.9, ${address}` });
  const ask = (url: string, init: RequestInit = {}) =>
    fetch(url, { redirect: "manual", ...init, headers: { ...from(OPERATOR), ...init.headers } });
  const link = await server.newConsoleUrl();
  const answer = await ask(link);
  await answer.body?.cancel();
  const cookie = answer.headers.getSetCookie()[0].split(";")[0];
  await (await ask(link)).body?.cancel();
  await (await ask(`${server.baseUrl}/api/v1/remote-desktop/agents`)).body?.cancel();
  const viewer = new LinkClient();
  const ticket = await ticketFor(server, cookie);
  const headers = { ...from(OPERATOR), cookie, origin: server.baseUrl };
  await viewer.open(server.signalUrl, headers, { role: "console", ticket });
  viewer.raw("this is no message");
  await viewer.next("ERROR");
  const agentId = randomUUID();
  const agent = new LinkClient();
  const authorization = await agentAuthorization(server, agentId);
  await agent.open(server.signalUrl, { ...from(AGENT), authorization }, {
    role: "agent",
    agent: agentInfo(agentId),
  });
  const again = new LinkClient().open(
    server.signalUrl,
    { ...from(AGENT), authorization },
    { role: "agent", agent: agentInfo(agentId) },
  );
  await assert.rejects(again, /401/);
  await Promise.all([agent.close(), viewer.close()]);
}

Deno.test("proxies: events name the client that a trusted proxy tells of", async () => {
  const events = await eventsOf({ trustedProxies: ["127.0.0.0/8"] }, comeByProxy);
  const sources = events.flatMap((e) =>
    // That the agent has gone is told when its link is over, or the server before that.
    e.actor.kind === "server" || e.action === "agent-disconnected"
      ? []
      : [`${e.action} ${e.reason ?? ""} ${e.source?.address}`]
  );
  assert.deepEqual(sources, [
    `sign-in  ${OPERATOR}`,
    `sign-in-refused link-used ${OPERATOR}`,
    `message-rejected unauthorized ${OPERATOR}`,
    `message-rejected malformed ${OPERATOR}`,
    `agent-connected  ${AGENT}`,
    `agent-refused unauthorized ${AGENT}`,
  ]);
});

Deno.test("proxies: nobody is believed who is not named", async () => {
  for (const trustedProxies of [[], ["192.0.2.1"]]) {
    const events = await eventsOf({ trustedProxies }, comeByProxy);
    for (const { actor, source } of events) {
      if (actor.kind !== "server") assert.equal(source?.address, "127.0.0.1");
    }
  }
});

Deno.test("proxies: wrong sign-in links of one client do not lock out another", async () => {
  const limits = { ...DEFAULT_SETTINGS.limits, signInFailuresPerMinute: 2 };
  await eventsOf({ trustedProxies: ["127.0.0.1"], limits }, async (server) => {
    const statusFor = async (address: string, url: string) => {
      const headers = { "x-forwarded-for": address };
      const answer = await fetch(url, { redirect: "manual", headers });
      await answer.body?.cancel();
      return answer.status;
    };
    const wrong = `${server.baseUrl}/sign-in?link=wrong`;
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push(await statusFor("203.0.113.66", wrong));
    assert.deepEqual(statuses, [401, 401, 429]);
    assert.equal(await statusFor(OPERATOR, await server.newConsoleUrl()), 303);
  });
});
