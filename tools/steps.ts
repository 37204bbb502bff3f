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

/** A dot of the test runner's `dot` reporter, alone on its line when no terminal watches. */
// deno-lint-ignore no-control-regex
const DOT_LINE = /^(?:\x1b\[[\d;]*m)*[.,!](?:\x1b\[[\d;]*m)*$/;

/** Takes the lines that say nothing but "one more test" out of a test run's output. */
export const withoutDots = (output: string): string =>
  output.split("\n").filter((line) => !DOT_LINE.test(line)).join("\n").trim();
