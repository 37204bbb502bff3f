/** The server as a program, for tests of its signals and its memory. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunningServer } from "../app.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface ServerProcess {
  readonly server: RunningServer;
  readonly child: Deno.ChildProcess;
  /** Its data directory. */
  readonly directory: string;
  /** Its log, once it has ended. */
  readonly log: Promise<string>;
  /** Resident memory in bytes, as its metrics tell. */
  rssBytes(): Promise<number>;
}

/** Runs the program on a free port; ends it afterwards if the test has not. */
export async function withServerProcess(
  settings: Readonly<Record<string, unknown>>,
  run: (process: ServerProcess) => Promise<void>,
  /** `openFiles`: its limit of open files, as `ulimit -n` sets it. */
  options: { readonly openFiles?: number } = {},
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "farglass-process-"));
  const config = join(directory, "config.json");
  await writeFile(config, JSON.stringify({ port: 0, dataDir: directory, ...settings }));
  const program = [Deno.execPath(), "run", "-A", "--no-check", MAIN, "--json", "--config", config];
  const { openFiles } = options;
  const [command, ...args] = openFiles === undefined
    ? program
    : ["sh", "-c", 'ulimit -n "$0" && exec "$@"', String(openFiles), ...program];
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const log = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  try {
    const ready = JSON.parse(new TextDecoder().decode((await reader.read()).value));
    const baseUrl = new URL(ready.consoleUrl).origin;
    const server: RunningServer = {
      ...ready,
      port: Number(new URL(baseUrl).port),
      baseUrl,
      newConsoleUrl: () => Promise.resolve(ready.consoleUrl),
    };
    const rssBytes = async () => {
      const text = await (await fetch(server.metricsUrl)).text();
      return Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]);
    };
    await run({ server, child, directory, log, rssBytes });
  } finally {
    await end(child);
    await reader.cancel();
    await child.stdin.close().catch(() => {
      // The pipe went with the process.
    });
    await log;
    await rm(directory, { recursive: true });
  }
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGINT");
  } catch {
    // It has ended by itself.
  }
  await child.status;
}
