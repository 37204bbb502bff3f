/** Rules of the house that are about files as a whole. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT, sourceFiles } from "../../tools/files.ts";
import { isTest, packageOf } from "../../tools/rooms.ts";

/** Split a file before it gets here. */
const MAX_LINES = 500;

const files = sourceFiles().map((path) => ({
  path,
  text: Deno.readTextFileSync(join(ROOT, path)),
}));

const named = (found: { readonly path: string }[]) => found.map(({ path }) => path);

Deno.test("house: file names are snake_case", () => {
  assert.deepEqual(
    named(files.filter(({ path }) => !/^(?:[\w.]+\/)*[a-z0-9_]+(?:\.config)?\.tsx?$/.test(path))),
    [],
  );
});

Deno.test(`house: no file is longer than ${MAX_LINES} lines`, () => {
  const lines = (text: string) => text.split("\n").length;
  assert.deepEqual(named(files.filter(({ text }) => lines(text) > MAX_LINES + 1)), []);
});

Deno.test("house: nothing is left for later", () => {
  const mark = new RegExp(`\\b(?:TO${"DO"}|FIX${"ME"}|XX${"X"})\\b`);
  assert.deepEqual(named(files.filter(({ text }) => mark.test(text))), []);
});

Deno.test("house: no test is left out or run alone", () => {
  const mark = /Deno\.test\.(?:ignore|only)\(|^\s*(?:ignore|only): true/m;
  const found = files.filter(({ path, text }) =>
    path !== "tests/arch/junit_test.ts" && mark.test(text)
  );
  assert.deepEqual(named(found), []);
});

Deno.test("house: no test is judged by the clock of a sleep", () => {
  const mark = /\b(?:sleep|delay)\(\d/;
  assert.deepEqual(named(files.filter(({ path, text }) => isTest(path) && mark.test(text))), []);
});

Deno.test("house: npm packages are named in deno.json with their exact version", () => {
  const { imports } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  for (const [name, target] of Object.entries<string>(imports)) {
    assert.match(target, new RegExp(`^npm:${name}@\\d+\\.\\d+\\.\\d+$`), name);
  }
  const specifiers =
    /^(?:(?:import|export|\})[^"\n]*\bfrom |import )"([^"]+)"|\bimport\("([^"]+)"/gm;
  for (const { path, text } of files) {
    if (path === "tests/arch/lint_plugin_test.ts") continue; // it quotes bad imports
    for (const [, fixed, dynamic] of text.matchAll(specifiers)) {
      const specifier = fixed ?? dynamic;
      assert.ok(!/^(?:jsr|https?):/.test(specifier), `${path}: ${specifier}`);
      const name = packageOf(specifier);
      if (name === null || name.startsWith("@farglass/")) continue;
      assert.ok(Object.hasOwn(imports, name), `${path}: "${name}" is not in deno.json`);
    }
  }
});
