/** Named steps with their time, for `ok` and `test`. */
import { ROOT } from "./files.ts";

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** Runs one step, says how it ended and how long it took. */
export async function step(name: string, run: () => Promise<boolean>): Promise<boolean> {
  console.log(`\n▶ ${name}`);
  const startedAt = performance.now();
  let good: boolean;
  try {
    good = await run();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    good = false;
  }
  console.log(`${good ? "✔" : "✘"} ${name} (${seconds(performance.now() - startedAt)})`);
  return good;
}

/** Runs this very Deno in the repository; output goes straight through. */
export async function deno(...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  return success;
}
