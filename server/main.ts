/** `deno task server`: flags, settings, signals and the terminal. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { PROTOCOL_VERSION, readOtelEnv, SOFTWARE_VERSION } from "@farglass/protocol";
import { JsonLog } from "./adapters/json_log.ts";
import { PortTakenError } from "./adapters/node_http.ts";
import { type RunningServer, startServer } from "./app.ts";
import { parseFlags, type ServerFlags, USAGE } from "./cli.ts";
import { loadSettings, type Problem } from "./config.ts";
import type { Settings } from "./settings_schema.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const DEFAULT_CONFIG = "server/config.json";
const EXIT_FAILED = 1;
const EXIT_BAD_SETTINGS = 2;

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const complain = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));

function stop(problems: readonly Problem[]): never {
  complain(`The settings have ${problems.length} problem${problems.length === 1 ? "" : "s"}:`);
  for (const { key, text } of problems) complain(`  ${key} ${text}`);
  Deno.exit(EXIT_BAD_SETTINGS);
}

async function readConfig(flags: ServerFlags): Promise<{ path: string; text: string } | null> {
  const given = flags.config ?? Deno.env.get("FARGLASS_SERVER_CONFIG");
  const path = given ?? `${ROOT}${DEFAULT_CONFIG}`;
  try {
    return { path: given ?? DEFAULT_CONFIG, text: await readFile(path, "utf8") };
  } catch (error) {
    if (given === undefined && (error as { code?: string }).code === "ENOENT") return null;
    stop([{ key: path, text: "cannot be read: check the path given by --config" }]);
  }
}

/** What a person is told when the server cannot start. */
function explain(error: unknown, { host, port }: Settings): string {
  if (error instanceof PortTakenError) {
    return `Port ${port} on ${host} is already in use: stop the other program or choose another with --port N (0 picks a free one)`;
  }
  const { code, path, syscall } = error as { code?: string; path?: string; syscall?: string };
  if (
    code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || syscall === "listen" && code === "EINVAL"
  ) {
    return `This machine has no address "${host}": choose another with --host`;
  }
  if (path !== undefined) {
    return `"${path}" cannot be read or written (${code}): check its permissions, or choose another directory with --data-dir`;
  }
  if (code === "EACCES" || code === "EPERM") {
    return `Not allowed to listen on port ${port}: choose a port above 1023 with --port`;
  }
  return `The server could not start: ${(error as Error).message}`;
}

async function announce(server: RunningServer, json: boolean): Promise<void> {
  const consoleUrl = await server.newConsoleUrl();
  if (json) {
    const { metricsUrl, signalUrl, agentSecretFile } = server;
    say(JSON.stringify({ consoleUrl, metricsUrl, pid: Deno.pid, agentSecretFile, signalUrl }));
    return;
  }
  say(`Farglass server ${SOFTWARE_VERSION} on ${server.baseUrl}`);
  say(
    `Agents: deno task agent -- --server ${server.signalUrl} --secret-file ${server.agentSecretFile}`,
  );
  say(`Console: ${consoleUrl}`);
  say("The link works once, for 10 minutes. Enter prints a fresh one, Ctrl-C stops the server.");
}

/** Each line on stdin prints a fresh sign-in link. */
async function serveTerminal(server: RunningServer, json: boolean): Promise<void> {
  for await (const chunk of Deno.stdin.readable) {
    for (const byte of chunk) {
      if (byte !== 10) continue;
      const consoleUrl = await server.newConsoleUrl();
      say(json ? JSON.stringify({ consoleUrl }) : `Console: ${consoleUrl}`);
    }
  }
}

async function main(args: readonly string[]): Promise<void> {
  const parsed = parseFlags(args);
  if (!parsed.ok) stop(parsed.problems);
  const { flags } = parsed;
  if (flags.help) return void say(USAGE);
  if (flags.version) {
    return void say(`farglass-server ${SOFTWARE_VERSION} (protocol ${PROTOCOL_VERSION})`);
  }
  const env = Deno.env.toObject();
  const loaded = loadSettings({ file: await readConfig(flags), env, flags: flags.settings });
  const { problems } = readOtelEnv(env);
  if (!loaded.ok) stop([...loaded.problems, ...problems]);
  if (problems.length > 0) stop(problems);
  const { settings } = loaded;
  const log = new JsonLog(settings.log.level, complain, Date.now);
  let server: RunningServer;
  try {
    server = await startServer({ settings, log, env, rootDirectory: ROOT });
  } catch (error) {
    complain(explain(error, settings));
    Deno.exit(EXIT_FAILED);
  }
  // A person at the terminal wants it to end; a supervisor wants the clients to move first.
  Deno.addSignalListener("SIGINT", () => {
    server.close().finally(() => Deno.exit(0));
  });
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", () => {
      server.drain().finally(() => Deno.exit(0));
    });
  }
  await announce(server, flags.json);
  await serveTerminal(server, flags.json).catch((cause) => {
    log.write("warn", "terminal-failed", { error: String(cause) });
  });
}

if (import.meta.main) await main(Deno.args);
