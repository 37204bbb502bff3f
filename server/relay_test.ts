/** The diff relay between real sockets. */
import assert from "node:assert/strict";
import {
  decodeDiff,
  decodeDiffAck,
  decodeRelay,
  encodeDiff,
  encodeDiffAck,
  encodeInput,
  encodeRelay,
  type RelayKind,
} from "@farglass/protocol";
import { connectConsole } from "./testing/link_client.ts";
import { approve, withDesktop, withServer } from "./testing/server_fixture.ts";

/** A diff message of one patch with about 57 KiB of pixels. */
const diff = (frame: number, last = true): Uint8Array =>
  encodeDiff({
    frame,
    last,
    capturedAtMs: frame,
    width: 128,
    height: 128,
    hash: null,
    regions: null,
    patches: [{ x: 0, y: 0, width: 128, height: 114 }],
    part: 0,
    stream: 0,
    runs: false,
    deflated: false,
    body: new Uint8Array(128 * 114 * 4),
  });

function payloads(frames: readonly Uint8Array[], kind: RelayKind): Uint8Array[] {
  return frames.flatMap((bytes) => {
    const decoded = decodeRelay(bytes);
    return decoded.ok && decoded.value.kind === kind ? [decoded.value.payload] : [];
  });
}

Deno.test("relay: frames pass both ways, but only between the session's own ends", async () => {
  await withServer({}, async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const a = agent.client;
    const c = viewer.client;
    const { sessionId } = await approve(c, a, desktopId);
    a.raw(encodeRelay("diff", sessionId, diff(1)));
    await c.until(() => payloads(c.binary, "diff").length === 1, "diff");
    const move = encodeInput({ kind: "move", seq: 1, x: 3, y: 4 });
    c.raw(encodeRelay("ack", sessionId, encodeDiffAck({ frame: 1, outcome: "painted" })));
    c.raw(encodeRelay("input", sessionId, move));
    await a.until(() => a.binary.length === 2, "ack and input");
    assert.deepEqual(payloads(a.binary, "input"), [move]);

    const stranger = await connectConsole(server);
    stranger.client.raw(encodeRelay("input", sessionId, move));
    assert.equal((await stranger.client.next("ERROR")).payload.code, "session-not-found");
    c.raw(encodeRelay("diff", sessionId, diff(2)));
    assert.equal((await c.next("ERROR")).payload.code, "wrong-direction");
    a.raw(encodeRelay("diff", sessionId, new Uint8Array(9)));
    assert.equal((await a.next("ERROR")).payload.code, "malformed");
    assert.equal(a.binary.length, 2);
    c.send({
      type: "SESSION_ENDED",
      desktopId,
      sessionId,
      payload: { reason: "operator-disconnect", by: "operator" },
    });
    assert.equal((await a.next("SESSION_ENDED")).payload.by, "operator");
    a.raw(encodeRelay("diff", sessionId, diff(3)));
    a.raw(new Uint8Array([99, 1]));
    await Promise.all([a, c, stranger.client].map((client) => client.close()));
    assert.equal(payloads(c.binary, "diff").length, 1);
  });
});

Deno.test("relay: a view-only session takes no input", async () => {
  await withServer({}, async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const { sessionId } = await approve(viewer.client, agent.client, desktopId, true);
    viewer.client.raw(encodeRelay("input", sessionId, encodeInput({ kind: "release-all" })));
    assert.equal((await viewer.client.next("ERROR")).payload.code, "view-only");
    assert.equal(agent.client.binary.length, 0);
    await Promise.all([viewer.client.close(), agent.client.close()]);
  });
});

Deno.test("relay: a console that stops reading skips frames, and the agent is told", async () => {
  await withServer({}, async ({ server }) => {
    const { desktopId, agent, viewer } = await withDesktop(server);
    const a = agent.client;
    const c = viewer.client;
    const { sessionId } = await approve(c, a, desktopId);
    c.socket?.pause();
    let frame = 0;
    const skipped = () => payloads(a.binary, "skipped").length;
    // The kernel takes some megabytes before anything waits in the server.
    while (skipped() === 0) {
      for (let i = 0; i < 32; i++) {
        frame++;
        a.raw(encodeRelay("diff", sessionId, diff(frame, false)));
        a.raw(encodeRelay("diff", sessionId, diff(frame)));
      }
      const count = a.messages.length;
      a.send({ type: "PING", payload: {} });
      await a.next("PONG", count);
      assert.ok(frame < 10_000, "nothing was ever skipped");
    }
    const congestion = await a.next("RELAY_CONGESTION");
    assert.equal(congestion.payload.congested, true);
    // Frames and bytes waiting are bounded: the limit and one message.
    assert.ok(congestion.payload.bufferedBytes < 512 * 1024);
    const told = payloads(a.binary, "skipped").map((p) => decodeDiffAck(p));
    assert.ok(told.every((t) => t.ok && t.value.outcome === "skipped"));
    const frames = told.map((t) => t.ok ? t.value.frame : 0);
    assert.equal(new Set(frames).size, frames.length, "told once per frame");

    c.socket?.resume();
    const lastSkipped = Math.max(...frames);
    await c.until(
      () => payloads(c.binary, "diff").length >= 2 * (frame - frames.length) - 2,
      "rest",
    );
    frame = Math.max(frame, lastSkipped) + 1;
    // It flows again, and says so once the buffer is empty and some time has passed.
    let clear = false;
    while (!clear) {
      a.raw(encodeRelay("diff", sessionId, diff(frame++)));
      const from = a.messages.length;
      a.send({ type: "PING", payload: {} });
      await a.next("PONG", from);
      clear = a.messages.some((m) => m.type === "RELAY_CONGESTION" && !m.payload.congested);
    }
    const shown = payloads(c.binary, "diff").map((p) => decodeDiff(p));
    assert.ok(shown.every((d) => d.ok));
    const metrics = await (await fetch(server.metricsUrl)).text();
    assert.match(metrics, /farglass_relay_skipped_frames_total [1-9]/);
    await Promise.all([a.close(), c.close()]);
  });
});
