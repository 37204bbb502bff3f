/** `deno task ok`: format, lint, types, purity gate and unit tests, for use before every commit. */
import { testFiles } from "./files.ts";
import { GATES } from "./gates.ts";
import { deno, step } from "./steps.ts";

for (const { name, run } of GATES) if (!await step(name, run)) Deno.exit(1);
// Types are checked above.
const tests = () =>
  deno("test", "-A", "--no-check", "--parallel", "--quiet", "--reporter=dot", ...testFiles().unit);
if (!await step("unit tests", tests)) Deno.exit(1);
console.log("\nok");
