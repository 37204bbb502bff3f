import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentProof, COOKIE_NAME, COOKIE_TTL_MS, Identities, loadSecrets } from "./identity.ts";
import { MemoryOnceStore } from "./memory_store.ts";

const AGENT = "0f4a4c9e-5d7a-4c1e-9f53-6f0e4f8f1a2b";
const secrets = { agentSecret: "a".repeat(64), cookieKey: "c".repeat(64), agentSecretFile: "" };

function fixture(own = secrets) {
  const clock = { now: 1_700_000_000_000 };
  const now = () => clock.now;
  return { clock, identities: new Identities(own, new MemoryOnceStore(now), now) };
}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "farglass-identity-"));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

Deno.test("loadSecrets: made once, kept, readable by the owner only", async () => {
  await inDirectory(async (directory) => {
    const data = join(directory, "new", "data");
    const [first, second] = await Promise.all([loadSecrets(data), loadSecrets(data)]);
    const third = await loadSecrets(data);
    assert.deepEqual(third, first);
    assert.deepEqual(second, first);
    assert.match(first.agentSecret, /^[0-9a-f]{64}$/);
    assert.notEqual(first.agentSecret, first.cookieKey);
    if (Deno.build.os !== "windows") {
      for (const name of ["agent.secret", "cookie.key"]) {
        assert.equal((await stat(join(data, name))).mode & 0o777, 0o600, name);
      }
    }
  });
});

Deno.test("loadSecrets: a secret that is too short is refused", async () => {
  await inDirectory(async (directory) => {
    await writeFile(join(directory, "agent.secret"), "short\n");
    await assert.rejects(loadSecrets(directory), /too short: delete the file/);
  });
});

Deno.test("Identities: an agent proves the secret for its own id, once, in time", async () => {
  const { identities, clock } = fixture();
  const header = async (agentId = AGENT, secret = secrets.agentSecret) => {
    const nonce = await identities.newChallenge(agentId) ?? "";
    return `Farglass ${agentId}:${nonce}:${agentProof(secret, agentId, nonce)}`;
  };
  const good = await header();
  assert.equal(await identities.checkAgent(good), AGENT);
  assert.equal(await identities.checkAgent(good), null, "the nonce is used up");
  assert.equal(await identities.checkAgent(await header(AGENT, "b".repeat(64))), null);
  const other = (await header()).replace(AGENT, AGENT.replace("0", "1"));
  assert.equal(await identities.checkAgent(other), null);
  const late = await header();
  clock.now += 30_001;
  assert.equal(await identities.checkAgent(late), null);
  for (const bad of ["", "Farglass", "Basic abc", "Farglass a:b:c", `${good} `]) {
    assert.equal(await identities.checkAgent(bad), null, bad);
  }
});

Deno.test("Identities: a link works once, within ten minutes", async () => {
  const { identities, clock } = fixture();
  const link = await identities.newSignInLink() ?? "";
  assert.equal(await identities.useSignInLink(link), true);
  assert.equal(await identities.useSignInLink(link), false);
  const late = await identities.newSignInLink() ?? "";
  clock.now += 10 * 60 * 1000;
  assert.equal(await identities.useSignInLink(late), false);
  // A ticket or nonce is no link.
  const nonce = await identities.newChallenge(AGENT) ?? "";
  assert.equal(await identities.useSignInLink(nonce), false);
});

Deno.test("Identities: cookies are signed, expire, and outlive a restart with the same key", () => {
  const { identities, clock } = fixture();
  const header = `other=1; ${COOKIE_NAME}=${identities.newCookie()}`;
  const operator = identities.operatorOf(header);
  assert.ok(operator !== null);
  assert.deepEqual(fixture().identities.operatorOf(header), operator);
  assert.equal(
    fixture({ ...secrets, cookieKey: "d".repeat(64) }).identities.operatorOf(header),
    null,
  );
  for (const bad of [null, "", `${COOKIE_NAME}=`, `${COOKIE_NAME}=a.b.c`, header.slice(0, -1)]) {
    assert.equal(identities.operatorOf(bad), null);
  }
  const longer = header.replace(/\.(\d+)\./, (_, at) => `.${Number(at) + 1}.`);
  assert.equal(identities.operatorOf(longer), null, "the time is signed");
  clock.now += COOKIE_TTL_MS;
  assert.equal(identities.operatorOf(header), null);
});

Deno.test("Identities: a ticket is bound to its cookie", async () => {
  const { identities } = fixture();
  const cookie = () => identities.operatorOf(`${COOKIE_NAME}=${identities.newCookie()}`);
  const [one, two] = [cookie(), cookie()];
  assert.ok(one !== null && two !== null);
  const ticket = await identities.newTicket(one) ?? "";
  assert.equal(await identities.useTicket(ticket, two), false);
  assert.equal(await identities.useTicket(ticket, one), false, "a wrong try uses it up");
  assert.equal(await identities.useTicket(await identities.newTicket(one) ?? "", one), true);
});
