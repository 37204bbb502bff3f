/** The agent's settings as this machine gives them: file, environment and flags together. */
import { join } from "node:path";
import { readTomlFile } from "./adapters/toml_file.ts";
import type { CommandLine } from "./core/command_line.ts";
import { type MergedSettings, mergeSettings, type SettingProblem } from "./core/settings.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The settings in force, with every problem of every source. */
export async function loadSettings(command: CommandLine, env: Env): Promise<MergedSettings> {
  const named = command.config ?? env.FARGLASS_CONFIG ?? null;
  const path = named ?? join(configHome(env), "farglass", "agent.toml");
  const read = await readTomlFile(path);
  const problems: SettingProblem[] = [...command.problems];
  if (!read.ok) problems.push({ key: path, text: read.error });
  else if (read.value === undefined && named !== null) {
    problems.push({ key: path, text: "Name a settings file that exists: there is none" });
  }
  const file = read.ok ? read.value : undefined;
  const merged = mergeSettings({ file, env, flags: command.flags });
  return { ...merged, problems: [...problems, ...merged.problems] };
}

const home = (env: Env): string => env.HOME ?? env.USERPROFILE ?? ".";
const configHome = (env: Env): string => env.XDG_CONFIG_HOME || join(home(env), ".config");

/** Where the agent keeps its ids (XDG Base Directory specification). */
export function stateDirOf({ settings }: MergedSettings, env: Env): string {
  return settings["agent.stateDir"] ||
    join(env.XDG_STATE_HOME || join(home(env), ".local", "state"), "farglass");
}

const MIN_SECRET_LENGTH = 16;

/** The agent's secret, or what is wrong with it. */
export async function readSecret(
  { settings }: MergedSettings,
): Promise<{ readonly secret: string } | { readonly problem: SettingProblem }> {
  const own = settings["server.secret"];
  if (own !== "") return { secret: own };
  const path = settings["server.secretFile"];
  const problem = (text: string) => ({ problem: { key: "server.secretFile", text } });
  if (path === "") {
    return problem(
      "Name the file with the agent's secret (the server writes agent.secret into its data " +
        "directory): it is empty",
    );
  }
  let secret: string;
  try {
    secret = (await Deno.readTextFile(path)).trim();
  } catch {
    return problem(`Name a file that exists and can be read: it is "${path}"`);
  }
  return secret.length >= MIN_SECRET_LENGTH
    ? { secret }
    : problem(`Name a file that holds the agent's secret: "${path}" holds less`);
}
