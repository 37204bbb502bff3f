/** A session's trace over real sockets and REST, where nobody collects it. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { formatTraceparent, parseTraceparent } from "@farglass/protocol";
import { withDesktop, withServer } from "./testing/server_fixture.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const SESSIONS = "/api/v1/remote-desktop/sessions";

Deno.test("trace: the console's trace id goes to the agent, into the log and into REST", async () => {
  await withServer({}, async ({ server, lines }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const requestId = randomUUID();
    viewer.client.send({
      type: "SESSION_REQUEST",
      desktopId,
      traceparent: formatTraceparent({ traceId: TRACE, spanId: SPAN, sampled: true }),
      payload: { requestId },
    });
    // Nobody records it here, and both ends are told so.
    const unsampled = { traceId: TRACE, spanId: SPAN, sampled: false };
    const asked = await agent.client.next("SESSION_REQUEST");
    assert.deepEqual(parseTraceparent(asked.traceparent ?? ""), unsampled);
    const answered = await viewer.client.next("SESSION_REQUEST");
    assert.deepEqual(parseTraceparent(answered.traceparent ?? ""), unsampled);
    const headers = { cookie: viewer.cookie };
    const path = `${server.baseUrl}${SESSIONS}/${asked.sessionId}/timeline`;
    const { data } = await (await fetch(path, { headers })).json();
    assert.equal(data.traceId, TRACE);
    const own = lines.map((l) => JSON.parse(l)).filter((l) => l.sessionId === asked.sessionId);
    assert.deepEqual(own.map((l) => l.event), ["SESSION_REQUEST", "DESKTOP_WEBRTC_STATE"]);
    assert.ok(own.every((l) => l.traceId === TRACE));
    // A report that nobody asked for is no error: the server may have been told to stop tracing.
    const mark = viewer.client.messages.length;
    const span = { name: "desktop.open" as const, spanId: SPAN, parentId: null, ok: true };
    viewer.client.send({
      type: "TRACE_SPANS",
      desktopId,
      sessionId: asked.sessionId ?? "",
      payload: { spans: [{ ...span, startMs: 1, endMs: 2 }] },
    });
    viewer.client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
    const again = await viewer.client.next("SESSION_REQUEST", mark);
    assert.equal(again.sessionId, asked.sessionId);
    assert.ok(!viewer.client.messages.slice(mark).some((m) => m.type === "ERROR"));
    agent.client.socket?.close();
    viewer.client.socket?.close();
  });
});

Deno.test("trace: a session made by REST joins its caller's trace, or begins one", async () => {
  await withServer({}, async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const made = async (traceparent: string) => {
      const response = await fetch(server.baseUrl + SESSIONS, {
        method: "POST",
        headers: { cookie: viewer.cookie, origin: server.baseUrl, traceparent },
        body: JSON.stringify({ desktopId }),
      });
      assert.equal(response.status, 201);
      return (await response.json()).data;
    };
    assert.equal((await made(`00-${TRACE}-${SPAN}-01`)).traceId, TRACE);
    for (const malformed of ["", "nonsense", `00-${TRACE}-${"0".repeat(16)}-01`]) {
      const { traceId, sessionId } = await made(malformed);
      assert.equal(traceId, sessionId.replaceAll("-", ""));
    }
    agent.client.socket?.close();
    viewer.client.socket?.close();
  });
});
