import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import {
  type HttpServer,
  type HttpServerOptions,
  listen,
  MAX_BODY_BYTES,
  PortTakenError,
  toRequest,
} from "./node_http.ts";

async function withHttp(
  options: Partial<HttpServerOptions>,
  run: (server: HttpServer, rejected: readonly string[]) => Promise<void>,
): Promise<void> {
  const rejected: string[] = [];
  const server = await listen({ host: "127.0.0.1", port: 0 }, {
    fetch: async (request) => new Response(`${request.method} ${await request.text()}`),
    upgrade: (_request, socket) => socket.destroy(),
    maxConnections: 10,
    onError: () => {},
    onRejected: (code) => rejected.push(code),
    ...options,
  });
  try {
    await run(server, rejected);
  } finally {
    await server.close();
  }
}

/** Sends raw bytes and collects what comes back until the end. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const parts: string[] = [];
  socket.on("data", (part: Uint8Array) => parts.push(new TextDecoder().decode(part)));
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {
    // A reset is an end as well.
  });
  if (text !== "") socket.write(text);
  await closed;
  return parts.join("");
}

const opened = (socket: Socket) =>
  new Promise<void>((resolve) => socket.once("connect", () => resolve()));

Deno.test("node_http: bodies are capped, announced or not, before anyone reads them", async () => {
  await withHttp({}, async ({ port }, rejected) => {
    const url = `http://127.0.0.1:${port}/`;
    const good = await fetch(url, { method: "POST", body: "x".repeat(MAX_BODY_BYTES) });
    assert.equal((await good.text()).length, MAX_BODY_BYTES + 5);
    const announced = await fetch(url, { method: "POST", body: "x".repeat(MAX_BODY_BYTES + 1) });
    assert.equal(announced.status, 413);
    assert.equal((await announced.json()).error.code, "too-large");
    const part = "x".repeat(0x8000);
    const chunked = await raw(
      port,
      `POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${
        `8000\r\n${part}\r\n`.repeat(3)
      }`,
    );
    assert.match(chunked, /^HTTP\/1\.1 413/);
    assert.deepEqual(rejected, ["too-large", "too-large"]);
  });
});

Deno.test("node_http: HEAD has no body, a bad host is a coded error", async () => {
  await withHttp({}, async ({ port }) => {
    const head = await fetch(`http://127.0.0.1:${port}/`, { method: "HEAD" });
    assert.equal(await head.text(), "");
    const bad = await raw(port, "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
    assert.match(bad, /^HTTP\/1\.1 400/);
  });
});

Deno.test("node_http: a handler that throws is a coded 500, and the server goes on", async () => {
  const causes: unknown[] = [];
  const options = {
    fetch: () => {
      throw new Error("broken");
    },
    onError: (cause: unknown) => causes.push(cause),
  };
  await withHttp(options, async ({ port }) => {
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(answer.status, 500);
      assert.equal((await answer.json()).error.code, "internal");
    }
    assert.equal(causes.length, 2);
  });
});

Deno.test("node_http: connections are capped with a coded answer", async () => {
  await withHttp({ maxConnections: 2 }, async ({ port }, rejected) => {
    const held = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
    await Promise.all(held.map(opened));
    const refused = await raw(port, "");
    assert.match(refused, /^HTTP\/1\.1 503/);
    assert.match(refused, /"too-many-connections"/);
    assert.deepEqual(rejected, ["too-many-connections"]);
    const closed = held.map((s) => new Promise((resolve) => s.once("close", resolve)));
    for (const socket of held) socket.destroy();
    await Promise.all(closed);
  });
});

Deno.test("node_http: who says nothing, or not all of it, is cut off", async () => {
  await withHttp({ requestTimeoutMs: 50 }, async ({ port }) => {
    assert.equal(await raw(port, ""), "");
    assert.equal(await raw(port, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhal"), "");
  });
});

Deno.test("node_http: a taken port is told apart", async () => {
  await withHttp({}, async ({ port }) => {
    const again = listen({ host: "127.0.0.1", port }, {
      fetch: () => new Response(),
      upgrade: () => {},
      maxConnections: 1,
      onError: () => {},
      onRejected: () => {},
    });
    await assert.rejects(again, PortTakenError);
  });
});

Deno.test("toRequest: only paths of this server, only what fetch can carry", () => {
  const make = (method: string, url: string, headers = {}) => toRequest({ method, url, headers });
  assert.equal(make("GET", "/a?b=c", { host: "h:1" })?.url, "http://h:1/a?b=c");
  assert.equal(make("GET", "//evil.example/x", { host: "h" })?.url, "http://h//evil.example/x");
  assert.equal(make("GET", "http://evil.example/", { host: "h" }), null);
  assert.equal(make("GET", "*", { host: "h" }), null);
  assert.equal(make("TRACE", "/", { host: "h" }), null);
});
