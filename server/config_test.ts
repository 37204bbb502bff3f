import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { parseFlags } from "./cli.ts";
import { envNameOf, loadSettings, SETTING_KEYS, type Sources } from "./config.ts";
import { DEFAULT_SETTINGS } from "./settings_schema.ts";

const load = (file: unknown, more: Partial<Sources> = {}) =>
  loadSettings({
    file: file === null ? null : {
      path: "config.json",
      text: typeof file === "string" ? file : JSON.stringify(file),
    },
    env: {},
    flags: {},
    ...more,
  });

/** Every problem as one line. */
function problems(file: unknown, more: Partial<Sources> = {}): string[] {
  const loaded = load(file, more);
  return loaded.ok ? [] : loaded.problems.map((p) => `${p.key} ${p.text}`);
}

Deno.test("config.sample.json is the defaults", async () => {
  const text = await readFile(new URL("config.sample.json", import.meta.url), "utf8");
  assert.deepEqual(JSON.parse(text), DEFAULT_SETTINGS);
  assert.deepEqual(load(text), { ok: true, settings: DEFAULT_SETTINGS });
  assert.deepEqual(load(null), { ok: true, settings: DEFAULT_SETTINGS });
});

Deno.test("settings: flag over environment over file over default", () => {
  const env = { FARGLASS_SERVER_PORT: "9001", FARGLASS_SERVER_WEBRTC_RELAY_HINT: "eu" };
  const loaded = load({ port: 9000, host: "localhost", webrtc: { enabled: false } }, {
    env,
    flags: { port: "9002" },
  });
  assert.ok(loaded.ok);
  const { port, host, webrtc } = loaded.settings;
  assert.deepEqual([port, host, webrtc.relayHint, webrtc.enabled], [
    9002,
    "localhost",
    "eu",
    false,
  ]);
  const lists = load(null, {
    env: {
      FARGLASS_SERVER_ALLOWED_ORIGINS: "https://a.example, https://b.example",
      FARGLASS_SERVER_WEBRTC_ENABLED: "false",
    },
  });
  assert.ok(lists.ok);
  assert.deepEqual(lists.settings.allowedOrigins, ["https://a.example", "https://b.example"]);
  assert.equal(lists.settings.webrtc.enabled, false);
});

Deno.test("settings: the design's webrtc block", () => {
  const webrtc = {
    enabled: true,
    credentialTTL: "10m",
    relayHint: "turn",
    servers: [{
      urls: ["turns:turn1.example.com:5349?transport=tcp", "turn:turn1.example.com:3478"],
      credentialSecret: "coturn-static-secret",
      credentialType: "password",
    }],
  };
  const loaded = load({ webrtc });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.settings.webrtc.servers, webrtc.servers);
});

const LONG = "0123456789abcdef";

Deno.test("settings: sinks with their defaults", () => {
  const loaded = load({
    telemetry: {
      format: "ocsf",
      sinks: [
        { type: "stdout" },
        { type: "file" },
        { type: "webhook", url: "https://siem.example/events", secret: LONG },
        { type: "syslog", host: "siem.example" },
        { type: "redis", url: "rediss://redis.example:6380/1" },
      ],
    },
  });
  assert.ok(loaded.ok);
  const spoolBytes = 64 * 1024 * 1024;
  assert.deepEqual(loaded.settings.telemetry.sinks, [
    { type: "stdout" },
    { type: "file", path: "events.jsonl", maxBytes: 16 * 1024 * 1024, maxFiles: 5 },
    { type: "webhook", url: "https://siem.example/events", secret: LONG, spoolBytes },
    { type: "syslog", host: "siem.example", port: 6514, tls: true, caFile: "", spoolBytes },
    {
      type: "redis",
      url: "rediss://redis.example:6380/1",
      stream: "farglass:events",
      maxLength: 100_000,
      spoolBytes,
    },
  ]);
});

Deno.test("settings: every bad value is named with its key, itself and what is allowed", () => {
  const rows: readonly (readonly [unknown, string])[] = [
    [{ port: 70000 }, "port must be a whole number from 0 to 65535: 70000"],
    [{ port: "80" }, 'port must be a whole number from 0 to 65535: "80"'],
    [{ host: "" }, 'host must be an address or host name: ""'],
    [{ prot: 1 }, 'prot is not a known setting; did you mean "port"?'],
    [
      { limits: { conections: 1 } },
      'limits.conections is not a known setting; did you mean "limits.connections"?',
    ],
    [{ relayHint: "x" }, 'relayHint is not a known setting; did you mean "webrtc.relayHint"?'],
    [{ zzzzzzzzzzzz: 1 }, 'zzzzzzzzzzzz is not a known setting; nearest known key is "host"'],
    [{ limits: 5 }, "limits must be an object: 5"],
    [{ publicUrl: "desk" }, 'publicUrl must be an origin such as https://desk.example.com: "desk"'],
    [
      { trustedProxies: ["10.0.0.0/33"] },
      "trustedProxies.0 must be an address or range such as 192.0.2.7 or 2001:db8::/32: " +
      '"10.0.0.0/33"',
    ],
    [
      { allowedOrigins: ["https://a.example/x"] },
      'allowedOrigins.0 must be an origin such as https://desk.example.com: "https://a.example/x"',
    ],
    [
      { webrtc: { credentialTTL: "30s" } },
      'webrtc.credentialTTL must be a duration from 60s to 24h, such as "10m": "30s"',
    ],
    [
      { webrtc: { credentialTTL: "2d" } },
      'webrtc.credentialTTL must be a duration from 60s to 24h, such as "10m": "2d"',
    ],
    [
      { webrtc: { iceTransportPolicy: "none" } },
      'webrtc.iceTransportPolicy must be "all" or "relay": "none"',
    ],
    [{ webrtc: { enabled: "yes" } }, 'webrtc.enabled must be true or false: "yes"'],
    [
      { webrtc: { servers: [{ urls: ["http://x"], credentialSecret: "s" }] } },
      'webrtc.servers.0.urls.0 must be a stun:, turn: or turns: URL such as turn:turn.example.com:3478?transport=udp: "http://x"',
    ],
    [
      { webrtc: { servers: [{ urls: [], credentialSecret: "s" }] } },
      "webrtc.servers.0.urls must be at least one URL: []",
    ],
    [
      { webrtc: { servers: [{ urls: ["turn:a"] }] } },
      "webrtc.servers.0 must be given a credentialSecret, which turn: and turns: URLs need: { urls, credentialSecret, credentialType }",
    ],
    [
      { webrtc: { servers: [{ urls: ["turn:a"], credentialSecret: 5 }] } },
      "webrtc.servers.0.credentialSecret must be a text",
    ],
    [
      { webrtc: { servers: [{ urls: ["turn:a"], credentialSecret: "s", url: "x" }] } },
      'webrtc.servers.0.url is not a known setting; did you mean "webrtc.servers.0.urls"?',
    ],
    [
      { log: { level: "loud" } },
      'log.level must be "debug" or "info" or "warn" or "error": "loud"',
    ],
    [
      { telemetry: { format: "cef" } },
      'telemetry.format must be "native" or "ecs" or "ocsf": "cef"',
    ],
    [
      { telemetry: { sinks: [{ type: "kafka" }] } },
      'telemetry.sinks.0.type must be an object with a type: stdout, file, webhook, syslog, redis: "kafka"',
    ],
    [
      { telemetry: { sinks: [{ type: "webhook", url: "http://siem.example/x", secret: LONG }] } },
      "telemetry.sinks.0.url must be an https: URL, or an http: URL of this machine",
    ],
    [
      {
        telemetry: { sinks: [{ type: "webhook", url: "https://siem.example/", secret: "short" }] },
      },
      "telemetry.sinks.0.secret must be a text of at least 16 characters",
    ],
    [
      { telemetry: { sinks: [{ type: "redis", url: "http://:pass@h" }] } },
      "telemetry.sinks.0.url must be a redis: or rediss: URL",
    ],
    [
      { telemetry: { sinks: [{ type: "file", maxByte: 5 }] } },
      'telemetry.sinks.0.maxByte is not a known setting; did you mean "telemetry.sinks.0.maxBytes"?',
    ],
    ["[]", "config.json must hold one JSON object"],
  ];
  for (const [file, line] of rows) assert.deepEqual(problems(file), [line]);
  assert.match(problems("{")[0], /^config\.json is not JSON: /);
});

Deno.test("settings: all problems at once, each under the name it was given by", () => {
  const lines = problems({ port: -1, hots: "x", log: { level: 3 } }, {
    env: { FARGLASS_SERVER_LIMITS_CONNECTIONS: "many" },
    flags: { host: "" },
  });
  assert.deepEqual(
    lines.toSorted(),
    [
      '--host must be an address or host name: ""',
      'FARGLASS_SERVER_LIMITS_CONNECTIONS must be a whole number from 1 to 15000: "many"',
      'hots is not a known setting; did you mean "host"?',
      'log.level must be "debug" or "info" or "warn" or "error": 3',
      "port must be a whole number from 0 to 65535: -1",
    ].toSorted(),
  );
});

Deno.test("settings: an unknown variable is refused with the nearest known name", () => {
  const lines = problems(null, {
    env: {
      FARGLASS_SERVER_PROT: "1",
      FARGLASS_SERVER_LIMITS_SESSION_PER_DESKTOP: "1",
      FARGLASS_SERVER_CONFIG: "server.json",
      FARGLASS_SERVER_UNSET: undefined,
      FARGLASS_CAPTURE_SOURCE: "x11",
    },
  });
  assert.deepEqual(lines, [
    "FARGLASS_SERVER_LIMITS_SESSION_PER_DESKTOP is not a known setting; did you mean FARGLASS_SERVER_LIMITS_SESSIONS_PER_DESKTOP?",
    "FARGLASS_SERVER_PROT is not a known setting; did you mean FARGLASS_SERVER_PORT?",
  ]);
});

Deno.test("envNameOf: one name for each setting", () => {
  assert.equal(
    envNameOf("limits.sessionsPerDesktop"),
    "FARGLASS_SERVER_LIMITS_SESSIONS_PER_DESKTOP",
  );
  assert.equal(envNameOf("webrtc.credentialTTL"), "FARGLASS_SERVER_WEBRTC_CREDENTIAL_TTL");
  assert.equal(new Set(SETTING_KEYS.map(envNameOf)).size, SETTING_KEYS.length);
});

Deno.test("parseFlags", () => {
  const good = parseFlags(["--", "--port", "0", "--data-dir=/x", "--json", "--config", "c.json"]);
  assert.ok(good.ok);
  assert.deepEqual(good.flags, {
    help: false,
    version: false,
    json: true,
    config: "c.json",
    settings: { port: "0", dataDir: "/x" },
  });
  const bad = parseFlags(["--prot", "1", "stray", "--host"]);
  assert.ok(!bad.ok);
  assert.deepEqual(bad.problems.map((p) => `${p.key} ${p.text}`), [
    "--prot is not a known flag; did you mean --port?",
    "1 is not a flag; try --help",
    "stray is not a flag; try --help",
    "--host needs a value",
  ]);
});

Deno.test("settings: Redis by URL or environment, and what no URL or host is", () => {
  const url = "rediss://acl-user:secret@redis.example.com:6380/2";
  const loaded = load(null, { env: { FARGLASS_SERVER_REDIS_URL: url } });
  assert.equal(loaded.ok && loaded.settings.redis.url, url);
  const hosts = { url: "redis://a", sentinels: ["a:26379"], cluster: ["[::1]:6379"] };
  assert.deepEqual(problems({ redis: hosts }), [
    "redis must be either sentinels or cluster, not both",
  ]);
  for (const bad of ["http://a:1", "redis://", "redis://a/x", "redis://a?db=1"]) {
    const [problem] = problems({ redis: { url: bad } });
    assert.match(problem, /^redis\.url must be empty or a URL such as redis:/);
    assert.ok(!problem.includes(`"${bad}"`), "a URL may hold a password");
  }
  assert.match(problems({ redis: { sentinels: ["a"] } })[0], /a host and port/);
  assert.match(problems({ redis: { tls: { certFile: "a.pem" } } })[0], /given both files/);
  assert.match(problems({ node: { id: "a b" } })[0], /a name of letters/);
});
