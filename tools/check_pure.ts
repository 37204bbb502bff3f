/**
 * The purity gate: compiles `protocol/` and every core from their own files as entries. Their
 * workspace members know `lib: ["esnext"]` only, so a clock, a timer or `Deno` is a type error.
 * A check of the whole tree would compile tests along, and their libraries would hide a leak.
 */
import { join } from "node:path";
import { pureFiles, ROOT } from "./files.ts";

/** Ways to talk the compiler out of the gate. */
const EVASIONS = /\/\/\/\s*<reference|@ts-(?:ignore|nocheck|expect-error)/;

/** Runs the gate; prints what is wrong. */
export async function checkPure(): Promise<boolean> {
  const files = pureFiles();
  const evading = files.filter((path) => EVASIONS.test(Deno.readTextFileSync(join(ROOT, path))));
  for (const path of evading) console.error(`${path} switches the compiler's checks off`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", ...files],
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  return success && evading.length === 0;
}

if (import.meta.main) {
  const pure = await checkPure();
  console.error(pure ? `${pureFiles().length} pure files` : "Pure code reaches the world");
  Deno.exit(pure ? 0 : 1);
}
