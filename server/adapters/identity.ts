/**
 * Interim identity: one agent secret and one cookie key in the data directory, single-use sign-in
 * links and tickets. All comparisons are in constant time.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { link, mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CHALLENGE_TTL_MS, SIGN_IN_LINK_TTL_MS, TICKET_TTL_MS } from "../core/once.ts";
import type { OnceStore } from "../core/ports.ts";
import type { Operator } from "../core/state.ts";

const SECRET_BYTES = 32;
/** A working day and a half. */
export const COOKIE_TTL_MS = 12 * 60 * 60 * 1000;
export const COOKIE_NAME = "farglass_session";
/** Part of what is signed, so that a proof for one purpose is none for another. */
const AGENT_CONTEXT = "farglass-agent-v1";
const COOKIE_CONTEXT = "farglass-cookie-v1";

export interface Secrets {
  readonly agentSecret: string;
  readonly cookieKey: string;
  readonly agentSecretFile: string;
}

/** Reads the secrets of the data directory, or makes them: files that only their owner can read. */
export async function loadSecrets(dataDir: string): Promise<Secrets> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const agentSecretFile = join(dataDir, "agent.secret");
  return {
    agentSecret: await readOrMake(agentSecretFile),
    cookieKey: await readOrMake(join(dataDir, "cookie.key")),
    agentSecretFile,
  };
}

async function readOrMake(path: string): Promise<string> {
  const secret = await readSecret(path);
  if (secret !== null) return secret;
  // Written aside and then linked: two servers that start at once end up with one whole secret.
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(temporary, `${randomBytes(SECRET_BYTES).toString("hex")}\n`, {
    mode: 0o600,
    flag: "wx",
  });
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  } finally {
    await unlink(temporary);
  }
  const made = await readSecret(path);
  if (made === null) throw new Error(`The secret in "${path}" vanished`);
  return made;
}

async function readSecret(path: string): Promise<string | null> {
  try {
    const secret = (await readFile(path, "utf8")).trim();
    if (secret.length >= 32) return secret;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return null;
    throw error;
  }
  throw new Error(`The secret in "${path}" is too short: delete the file`);
}

/** Compares two texts in constant time (their lengths may show). */
export function safeEqual(a: string, b: string): boolean {
  const [x, y] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

const hmacHex = (key: string, text: string): string =>
  createHmac("sha256", key).update(text).digest("hex");

/** What an agent sends to prove that it knows the secret. */
export const agentProof = (secret: string, agentId: string, nonce: string): string =>
  hmacHex(secret, `${AGENT_CONTEXT}\n${agentId}\n${nonce}`);

const newToken = (): string => randomBytes(SECRET_BYTES).toString("base64url");

/** Hands out and checks every secret of this interim identity. */
export class Identities {
  readonly #secrets: Secrets;
  readonly #once: OnceStore;
  readonly #clock: () => number;

  /** `clock` gives Unix ms. */
  constructor(secrets: Secrets, once: OnceStore, clock: () => number) {
    this.#secrets = secrets;
    this.#once = once;
    this.#clock = clock;
  }

  /** A link's token, or null when too many are waiting. */
  async newSignInLink(): Promise<string | null> {
    const token = newToken();
    return await this.#once.put(`link:${token}`, "1", SIGN_IN_LINK_TTL_MS) ? token : null;
  }

  async useSignInLink(token: string): Promise<boolean> {
    return await this.#once.take(`link:${token}`) !== null;
  }

  async newChallenge(agentId: string): Promise<string | null> {
    const nonce = newToken();
    return await this.#once.put(`nonce:${nonce}`, agentId, CHALLENGE_TTL_MS) ? nonce : null;
  }

  /** The agent behind an `Authorization: Farglass <agentId>:<nonce>:<proof>` header, or null. */
  async checkAgent(authorization: string): Promise<string | null> {
    const match = /^Farglass ([0-9a-f-]{36}):([\w-]{1,64}):([0-9a-f]{64})$/i.exec(authorization);
    if (match === null) return null;
    const [, agentId, nonce, proof] = match;
    // Used up whatever the proof is worth.
    const challenged = await this.#once.take(`nonce:${nonce}`);
    if (challenged === null || challenged !== agentId) return null;
    const expected = agentProof(this.#secrets.agentSecret, agentId, nonce);
    return safeEqual(proof.toLowerCase(), expected) ? agentId : null;
  }

  /** The value of a fresh session cookie. */
  newCookie(): string {
    const id = randomBytes(16).toString("hex");
    const body = `${id}.${this.#clock() + COOKIE_TTL_MS}`;
    return `${body}.${hmacHex(this.#secrets.cookieKey, `${COOKIE_CONTEXT}\n${body}`)}`;
  }

  /** The operator behind a `Cookie` header, or null. */
  operatorOf(cookieHeader: string | null): Operator | null {
    for (const part of (cookieHeader ?? "").split(";")) {
      const [name, value] = part.trim().split("=", 2);
      if (name !== COOKIE_NAME || value === undefined) continue;
      const match = /^([0-9a-f]{32})\.(\d{1,16})\.([0-9a-f]{64})$/.exec(value);
      if (match === null) continue;
      const [, id, expires, proof] = match;
      const expected = hmacHex(this.#secrets.cookieKey, `${COOKIE_CONTEXT}\n${id}.${expires}`);
      if (!safeEqual(proof, expected) || Number(expires) <= this.#clock()) continue;
      return { operatorId: id, name: `operator ${id.slice(0, 4)}` };
    }
    return null;
  }

  async newTicket(operator: Operator): Promise<string | null> {
    const ticket = newToken();
    return await this.#once.put(`ticket:${ticket}`, operator.operatorId, TICKET_TTL_MS)
      ? ticket
      : null;
  }

  async useTicket(ticket: string, operator: Operator): Promise<boolean> {
    const owner = await this.#once.take(`ticket:${ticket}`);
    return owner !== null && safeEqual(owner, operator.operatorId);
  }
}
