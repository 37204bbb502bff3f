/** The repository's own TypeScript files, for gates that must name their entries. */
import { join } from "node:path";
import { isPure, roomOf } from "./rooms.ts";

/** The repository's root, with a slash at the end. */
export const ROOT = new URL("../", import.meta.url).pathname;

const SKIPPED = new Set(["node_modules", "dist", "testdata", ".git", ".farglass", ".ci"]);

/** Every TypeScript file, relative to the root, sorted. */
export function sourceFiles(): string[] {
  const found: string[] = [];
  const walk = (dir: string) => {
    for (const entry of Deno.readDirSync(join(ROOT, dir))) {
      const path = dir === "" ? entry.name : `${dir}/${entry.name}`;
      if (entry.isDirectory && !SKIPPED.has(entry.name)) walk(path);
      // A name that begins with a dot or a dash below is somebody's scratch file.
      else if (entry.isFile && /^[^._].*\.tsx?$/.test(entry.name)) found.push(path);
    }
  };
  walk("");
  return found.sort();
}

/** Files of the pure rooms that ship; tests beside them may do what they like. */
export const pureFiles = (): string[] => sourceFiles().filter((path) => isPure(roomOf(path)));

/** Test files by the kind of machine they need. */
export function testFiles(): { readonly unit: string[]; readonly real: string[] } {
  const tests = sourceFiles().filter((path) => /_test\.tsx?$/.test(path));
  const needsParts = (path: string) => /^tests\/(?:e2e|interop|fuzz)\//.test(path);
  return {
    unit: tests.filter((path) => !needsParts(path)),
    real: tests.filter(needsParts),
  };
}
