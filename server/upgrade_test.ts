/** Who gets a WebSocket, and how much it may send. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "@farglass/protocol";
import type { RunningServer } from "./app.ts";
import { DEFAULT_SETTINGS } from "./settings_schema.ts";
import {
  agentAuthorization,
  connectConsole,
  LinkClient,
  signIn,
  ticketFor,
} from "./testing/link_client.ts";
import { withServer } from "./testing/server_fixture.ts";
import { agentInfo } from "./testing/samples.ts";

/** Status of a refused upgrade, or 101; the body's error code beside it. */
async function tryUpgrade(
  url: string,
  headers: Record<string, string>,
  protocols: readonly string[] = [SUBPROTOCOL],
): Promise<string> {
  const socket = new WebSocket(url, [...protocols], { headers });
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once("open", () => resolve("101"));
    socket.once("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (part: Uint8Array) => body += new TextDecoder().decode(part));
      response.once("end", () => resolve(`${response.statusCode} ${JSON.parse(body).error.code}`));
    });
    socket.once("error", reject);
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {
    // `terminate` before the handshake is an error to the client.
  });
  if (answer === "101") {
    socket.terminate();
    await closed;
  }
  return answer;
}

Deno.test("upgrade: identity, origin, host, path and subprotocol are judged before it", async () => {
  await withServer({}, async ({ server }) => {
    const { signalUrl: url, baseUrl: origin } = server;
    const cookie = await signIn(server);
    const agentId = randomUUID();
    const used = await agentAuthorization(server, agentId);
    const rows: readonly (readonly [string, Record<string, string>, string])[] = [
      ["nothing", {}, "403 bad-origin"],
      ["no cookie", { origin }, "401 unauthorized"],
      ["forged cookie", { origin, cookie: cookie.replace(/.$/, "x") }, "401 unauthorized"],
      ["evil origin", { origin: "https://evil.example", cookie }, "403 bad-origin"],
      ["null origin", { origin: "null", cookie }, "403 bad-origin"],
      ["absent origin", { cookie }, "403 bad-origin"],
      ["suffix origin", { origin: `${origin}.evil.example`, cookie }, "403 bad-origin"],
      ["other scheme", { origin: origin.replace("http", "https"), cookie }, "403 bad-origin"],
      ["foreign host", { origin, cookie, host: "evil.example" }, "403 bad-origin"],
      ["console", { origin, cookie }, "101"],
      ["garbage proof", { authorization: "Farglass a:b:c" }, "401 unauthorized"],
      [
        "wrong secret",
        { authorization: await agentAuthorization(server, agentId, "no") },
        "401 unauthorized",
      ],
      ["agent", { authorization: used }, "101"],
      ["nonce again", { authorization: used }, "401 unauthorized"],
    ];
    for (const [name, headers, expected] of rows) {
      assert.equal(await tryUpgrade(url, headers), expected, name);
    }
    assert.equal(await tryUpgrade(url, { origin, cookie }, ["other.v1"]), "400 wrong-version");
    const elsewhere = url.replace("rd-signal", "other");
    assert.equal(await tryUpgrade(elsewhere, { origin, cookie }), "404 not-found");
  });
});

Deno.test("upgrade: connections are capped", async () => {
  const limits = { ...DEFAULT_SETTINGS.limits, connections: 1 };
  await withServer({ limits }, async ({ server }) => {
    const first = await connectConsole(server);
    const headers = { origin: server.baseUrl, cookie: first.cookie };
    assert.equal(await tryUpgrade(server.signalUrl, headers), "503 too-many-connections");
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const socket = new WebSocket(server.signalUrl, SUBPROTOCOL, { headers });
    socket.once("unexpected-response", (_request, response) => {
      response.resume();
      resolve(response.headers["retry-after"]);
    });
    socket.on("error", () => {
      // It was told as the response.
    });
    assert.equal(await promise, "5");
    socket.terminate();
    await first.client.close();
  });
});

/** Code of the close that a HELLO of a console earns. */
async function helloClose(
  server: RunningServer,
  cookie: string,
  hello: { readonly ticket?: string; readonly version?: number; readonly role?: "agent" },
): Promise<number> {
  const client = new LinkClient();
  const opened = client.open(server.signalUrl, { cookie, origin: server.baseUrl }, {
    role: "console",
    agent: agentInfo(randomUUID()),
    ...hello,
  });
  const closed = (async () => {
    await client.until(() => client.messages.some((m) => m.type === "ERROR"), "ERROR");
    return await client.closed;
  })();
  // No WELCOME will come: its waiting is called off with the socket.
  const { code } = await Promise.race([closed, opened.then(() => ({ code: 0 }))]);
  client.abandon();
  await opened.catch(() => {});
  if (code === 0) await client.close();
  return code;
}

Deno.test("HELLO: a ticket is good once, for its own cookie; versions and roles must fit", async () => {
  await withServer({}, async ({ server }) => {
    const cookie = await signIn(server);
    const ticket = await ticketFor(server, cookie);
    assert.equal(await helloClose(server, cookie, { ticket, version: 99 }), 4002);
    assert.equal(await helloClose(server, cookie, { ticket, role: "agent" }), 4001);
    assert.equal(await helloClose(server, cookie, { ticket }), 0);
    assert.equal(await helloClose(server, cookie, { ticket }), 4001);
    assert.equal(await helloClose(server, cookie, {}), 4001);
    const foreign = await ticketFor(server, await signIn(server));
    assert.equal(await helloClose(server, cookie, { ticket: foreign }), 4001);
  });
});

Deno.test("versions: older and newer clients are refused with both numbers, additions are no offence", async () => {
  await withServer({}, async ({ server }) => {
    const cookie = await signIn(server);
    const refusal = async (version: number, role: "console" | "agent") => {
      const client = new LinkClient();
      const agentId = randomUUID();
      const headers: Record<string, string> = role === "agent"
        ? { authorization: await agentAuthorization(server, agentId) }
        : { cookie, origin: server.baseUrl };
      const opened = client.open(server.signalUrl, headers, {
        ...{ role, version, agent: agentInfo(agentId) },
        ticket: await ticketFor(server, cookie),
      });
      opened.catch(() => {
        // No WELCOME comes.
      });
      const { payload } = await client.next("ERROR");
      const { code } = await client.closed;
      client.abandon();
      return [payload.code, payload.message.split(": ")[1], payload.retryable, code];
    };
    for (const role of ["agent", "console"] as const) {
      for (const version of [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1]) {
        const both = `${role} ${version}, server ${PROTOCOL_VERSION}`;
        assert.deepEqual(await refusal(version, role), ["wrong-version", both, false, 4002]);
      }
    }
    // A newer client of the same protocol says things that this server does not know.
    const newer = await connectConsole(server, { cookie });
    for (let i = 0; i < 40; i++) {
      const seq = newer.client.send({ type: "SOMETHING_NEW", payload: { i } } as never);
      const { payload } = await newer.client.next("ERROR", 0, (m) => m.payload.refSeq === seq);
      assert.equal(payload.code, "unknown-type");
    }
    newer.client.send({ type: "PING", payload: { battery: 0.5 }, mood: "good" } as never);
    await newer.client.next("PONG");
    await newer.client.close();
  });
});
