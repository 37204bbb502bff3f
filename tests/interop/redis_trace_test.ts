/** A session's trace on several nodes: in Redis with its state, and after every node has gone. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { parseTraceparent } from "@farglass/protocol";
import { connectAgent, connectConsole, signIn } from "../../server/testing/link_client.ts";
import { CAPS, sampleSdp } from "../../server/testing/samples.ts";
import { startNodes } from "../support/nodes.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;

Deno.test("trace: one id on the console's node, the agent's node, and a node that starts later", async () => {
  await using all = await startNodes(2);
  const [one, two] = all.nodes;
  const desktopId = randomUUID();
  const agent = await connectAgent(one.server);
  agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
  const viewer = await connectConsole(two.server);
  await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.some((d) => d.online));
  viewer.client.send({
    type: "SESSION_REQUEST",
    desktopId,
    traceparent: TRACEPARENT,
    payload: { requestId: randomUUID() },
  });
  const asked = await agent.client.next("SESSION_REQUEST");
  assert.equal(parseTraceparent(asked.traceparent ?? "")?.traceId, TRACE);
  const { sessionId = "" } = asked;
  agent.client.send({
    type: "SESSION_DECISION",
    desktopId,
    sessionId,
    payload: { decision: "accept", by: "policy", reason: "approved-by-policy", viewOnly: false },
  });
  await viewer.client.next("DESKTOP_CAPS", 0, (m) => m.sessionId === sessionId);
  // A peer of before traces: the session's own is handed on.
  viewer.client.send({
    type: "DESKTOP_WEBRTC_SIGNAL",
    desktopId,
    sessionId,
    payload: { kind: "offer", generation: 1, sdp: sampleSdp() },
  });
  const offer = await agent.client.next("DESKTOP_WEBRTC_SIGNAL");
  assert.equal(parseTraceparent(offer.traceparent ?? "")?.traceId, TRACE);

  viewer.client.socket?.close();
  agent.client.socket?.close();
  await Promise.all([one.server.close(), two.server.close()]);
  const later = await all.add();
  const headers = { cookie: await signIn(later.server) };
  const path = `/api/v1/remote-desktop/sessions/${sessionId}/timeline`;
  const { data } = await (await fetch(later.server.baseUrl + path, { headers })).json();
  assert.equal(data.traceId, TRACE);
  for (const { lines } of all.nodes) {
    for (const line of lines.map((l) => JSON.parse(l))) {
      if (line.sessionId === sessionId) assert.equal(line.traceId, TRACE, line.event);
    }
  }
});
