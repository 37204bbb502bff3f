/**
 * The server's settings: flags over environment over file over defaults, checked as one, with
 * every problem named at once.
 */
import * as v from "valibot";
import { distance, nearest } from "@farglass/protocol";
import { DEFAULT_SETTINGS, type Settings, settingsSchema, sinkKeys } from "./settings_schema.ts";

/** One problem with the settings, in one line. */
export interface Problem {
  /** Such as `limits.connections`, `--port` or `FARGLASS_SERVER_PORT`. */
  readonly key: string;
  readonly text: string;
}

export interface Sources {
  /** Text of the settings file, or null when there is none. */
  readonly file: { readonly path: string; readonly text: string } | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values of flags, by setting: `port`, `host`, `dataDir`. */
  readonly flags: Readonly<Partial<Record<string, string>>>;
}

export type Loaded =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly Problem[] };

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Dotted names of all single values; lists of objects can only stand in the file. */
export const SETTING_KEYS: readonly string[] = leaves(DEFAULT_SETTINGS, "");

function leaves(object: object, prefix: string): string[] {
  return Object.entries(object).flatMap(([key, value]) =>
    isObject(value) ? leaves(value, `${prefix}${key}.`) : [`${prefix}${key}`]
  );
}

/** `limits.sessionsPerDesktop` → `FARGLASS_SERVER_LIMITS_SESSIONS_PER_DESKTOP`. */
export const envNameOf = (key: string): string =>
  `FARGLASS_SERVER_${key.replaceAll(".", "_").replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase()}`;

const SERVER_VARIABLE = "FARGLASS_SERVER_";
/** Below the same prefix, but not settings of the server: its file, and the agent's `[server]`. */
export const OTHER_VARIABLES = [
  "FARGLASS_SERVER_CONFIG",
  "FARGLASS_SERVER_URL",
  "FARGLASS_SERVER_SECRET",
  "FARGLASS_SERVER_SECRET_FILE",
] as const;

/** Variables that look like settings and are none. */
function unknownVariables(env: Sources["env"]): Problem[] {
  const settings = SETTING_KEYS.map(envNameOf);
  const known = new Set<string>([...settings, ...OTHER_VARIABLES]);
  const strange = Object.keys(env).filter((name) =>
    name.startsWith(SERVER_VARIABLE) && env[name] !== undefined && !known.has(name)
  );
  return strange.toSorted().map((key) => ({
    key,
    text: `is not a known setting; did you mean ${nearest(key, [...known])}?`,
  }));
}

const valueAt = (object: unknown, key: string): unknown =>
  key.split(".").reduce<unknown>((at, part) => isObject(at) ? at[part] : undefined, object);

/** Reads all sources; every problem of every source is reported. */
export function loadSettings(sources: Sources): Loaded {
  const problems: Problem[] = [];
  const merged = readFile(sources, problems);
  problems.push(...unknownVariables(sources.env));
  /** Where a value came from, for the message. */
  const origins = new Map<string, string>();
  for (const key of SETTING_KEYS) {
    const name = envNameOf(key);
    const value = sources.env[name];
    if (value !== undefined) put(merged, key, value, name);
  }
  for (const [key, value] of Object.entries(sources.flags)) {
    if (value !== undefined) put(merged, key, value, flagNameOf(key));
  }
  const parsed = v.safeParse(settingsSchema, merged);
  if (!parsed.success) problems.push(...parsed.issues.map((issue) => describe(issue, origins)));
  if (problems.length > 0) return { ok: false, problems };
  if (!parsed.success) throw new Error("Settings failed without a problem");
  return { ok: true, settings: parsed.output };

  function put(object: Json, key: string, value: string, origin: string): void {
    const [head, ...rest] = key.split(".");
    origins.set(key, origin);
    if (rest.length === 0) {
      object[head] = fromText(key, value);
      return;
    }
    const inner = isObject(object[head]) ? object[head] : {};
    object[head] = inner;
    inner[rest.join(".")] = fromText(key, value);
  }
}

export const flagNameOf = (key: string): string =>
  `--${key.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase()}`;

function readFile(sources: Sources, problems: Problem[]): Json {
  if (sources.file === null) return {};
  const { path, text } = sources.file;
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json;
    problems.push({ key: path, text: "must hold one JSON object" });
  } catch (error) {
    // The parser's words name the place in the file.
    problems.push({ key: path, text: `is not JSON: ${(error as Error).message}` });
  }
  return {};
}

/** A flag's or variable's text as the type its setting has. */
function fromText(key: string, text: string): unknown {
  const sample = valueAt(DEFAULT_SETTINGS, key);
  if (typeof sample === "number" && /^-?\d+(?:\.\d+)?$/.test(text)) return Number(text);
  if (typeof sample === "boolean" && (text === "true" || text === "false")) return text === "true";
  if (Array.isArray(sample)) return text === "" ? [] : text.split(",").map((t) => t.trim());
  return text;
}

function describe(issue: v.BaseIssue<unknown>, origins: ReadonlyMap<string, string>): Problem {
  const path = (issue.path ?? []).map((p) => String(p.key));
  const key = path.join(".");
  if (issue.type === "strict_object" && issue.expected === "never") return unknownKey(path);
  const name = origins.get(key) ?? (key === "" ? "settings" : key);
  // A URL of Redis or of a receiver may carry a password.
  const secret = /secret|^redis|^telemetry\.sinks\.\d+\.url$/i.test(key);
  const value = secret ? "" : `: ${shorten(issue.input)}`;
  return { key: name, text: `must be ${issue.message}${value}` };
}

const shorten = (value: unknown): string => {
  // A server entry holds a secret; its keys say enough.
  const shown = isObject(value) ? `{ ${Object.keys(value).join(", ")} }` : JSON.stringify(value);
  return shown.length > 120 ? `${shown.slice(0, 120)}…` : shown;
};

function unknownKey(path: readonly string[]): Problem {
  const key = path.join(".");
  const last = path[path.length - 1];
  const siblings = knownKeys(path.slice(0, -1));
  const closest = nearest(last, siblings);
  const elsewhere = SETTING_KEYS.find((k) => k.split(".").at(-1) === last);
  const near = distance(last, closest) <= Math.max(2, Math.floor(last.length / 2));
  const hint = near
    ? `did you mean "${[...path.slice(0, -1), closest].join(".")}"?`
    : elsewhere !== undefined
    ? `did you mean "${elsewhere}"?`
    : `nearest known key is "${[...path.slice(0, -1), closest].join(".")}"`;
  return { key, text: `is not a known setting; ${hint}` };
}

function knownKeys(path: readonly string[]): string[] {
  if (path[0] === "webrtc" && path[1] === "servers") {
    return ["urls", "credentialSecret", "credentialType"];
  }
  // The issue does not tell the sink's type.
  if (path[0] === "telemetry" && path[1] === "sinks") return [...sinkKeys("")];
  const parent = path.length === 0 ? DEFAULT_SETTINGS : valueAt(DEFAULT_SETTINGS, path.join("."));
  return Object.keys(isObject(parent) ? parent : DEFAULT_SETTINGS);
}
