/** The agent's lasting identity: two UUIDs, made once, in its state directory. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import * as v from "valibot";
import { err, ok, type Result } from "@farglass/protocol";

const identitySchema = v.object({
  agentId: v.pipe(v.string(), v.uuid()),
  desktopId: v.pipe(v.string(), v.uuid()),
});
export type Identity = v.InferOutput<typeof identitySchema>;

const FILE = "agent.json";
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Reads the identity of `stateDir`, making both when there are none; an error is one sentence. */
export async function loadIdentity(stateDir: string): Promise<Result<Identity, string>> {
  const path = join(stateDir, FILE);
  try {
    await Deno.mkdir(stateDir, { recursive: true, mode: DIRECTORY_MODE });
    const known = await readIdentity(path);
    if (known === "broken") {
      return err(`Delete or repair "${path}": it does not hold the agent's two ids`);
    }
    if (known !== null) return ok(known);
    const made = { agentId: randomUUID(), desktopId: randomUUID() };
    await writeWhole(path, JSON.stringify(made, null, 2) + "\n");
    return ok(made);
  } catch (error) {
    const { code = "it failed" } = error as { code?: string };
    return err(
      `Choose another agent.stateDir, or mend its permissions: "${stateDir}" cannot be written (${code})`,
    );
  }
}

async function readIdentity(path: string): Promise<Identity | "broken" | null> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  try {
    const parsed = v.safeParse(identitySchema, JSON.parse(text));
    return parsed.success ? parsed.output : "broken";
  } catch {
    return "broken";
  }
}

/** A crash leaves the old file or the new one, never half of it. */
async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await Deno.writeTextFile(draft, text, { mode: FILE_MODE, createNew: true });
  await Deno.rename(draft, path);
}
