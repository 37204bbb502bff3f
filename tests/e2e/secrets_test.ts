/// <reference lib="dom" />
/**
 * A whole session of the real programs through coturn, with every sink: nothing secret in
 * anything that is written, served or exported, and the course of ICE and DTLS in all of it.
 */
import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { SyslogReceiver, WebhookReceiver } from "../../server/testing/sink_parts.ts";
import { waitFor, waitForTransport } from "../support/console_page.ts";
import { type Coturn, startCoturn } from "../support/coturn.ts";
import { chooseTransport, e2eTest, startWorld, type World } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { startPainter } from "../support/stack.ts";

const WEBHOOK_SECRET = "webhook-secret-never-to-be-seen";
const REDIS_PASSWORD = "redis-password-never-to-be-seen";
const STREAM = "farglass:events";
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}\b/;

interface Parts {
  readonly coturn: Coturn;
  readonly redis: TestRedis;
  readonly webhook: WebhookReceiver;
  readonly syslog: SyslogReceiver;
}

function settings({ coturn, redis, webhook, syslog }: Parts) {
  const url = redis.url.replace("redis://", `redis://:${REDIS_PASSWORD}@`);
  return {
    log: { level: "debug" },
    redis: { url },
    webrtc: {
      relayHint: "turn",
      iceTransportPolicy: "relay",
      servers: [{ urls: [coturn.udpUrl], credentialSecret: coturn.secret }],
    },
    telemetry: {
      sinks: [
        { type: "stdout" },
        { type: "file", path: "events.jsonl" },
        { type: "webhook", url: webhook.url, secret: WEBHOOK_SECRET },
        { type: "syslog", host: "127.0.0.1", port: syslog.port, tls: false },
        { type: "redis", url, stream: STREAM },
      ],
    },
  };
}

/** What passes between the page and the server by WebSocket, both ways. */
function tapSockets(page: Page): string[] {
  const frames: string[] = [];
  page.on("websocket", (socket) => {
    const keep = ({ payload }: { readonly payload: string | Uint8Array }) => {
      if (typeof payload === "string") frames.push(payload);
    };
    socket.on("framesent", keep);
    socket.on("framereceived", keep);
  });
  return frames;
}

/** Everything in signalling that must stay between those whom it is for. */
function secretsIn(frames: readonly string[]): string[] {
  const text = frames.join("\n");
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found);
  const found = {
    ticket: all(/"ticket":"([^"]+)"/g),
    credential: all(/"credential":"([^"]+)"/g),
    icePassword: all(/ice-pwd:([^\\"]+)/g),
    fingerprint: all(/fingerprint:sha-256 ([0-9A-Fa-f:]+)/g),
    candidate: all(/(candidate:\S+ \d \w+ \d+)/g),
  };
  for (const [what, values] of Object.entries(found)) assert.ok(values.length > 0, `no ${what}`);
  // Of both ends.
  assert.ok(new Set(found.icePassword).size >= 2 && new Set(found.fingerprint).size >= 2);
  return [...new Set(Object.values(found).flat())];
}

/** Keeps what the page saves: Chromium stops a page that saves file after file. */
async function keepSaved(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const kept: string[] = [];
    Object.assign(globalThis, { kept });
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (blob) => {
      if (blob instanceof Blob) void blob.text().then((text) => kept.push(text));
      return make(blob);
    };
  });
}

async function download(page: Page, addresses: boolean): Promise<string> {
  await page.getByTestId("export-addresses").setChecked(addresses);
  const before: number = await page.evaluate("kept.length");
  await page.getByTestId("export-bundle").click();
  await page.waitForFunction((before) => {
    const { kept } = globalThis as unknown as { kept: string[] };
    return kept.length > before;
  }, before);
  return await page.evaluate("kept.at(-1)");
}

/** A bundle without addresses, once it has statistics of that transport. */
async function downloadOnce(page: Page, transport: string): Promise<string> {
  // Chromium stops a page that saves file after file: what the panel shows is on record soon.
  await waitFor(
    page,
    "frame rate",
    () => Number(document.querySelector<HTMLElement>('[data-testid="hud-fps"]')?.dataset.value) > 0,
    null,
  );
  return await poll(`statistics by ${transport}`, 15_000, async () => {
    const text = await download(page, false);
    const samples: { transport: string; fps: number | null }[] =
      JSON.parse(text).console.statistics;
    return samples.some((s) => s.transport === transport && s.fps !== null) ? text : null;
  });
}

/** Log, standard output and files of the programs, what the sinks got, and what the server serves. */
async function everythingOf(world: World, parts: Parts): Promise<Record<string, string>> {
  const { server, agent } = world;
  const files: string[] = [];
  for (const name of await readdir(server.dataDir, { recursive: true })) {
    const path = join(server.dataDir, name);
    // The server's own secrets, and the settings that this test wrote.
    if (["agent.secret", "cookie.key", "test-config.json"].includes(name)) continue;
    if ((await stat(path)).isFile()) files.push(`${name}: ${await readFile(path, "utf8")}`);
  }
  return {
    "server log": server.process.stderrLines.join("\n"),
    // The sign-in link is what the program prints for its operator.
    "server output": server.process.stdoutLines.filter((l) => !l.includes('"consoleUrl"')).join(
      "\n",
    ),
    "agent": [...agent.process.stderrLines, ...agent.process.stdoutLines].join("\n"),
    "files": files.join("\n"),
    "webhook": JSON.stringify(parts.webhook.requests),
    "syslog": parts.syslog.messages.join("\n"),
    "stream": await parts.redis.cli("XRANGE", STREAM, "-", "+"),
    "metrics": await (await fetch(server.metricsUrl)).text(),
  };
}

e2eTest("no secret in any log, event, metric, timeline or bundle of a real session", async () => {
  await using stack = new AsyncDisposableStack();
  const parts: Parts = {
    coturn: stack.use(await startCoturn()),
    redis: stack.use(
      await startRedis({ args: ["--requirepass", REDIS_PASSWORD], auth: REDIS_PASSWORD }),
    ),
    webhook: await new WebhookReceiver().up(),
    syslog: await new SyslogReceiver().up(),
  };
  stack.defer(() => parts.webhook.down());
  stack.defer(() => parts.syslog.down());
  const world = stack.use(
    await startWorld({
      server: { config: settings(parts) },
      agent: { flags: ["--name", "A name to be hidden"] },
    }),
  );
  const { server, agent } = world;
  stack.use(await startPainter("clock", { display: world.xvfb.display }));
  const opened = stack.use(await world.open());
  const { page, context } = opened;
  const frames = tapSockets(page);
  // The first link was made before anybody listened.
  await keepSaved(page);
  await page.reload();
  await waitForTransport(page, "rtp", 30_000);
  const [file, redacted] = await Promise.all([
    page.waitForEvent("download"),
    downloadOnce(page, "rtp"),
  ]);
  assert.match(file.suggestedFilename(), /^farglass-session-[0-9a-f-]{36}\.json$/);
  JSON.parse(await readFile(await file.path(), "utf8"));
  await chooseTransport(page, "diff");
  await waitForTransport(page, "diff-dc");
  await downloadOnce(page, "diff-dc");
  const withAddresses = await download(page, true);
  const { sessionId } = JSON.parse(redacted);
  const rest = await page.evaluate(async (sessionId) => {
    const texts: string[] = [];
    const api = "/api/v1/remote-desktop";
    for (const path of ["/agents", "/sessions", `/sessions/${sessionId}`]) {
      texts.push(await (await fetch(`${api}${path}`)).text());
    }
    return texts;
  }, sessionId);
  const record = await page.evaluate(
    async (id) => await (await fetch(`/api/v1/remote-desktop/sessions/${id}/timeline`)).json(),
    sessionId,
  );
  const cookies = await context.cookies();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await parts.webhook.until(
    "the session's end",
    () => parts.webhook.lines.some((l) => l.includes('"session-ended"')),
  );
  await agent.process.stop("SIGTERM");
  await poll("syslog and stream", 15_000, async () => {
    const stream = await parts.redis.cli("XRANGE", STREAM, "-", "+");
    const said = [parts.syslog.messages.join(), stream];
    return said.every((s) => s.includes("agent-disconnected")) || null;
  });

  const secrets = [
    ...secretsIn(frames),
    ...cookies.map((c) => c.value),
    ...(await Promise.all(
      ["agent.secret", "cookie.key"].map((f) => readFile(join(server.dataDir, f), "utf8")),
    )).map((s) => s.trim()),
    ...server.process.stdoutLines.flatMap((l) => /link=([\w-]+)/.exec(l)?.[1] ?? []),
    ...[parts.coturn.secret, WEBHOOK_SECRET, REDIS_PASSWORD, "v=0", "a=ice-", "candidate:"],
  ];
  const outputs: Record<string, string> = {
    ...await everythingOf(world, parts),
    "rest": rest.join("\n"),
    "timeline": JSON.stringify(record),
    "bundle": redacted,
    "bundle with addresses": withAddresses,
  };
  for (const [where, text] of Object.entries(outputs)) {
    assert.ok(text.length > 200, `${where} is almost empty: ${text}`);
    for (const secret of secrets) assert.ok(!text.includes(secret), `${where} has ${secret}`);
  }
  for (const where of ["server log", "agent", "metrics", "timeline"]) {
    assert.doesNotMatch(outputs[where], IPV4, where);
  }
  checkMetrics(outputs.metrics);
  checkRedacted(redacted);
  checkAddresses(withAddresses);
  checkLayers(record.data.timeline);
});

/** What operations ask for has been counted, not only named. */
function checkMetrics(text: string): void {
  for (
    const series of [
      'farglass_negotiation_duration_seconds_count{phase="connected"}',
      "farglass_first_frame_seconds_count",
      'farglass_transport_fallbacks_total{reason="operator-choice"}',
      'farglass_redis_command_duration_seconds_count{outcome="ok"}',
      "farglass_event_loop_lag_seconds_count",
    ]
  ) {
    const line = text.split("\n").find((l) => l.startsWith(`${series} `));
    assert.ok(Number(line?.split(" ")[1]) > 0, line ?? `${series} is missing`);
  }
  for (const role of ["agent", "console"]) {
    assert.match(text, new RegExp(`^farglass_buffered_messages\\{role="${role}"\\} \\d+$`, "m"));
  }
  assert.match(text, /^# TYPE farglass_dropped_messages_total counter$/m);
}

/** Neither names nor addresses, but all that support needs. */
function checkRedacted(text: string): void {
  const bundle = JSON.parse(text);
  // A browser names its version by four numbers, too.
  const { browser, ...versions } = bundle.versions;
  assert.match(browser, /Chrome/);
  for (const part of ["server", "agent", "console", "protocol"]) assert.ok(versions[part], part);
  const bare = JSON.stringify({ ...bundle, versions });
  assert.doesNotMatch(bare, IPV4);
  for (const name of [hostname(), "A name to be hidden"]) assert.ok(!bare.includes(name), name);
  const { statistics, decisions, timeline } = bundle.console;
  const sample = statistics.findLast((s: { fps: number | null }) => s.fps !== null);
  assert.equal(sample.transport, "rtp");
  for (const fact of ["bitrateKbps", "rttMs", "loss", "decodeMs", "jitterBufferMs", "turnLeftMs"]) {
    assert.equal(typeof sample[fact], "number", fact);
  }
  assert.ok(decisions.some((d: { what: string; to: string }) => d.what === "shown"));
  assert.ok(timeline.length > 3 && bundle.timeline.steps.length > 5);
  assert.equal(bundle.decisions[0].decision, "accept");
}

/** Asked for, addresses and names are there. */
function checkAddresses(text: string): void {
  const { addresses, console: own, desktop } = JSON.parse(text);
  assert.equal(desktop.hostname, hostname());
  assert.equal(desktop.name, "A name to be hidden");
  assert.equal(addresses.exportedFrom, "127.0.0.1");
  for (const side of ["agentCandidates", "consoleCandidates"]) {
    assert.ok(
      addresses[side].some((c: { type: string; address: string }) =>
        c.type === "relay" && c.address === "127.0.0.1"
      ),
      side,
    );
  }
  const local = own.addresses.find((a: { side: string }) => a.side === "local");
  assert.deepEqual([local.type, local.address], ["relay", "127.0.0.1"]);
}

interface Lane {
  readonly lane: string;
  readonly spans: readonly { readonly from: number; readonly to: number; readonly label: string }[];
}

/** Both ends told when ICE and DTLS connected, one after the other, within the negotiation. */
function checkLayers(timeline: {
  readonly lanes: readonly Lane[];
  readonly startedAt: number;
  readonly connectedMs: number;
}): void {
  const { lanes, startedAt, connectedMs } = timeline;
  for (const end of ["console", "agent"]) {
    const begin = (layer: string, label: string) => {
      const spans = lanes.find((l) => l.lane === `${layer}-${end}`)?.spans ?? [];
      const span = spans.find((s) => s.label === label);
      assert.ok(span !== undefined, `${layer} ${label} of the ${end}: ${JSON.stringify(spans)}`);
      return span.from - startedAt;
    };
    const times = [
      begin("ice", "checking"),
      begin("ice", "connected"),
      begin("dtls", "connecting"),
      begin("dtls", "connected"),
    ];
    console.log(`layers of the ${end}: ${times.map(Math.round).join(", ")} ms`);
    assert.ok(times[0] <= times[1] && times[1] <= times[3] && times[2] <= times[3], `${times}`);
    // The end that is second to report may be a moment behind the first.
    assert.ok(times[3] <= connectedMs + 500, `${times[3]} ${connectedMs}`);
  }
}
