import assert from "node:assert/strict";
import { loadIdentity } from "./state_file.ts";

Deno.test("the identity is made once, private, and kept", async () => {
  const dir = await Deno.makeTempDir({ prefix: "farglass-state-" });
  try {
    const state = `${dir}/deep/state`;
    const first = await loadIdentity(state);
    assert.ok(first.ok);
    assert.notEqual(first.value.agentId, first.value.desktopId);
    assert.deepEqual(await loadIdentity(state), first);
    const { mode } = await Deno.stat(`${state}/agent.json`);
    assert.equal(mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(state)).mode! & 0o777, 0o700);
    await Deno.writeTextFile(`${state}/agent.json`, "{}");
    const broken = await loadIdentity(state);
    assert.ok(!broken.ok && broken.error.startsWith("Delete or repair"));
    await Deno.writeTextFile(`${dir}/file`, "");
    const blocked = await loadIdentity(`${dir}/file/state`);
    assert.ok(!blocked.ok && blocked.error.startsWith("Choose another agent.stateDir"));
    assert.match(blocked.error, /cannot be written \(ENOTDIR\)$/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
