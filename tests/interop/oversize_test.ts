/**
 * What is larger than a message may be costs a connection, and no memory. In a process of its own:
 * tests that run beside it would be counted with it.
 */
import assert from "node:assert/strict";
import { MAX_ENVELOPE_BYTES } from "@farglass/protocol";
import { connectAgent, connectConsole } from "../../server/testing/link_client.ts";
import { withServer } from "../../server/testing/server_fixture.ts";

Deno.test("sockets: an oversize message, whole or in fragments, is closed with 1009", async () => {
  await withServer({}, async ({ server }) => {
    const bystander = await connectConsole(server);
    const before = Deno.memoryUsage().rss;
    for (let round = 0; round < 4; round++) {
      const whole = await connectConsole(server, { cookie: bystander.cookie });
      whole.client.raw("x".repeat(MAX_ENVELOPE_BYTES + 1));
      assert.equal((await whole.client.closed).code, 1009);
      const agent = await connectAgent(server);
      const part = new Uint8Array(16 * 1024);
      const { socket } = agent.client;
      // 200 fragments without an end: 3 MiB for a server that would wait for the last one.
      for (let i = 0; i < 200; i++) {
        socket?.send(part, { binary: true, fin: false }, () => {
          // Fails once the server has closed.
        });
      }
      assert.equal((await agent.client.closed).code, 1009);
    }
    const grown = Deno.memoryUsage().rss - before;
    assert.ok(grown < 100 * 1024 * 1024, `memory grew by ${grown} bytes`);
    const metrics = await (await fetch(server.metricsUrl)).text();
    assert.match(metrics, /farglass_rejected_messages_total\{code="too-large"\} 8/);
    bystander.client.send({ type: "PING", payload: {} });
    await bystander.client.next("PONG");
    await bystander.client.close();
  });
});
