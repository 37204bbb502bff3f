/** The demo's command line. */

export interface DemoOptions {
  /** 0 picks a free port. */
  readonly port: number;
  readonly capture: "x11" | "synthetic";
  readonly json: boolean;
  readonly verbose: boolean;
}

export type DemoCommand =
  | { readonly kind: "run"; readonly options: DemoOptions }
  | { readonly kind: "help" }
  /** Every problem, one sentence each. */
  | { readonly kind: "wrong"; readonly problems: readonly string[] };

export const DEFAULT_PORT = 8080;

export const DEMO_HELP = `Farglass demo: a server, an agent and a sign-in link to the console.

Usage: npx -y deno task demo [options]

  --port N                 port of the console, 0 for a free one (default ${DEFAULT_PORT})
  --capture x11|synthetic  what to share (default: x11 when DISPLAY is set, else synthetic,
                           a small built-in desktop)
  --json                   first line of standard output is one JSON object when all is ready:
                           {"consoleUrl","desktopId","metricsUrl","pid"}; each Enter adds a line
                           {"consoleUrl"}; logs go to standard error
  --verbose                show the logs of server and agent (with --json they always show)
  --help                   this text

Enter prints a fresh sign-in link, Ctrl-C stops everything.`;

const FLAGS = ["--port", "--capture", "--json", "--verbose", "--help"];

/** Reads the arguments; `display` is the environment's DISPLAY. */
export function parseDemo(given: readonly string[], display: string | undefined): DemoCommand {
  // `deno task demo -- --port 0` passes the dashes on.
  const args = given.filter((arg) => arg !== "--");
  const problems: string[] = [];
  let port = DEFAULT_PORT;
  const hasDisplay = display !== undefined && display !== "";
  let capture: DemoOptions["capture"] = hasDisplay ? "x11" : "synthetic";
  let json = false;
  let verbose = false;
  for (let i = 0; i < args.length; i++) {
    const [flag, inline] = splitFlag(args[i]);
    const value = () => inline ?? (args[i + 1]?.startsWith("--") === false ? args[++i] : undefined);
    if (flag === "--help" || flag === "-h") return { kind: "help" };
    else if (flag === "--json") json = true;
    else if (flag === "--verbose") verbose = true;
    else if (flag === "--port") {
      const text = value();
      port = Number(text);
      if (text === undefined || !/^\d{1,5}$/.test(text) || port > 65_535) {
        problems.push(`--port is ${said(text)}; allowed is a whole number from 0 to 65535`);
      }
    } else if (flag === "--capture") {
      const text = value();
      if (text === "x11" || text === "synthetic") capture = text;
      else problems.push(`--capture is ${said(text)}; allowed is x11 or synthetic`);
    } else problems.push(`"${args[i]}" is no option; known are ${FLAGS.join(", ")}`);
  }
  if (capture === "x11" && !hasDisplay) {
    problems.push("--capture is x11, but DISPLAY is not set; set it, or use --capture synthetic");
  }
  if (problems.length > 0) return { kind: "wrong", problems };
  return { kind: "run", options: { port, capture, json, verbose } };
}

const said = (value: string | undefined) => value === undefined ? "without a value" : `"${value}"`;

function splitFlag(arg: string): [string, string | undefined] {
  const at = arg.indexOf("=");
  return arg.startsWith("--") && at > 0 ? [arg.slice(0, at), arg.slice(at + 1)] : [arg, undefined];
}
