/** A whole server's events: a scripted session and attacks, seen by real receivers. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { type SecurityEvent, securityEventSchema } from "@farglass/protocol";
import { poll, spawnProcess } from "../tests/support/process.ts";
import { JsonLog } from "./adapters/json_log.ts";
import type { EventFormat } from "./adapters/sinks/hub.ts";
import { type RunningServer, startServer } from "./app.ts";
import { DEFAULT_SETTINGS, type Settings } from "./settings_schema.ts";
import { agentAuthorization, connectAgent, signIn, ticketFor } from "./testing/link_client.ts";
import { CAPS, sampleCandidate, sampleSdp } from "./testing/samples.ts";
import { ecsProblems, ocsfProblems } from "./testing/schema_checks.ts";
import { approve, withDesktop } from "./testing/server_fixture.ts";
import { SyslogReceiver, WebhookReceiver } from "./testing/sink_parts.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const WEBHOOK_SECRET = "webhook secret never to be seen";
const TURN_SECRET = "turn secret never to be seen";

interface Scene {
  readonly server: RunningServer;
  readonly directory: string;
  /** Everything the server wrote: log and standard output. */
  readonly written: { log: string; stdout: string };
}

async function withServer(
  settings: Partial<Settings>,
  run: (scene: Scene) => Promise<void>,
  directory?: string,
): Promise<Scene["written"]> {
  const dataDir = directory ?? await mkdtemp(join(tmpdir(), "farglass-telemetry-"));
  const written = { log: "", stdout: "" };
  const server = await startServer({
    settings: {
      ...DEFAULT_SETTINGS,
      port: 0,
      dataDir,
      node: { id: "node-a" },
      webrtc: {
        ...DEFAULT_SETTINGS.webrtc,
        servers: [{
          urls: ["turn:turn.example.com:3478"],
          credentialSecret: TURN_SECRET,
          credentialType: "password",
        }],
      },
      ...settings,
    },
    log: new JsonLog("debug", (line) => written.log += `${line}\n`, Date.now),
    rootDirectory: dataDir,
    stdout: (bytes) => {
      written.stdout += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  try {
    await run({ server, directory: dataDir, written });
  } finally {
    await server.close();
    if (directory === undefined) await rm(dataDir, { recursive: true });
  }
  return written;
}

const eventsOf = (text: string) =>
  text.split("\n").filter((l) => l !== "").map((l) => JSON.parse(l) as SecurityEvent);

/** A session from request to kill, with bad messages in between; returns what must stay secret. */
async function playSession(server: RunningServer): Promise<string[]> {
  const { desktopId, agent, viewer } = await withDesktop(server);
  const { sessionId } = await approve(viewer.client, agent.client, desktopId);
  const ids = { desktopId, sessionId };
  const caps = await viewer.client.next("DESKTOP_CAPS", 0, (m) => m.sessionId === sessionId);
  const credentials = caps.payload.webrtc?.iceServers.flatMap((s) => s.credential ?? []) ?? [];
  assert.ok(credentials.length > 0);
  const sdp = sampleSdp();
  const signal = "DESKTOP_WEBRTC_SIGNAL" as const;
  viewer.client.send({ type: signal, ...ids, payload: { kind: "offer", generation: 1, sdp } });
  await agent.client.next(signal, 0, (m) => m.payload.kind === "offer");
  agent.client.send({ type: signal, ...ids, payload: { kind: "answer", generation: 1, sdp } });
  await viewer.client.next(signal, 0, (m) => m.payload.kind === "answer");
  const candidate = sampleCandidate(41_000);
  const ice = { kind: "ice-candidate", generation: 1, candidate, sdpMid: "0", sdpMLineIndex: 0 };
  viewer.client.send({ type: signal, ...ids, payload: ice as never });
  for (const { client } of [agent, viewer]) {
    client.send({ type: "PEER_STATE", ...ids, payload: { generation: 1, state: "connected" } });
  }
  await viewer.client.next("DESKTOP_WEBRTC_STATE", 0, (m) => m.payload.stage === "connected");
  const change = { reason: "rtp-stalled" as const, evidence: { stalledMs: 2100 }, at: Date.now() };
  viewer.client.send({
    type: "DESKTOP_TRANSPORT_RESTORED",
    ...ids,
    payload: { from: "none", to: "rtp", ...change, reason: "transport-selected" },
  });
  viewer.client.send({
    type: "DESKTOP_TRANSPORT_FALLBACK",
    ...ids,
    payload: { from: "rtp", to: "diff-ws", ...change },
  });
  await viewer.client.next("DESKTOP_TRANSPORT_FALLBACK");
  // Refused: an answer to an offer that nobody made, and something that is no message.
  agent.client.send({ type: signal, ...ids, payload: { kind: "answer", generation: 9, sdp } });
  await agent.client.next("ERROR");
  viewer.client.raw("this is no message");
  await viewer.client.next("ERROR");
  agent.client.send({
    type: "DESKTOP_CAPS",
    desktopId,
    payload: { ...CAPS, policy: { ...CAPS.policy, viewOnly: true } },
  });
  await fetch(`${server.baseUrl}/api/v1/remote-desktop/sessions/${sessionId}`, {
    method: "DELETE",
    headers: { cookie: viewer.cookie, origin: server.baseUrl },
  }).then((r) => r.body?.cancel());
  await viewer.client.next("SESSION_ENDED");
  const ticket = await ticketFor(server, viewer.cookie);
  await viewer.client.close();
  await agent.client.close();
  return [
    ...credentials,
    viewer.cookie.split("=")[1],
    ticket,
    sdp.split("\r\n").find((l) => l.includes("fingerprint")) ?? "no fingerprint",
    candidate,
  ];
}

/** Attempts that must fail. */
async function playAttacks(server: RunningServer): Promise<string[]> {
  const authorization = await agentAuthorization(server, randomUUID(), "f".repeat(64));
  const upgrade = (headers: Record<string, string>) =>
    fetch(server.signalUrl.replace(/^ws/, "http"), {
      headers: {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol": "farglass.v1",
        ...headers,
      },
    }).then((r) => r.body?.cancel(), () => {});
  await assert.rejects(connectWith(server, authorization), /401/);
  await upgrade({ origin: "https://evil.example" });
  const used = await server.newConsoleUrl();
  for (let i = 0; i < 2; i++) {
    await fetch(used, { redirect: "manual" }).then((r) => r.body?.cancel());
  }
  return [authorization.split(":")[1], authorization.split(":")[2], used.split("link=")[1]];
}

async function connectWith(server: RunningServer, authorization: string): Promise<void> {
  const { LinkClient } = await import("./testing/link_client.ts");
  await new LinkClient().open(server.signalUrl, { authorization }, { role: "agent" });
}

for (const format of ["native", "ecs", "ocsf"] as const satisfies readonly EventFormat[]) {
  Deno.test(`telemetry: a session and attacks in full, valid and without secrets: ${format}`, async () => {
    await using stack = new AsyncDisposableStack();
    const webhook = await new WebhookReceiver().up();
    stack.defer(() => webhook.down());
    const syslog = await new SyslogReceiver().up();
    stack.defer(() => syslog.down());
    const secrets: string[] = [WEBHOOK_SECRET, TURN_SECRET, "a=fingerprint", "candidate:"];
    const spoolBytes = 1 << 24;
    const sinks: Settings["telemetry"]["sinks"] = [
      { type: "stdout" },
      { type: "file", path: "events.jsonl", maxBytes: 1 << 24, maxFiles: 2 },
      { type: "webhook", url: webhook.url, secret: WEBHOOK_SECRET, spoolBytes },
      { type: "syslog", host: "127.0.0.1", port: syslog.port, tls: false, caFile: "", spoolBytes },
    ];
    const files: string[] = [];
    const directory = await mkdtemp(join(tmpdir(), "farglass-telemetry-"));
    stack.defer(() => rm(directory, { recursive: true }));
    const written = await withServer({ telemetry: { format, sinks } }, async ({ server }) => {
      secrets.push((await readFile(server.agentSecretFile, "utf8")).trim());
      secrets.push(...await playSession(server), ...await playAttacks(server));
    }, directory);
    for (const path of await readdir(directory, { recursive: true })) {
      const file = join(directory, path);
      const info = await stat(file);
      if (!info.isFile() || path === "agent.secret" || path === "cookie.key") continue;
      assert.equal(info.mode & 0o777, 0o600, path);
      files.push(await readFile(file, "utf8"));
    }
    const lines = written.stdout.trim().split("\n");
    await poll("syslog", 10_000, () => syslog.messages.length >= lines.length || null);
    assert.deepEqual(webhook.lines, lines);
    const everything = [
      written.stdout,
      written.log,
      ...webhook.requests.map((r) => JSON.stringify(r)),
      ...syslog.messages,
      ...files,
    ].join("\n");
    for (const secret of secrets) assert.ok(!everything.includes(secret), `found: ${secret}`);
    for (const line of lines) {
      const doc = JSON.parse(line);
      if (format === "ecs") assert.deepEqual(ecsProblems(doc), []);
      else if (format === "ocsf") assert.deepEqual(ocsfProblems(doc), []);
      else assert.deepEqual(v.parse(securityEventSchema, doc), doc);
    }
    if (format === "native") checkStory(eventsOf(written.stdout));
  });
}

/** Who did what, in the order of the script. */
function checkStory(events: readonly SecurityEvent[]): void {
  const names: readonly string[] = events.map((e) =>
    e.action === "desktop-webrtc-state" ? e.details.stage : e.action
  );
  const expected = [
    ...["node-up", "agent-connected", "sign-in", "session-requested", "requested"],
    ...["session-decided", "approved", "turn-credential-issued", "offered", "answered"],
    ...["connected", "session-started", "control-taken"],
    ...["desktop-transport-fallback", "fallback", "message-rejected", "message-rejected"],
    ...["configuration-changed", "control-released", "desktop-killed", "closed"],
    ...["session-ended", "turn-credential-refused", "agent-disconnected"],
    ...["agent-refused", "message-rejected", "sign-in", "sign-in-refused", "node-down"],
  ];
  let at = 0;
  for (const name of expected) {
    const found = names.indexOf(name, at);
    assert.ok(found >= 0, `${name} is missing after ${names.slice(0, at)}`);
    at = found + 1;
  }
  for (const event of events) {
    assert.equal(event.node, "node-a");
    const own = event.sessionId !== undefined;
    if (own) assert.equal(event.traceId, event.sessionId?.replaceAll("-", ""));
    const isLocal = event.source?.address === "127.0.0.1" || event.actor.kind === "server";
    assert.ok(isLocal, `${event.action} has no source`);
  }
  for (const event of events) checkFields(event);
  const of = (action: SecurityEvent["action"]) => events.filter((e) => e.action === action);
  const [signedIn] = of("sign-in");
  assert.equal(of("session-requested")[0].actor.id, signedIn.actor.id);
  assert.equal(of("desktop-killed")[0].actor.id, signedIn.actor.id);
  const codes = of("message-rejected").map((e) => e.reason);
  for (const code of ["malformed", "bad-origin"]) assert.ok(codes.some((c) => c === code), code);
  assert.deepEqual(of("desktop-transport-fallback")[0].evidence, { stalledMs: 2100 });
  assert.equal(new Set(events.map((e) => e.id)).size, events.length);
}

/** Actions that are about a session of a desktop, and those that have a cause. */
const OF_SESSIONS: ReadonlySet<string> = new Set<SecurityEvent["action"]>([
  ...["session-requested", "session-decided", "session-started", "session-ended"] as const,
  ...["control-taken", "control-released", "desktop-webrtc-state", "desktop-killed"] as const,
  ...["desktop-transport-fallback", "desktop-transport-restored"] as const,
  ...["turn-credential-issued", "turn-credential-refused"] as const,
]);
const WITH_REASON: ReadonlySet<string> = new Set<SecurityEvent["action"]>([
  ...["session-decided", "session-ended", "desktop-webrtc-state", "desktop-killed"] as const,
  ...["desktop-transport-fallback", "desktop-transport-restored", "message-rejected"] as const,
  ...["sign-in-refused", "agent-refused", "agent-disconnected"] as const,
]);

/** Who, what, from where, which session, node, policy, reason, evidence and trace of one event. */
function checkFields(event: SecurityEvent): void {
  const { action, actor, target, source, policy, operator, reason } = event;
  const told = (what: string, value: unknown) =>
    assert.ok(value !== undefined, `${action}: ${what}`);
  told("node", event.node);
  if (OF_SESSIONS.has(action)) {
    told("desktop", target?.desktopId);
    told("agent", target?.agentId);
    told("policy", policy);
    told("operator", operator?.id);
    told("session", event.sessionId);
    told("trace", event.traceId);
    if (actor.kind !== "server") told("address", source?.address);
  }
  if (WITH_REASON.has(action)) told("reason", reason);
  if (action.startsWith("desktop-transport")) told("evidence", event.evidence);
  if (action.startsWith("agent-") && action !== "agent-refused") told("agent", target?.agentId);
  const isHttp = action.startsWith("sign-in") || action === "desktop-killed";
  if (isHttp) told("user agent", source?.userAgent);
}

Deno.test("telemetry: other settings than at the last start are named, never their values", async () => {
  const directory = await mkdtemp(join(tmpdir(), "farglass-telemetry-"));
  const sinks: Settings["telemetry"]["sinks"] = [{ type: "stdout" }];
  const telemetry = { format: "native" as const, sinks };
  const changes: string[] = [];
  try {
    for (const more of [{}, {}, { allowedOrigins: ["https://x.example"] }]) {
      const { stdout } = await withServer({ telemetry, ...more }, async () => {}, directory);
      changes.push(
        ...eventsOf(stdout).flatMap((e) =>
          e.action === "configuration-changed" ? [`${e.details.scope} ${e.details.keys}`] : []
        ),
      );
      assert.ok(!stdout.includes("x.example"));
    }
    assert.deepEqual(changes, ["server allowedOrigins"]);
    const seen = await readFile(join(directory, "settings.seen"), "utf8");
    assert.ok(!seen.includes("x.example") && !seen.includes(TURN_SECRET));
  } finally {
    await rm(directory, { recursive: true });
  }
});

Deno.test("telemetry: a receiver that never answers does not slow the server down", async () => {
  await using stack = new AsyncDisposableStack();
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  stack.defer(() => silent.close());
  const { port } = silent.addr as Deno.NetAddr;
  const spoolBytes = 1 << 20;
  const url = `http://127.0.0.1:${port}/`;
  const sinks: Settings["telemetry"]["sinks"] = [
    { type: "webhook", url, secret: WEBHOOK_SECRET, spoolBytes },
    { type: "redis", url: `redis://127.0.0.1:${port}`, stream: "s", maxLength: 10, spoolBytes },
  ];
  await withServer({ telemetry: { format: "native", sinks } }, async ({ server }) => {
    await playSession(server);
    const { client } = await connectAgent(server);
    await client.close();
    await signIn(server);
  });
});

Deno.test("telemetry: the program, killed by SIGKILL and started again, tells all of it", async () => {
  await using stack = new AsyncDisposableStack();
  const webhook = await new WebhookReceiver().up();
  stack.defer(() => webhook.down());
  await webhook.down();
  const dataDir = await mkdtemp(join(tmpdir(), "farglass-telemetry-"));
  stack.defer(() => rm(dataDir, { recursive: true }));
  const config = join(dataDir, "config.json");
  const sinks = [{ type: "stdout" }, { type: "webhook", url: webhook.url, secret: WEBHOOK_SECRET }];
  const settings = { port: 0, dataDir, node: { id: "program" }, telemetry: { sinks } };
  await writeFile(config, JSON.stringify(settings));
  const start = () =>
    spawnProcess({
      name: "server",
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", MAIN, "--json", "--config", config],
    });
  const first = stack.use(start());
  const ready = JSON.parse((await first.waitForLine(/^.*consoleUrl.*$/)).input);
  await fetch(ready.consoleUrl, { redirect: "manual" }).then((r) => r.body?.cancel());
  await first.waitForLine(/"action":"sign-in"/);
  // On the standard output the event may be before the spool has it.
  const spool = join(dataDir, "spool");
  await poll("the spool", 10_000, async () => {
    const [name] = await readdir(spool);
    const text = await readFile(join(spool, name, "000000000001.log"), "utf8").catch(() => "");
    return text.includes('"action":"sign-in"') || null;
  });
  await first.stop("SIGKILL");
  await webhook.up();
  const second = stack.use(start());
  await webhook.until("both starts", () => webhook.lines.length >= 3);
  await second.stop("SIGTERM");
  const told = eventsOf(webhook.lines.join("\n"));
  assert.deepEqual(told.map((e) => e.action), ["node-up", "sign-in", "node-up", "node-down"]);
  assert.ok(told.every((e) => e.node === "program"));
});
