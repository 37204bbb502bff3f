/** The gates that every commit passes, apart from its tests. */
import { checkPure } from "./check_pure.ts";
import { sourceFiles } from "./files.ts";
import { deno } from "./steps.ts";

export interface Gate {
  readonly name: string;
  /** Prints what is wrong and says whether all is well. */
  run(): Promise<boolean>;
}

/** In the order of their price. */
export const GATES: readonly Gate[] = [
  { name: "format", run: () => deno("fmt", "--check", "--quiet") },
  { name: "lint", run: () => deno("lint", "--quiet") },
  { name: "types", run: () => deno("check", "--quiet", ...sourceFiles()) },
  { name: "purity", run: checkPure },
];
