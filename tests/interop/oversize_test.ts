/** What is larger than a message may be costs a connection, and no memory: of a real process. */
import assert from "node:assert/strict";
import { MAX_ENVELOPE_BYTES } from "@farglass/protocol";
import { connectAgent, connectConsole, type LinkClient } from "../../server/testing/link_client.ts";
import { withServerProcess } from "../../server/testing/server_process.ts";

const MIB = 1024 * 1024;
/** In one message; a server that waits for its end has it all in memory. */
const HUGE = 96 * MIB;
const PART = 32 * 1024;

/** One message that claims to be huge, as fast as the server takes it. */
function sendWhole({ socket }: LinkClient): void {
  socket?.send(new Uint8Array(HUGE), { binary: true }, () => {
    // Fails once the server has closed.
  });
}

/** The same in parts without an end, each small enough by itself. */
async function sendParts({ socket, closed }: LinkClient): Promise<void> {
  let open = true;
  closed.then(() => open = false);
  const part = new Uint8Array(PART);
  for (let sent = 0; open && sent < HUGE; sent += PART) {
    await new Promise<void>((resolve) => {
      socket?.send(part, { binary: true, fin: false }, () => resolve());
    });
  }
}

Deno.test("sockets: an oversize message, whole or in fragments, is closed with 1009", async () => {
  await withServerProcess({}, async ({ server, rssBytes }) => {
    const bystander = await connectConsole(server);
    const just = await connectConsole(server, { cookie: bystander.cookie });
    just.client.raw("x".repeat(MAX_ENVELOPE_BYTES + 1));
    assert.equal((await just.client.closed).code, 1009);
    const before = await rssBytes();
    for (let round = 0; round < 3; round++) {
      const whole = await connectConsole(server, { cookie: bystander.cookie });
      const agent = await connectAgent(server);
      sendWhole(whole.client);
      await sendParts(agent.client);
      // Also to clients that go on writing.
      for (const { client } of [whole, agent]) assert.equal((await client.closed).code, 1009);
    }
    // Not even what is thrown away is read.
    const grown = (await rssBytes() - before) / MIB;
    console.log(`oversize: ${grown.toFixed(0)} MiB more after ${6 * HUGE / MIB} MiB`);
    assert.ok(grown < HUGE / MIB / 2, `${grown.toFixed(0)} MiB more`);
    const metrics = await (await fetch(server.metricsUrl)).text();
    assert.match(metrics, /farglass_rejected_messages_total\{code="too-large"\} 7/);
    bystander.client.send({ type: "PING", payload: {} });
    await bystander.client.next("PONG");
    await bystander.client.close();
  });
});
