/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { readCommandLine, usage } from "./command_line.ts";
import { nearest } from "@farglass/protocol";
import {
  describeSettings,
  envOf,
  flagOf,
  mergeSettings,
  SETTING_KEYS,
  SETTINGS,
  type SettingSources,
} from "./settings.ts";

const merge = (sources: Partial<SettingSources>) =>
  mergeSettings({ file: {}, env: {}, flags: new Map(), ...sources });
const fromArgs = (...args: string[]) => merge({ flags: readCommandLine(args).flags });

Deno.test("no sources → the defaults", () => {
  const { settings, origins, problems } = merge({});
  assert.deepEqual(problems, []);
  for (const key of SETTING_KEYS) {
    assert.equal(settings[key], SETTINGS[key].default);
    assert.equal(origins[key], "default");
  }
});

Deno.test("flag over environment over file over default", () => {
  const file = { capture: { maxFps: 10 } };
  const env = { FARGLASS_CAPTURE_MAX_FPS: "20" };
  const flags = readCommandLine(["--capture-max-fps", "30"]).flags;
  const rows = [
    [{}, 60, "default"],
    [{ file }, 10, "file"],
    [{ file, env }, 20, "environment"],
    [{ file, env, flags }, 30, "flag"],
  ] as const;
  for (const [sources, value, origin] of rows) {
    const { settings, origins } = merge(sources);
    assert.deepEqual([settings["capture.maxFps"], origins["capture.maxFps"]], [value, origin]);
  }
});

Deno.test("every setting has a flag and an environment variable of its own", () => {
  assert.equal(flagOf("network.iceLoopbackOnly"), "--network-ice-loopback-only");
  assert.equal(envOf("server.secretFile"), "FARGLASS_SERVER_SECRET_FILE");
  assert.equal(new Set(SETTING_KEYS.map(flagOf)).size, SETTING_KEYS.length);
  assert.equal(new Set(SETTING_KEYS.map(envOf)).size, SETTING_KEYS.length);
  for (const key of SETTING_KEYS) assert.ok(usage().includes(flagOf(key)), key);
});

Deno.test("bad values: each is named with what is allowed and what stands there, all at once", () => {
  const { problems } = merge({
    file: {
      agent: { name: 7, id: "x", colour: "red" },
      capture: { source: "X11", maxFps: 0, width: 800.5 },
      polcy: {},
      network: 3,
    },
    env: { FARGLASS_ENCODER_BITRATE_KBPS: "fast", FARGLASS_POLICY_VIEW_ONLY: "yes" },
    flags: readCommandLine(["--server", "ftp://x", "--server-secret", "a b", "--consent=no"]).flags,
  });
  assert.deepEqual(problems.map((p) => `${p.key}: ${p.text}`), [
    "agent.colour: Remove it, or write agent.name: there is no such setting",
    "polcy: Remove it, or write [policy]: there is no such section",
    "network: Write [network] as a section: it is a single value",
    "agent.name: Use at most 64 printable characters: the file says 7",
    'agent.id: Use a UUID: the file says "x"',
    'server.url: Use a URL such as wss://desk.example.com or ws://127.0.0.1:8080: --server says "ftp://x"',
    "server.secret: Use at most 256 printable ASCII characters: --server-secret says something else",
    'capture.source: Use "auto", "x11" or "synthetic": the file says "X11"',
    "capture.maxFps: Use a whole number from 1 to 120: the file says 0",
    "capture.width: Use a whole number from 800 to 1920: the file says 800.5",
    'encoder.bitrateKbps: Use a whole number from 500 to 50000: FARGLASS_ENCODER_BITRATE_KBPS says "fast"',
    'policy.consent: Use "allow", "ask" or "deny": --consent says "no"',
    'policy.viewOnly: Use true or false: FARGLASS_POLICY_VIEW_ONLY says "yes"',
  ]);
});

Deno.test("a misspelt variable of the agent's own sections is a problem; others' are left alone", () => {
  const { problems } = merge({
    env: {
      FARGLASS_POLICY_VIEWONLY: "true",
      FARGLASS_CAPTURE_DISPLAYS: ":1",
      FARGLASS_SERVER_PORT: "8080",
      FARGLASS_CHROMIUM: "/usr/bin/chromium",
    },
  });
  assert.deepEqual(problems.map((p) => `${p.key}: ${p.text}`), [
    "FARGLASS_CAPTURE_DISPLAYS: Unset it, or write FARGLASS_CAPTURE_DISPLAY: there is no such setting",
    "FARGLASS_POLICY_VIEWONLY: Unset it, or write FARGLASS_POLICY_VIEW_ONLY: there is no such setting",
  ]);
});

Deno.test("an unknown key names the nearest known one", () => {
  const rows = [
    ["policy.consnt", "policy.consent"],
    ["server.secretfile", "server.secretFile"],
    ["capture.fps", "capture.maxFps"],
  ] as const;
  for (const [typed, meant] of rows) assert.equal(nearest(typed, SETTING_KEYS), meant);
});

Deno.test("diff only and video only at once → a problem", () => {
  const { problems } = fromArgs("--diff-only", "--video-only");
  assert.deepEqual(problems, [{
    key: "policy.videoOnly",
    text: "Switch on at most one of policy.diffOnly and policy.videoOnly: both are on",
  }]);
});

Deno.test("describeSettings masks the secret", () => {
  const text = describeSettings(fromArgs("--server-secret", "open-sesame-123456"));
  assert.ok(text.includes('server.secret = "***"  # flag'));
  assert.ok(!text.includes("sesame"));
});

Deno.test("command lines", () => {
  const rows: [string[], Record<string, unknown>][] = [
    [[], { verb: "start" }],
    [["--", "--json"], { verb: "start", json: true }],
    [["status", "--state-dir", "/x"], { verb: "status" }],
    [["-h"], { help: true }],
    [["--version"], { version: true }],
    [["config", "--config", "a.toml"], { verb: "config", config: "a.toml" }],
    [["config", "--config=b.toml"], { config: "b.toml" }],
  ];
  for (const [args, expected] of rows) {
    const read = readCommandLine(args);
    assert.deepEqual(read.problems, [], args.join(" "));
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(read[key as keyof typeof read], value, args.join(" "));
    }
  }
});

Deno.test("flags: aliases, switches alone or with a value, equals signs", () => {
  const rows = [
    [["--allow"], "policy.consent", "allow"],
    [["--policy-consent", "deny"], "policy.consent", "deny"],
    [["--view-only"], "policy.viewOnly", true],
    [["--policy-view-only"], "policy.viewOnly", true],
    [["--policy-view-only", "false"], "policy.viewOnly", false],
    [["--network-ice-loopback-only", "--json"], "network.iceLoopbackOnly", true],
    [["--capture=synthetic"], "capture.source", "synthetic"],
    [["--name=A=B"], "agent.name", "A=B"],
  ] as const;
  for (const [args, key, value] of rows) {
    const { settings, problems } = fromArgs(...args);
    assert.deepEqual(problems, []);
    assert.equal(settings[key], value, args.join(" "));
  }
});

Deno.test("bad command lines: every problem with what to do", () => {
  const { problems } = readCommandLine(["start", "stop", "run", "--sever", "x", "--name"]);
  assert.deepEqual(problems.map((p) => `${p.key}: ${p.text}`), [
    'stop: Name one verb only: "start" stands there already',
    "run: Use start, status, stop, audio, config: there is no such verb",
    "--sever: Remove it, or write --server: there is no such flag",
    "x: Use start, status, stop, audio, config: there is no such verb",
    "--name: Give it a value: there is none",
  ]);
});

Deno.test("the verb audio says on or off, and nothing else", () => {
  const read = (...args: string[]) => {
    const { verb, on, problems } = readCommandLine(args);
    return problems.length === 0 ? `${verb} ${on}` : problems.map((p) => p.key).join();
  };
  assert.equal(read("audio", "on"), "audio true");
  assert.equal(read("audio", "off", "--state-dir", "/x"), "audio false");
  assert.equal(read("audio"), "audio");
  assert.equal(read("audio", "loud"), "loud,audio");
  assert.equal(read("audio", "on", "off"), "off");
  assert.equal(read("on"), "on");
});
