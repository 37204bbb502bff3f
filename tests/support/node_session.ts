/** An agent and a console of the test at any nodes, and what they say to each other. */
import { randomUUID } from "node:crypto";
import type { RunningServer } from "../../server/app.ts";
import { connectAgent, connectConsole, type LinkClient } from "../../server/testing/link_client.ts";
import { CAPS, sampleSdp } from "../../server/testing/samples.ts";
import { approve } from "../../server/testing/server_fixture.ts";
import type { TestNode } from "./nodes.ts";

interface Ids {
  readonly desktopId: string;
  readonly sessionId: string;
}

/** An agent at one node, a console at the other, and an approved session. */
export async function openSession(agents: TestNode, consoles: TestNode) {
  const desktopId = randomUUID();
  const agent = await connectAgent(agents.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(consoles.server);
  await viewer.client.next(
    "DESKTOP_LIST",
    0,
    (m) => m.payload.desktops.some((d) => d.online && d.desktopId === desktopId),
  );
  const session = await approve(viewer.client, agent.client, desktopId);
  return { agent, viewer, ...session };
}

export type NodeSession = Awaited<ReturnType<typeof openSession>>;

/** Offer, answer and a connection: from then on no deadline ends the session. */
export async function connectPeers({ agent, viewer, desktopId, sessionId }: NodeSession) {
  const session = { desktopId, sessionId };
  const type = "DESKTOP_WEBRTC_SIGNAL" as const;
  const description = { generation: 1, sdp: sampleSdp() };
  viewer.client.send({ type, ...session, payload: { kind: "offer", ...description } });
  await agent.client.next(type, 0, (m) => m.sessionId === sessionId);
  agent.client.send({ type, ...session, payload: { kind: "answer", ...description } });
  await viewer.client.next(type, 0, (m) => m.sessionId === sessionId);
  const payload = { generation: 1, state: "connected" } as const;
  viewer.client.send({ type: "PEER_STATE", ...session, payload });
  await viewer.client.next("DESKTOP_WEBRTC_STATE", 0, (m) => m.payload.stage === "connected");
}

/** A message of the console for the agent; the number shows order and loss. */
export const select = ({ desktopId, sessionId }: Ids, epoch: number) =>
  ({
    type: "VIEWER_CONTROL",
    desktopId,
    sessionId,
    payload: { op: "select", transport: "rtp", epoch },
  }) as const;

/** Numbers that have come, in their order. */
export const epochs = (client: LinkClient): number[] =>
  client.messages.flatMap((m) =>
    m.type === "VIEWER_CONTROL" && m.payload.op === "select" ? [m.payload.epoch] : []
  );

export const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** Such as `200 ready`. */
export async function readyOf(server: RunningServer): Promise<string> {
  const answer = await fetch(`${server.baseUrl}/readyz`);
  return `${answer.status} ${(await answer.json()).status}`;
}

/** Keeps a link alive as a client does, until called off. */
export function heartbeat(client: LinkClient, everyMs = 1_000): () => void {
  const timer = setInterval(() => {
    if (client.socket?.readyState === WebSocket.OPEN) {
      client.send({ type: "PING", payload: {} });
    }
  }, everyMs);
  return () => clearInterval(timer);
}
