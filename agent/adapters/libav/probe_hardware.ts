/**
 * Hardware encoders are tried in a process of their own: a driver may hang or end the process that
 * loads it. The agent starts meanwhile, and hears of each encoder when its probe is over. Nothing
 * is cached: a driver's update would go unseen, and without a device no process is started at all.
 */
import { readdir } from "node:fs/promises";
import * as v from "valibot";
import { ENCODERS, type EncoderSpec, findEncoder } from "./catalogue.ts";
import { probeEncoder, type ProbeResult } from "./probe.ts";

/** The program's hidden verb; the names of encoders follow. */
export const PROBE_VERB = "probe-encoders";

export interface HardwareProbeOptions {
  /** The child's command line; encoder names are appended. */
  readonly command: readonly string[];
  /** An encoder that has not answered by then is refused, and its process ended. */
  readonly timeoutMs?: number;
  /** Try also where no device can be seen. */
  readonly force?: boolean;
}

/** A driver that wakes its GPU may need seconds; the process itself starts in half of one. */
const TIMEOUT_MS = 8_000;

const lineSchema = v.variant("works", [
  v.object({ name: v.string(), works: v.literal(true) }),
  v.object({ name: v.string(), works: v.literal(false), reason: v.string() }),
]);

/** What this program must be called with to run its own probe. */
export const ownProbeCommand = (mainModule: string): readonly string[] =>
  Deno.build.standalone
    ? [Deno.execPath(), PROBE_VERB]
    : [Deno.execPath(), "run", "-A", "--no-check", mainModule, PROBE_VERB];

/** The child's side: one JSON line an encoder, as soon as it is known. */
export async function runProbes(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const spec = findEncoder(name);
    const result: ProbeResult = spec === undefined
      ? { name, works: false, reason: "there is no such encoder" }
      : await probeEncoder(spec);
    console.log(JSON.stringify(result));
  }
}

/** Tries every hardware encoder; each result comes as soon as it is known. */
export async function probeHardware(
  options: HardwareProbeOptions,
  onResult: (result: ProbeResult) => void,
): Promise<void> {
  const refuse = (name: string, reason: string) => onResult({ name, works: false, reason });
  let left: string[] = [];
  for (const spec of ENCODERS.filter(({ caps }) => caps.hardware)) {
    const missing = options.force === true ? null : await missingPart(spec);
    if (missing === null) left.push(spec.caps.name);
    else refuse(spec.caps.name, missing);
  }
  while (left.length > 0) {
    const ended = await runChild(left, options, (result) => {
      left = left.filter((name) => name !== result.name);
      onResult(result);
    });
    // The one that was being tried is to blame; the others get a new process.
    const [guilty, ...rest] = left;
    if (guilty === undefined) break;
    refuse(guilty, ended);
    left = rest;
  }
}

/** Why an encoder cannot work here, without touching its driver; null when it may. */
async function missingPart({ needs }: EncoderSpec): Promise<string | null> {
  if (needs === undefined) return null;
  const { os, device } = needs;
  if (!os.some((one) => one === Deno.build.os)) return `not on ${Deno.build.os}`;
  if (device === undefined || Deno.build.os !== "linux") return null;
  const names = await readdir(device.directory).catch(() => []);
  return names.some((name) => name.startsWith(device.prefix))
    ? null
    : `there is no ${device.directory}/${device.prefix}*`;
}

/** Runs the child until it ends; says how, in case it ended too early. */
async function runChild(
  names: readonly string[],
  { command, timeoutMs = TIMEOUT_MS }: HardwareProbeOptions,
  onResult: (result: ProbeResult) => void,
): Promise<string> {
  const [program, ...args] = command;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args, ...names],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return "its probe could not be started";
  }
  let late = false;
  const end = () => {
    late = true;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has just ended by itself; from a timer, this would end the agent.
    }
  };
  let timer = setTimeout(end, timeoutMs);
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  let text = "";
  for await (const chunk of lines) {
    text += chunk;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
      const result = readLine(text.slice(0, at));
      text = text.slice(at + 1);
      if (result === null || !names.includes(result.name)) continue;
      clearTimeout(timer);
      timer = setTimeout(end, timeoutMs);
      onResult(result);
    }
  }
  const status = await child.status;
  clearTimeout(timer);
  if (late) return `its probe did not answer in ${timeoutMs / 1000} s`;
  return `its probe ended with ${status.signal ?? `code ${status.code}`}`;
}

/** A line that is none of ours is ignored: libraries print, too. */
function readLine(line: string): ProbeResult | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  const parsed = v.safeParse(lineSchema, json);
  if (!parsed.success) return null;
  const { output } = parsed;
  if (!output.works) return output;
  const spec = findEncoder(output.name);
  return spec === undefined ? null : { ...output, caps: spec.caps };
}
