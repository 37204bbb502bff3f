import assert from "node:assert/strict";
import { agentGone, askAgent, openControlServer } from "./control_socket.ts";

async function inDirectory(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-control-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("status and stop are answered; without an agent nobody answers", async () => {
  await inDirectory(async (dir) => {
    assert.deepEqual(await askAgent(dir, { op: "status" }), { ok: false, error: "not-running" });
    const asked: string[] = [];
    const server = await openControlServer(dir, ({ op }) => {
      asked.push(op);
      return { viewers: 2 };
    });
    assert.ok(server.ok);
    assert.equal((await Deno.stat(`${dir}/agent.sock`)).mode! & 0o777, 0o600);
    assert.deepEqual(await askAgent(dir, { op: "status" }), { ok: true, value: { viewers: 2 } });
    assert.deepEqual(await askAgent(dir, { op: "stop" }), { ok: true, value: { viewers: 2 } });
    assert.deepEqual(asked, ["status", "stop"]);
    await server.value.close();
    assert.equal(await agentGone(dir, 1_000), true);
  });
});

Deno.test("a second agent in the same directory is refused; a dead one's socket is taken over", async () => {
  await inDirectory(async (dir) => {
    const first = await openControlServer(dir, () => ({}));
    assert.ok(first.ok);
    const second = await openControlServer(dir, () => ({}));
    assert.ok(!second.ok && second.error.startsWith("Stop the running agent first"));
    await first.value.close();
    // A killed process leaves its socket behind.
    const dead = Deno.listen({ transport: "unix", path: `${dir}/dead.sock` });
    dead.close();
    await Deno.remove(`${dir}/agent.sock`).catch(() => {});
    await Deno.writeTextFile(`${dir}/agent.sock`, "");
    const third = await openControlServer(dir, () => ({ third: true }));
    assert.ok(third.ok);
    assert.deepEqual(await askAgent(dir, { op: "status" }), { ok: true, value: { third: true } });
    await third.value.close();
  });
});

Deno.test("whatever is no request is not answered, and disturbs nobody", async () => {
  await inDirectory(async (dir) => {
    const server = await openControlServer(dir, () => ({ fine: true }));
    assert.ok(server.ok);
    for (const text of ["nonsense\n", '{"op":"kill"}\n', "null\n", "x".repeat(70_000)]) {
      const raw = await Deno.connect({ transport: "unix", path: `${dir}/agent.sock` });
      await raw.write(new TextEncoder().encode(text)).catch(() => 0);
      const answer = await raw.read(new Uint8Array(10)).catch(() => null);
      assert.equal(answer, null, text.slice(0, 20));
      raw.close();
    }
    assert.deepEqual(await askAgent(dir, { op: "status" }), { ok: true, value: { fine: true } });
    await server.value.close();
  });
});

Deno.test("a directory that is too deep for a socket is named", async () => {
  const opened = await openControlServer(`/tmp/${"x".repeat(100)}`, () => ({}));
  assert.ok(!opened.ok && opened.error.startsWith("Choose a shorter agent.stateDir"));
});
