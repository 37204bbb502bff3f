/** The gate is worth only what it catches: each leak, planted in a copy of a core's settings. */
import assert from "node:assert/strict";
import { join } from "node:path";

const ROOT = new URL("../../", import.meta.url).pathname;

const LEAKS: readonly { name: string; source: string }[] = [
  { name: "a timer", source: "export const leak = setTimeout(() => {}, 1);" },
  { name: "Deno", source: "export const leak = Deno.env;" },
  { name: "fetch", source: 'export const leak = fetch("http://127.0.0.1/");' },
  { name: "the DOM", source: "export const leak = document.title;" },
  { name: "TextEncoder", source: "export const leak = new TextEncoder();" },
  { name: "crypto", source: "export const leak = crypto.randomUUID();" },
  { name: "performance", source: "export const leak = performance.now();" },
  { name: "Buffer", source: "export const leak = Buffer.alloc(1);" },
  { name: "console", source: 'console.log("leak");' },
];

for (const member of ["protocol", "server/core", "agent/core", "browser/core"]) {
  Deno.test(`purity gate: the settings of ${member} refuse every leak`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "farglass-purity-" });
    try {
      await Deno.copyFile(join(ROOT, member, "deno.json"), join(dir, "deno.json"));
      await Deno.writeTextFile(join(dir, "mod.ts"), "export {};\n");
      for (const [index, leak] of LEAKS.entries()) {
        await Deno.writeTextFile(join(dir, `leak_${index}.ts`), leak.source);
      }
      await Deno.writeTextFile(join(dir, "clean.ts"), "export const sum = Math.max(1, 2);\n");
      assert.equal(await check(dir, "clean.ts"), "");
      const found = await check(dir, ...LEAKS.map((_, index) => `leak_${index}.ts`));
      for (const [index, leak] of LEAKS.entries()) {
        assert.match(found, new RegExp(`leak_${index}\\.ts`), `${leak.name} is not noticed`);
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

/** What `deno check` says about files of a folder; empty when all is well. */
async function check(dir: string, ...files: string[]): Promise<string> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", ...files],
    cwd: dir,
    env: { NO_COLOR: "1" },
  }).output();
  return success ? "" : new TextDecoder().decode(stderr);
}
