/** `deno task ok`: format, lint, types, purity gate and unit tests, for use before every commit. */
import { ROOT, testFiles } from "./files.ts";
import { GATES } from "./gates.ts";
import { step, withoutDots } from "./steps.ts";

for (const { name, run } of GATES) if (!await step(name, run)) Deno.exit(1);
/** Types are checked above. */
async function unitTests(): Promise<boolean> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "-A",
      "--no-check",
      "--parallel",
      "--quiet",
      "--reporter=dot",
      ...testFiles().unit,
    ],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  console.log(withoutDots(text.decode(stdout) + text.decode(stderr)));
  return success;
}

if (!await step("unit tests", unitTests)) Deno.exit(1);
console.log("\nok");
