/**
 * `deno task demo`: a server with the embedded store and one agent on this machine, and a
 * single-use link to the console. Everything it makes is gone when it ends.
 */
import { join } from "node:path";
import { buildConsole } from "./build_console.ts";
import { Child } from "./child.ts";
import { DEMO_HELP, type DemoOptions, parseDemo } from "./demo_options.ts";
import { ROOT } from "./files.ts";
import { watchNpx } from "./launcher.ts";
import { Terminal } from "./terminal.ts";

/** Time that server and agent have to end in good order; the demo promises 2 s for all of it. */
const STOP_GRACE_MS = 1_200;
/** A Ctrl-C reaches the children too: their end may be seen before our own signal. */
const SIGNAL_GRACE_MS = 400;

const CONNECT_TIMEOUT_MS = 15_000;
const CONNECT_POLL_MS = 25;
/** The server's gauge of connected agents (Prometheus text format). */
const CONNECTED_AGENT = /^farglass_connected_agents 1$/m;

/** A failure that a person can do something about. */
class DemoError extends Error {}

class Demo {
  readonly #children: Child[] = [];
  #dataDir: string | null = null;
  /** The server, once it can be asked for links. */
  #links: Child | null = null;
  #stopping: Promise<void> | null = null;

  constructor(
    private readonly options: DemoOptions,
    private readonly terminal: Terminal,
  ) {}

  /** What a person reads; with --json standard output belongs to the machine. */
  say(text: string): void {
    if (this.options.json) console.error(text);
    else console.log(text);
  }

  async run(): Promise<void> {
    this.#claimPort();
    await buildConsole({ log: (line) => this.say(line) });
    this.#dataDir = await Deno.makeTempDir({ prefix: "farglass-demo-" });
    this.say("Starting the server");
    const server = this.#start("server", [
      ...[join(ROOT, "server/main.ts"), "--json", "--port", String(this.options.port)],
      ...["--data-dir", join(this.#dataDir, "server")],
    ]);
    const { consoleUrl, metricsUrl, signalUrl, agentSecretFile } = await this.#ready(server);
    const what = this.options.capture === "x11"
      ? `the X11 screen ${Deno.env.get("DISPLAY")}`
      : "a built-in desktop";
    this.say(`Starting the agent, which shares ${what}`);
    const agent = this.#start("agent", [
      ...[join(ROOT, "agent/main.ts"), "start", "--json", "--server", signalUrl],
      ...["--secret-file", agentSecretFile, "--capture", this.options.capture, "--allow"],
      ...["--state-dir", join(this.#dataDir, "agent")],
    ]);
    const { desktopId } = await this.#ready(agent);
    for (const child of this.#children) this.#watch(child);
    await this.#connected(agent, metricsUrl);
    if (this.options.json) {
      console.log(JSON.stringify({ consoleUrl, desktopId, metricsUrl, pid: Deno.pid }));
    } else this.#greet(consoleUrl, metricsUrl);
    this.#links = server;
  }

  /** Asks for the port first: the reason of a failed start is then known. */
  #claimPort(): void {
    const { port } = this.options;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) {
        throw new DemoError(
          `Port ${port} is taken: choose another by --port N, or --port 0 for a free one`,
        );
      }
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new DemoError(`Port ${port} needs more rights: choose one above 1023 by --port N`);
      }
      throw error;
    }
  }

  #start(name: string, args: readonly string[]): Child {
    const shown = this.options.json || this.options.verbose;
    const child = new Child({
      name,
      args: ["run", "-A", "--preload", "tools/end_with_parent.ts", ...args],
      cwd: ROOT,
      onLog: (line) => shown ? console.error(line) : undefined,
    });
    this.#children.push(child);
    return child;
  }

  /** The child's announcement. */
  async #ready(child: Child): Promise<Record<string, string>> {
    const first = await child.nextJson();
    if (first !== null) return first as Record<string, string>;
    await this.#failedChild(child, "did not start");
    return {};
  }

  /** Resolves when the server knows the agent: a link printed earlier would show an empty list. */
  async #connected(agent: Child, metricsUrl: string): Promise<void> {
    const deadline = performance.now() + CONNECT_TIMEOUT_MS;
    while (performance.now() < deadline && this.#stopping === null) {
      // A server that has gone is noticed by its watcher.
      const metrics = await fetch(metricsUrl).then((answer) => answer.text()).catch(() => "");
      if (CONNECTED_AGENT.test(metrics)) return;
      await new Promise((resolve) => setTimeout(resolve, CONNECT_POLL_MS));
    }
    if (this.#stopping !== null) return await new Promise(() => {});
    for (const line of agent.lastWords()) console.error(`  ${line}`);
    throw new DemoError("The agent could not reach the server: its last words are above");
  }

  #greet(consoleUrl: string, metricsUrl: string): void {
    console.log(`
Open the console (the link works once, for ten minutes):

  ${consoleUrl}

Metrics: ${metricsUrl}
Enter: a fresh link. Ctrl-C: stop.`);
  }

  /** Follows the keys; the end of standard input ends nothing. */
  async followKeys(terminal: Terminal, onStop: () => void): Promise<void> {
    for await (const key of terminal.keys()) {
      if (key === "ctrl-c") return onStop();
      if (this.#links !== null && this.#stopping === null) await this.#freshLink(this.#links);
    }
  }

  async #freshLink(server: Child): Promise<void> {
    await server.enter();
    const answer = await server.nextJson();
    if (answer === null) return;
    if (this.options.json) console.log(JSON.stringify({ consoleUrl: answer.consoleUrl }));
    else console.log(`A fresh link, for one use within ten minutes:\n\n  ${answer.consoleUrl}\n`);
  }

  async #watch(child: Child): Promise<void> {
    await child.ended;
    await this.#failedChild(child, "ended unexpectedly").catch(endWith);
  }

  /** Throws, unless the whole demo is being stopped. */
  async #failedChild(child: Child, what: string): Promise<void> {
    const { code, signal } = await child.ended;
    await new Promise((resolve) => setTimeout(resolve, SIGNAL_GRACE_MS));
    if (this.#stopping !== null) return await new Promise(() => {});
    if (!this.options.json && !this.options.verbose) {
      for (const line of child.lastWords()) console.error(`  ${line}`);
    }
    const how = signal === null ? `exit code ${code}` : signal;
    throw new DemoError(`The ${child.options.name} ${what} (${how}): its last words are above`);
  }

  /** Ends everything; safe to call at any time and more than once. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      this.terminal.close();
      await Promise.all(this.#children.map((child) => child.stop(STOP_GRACE_MS)));
      if (this.#dataDir !== null) await Deno.remove(this.#dataDir, { recursive: true });
    })();
    return this.#stopping;
  }
}

let demo: Demo | null = null;

/** Ends everything, says last what went wrong, exits with 1. */
async function endWith(error: unknown): Promise<never> {
  await demo?.stop();
  console.error(error instanceof DemoError ? error.message : error);
  Deno.exit(1);
}

async function main(): Promise<void> {
  const command = parseDemo(Deno.args, Deno.env.get("DISPLAY"));
  switch (command.kind) {
    case "help":
      return console.log(DEMO_HELP);
    case "wrong":
      for (const problem of command.problems) console.error(problem);
      console.error("See --help");
      return Deno.exit(2);
    case "run": {
      const terminal = new Terminal();
      const running = demo = new Demo(command.options, terminal);
      const stop = async () => {
        await running.stop();
        Deno.exit(0);
      };
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        Deno.addSignalListener(signal, stop);
      }
      watchNpx(stop);
      running.followKeys(terminal, stop).catch(endWith);
      await running.run().catch(endWith);
    }
  }
}

if (import.meta.main) await main();
