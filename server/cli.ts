/** The server's command line. */
import { nearest } from "@farglass/protocol";
import type { Problem } from "./config.ts";

export const USAGE = `Farglass server: signalling, console and diff relay

Usage: deno task server [flags]

  --config FILE      settings (default server/config.json, see server/config.sample.json)
  --host ADDRESS     address to listen on (default 127.0.0.1)
  --port N           port to listen on (default 8080; 0 picks a free one)
  --data-dir DIR     where the agent secret and the cookie key are kept
  --json             print one JSON object when ready; each line on stdin prints a fresh link
  --help, --version

Every setting is also an environment variable, such as FARGLASS_SERVER_PORT or
FARGLASS_SERVER_WEBRTC_RELAY_HINT. A flag goes before the environment, the environment before
the file.`;

export interface ServerFlags {
  readonly help: boolean;
  readonly version: boolean;
  readonly json: boolean;
  readonly config: string | undefined;
  /** By setting. */
  readonly settings: Readonly<Partial<Record<"host" | "port" | "dataDir", string>>>;
}

const SWITCHES = ["help", "version", "json"] as const;
const VALUES = { config: "config", host: "host", port: "port", "data-dir": "dataDir" } as const;

/** Reads the command line; every problem is reported. */
export function parseFlags(
  args: readonly string[],
):
  | { readonly ok: true; readonly flags: ServerFlags }
  | { readonly ok: false; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const on = new Set<string>();
  const values = new Map<string, string>();
  const rest = args.filter((a) => a !== "--");
  for (let i = 0; i < rest.length; i++) {
    const match = /^--([\w-]+)(?:=(.*))?$/s.exec(rest[i] === "-h" ? "--help" : rest[i]);
    if (match === null) {
      problems.push({ key: rest[i], text: "is not a flag; try --help" });
      continue;
    }
    const [, name, inline] = match;
    if (SWITCHES.some((s) => s === name) && inline === undefined) on.add(name);
    else if (Object.hasOwn(VALUES, name)) {
      const value = inline ?? rest[++i];
      if (value === undefined) problems.push({ key: `--${name}`, text: "needs a value" });
      else values.set(VALUES[name as keyof typeof VALUES], value);
    } else problems.push({ key: `--${name}`, text: unknownFlag(name) });
  }
  if (problems.length > 0) return { ok: false, problems };
  const settings = Object.fromEntries([...values].filter(([key]) => key !== "config"));
  return {
    ok: true,
    flags: {
      help: on.has("help"),
      version: on.has("version"),
      json: on.has("json"),
      config: values.get("config"),
      settings,
    },
  };
}

function unknownFlag(name: string): string {
  const known = [...SWITCHES, ...Object.keys(VALUES)];
  return `is not a known flag; did you mean --${nearest(name, known)}?`;
}
