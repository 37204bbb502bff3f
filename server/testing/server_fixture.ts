/** A whole server on a loopback port, and the first steps that most tests need. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JsonLog } from "../adapters/json_log.ts";
import { type RunningServer, startServer } from "../app.ts";
import { DEFAULT_SETTINGS, type Settings } from "../settings_schema.ts";
import { connectAgent, connectConsole, type LinkClient } from "./link_client.ts";
import { CAPS } from "./samples.ts";

export interface Fixture {
  readonly server: RunningServer;
  readonly lines: string[];
}

/** Runs a test against a server with a directory of its own. */
export async function withServer(
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

/** An agent with one desktop, online in the console's list. */
export async function withDesktop(server: RunningServer) {
  const desktopId = randomUUID();
  const agent = await connectAgent(server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(server);
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  return { desktopId, agent, viewer };
}

/** Asks for the desktop and lets the agent accept. */
export async function approve(
  console_: LinkClient,
  agent: LinkClient,
  desktopId: string,
  viewOnly = false,
) {
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
    payload: { decision: "accept", by: "policy", reason: "approved-by-policy", viewOnly },
  });
  await console_.next("DESKTOP_CAPS", 0, (m) => m.sessionId === sessionId);
  await agent.next("DESKTOP_CAPS", 0, (m) => m.sessionId === sessionId);
  return { sessionId, desktopId };
}
