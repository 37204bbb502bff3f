/** The agent's command line. Pure. */
import { nearest } from "@farglass/protocol";
import {
  FLAG_ALIASES,
  flagOf,
  SETTING_KEYS,
  type SettingKey,
  type SettingProblem,
  SETTINGS,
} from "./settings.ts";

export const VERBS = ["start", "status", "stop", "audio", "config"] as const;
export type Verb = (typeof VERBS)[number];

export interface CommandLine {
  readonly verb: Verb;
  /** What stands after `audio`: whether the desktop's sound is shared. */
  readonly on: boolean;
  readonly help: boolean;
  readonly version: boolean;
  readonly json: boolean;
  /** The settings file, when one is named. */
  readonly config: string | null;
  readonly flags: ReadonlyMap<SettingKey, { readonly value: string; readonly spelling: string }>;
  readonly problems: readonly SettingProblem[];
}

const PLAIN = ["--help", "--version", "--json"] as const;

const FULL_FLAGS: ReadonlyMap<string, { readonly key: SettingKey; readonly value?: string }> =
  new Map([
    ...SETTING_KEYS.map((key) => [flagOf(key), { key }] as const),
    ...Object.entries(FLAG_ALIASES),
  ]);
const ALL_FLAGS = [...FULL_FLAGS.keys(), ...PLAIN, "--config"];

/** Reads the arguments after the program's name; `--flag value`, `--flag=value`, switches alone. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const problems: SettingProblem[] = [];
  const flags = new Map<SettingKey, { value: string; spelling: string }>();
  const plain = new Set<string>();
  let verb: Verb | null = null;
  let on: boolean | null = null;
  let config: string | null = null;
  // `deno task agent -- --server …` hands the two dashes on.
  const rest = args.filter((arg) => arg !== "--");
  for (let i = 0; i < rest.length; i++) {
    const arg = rest[i] === "-h" ? "--help" : rest[i];
    if (!arg.startsWith("-")) {
      const known = VERBS.find((v) => v === arg);
      if (verb === "audio" && on === null && (arg === "on" || arg === "off")) {
        on = arg === "on";
        continue;
      }
      if (known === undefined) {
        problems.push({ key: arg, text: `Use ${VERBS.join(", ")}: there is no such verb` });
      } else if (verb !== null) {
        problems.push({ key: arg, text: `Name one verb only: "${verb}" stands there already` });
      } else verb = known;
      continue;
    }
    const equals = arg.indexOf("=");
    const spelling = equals < 0 ? arg : arg.slice(0, equals);
    const inline = equals < 0 ? null : arg.slice(equals + 1);
    if (PLAIN.some((p) => p === spelling) && inline === null) {
      plain.add(spelling);
      continue;
    }
    const flag = FULL_FLAGS.get(spelling);
    if (flag === undefined && spelling !== "--config") {
      problems.push({
        key: spelling,
        text: `Remove it, or write ${nearest(spelling, ALL_FLAGS)}: there is no such flag`,
      });
      continue;
    }
    const own = inline ?? flag?.value ?? switchValue(flag?.key, rest[i + 1]);
    const value = own ?? rest[++i];
    if (value === undefined) {
      problems.push({ key: spelling, text: "Give it a value: there is none" });
    } else if (flag === undefined) config = value;
    else flags.set(flag.key, { value, spelling });
  }
  if (verb === "audio" && on === null) {
    problems.push({ key: verb, text: 'Say "audio on" or "audio off": one of them is missing' });
  }
  return {
    verb: verb ?? "start",
    on: on ?? false,
    help: plain.has("--help"),
    version: plain.has("--version"),
    json: plain.has("--json"),
    config,
    flags,
    problems,
  };
}

/** A switch stands alone, unless true or false follows. */
function switchValue(key: SettingKey | undefined, next: string | undefined): string | null {
  if (key === undefined || SETTINGS[key].kind !== "switch") return null;
  return next === "true" || next === "false" ? null : "true";
}

/** What `--help` prints. */
export function usage(): string {
  const short = Object.entries(FLAG_ALIASES).map(([flag, { key, value }]) =>
    `  ${flag.padEnd(16)}${flagOf(key)}${value === undefined ? "" : ` ${value}`}`
  );
  const full = SETTING_KEYS.map((key) =>
    `  ${flagOf(key).padEnd(30)}${SETTINGS[key].about}` +
    (SETTINGS[key].default === "" ? "" : ` (${SETTINGS[key].default})`)
  );
  return `Farglass agent: shares this machine's screen

Usage: deno task agent [start | status | stop | audio on|off | config] [flags]

  start    share the screen (the default)
  status   say whether the agent runs, is connected, and who looks
  stop     end the running agent
  audio    off: nobody hears this desktop, until "on" or the next start; only where audio.enabled
  config   print the settings in force and where each comes from

  --config FILE   settings (default $XDG_CONFIG_HOME/farglass/agent.toml)
  --json          start: first line on stdout is {"agentId","desktopId","pid"}; status: one object
  --help, --version

${short.join("\n")}

Every setting is a flag, an environment variable (--policy-view-only is FARGLASS_POLICY_VIEW_ONLY)
and a key of the file (policy.viewOnly). A flag goes before the environment, the environment
before the file.

${full.join("\n")}`;
}
