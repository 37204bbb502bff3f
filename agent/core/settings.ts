/**
 * The agent's settings: one table of keys with their defaults and rules, and the merge of flags,
 * environment and file. Every problem is named at once, with key, value and what is allowed. Pure.
 */
import { nearest, VIDEO_PRESETS } from "@farglass/protocol";
import { PEER_LIBRARIES } from "./peer_choice.ts";

interface TextSpec {
  readonly kind: "text";
  readonly default: string;
  readonly about: string;
  readonly rule: string;
  readonly pattern: RegExp;
  /** Never printed. */
  readonly secret?: true;
}
interface NumberSpec {
  readonly kind: "number";
  readonly default: number;
  readonly about: string;
  readonly min: number;
  readonly max: number;
}
interface SwitchSpec {
  readonly kind: "switch";
  readonly default: boolean;
  readonly about: string;
}
interface ChoiceSpec<T extends string> {
  readonly kind: "choice";
  readonly default: T;
  readonly about: string;
  readonly choices: readonly T[];
}

const text = (about: string, rule: string, pattern: RegExp, value = ""): TextSpec => ({
  kind: "text",
  default: value,
  about,
  rule,
  pattern,
});
const number = (about: string, value: number, min: number, max: number): NumberSpec => ({
  kind: "number",
  default: value,
  about,
  min,
  max,
});
const toggle = (about: string): SwitchSpec => ({ kind: "switch", default: false, about });
const choice = <T extends string>(
  about: string,
  choices: readonly T[],
  value: NoInfer<T>,
): ChoiceSpec<T> => ({
  kind: "choice",
  default: value,
  about,
  choices,
});

const PATH = /^[^\0]{0,1024}$/;
const UUID = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})?$/i;
const SERVER_URL = /^(?:ws|http)s?:\/\/(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:\/[\w./-]*)?$/i;

/** The encoders that can be preferred; a test holds them equal to the adapter's. */
export const ENCODER_NAMES = [
  "av1_nvenc",
  "av1_qsv",
  "av1_vaapi",
  "av1_amf",
  "hevc_nvenc",
  "hevc_qsv",
  "hevc_vaapi",
  "hevc_amf",
  "hevc_videotoolbox",
  "hevc_mf",
  "hevc_v4l2m2m",
  "h264_nvenc",
  "h264_qsv",
  "h264_vaapi",
  "h264_amf",
  "h264_videotoolbox",
  "h264_mf",
  "h264_v4l2m2m",
  "libx264",
  "libvpx",
  "libsvtav1",
  "libx265",
] as const;

/** Every setting, in the order of the sample file. */
export const SETTINGS = {
  "agent.name": text(
    "How the desktop is called; empty: this machine's name",
    "at most 64 printable characters",
    /^[^\p{C}]{0,64}$/u,
  ),
  "agent.id": text("This agent's id; empty: made once and kept in stateDir", "a UUID", UUID),
  "agent.desktopId": text("The desktop's id; empty: made once and kept", "a UUID", UUID),
  "agent.stateDir": text(
    "Where ids are kept; empty: $XDG_STATE_HOME/farglass or ~/.local/state/farglass",
    "a path of at most 1024 characters",
    PATH,
  ),
  "agent.logFormat": choice(
    "Log lines on stderr; auto: plain on a terminal, else json",
    ["auto", "plain", "json"],
    "auto",
  ),
  "server.url": text(
    "Address of the server",
    "a URL such as wss://desk.example.com or ws://127.0.0.1:8080",
    SERVER_URL,
    "ws://127.0.0.1:8080",
  ),
  "server.secret": {
    ...text(
      "The agent's secret itself; other users can see flags, so rather use secretFile",
      "at most 256 printable ASCII characters",
      /^[\x21-\x7e]{0,256}$/,
    ),
    secret: true,
  },
  "server.secretFile": text(
    "File with the agent's secret; the server writes agent.secret into its data directory",
    "a path of at most 1024 characters",
    PATH,
  ),
  "capture.source": choice(
    "What is shared; auto: x11 when DISPLAY is set, else synthetic",
    ["auto", "x11", "synthetic"],
    "auto",
  ),
  "capture.display": text(
    "X11 display such as :0; empty: DISPLAY",
    "an X11 display such as :0",
    /^(?:[\w.-]{0,128}:\d{1,5}(?:\.\d{1,3})?)?$/,
  ),
  "capture.maxFps": number("At most so many pictures a second are read", 60, 1, 120),
  "capture.width": number("Width of the synthetic desktop in pixels", 1280, 800, 1920),
  "capture.height": number("Height of the synthetic desktop in pixels", 720, 600, 1080),
  "capture.syntheticDisplays": number("Displays of the synthetic desktop, side by side", 1, 1, 2),
  "displays.shared": text(
    'Which displays operators may see: "all", "primary", or their names with commas between them',
    '"all", "primary", or names such as "DP-1, HDMI-1"',
    /^[^\p{C}]{1,512}$/u,
    "all",
  ),
  "encoder.bitrateKbps": number("Video takes at most so much", 12_000, 500, 50_000),
  "encoder.maxFps": number("At most so many pictures a second are encoded", 60, 1, 60),
  "encoder.preset": choice(
    "What the video is made for, until an operator chooses otherwise",
    VIDEO_PRESETS,
    "balanced",
  ),
  "encoder.preferred": choice(
    "Video encoder that is tried first; auto: hardware before software",
    ["auto", ...ENCODER_NAMES],
    "auto",
  ),
  "encoder.hybrid": choice(
    "Video only where the screen moves, patches elsewhere; off: one or the other",
    ["on", "off"],
    "on",
  ),
  "audio.enabled": toggle("Operators may hear what this desktop plays, never its microphone"),
  "audio.bitrateKbps": number("Sound takes so much while somebody listens", 96, 32, 256),
  "network.iceLoopbackOnly": toggle(
    "WebRTC over 127.0.0.1 only (tests, everything on one machine)",
  ),
  "network.relayOnly": toggle("WebRTC through TURN only, so that no own address is told"),
  "network.peerLibrary": choice(
    "What carries WebRTC; auto: libdatachannel, and werift for what that cannot do",
    ["auto", ...PEER_LIBRARIES],
    "auto",
  ),
  "policy.consent": choice(
    "Whether operators may see the screen; ask: on this agent's terminal",
    ["allow", "ask", "deny"],
    "ask",
  ),
  "policy.maxBitrateKbps": number(
    "No operator's video takes more, whatever encoder.bitrateKbps says",
    50_000,
    100,
    50_000,
  ),
  "policy.viewOnly": toggle("Operators see, but cannot control"),
  "policy.diffOnly": toggle("Exact patches only, no video"),
  "policy.videoOnly": toggle("Video only, no patches"),
} as const;

export type SettingKey = keyof typeof SETTINGS;
type Spec = TextSpec | NumberSpec | SwitchSpec | ChoiceSpec<string>;
type ValueOf<S> = S extends ChoiceSpec<infer T> ? T
  : S extends NumberSpec ? number
  : S extends SwitchSpec ? boolean
  : string;
export type Settings = { readonly [K in SettingKey]: ValueOf<(typeof SETTINGS)[K]> };
export type Origin = "default" | "file" | "environment" | "flag";

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** `policy.viewOnly` → `--policy-view-only`. */
export const flagOf = (key: SettingKey): string => `--${words(key).join("-")}`;
/** `policy.viewOnly` → `FARGLASS_POLICY_VIEW_ONLY`. */
export const envOf = (key: SettingKey): string => `FARGLASS_${words(key).join("_").toUpperCase()}`;

const words = (key: string): string[] =>
  key.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split(".");

/** Short flags; one with a value stands for a switch. */
export const FLAG_ALIASES: Readonly<
  Record<string, { readonly key: SettingKey; readonly value?: string }>
> = {
  "--name": { key: "agent.name" },
  "--state-dir": { key: "agent.stateDir" },
  "--server": { key: "server.url" },
  "--secret-file": { key: "server.secretFile" },
  "--capture": { key: "capture.source" },
  "--display": { key: "capture.display" },
  "--audio": { key: "audio.enabled", value: "true" },
  "--bitrate": { key: "encoder.bitrateKbps" },
  "--consent": { key: "policy.consent" },
  "--allow": { key: "policy.consent", value: "allow" },
  "--view-only": { key: "policy.viewOnly", value: "true" },
  "--diff-only": { key: "policy.diffOnly", value: "true" },
  "--video-only": { key: "policy.videoOnly", value: "true" },
};

/** One problem with the settings: what to do, and what stands there. */
export interface SettingProblem {
  readonly key: string;
  readonly text: string;
}

export interface SettingSources {
  /** The parsed TOML file; an empty object when there is none. */
  readonly file: unknown;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values of flags by setting, and the flag's own spelling. */
  readonly flags: ReadonlyMap<SettingKey, { readonly value: string; readonly spelling: string }>;
}

export interface MergedSettings {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
  readonly problems: readonly SettingProblem[];
}

type Value = string | number | boolean;

/** Merges all sources; a value with a problem leaves the one below it in force. */
export function mergeSettings(sources: SettingSources): MergedSettings {
  const problems: SettingProblem[] = [];
  const settings: Record<string, Value> = {};
  const origins: Record<string, Origin> = {};
  const file = flatten(sources.file, problems);
  checkNames(sources.env, problems);
  for (const key of SETTING_KEYS) {
    const spec: Spec = SETTINGS[key];
    settings[key] = spec.default;
    origins[key] = "default";
    const take = (raw: unknown, origin: Origin, place: string, fromText: boolean) => {
      const value = readValue(spec, raw, fromText);
      if (value === null) {
        problems.push({ key, text: `${allowed(spec)}: ${place} says ${shown(spec, raw)}` });
        return;
      }
      settings[key] = value;
      origins[key] = origin;
    };
    if (file.has(key)) take(file.get(key), "file", "the file", false);
    const env = sources.env[envOf(key)];
    if (env !== undefined) take(env, "environment", envOf(key), true);
    const flag = sources.flags.get(key);
    if (flag !== undefined) take(flag.value, "flag", flag.spelling, true);
  }
  if (settings["policy.diffOnly"] === true && settings["policy.videoOnly"] === true) {
    problems.push({
      key: "policy.videoOnly",
      text: "Switch on at most one of policy.diffOnly and policy.videoOnly: both are on",
    });
  }
  return {
    settings: settings as unknown as Settings,
    origins: origins as Record<SettingKey, Origin>,
    problems,
  };
}

/** The sentence that says what a setting may be. */
export function allowed(spec: Spec): string {
  switch (spec.kind) {
    case "text":
      return `Use ${spec.rule}`;
    case "number":
      return `Use a whole number from ${spec.min} to ${spec.max}`;
    case "switch":
      return "Use true or false";
    case "choice":
      return `Use ${listed(spec.choices)}`;
  }
}

const listed = (choices: readonly string[]): string =>
  `${choices.slice(0, -1).map((c) => `"${c}"`).join(", ")} or "${choices.at(-1)}"`;

const MAX_SHOWN = 80;
const shown = (spec: Spec, raw: unknown): string =>
  spec.kind === "text" && spec.secret === true
    ? "something else"
    : (JSON.stringify(raw) ?? "nothing").slice(0, MAX_SHOWN);

function readValue(spec: Spec, raw: unknown, fromText: boolean): Value | null {
  switch (spec.kind) {
    case "text":
      return typeof raw === "string" && spec.pattern.test(raw) ? raw : null;
    case "number": {
      const value = fromText && typeof raw === "string" && /^\d{1,9}$/.test(raw)
        ? Number(raw)
        : raw;
      return typeof value === "number" && Number.isInteger(value) && value >= spec.min &&
          value <= spec.max
        ? value
        : null;
    }
    case "switch":
      if (fromText) return raw === "true" ? true : raw === "false" ? false : null;
      return typeof raw === "boolean" ? raw : null;
    case "choice":
      return typeof raw === "string" && spec.choices.includes(raw) ? raw : null;
  }
}

/** Values of the file by setting; whatever is not a setting is a problem. */
function flatten(file: unknown, problems: SettingProblem[]): Map<SettingKey, unknown> {
  const found = new Map<SettingKey, unknown>();
  const sections = new Set(SETTING_KEYS.map((key) => key.split(".")[0]));
  for (const [section, content] of Object.entries(file ?? {})) {
    if (!sections.has(section)) {
      problems.push({
        key: section,
        text: `Remove it, or write [${nearest(section, [...sections])}]: there is no such section`,
      });
      continue;
    }
    if (typeof content !== "object" || content === null || Array.isArray(content)) {
      problems.push({
        key: section,
        text: `Write [${section}] as a section: it is a single value`,
      });
      continue;
    }
    for (const [name, value] of Object.entries(content)) {
      const key = `${section}.${name}`;
      if (isSettingKey(key)) found.set(key, value);
      else {
        const close = nearest(key, SETTING_KEYS);
        problems.push({ key, text: `Remove it, or write ${close}: there is no such setting` });
      }
    }
  }
  return found;
}

/** Sections whose variables are the agent's alone; the server has settings below FARGLASS_SERVER_. */
const OWN_VARIABLE = /^FARGLASS_(?:CAPTURE|ENCODER|NETWORK|POLICY)_/;

/** A misspelt variable, such as a policy that would not hold, is a problem and not ignored. */
function checkNames(env: SettingSources["env"], problems: SettingProblem[]): void {
  const known = SETTING_KEYS.map(envOf);
  for (const name of Object.keys(env).filter((key) => OWN_VARIABLE.test(key)).toSorted()) {
    if (known.includes(name)) continue;
    const close = nearest(name, known);
    problems.push({ key: name, text: `Unset it, or write ${close}: there is no such setting` });
  }
}

const isSettingKey = (key: string): key is SettingKey => Object.hasOwn(SETTINGS, key);

/** All settings with their origin, one a line, secrets masked. */
export function describeSettings({ settings, origins }: MergedSettings): string {
  return SETTING_KEYS.map((key) => {
    const spec: Spec = SETTINGS[key];
    const value = settings[key];
    const masked = spec.kind === "text" && spec.secret === true && value !== "";
    return `${key} = ${masked ? '"***"' : JSON.stringify(value)}  # ${origins[key]}`;
  }).join("\n");
}
