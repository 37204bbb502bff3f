/** Server and agent as real processes, on loopback, with state of their own. */
import { join } from "node:path";
import type { Netns } from "./netns.ts";
import { type SpawnedProcess, type SpawnOptions, spawnProcess } from "./process.ts";

/** The repository's root. */
export const ROOT = new URL("../../", import.meta.url).pathname;

/** A cold `deno` on a busy machine takes its time. */
const START_TIMEOUT_MS = 60_000;

export interface ServerOptions {
  /** Server settings (design section 7) beyond address and data directory. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** 0, the default, picks a free one; give the old one to start a server again. */
  readonly port?: number;
  /** Kept when given, else made and removed. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly extraArgs?: readonly string[];
  /** Runs inside this network namespace. */
  readonly netns?: Netns;
}

/** Starts a process, inside the namespace when there is one. */
function spawnIn(netns: Netns | undefined, options: SpawnOptions): SpawnedProcess {
  const wrapped = netns?.wrap(options.command, options.args ?? []);
  return spawnProcess({ ...options, ...wrapped });
}

export interface TestServer extends AsyncDisposable {
  /** Sign-in link, for one use. */
  readonly consoleUrl: string;
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly origin: string;
  readonly port: number;
  /** `ws://…/ws/rd-signal`. */
  readonly signalUrl: string;
  readonly metricsUrl: string;
  readonly agentSecretFile: string;
  readonly dataDir: string;
  readonly process: SpawnedProcess;
  /** A fresh sign-in link. */
  freshLink(): Promise<string>;
  /** Ends it in good order. */
  stop(): Promise<void>;
  /** Ends it by SIGKILL. */
  kill(): Promise<void>;
}

/** Starts `server/main.ts`; resolves when it says that it listens. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const ownDir = options.dataDir === undefined;
  const dataDir = options.dataDir ?? await Deno.makeTempDir({ prefix: "farglass-server-" });
  const configArgs: string[] = [];
  if (options.config !== undefined) {
    const file = join(dataDir, "test-config.json");
    await Deno.writeTextFile(file, JSON.stringify(options.config));
    configArgs.push("--config", file);
  }
  const child = spawnIn(options.netns, {
    name: "server",
    command: Deno.execPath(),
    args: [
      ...["run", "-A", join(ROOT, "server/main.ts"), "--json"],
      ...["--port", String(options.port ?? 0), "--data-dir", dataDir],
      ...configArgs,
      ...options.extraArgs ?? [],
    ],
    env: options.env,
    cwd: ROOT,
  });
  const end = async (signal: Deno.Signal) => {
    await child.stop(signal);
    if (ownDir) await removeDir(dataDir);
  };
  try {
    const ready = await firstJson(child);
    const origin = new URL(ready.consoleUrl).origin;
    return {
      consoleUrl: ready.consoleUrl,
      origin,
      port: Number(new URL(ready.consoleUrl).port),
      signalUrl: ready.signalUrl,
      metricsUrl: ready.metricsUrl,
      agentSecretFile: ready.agentSecretFile,
      dataDir,
      process: child,
      async freshLink() {
        const [line] = await child.ask("", /^\{"consoleUrl":.*\}$/);
        return JSON.parse(line).consoleUrl;
      },
      // SIGTERM drains, which takes longer.
      stop: () => end("SIGINT"),
      kill: () => end("SIGKILL"),
      [Symbol.asyncDispose]: () => end("SIGINT"),
    };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}

export interface AgentOptions {
  readonly server: Pick<TestServer, "signalUrl" | "agentSecretFile">;
  readonly capture: "x11" | "synthetic";
  /** Needed for `x11`. */
  readonly display?: string;
  readonly flags?: readonly string[];
  /** Of the runtime, for example `--inspect=127.0.0.1:9229`. */
  readonly denoFlags?: readonly string[];
  /** Off by default, so that a test of one transport sees that one; hybrid mode is `encoder.hybrid`. */
  readonly hybrid?: boolean;
  /** Identity and settings; kept when given, else made and removed. */
  readonly stateDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs inside this network namespace. */
  readonly netns?: Netns;
}

export interface TestAgent extends AsyncDisposable {
  readonly desktopId: string;
  readonly agentId: string;
  readonly pid: number;
  readonly stateDir: string;
  readonly process: SpawnedProcess;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Starts `agent/main.ts start`; resolves when it says which desktop it shares. */
export async function startAgent(options: AgentOptions): Promise<TestAgent> {
  const ownDir = options.stateDir === undefined;
  const stateDir = options.stateDir ?? await Deno.makeTempDir({ prefix: "farglass-agent-" });
  const child = spawnIn(options.netns, {
    name: "agent",
    command: Deno.execPath(),
    args: [
      ...["run", "-A", ...options.denoFlags ?? []],
      ...[join(ROOT, "agent/main.ts"), "start", "--json"],
      ...["--server", options.server.signalUrl, "--secret-file", options.server.agentSecretFile],
      ...["--capture", options.capture, "--allow", "--state-dir", stateDir],
      "--network-ice-loopback-only",
      ...options.flags ?? [],
    ],
    env: {
      ...options.display === undefined ? {} : { DISPLAY: options.display },
      FARGLASS_ENCODER_HYBRID: options.hybrid === true ? "on" : "off",
      ...options.env,
    },
    cwd: ROOT,
  });
  const end = async (signal: Deno.Signal) => {
    await child.stop(signal);
    if (ownDir) await removeDir(stateDir);
  };
  try {
    const ready = await firstJson(child);
    return {
      desktopId: ready.desktopId,
      agentId: ready.agentId,
      pid: child.pid,
      stateDir,
      process: child,
      stop: () => end("SIGTERM"),
      kill: () => end("SIGKILL"),
      [Symbol.asyncDispose]: () => end("SIGTERM"),
    };
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
}

/** Starts the painter (see painter.ts for modes and commands); resolves when it has painted. */
export async function startPainter(
  mode: "clock" | "film" | "random" | "window" | "solid",
  options: { readonly display: string; readonly args?: readonly string[] },
): Promise<SpawnedProcess> {
  const child = spawnProcess({
    name: `painter ${mode}`,
    command: Deno.execPath(),
    args: [
      ...["run", "-A", join(ROOT, "tests/support/painter.ts"), mode],
      ...["--display", options.display, ...options.args ?? []],
    ],
    cwd: ROOT,
  });
  try {
    await child.waitForLine(/"ready":true/, START_TIMEOUT_MS);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** The announcement: the first line of stdout (logs go to stderr). */
async function firstJson(child: SpawnedProcess): Promise<Record<string, string>> {
  const [line] = await child.waitForLine(/^\{.*"pid":.*\}$/, START_TIMEOUT_MS);
  // A sink may write events there, too.
  return JSON.parse(child.stdoutLines.find((l) => l.includes('"pid":')) ?? line);
}

async function removeDir(dir: string): Promise<void> {
  try {
    await Deno.remove(dir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
