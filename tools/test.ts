/**
 * `deno task test`: sets up what the tests need, runs the gates and every test, and closes with
 * `N passed, N failed`. Unit tests run side by side; tests with real parts one file at a time,
 * each in a process of its own, so that none can disturb or hang another.
 *
 *   deno task test                 everything
 *   deno task test WORD…           only test files whose path contains one of the words, no gates
 */
import { spawn } from "node:child_process";
import { buildConsole } from "./build_console.ts";
import { ROOT, testFiles } from "./files.ts";
import { GATES } from "./gates.ts";
import { parseJunit, type TestResult } from "./junit.ts";
import { step, withoutDots } from "./steps.ts";
import { ensureSystemPackages } from "./system_packages.ts";

/** A file that takes longer hangs; it is ended with everything it started. */
const UNIT_TIMEOUT_MS = 10 * 60_000;
const FILE_TIMEOUT_MS = 12 * 60_000;
const SLOWEST_SHOWN = 10;
/** Logs are often kept by their end only: the reasons stand there once more, each cut to this. */
const REASON_CHARS = 2_000;
const REASONS_SHOWN = 8;

const results: TestResult[] = [];
/** Gates, and runs that ended badly beyond their failed tests. */
const otherFailures: string[] = [];

/** Runs `deno test` on `files`; collects the results. */
async function runTests(name: string, files: readonly string[], options: {
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** Print the output at the end only, without a line for each test. */
  readonly brief?: boolean;
}): Promise<boolean> {
  const report = await Deno.makeTempFile({ prefix: "farglass-junit-", suffix: ".xml" });
  try {
    const args = ["test", "-A", "--no-check", `--junit-path=${report}`, ...options.args, ...files];
    const ended = await runGroup(args, options);
    const found = parseJunit(await Deno.readTextFile(report));
    results.push(...found);
    const failed = found.some((result) => result.outcome === "failed");
    if (ended !== "exited 0" && !failed) otherFailures.push(`${name}: ${ended}`);
    if (found.length === 0) otherFailures.push(`${name}: no test ran`);
    return ended === "exited 0" && found.length > 0;
  } finally {
    await Deno.remove(report);
  }
}

/** Runs Deno as the head of a process group, which is ended as a whole when it takes too long. */
function runGroup(
  args: readonly string[],
  { timeoutMs, brief = false }: { readonly timeoutMs: number; readonly brief?: boolean },
): Promise<string> {
  return new Promise((resolve) => {
    const stream = brief ? "pipe" : "inherit";
    const child = spawn(Deno.execPath(), [...args], {
      cwd: ROOT,
      stdio: ["ignore", stream, stream],
      detached: true,
    });
    let output = "";
    for (const pipe of [child.stdout, child.stderr]) {
      pipe?.setEncoding("utf8").on("data", (text: string) => output += text);
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      if (child.pid !== undefined) killGroup(child.pid);
    }, timeoutMs);
    const done = (how: string) => {
      clearTimeout(timer);
      interrupt = null;
      // A failed test may have left a server or browser behind.
      if (child.pid !== undefined) killGroup(child.pid);
      if (brief) console.log(withoutDots(output));
      resolve(late ? `ended after ${timeoutMs / 60_000} minutes` : how);
    };
    interrupt = () => child.pid !== undefined && killGroup(child.pid);
    child.on("error", (error) => done(`not started: ${error.message}`));
    child.on(brief ? "close" : "exit", (code, signal) => done(signal ?? `exited ${code}`));
  });
}

let interrupt: (() => void) | null = null;

function killGroup(leader: number): void {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch (error) {
    // Nothing of the group is left.
    if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
  }
}

function close(): never {
  const count = (outcome: TestResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  const slowest = [...results].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST_SHOWN);
  console.log("\nSlowest tests:");
  for (const { ms, file, name } of slowest) {
    console.log(`  ${(ms / 1000).toFixed(1).padStart(6)} s  ${file}: ${name}`);
  }
  const failures = results.filter((result) => result.outcome === "failed");
  for (const { file, name, failure } of failures.slice(0, REASONS_SHOWN)) {
    const reason = failure.slice(0, REASON_CHARS).replaceAll("\n", "\n    ");
    console.log(`\nWhy ${file}: ${name} failed:\n    ${reason}`);
  }
  if (failures.length + otherFailures.length > 0) console.log("\nFailed:");
  for (const { file, name } of failures) console.log(`  ${file}: ${name}`);
  for (const failure of otherFailures) console.log(`  ${failure}`);
  const skipped = count("skipped");
  if (skipped > 0) console.log(`\n${skipped} skipped`);
  const failed = failures.length + otherFailures.length;
  console.log(`\n${count("passed")} passed, ${failed} failed`);
  Deno.exit(failed === 0 && count("passed") > 0 ? 0 : 1);
}

async function main(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      interrupt?.();
      otherFailures.push(`interrupted by ${signal}`);
      close();
    });
  }
  const words = Deno.args;
  const wanted = (path: string) => words.length === 0 || words.some((word) => path.includes(word));
  const tests = testFiles();
  const unit = tests.unit.filter(wanted);
  const real = tests.real.filter(wanted);

  const gate = async (name: string, run: () => Promise<boolean>) => {
    if (!await step(name, run)) otherFailures.push(name);
  };
  await gate("system packages", () => ensureSystemPackages(console.log));
  if (otherFailures.length > 0) close();
  await gate("console build", async () => {
    await buildConsole({ log: console.log });
    return true;
  });
  if (words.length === 0) {
    for (const { name, run } of GATES) await gate(name, run);
  }
  if (unit.length > 0) {
    await step(`unit tests (${unit.length} files)`, () =>
      runTests("unit tests", unit, {
        args: ["--parallel", "--quiet", "--reporter=dot"],
        timeoutMs: UNIT_TIMEOUT_MS,
        brief: true,
      }));
  }
  for (const [index, file] of real.entries()) {
    await step(
      `${file} (${index + 1} of ${real.length})`,
      () => runTests(file, [file], { args: [], timeoutMs: FILE_TIMEOUT_MS }),
    );
  }
  close();
}

if (import.meta.main) await main();
