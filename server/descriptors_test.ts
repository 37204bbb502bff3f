/** File descriptors run out, by a low `ulimit -n`: the program goes on, and listens again. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { connectAgent, connectConsole } from "./testing/link_client.ts";
import { CAPS } from "./testing/samples.ts";
import { approve } from "./testing/server_fixture.ts";
import { withServerProcess } from "./testing/server_process.ts";
import { poll } from "../tests/support/process.ts";

const OPEN_FILES = 128;
/** Each state is reached within this. */
const WAIT_MS = 20_000;
/** More than are left then. */
const FLOOD = 60;

/** Leaves a running program only so many more descriptors, as files it has opened would. */
async function leave(pid: number, more: number): Promise<void> {
  const used = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
  await limit(pid, used + more);
}

async function limit(pid: number, openFiles: number): Promise<void> {
  const args = ["--pid", String(pid), `--nofile=${openFiles}:${OPEN_FILES}`];
  const { success, stderr } = await new Deno.Command("prlimit", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** Status line and body on a connection of its own; null when nothing came within the time. */
function ask(port: number, path: string, ms: number): Promise<string | null> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1");
    const end = (answer: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(null), ms);
    socket.on("data", (part: Uint8Array) => text += new TextDecoder().decode(part));
    socket.on("error", () => end(null));
    socket.on("close", () => end(text === "" ? null : text));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  });
}

Deno.test("descriptors: none are left, links go on, and the server listens again by itself", async () => {
  await withServerProcess({
    telemetry: { sinks: [{ type: "file", path: "events.jsonl" }] },
  }, async ({ server, child, directory }) => {
    const agent = await connectAgent(server);
    const desktopId = agent.agentId;
    agent.client.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
    const viewer = await connectConsole(server);
    await viewer.client.next("DESKTOP_LIST", 0, (m) => m.payload.desktops.length === 1);
    const beat = setInterval(() => {
      for (const { client } of [agent, viewer]) client.send({ type: "PING", payload: {} });
    }, 1_000);
    await using _stop = { [Symbol.asyncDispose]: () => Promise.resolve(clearInterval(beat)) };
    await leave(child.pid, 3);
    const sockets: Socket[] = [];
    for (let i = 0; i < FLOOD; i++) {
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => {
        // Refused or reset, as it should be.
      });
      sockets.push(socket);
    }
    await poll(
      "a server that takes no more connections",
      WAIT_MS,
      async () => await ask(server.port, "/healthz", 500) === null || null,
    );
    // Whoever has a connection is told the truth: `fetch` keeps the one it had.
    await poll("word that it is not ready", WAIT_MS, async () => {
      const signal = AbortSignal.timeout(500);
      // A descriptor is free at times: then it is another connection, which hangs.
      const answer = await fetch(`${server.baseUrl}/readyz`, { signal }).catch(() => null);
      return /"out-of-descriptors"/.test(await answer?.text() ?? "") || null;
    });
    // What is connected goes on.
    await approve(viewer.client, agent.client, desktopId);
    for (const { client } of [agent, viewer]) {
      const seen = client.messages.length;
      client.send({ type: "PING", payload: {} });
      await client.next("PONG", seen);
    }
    for (const socket of sockets) socket.destroy();
    await limit(child.pid, OPEN_FILES);
    await poll(
      "a server that listens again",
      WAIT_MS,
      async () => /^HTTP\/1\.1 200/.test(await ask(server.port, "/healthz", 1_000) ?? "") || null,
    );
    await poll(
      "word that it is ready",
      WAIT_MS,
      async () => /"ready"/.test(await ask(server.port, "/readyz", 1_000) ?? "") || null,
    );
    const again = await connectAgent(server, agent);
    assert.equal(again.resumed, true);
    const events = await Deno.readTextFile(`${directory}/events.jsonl`);
    assert.match(events, /"action":"limit-hit"[^\n]*"reason":"out-of-descriptors"/);
    child.kill("SIGINT");
    assert.equal((await child.status).code, 0);
  }, { openFiles: OPEN_FILES });
});
