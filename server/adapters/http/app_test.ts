import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import type { EventDraft } from "@farglass/protocol";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { originPolicy } from "../../core/origins.ts";
import type { Metrics } from "../../core/ports.ts";
import { on } from "../../testing/controller_driver.ts";
import { DESKTOP, SCRIPTS, SESSION } from "../../testing/controller_driver.ts";
import { ControllerShell } from "../controller_shell.ts";
import { COOKIE_NAME, Identities } from "../identity.ts";
import {
  MemoryBus,
  MemoryDesktopStore,
  MemoryOnceStore,
  MemoryOperatorPlaces,
} from "../memory_store.ts";
import { OperatorSessions } from "../operator_sessions.ts";
import { makeHttpApp } from "./app.ts";
import { PAGE_CSS_PATH } from "./pages.ts";

const BASE = "http://127.0.0.1:8080";
const HTML = { accept: "text/html,application/xhtml+xml" };

interface Fixture {
  readonly app: Hono;
  readonly identities: Identities;
  readonly shell: ControllerShell;
  readonly rejected: string[];
  readonly told: EventDraft[];
  /** Events of the log. */
  readonly log: readonly string[];
  readonly steady: { ms: number };
  readonly directory: string;
  readonly cookie: string;
}

async function withApp(
  run: (fixture: Fixture) => Promise<void>,
  options: {
    readonly secure?: boolean;
    readonly metrics?: boolean;
    readonly ready?: boolean;
    readonly operatorSessions?: number;
  } = {},
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "farglass-http-"));
  const clock = () => 1_700_000_000_000;
  const rejected: string[] = [];
  const metrics: Metrics = {
    message: () => {},
    rejected: (code) => rejected.push(code),
    sessionEvent: () => {},
    connections: () => {},
    relayed: () => {},
    relaySkipped: () => {},
    mediaDecisions: () => {},
    dropped: () => {},
  };
  const told: EventDraft[] = [];
  const telemetry = { emit: (draft: EventDraft) => void told.push(draft) };
  const bus = new MemoryBus();
  const store = new MemoryDesktopStore(bus);
  const logged: string[] = [];
  const log = { write: (_level: string, event: string) => void logged.push(event) };
  const steady = { ms: 0 };
  const shell = new ControllerShell({
    store,
    bus,
    log,
    metrics,
    telemetry,
    clock,
    policy: DEFAULT_POLICY,
    webrtcFor: () => ({ enabled: true, iceServers: [], iceTransportPolicy: "all" }),
    onRoute: () => {},
    onUnroute: () => {},
  });
  const secrets = { agentSecret: "a".repeat(64), cookieKey: "c".repeat(64), agentSecretFile: "" };
  const identities = new Identities(secrets, new MemoryOnceStore(clock), clock);
  const origins = originPolicy({
    host: "127.0.0.1",
    port: 8080,
    publicUrl: "",
    allowedOrigins: [],
  });
  const app = makeHttpApp({
    identities,
    store,
    shell,
    metrics,
    telemetry,
    clock,
    steadyClock: () => steady.ms,
    signInFailuresPerMinute: 6,
    operators: new OperatorSessions(
      store,
      new MemoryOperatorPlaces(),
      options.operatorSessions ?? 16,
    ),
    log,
    newId: () => crypto.randomUUID(),
    origins: () => origins,
    consoleDirectory: directory,
    secureCookies: options.secure ?? false,
    metricsText: options.metrics === false
      ? null
      : (accept) =>
        Promise.resolve({ text: "farglass_x 1\n", contentType: accept || "text/plain" }),
    ready: () => options.ready ?? true,
  });
  const cookie = `${COOKIE_NAME}=${identities.newCookie()}`;
  try {
    await run({ steady, log: logged, app, identities, shell, rejected, told, directory, cookie });
  } finally {
    await shell.close();
    await rm(directory, { recursive: true });
  }
}

const request = (app: Hono, path: string, init: RequestInit = {}) => {
  const headers = new Headers(init.headers);
  if (!headers.has("host")) headers.set("host", "127.0.0.1:8080");
  return app.request(`${BASE}${path}`, { ...init, headers });
};

/** As a dual-stack socket names an IPv4 peer. */
const PEER = "::ffff:192.0.2.77";

Deno.test("HTTP: every answer carries the security headers", async () => {
  await withApp(async ({ app, cookie }) => {
    for (const path of ["/", "/healthz", "/nothing", "/api/v1/remote-desktop/agents", "/sign-in"]) {
      const { headers } = await request(app, path, { headers: { cookie } });
      const policy = headers.get("content-security-policy") ?? "";
      assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
      assert.match(
        policy,
        /connect-src 'self' ws:\/\/127\.0\.0\.1:8080 wss:\/\/127\.0\.0\.1:8080;/,
      );
      assert.doesNotMatch(policy, /unsafe|\*|https?:/);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.equal(headers.get("cross-origin-opener-policy"), "same-origin");
      assert.ok(headers.has("permissions-policy"));
    }
    const hostile = await request(app, "/", { headers: { host: "x; script-src *" } });
    assert.doesNotMatch(hostile.headers.get("content-security-policy") ?? "", /script-src \*/);
  });
});

Deno.test("HTTP: sign-in turns a link into a cookie once, and drops the secret from the address", async () => {
  await withApp(async ({ app, identities }) => {
    const link = await identities.newSignInLink();
    const preview = await request(app, `/sign-in?link=${link}`, { method: "HEAD" });
    assert.deepEqual([preview.status, preview.headers.getSetCookie()], [405, []]);
    const answer = await request(app, `/sign-in?link=${link}&connect=${DESKTOP}`);
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), `/?connect=${DESKTOP}`);
    const [cookie] = answer.headers.getSetCookie();
    assert.match(cookie, /; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/);
    const api = await request(app, "/api/v1/remote-desktop/agents", {
      headers: { cookie: cookie.split(";")[0] },
    });
    assert.deepEqual(await api.json(), { success: true, data: [] });
    const again = await request(app, `/sign-in?link=${link}`, { headers: HTML });
    assert.equal(again.status, 401);
    assert.deepEqual(again.headers.getSetCookie(), []);
    const html = await again.text();
    assert.match(html, /already used or has expired/);
    assert.doesNotMatch(html, /<script|style=|<style/);
    assert.ok(!html.includes(String(link)));
    const odd = await identities.newSignInLink();
    const target = await request(app, `/sign-in?link=${odd}&connect=//evil.example`);
    assert.equal(target.headers.get("location"), "/");
  });
});

Deno.test("HTTP: cookies are Secure behind https", async () => {
  await withApp(async ({ app, identities }) => {
    const answer = await request(app, `/sign-in?link=${await identities.newSignInLink()}`);
    assert.match(answer.headers.getSetCookie()[0], /; Secure$/);
  }, { secure: true });
});

Deno.test("HTTP: who may do what", async () => {
  await withApp(async ({ app, cookie, rejected }) => {
    const ticket = "/api/v1/console/ticket";
    const sessions = "/api/v1/remote-desktop/sessions";
    const origin = BASE;
    const rows: readonly (readonly [string, string, Record<string, string>, number, string])[] = [
      ["GET", sessions, {}, 401, "unauthorized"],
      ["POST", ticket, {}, 401, "unauthorized"],
      ["POST", ticket, { cookie, origin: "https://evil.example" }, 403, "bad-origin"],
      ["POST", ticket, { cookie, origin: "null" }, 403, "bad-origin"],
      ["POST", ticket, { cookie, "sec-fetch-site": "cross-site" }, 403, "bad-origin"],
      ["POST", ticket, { cookie, origin, host: "evil.example" }, 403, "bad-origin"],
      ["POST", ticket, { cookie, origin }, 200, ""],
      ["POST", ticket, { cookie }, 200, ""],
      ["PUT", sessions, { cookie, origin }, 405, "method-not-allowed"],
      ["GET", ticket, { cookie }, 405, "method-not-allowed"],
      ["GET", "/api/v1/nothing", { cookie }, 404, "not-found"],
      ["GET", "/api/v1/remote-desktop/agents/x", { cookie }, 404, "not-found"],
      ["GET", `${sessions}/x`, { cookie }, 404, "session-not-found"],
      ["DELETE", `${sessions}/x`, { cookie, origin }, 404, "session-not-found"],
      ["POST", sessions, { cookie, origin }, 400, "malformed"],
      ["POST", "/api/v1/remote-desktop/agents/challenge", {}, 400, "malformed"],
    ];
    for (const [method, path, headers, status, code] of rows) {
      const answer = await request(app, path, { method, headers });
      const where = `${method} ${path} ${JSON.stringify(headers)}`;
      assert.equal(answer.status, status, where);
      const body = await answer.json();
      assert.equal(body.success, code === "", where);
      assert.equal(body.error?.code ?? "", code, where);
      if (code !== "") assert.equal(rejected.at(-1), code);
    }
  });
});

Deno.test("REST: agents, sessions, their events and their end", async () => {
  await withApp(async ({ app, cookie, shell, rejected }) => {
    await shell.dispatch(DESKTOP, on.caps());
    const headers = { cookie, origin: BASE };
    const get = async (path: string) =>
      (await (await request(app, `/api/v1/remote-desktop${path}`, { headers })).json()).data;
    const [agent] = await get("/agents");
    assert.equal(agent.desktops[0].desktopId, DESKTOP);
    assert.deepEqual(await get(`/agents/${agent.agentId}`), agent);
    const post = (body: string) =>
      request(app, "/api/v1/remote-desktop/sessions", { method: "POST", headers, body });
    const made = await post(JSON.stringify({ desktopId: DESKTOP }));
    assert.equal(made.status, 201);
    const { data } = await made.json();
    assert.deepEqual([data.stage, data.transport, data.consoleOnline], [
      "requested",
      "none",
      false,
    ]);
    assert.equal((await get(`/sessions?desktopId=${DESKTOP}&stage=requested`)).length, 1);
    assert.equal((await get("/sessions?stage=connected")).length, 0);
    assert.equal((await get(`/sessions?desktopId=${DESKTOP.replaceAll("1", "2")}`)).length, 0);
    const path = `/api/v1/remote-desktop/sessions/${data.sessionId}`;
    const events = (await get(`/sessions/${data.sessionId}`)).events;
    assert.deepEqual(events.map((e: { type: string }) => e.type), [
      "SESSION_REQUEST",
      "DESKTOP_WEBRTC_STATE",
    ]);
    const killed = await request(app, path, { method: "DELETE", headers });
    assert.equal(killed.status, 200);
    const ended = await get(`/sessions/${data.sessionId}`);
    assert.equal(ended.ended.reason, "killed");
    const again = await request(app, path, { method: "DELETE", headers });
    assert.equal(again.status, 409);
    assert.equal((await again.json()).error.code, "session-ended");
    assert.equal((await post("{")).status, 400);
    assert.equal(rejected.at(-1), "malformed");
  });
});

Deno.test("console: files with their encodings, cached by kind, and nothing beside them", async () => {
  await withApp(async ({ app, cookie, directory }) => {
    await mkdir(join(directory, "assets"));
    await writeFile(join(directory, "index.html"), "<!doctype html><title>console</title>");
    await writeFile(join(directory, "assets", "main-1a2b.js"), "plain");
    await writeFile(join(directory, "assets", "main-1a2b.js.br"), "brotli");
    await writeFile(join(directory, "assets", "main-1a2b.js.gz"), "gzip");
    await writeFile(join(directory, ".secret.json"), "hidden");
    await writeFile(join(directory, "favicon.svg"), "<svg/>");
    const page = await request(app, "/", { headers: { cookie, ...HTML } });
    assert.equal(page.status, 200);
    assert.equal(page.headers.get("cache-control"), "no-cache");
    assert.match(await page.text(), /console/);
    for (
      const [accept, body, encoding] of [
        ["gzip, deflate, br", "brotli", "br"],
        ["gzip", "gzip", "gzip"],
        ["br;q=0, gzip;q=0.5", "gzip", "gzip"],
        ["identity", "plain", null],
      ] as const
    ) {
      const answer = await request(app, "/assets/main-1a2b.js", {
        headers: { "accept-encoding": accept },
      });
      assert.equal(await answer.text(), body);
      assert.equal(answer.headers.get("content-encoding"), encoding);
      assert.equal(answer.headers.get("content-type"), "text/javascript; charset=utf-8");
      assert.equal(answer.headers.get("cache-control"), "public, max-age=31536000, immutable");
      assert.equal(answer.headers.get("vary"), "accept-encoding");
    }
    assert.equal((await request(app, "/favicon.svg")).headers.get("content-type"), "image/svg+xml");
    for (
      const path of [
        "/.secret.json",
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/main-1a2b.js.br",
        "/assets/",
        "/assets/missing.js",
        "/index.html",
        "/favicon.svg%00",
        "/assets",
      ]
    ) {
      const answer = await request(app, path, { headers: HTML });
      assert.ok(answer.status === 404 || path.includes(".."), path);
      assert.doesNotMatch(await answer.text(), /hidden|root:|<title>console/, path);
    }
  });
});

Deno.test("console: readable pages when not signed in, not built, or not there", async () => {
  await withApp(async ({ app, cookie }) => {
    const outside = await request(app, "/", { headers: HTML });
    assert.equal(outside.status, 401);
    assert.match(await outside.text(), /You are not signed in[\s\S]*Open a fresh sign-in link/);
    const unbuilt = await request(app, "/", { headers: { cookie, ...HTML } });
    assert.equal(unbuilt.status, 503);
    assert.match(await unbuilt.text(), /deno task console:build/);
    const missing = await request(app, "/no/such/page", { headers: HTML });
    assert.equal(missing.status, 404);
    assert.match(await missing.text(), /There is no such resource/);
    const css = await request(app, PAGE_CSS_PATH);
    assert.equal(css.headers.get("content-type"), "text/css; charset=utf-8");
  });
});

Deno.test("HTTP: health, readiness and metrics", async () => {
  await withApp(async ({ app }) => {
    assert.equal((await (await request(app, "/healthz")).json()).status, "ok");
    assert.equal((await request(app, "/readyz")).status, 200);
    assert.equal(await (await request(app, "/metrics")).text(), "farglass_x 1\n");
    const accept = "application/openmetrics-text; version=1.0.0";
    const open = await app.request("/metrics", { headers: { accept } });
    assert.equal(open.headers.get("content-type"), accept);
  });
  await withApp(async ({ app }) => {
    assert.equal((await request(app, "/readyz")).status, 503);
    const refused = await request(app, "/metrics");
    assert.equal(refused.status, 403);
    const { error } = await refused.json();
    assert.match(error.advice, /metrics\.public/);
  }, { metrics: false, ready: false });
});

Deno.test("HTTP: a server that is stopping may be read, and takes nothing new on", async () => {
  await withApp(async ({ app, cookie }) => {
    const path = "/api/v1/remote-desktop/sessions";
    const headers = { cookie, origin: BASE };
    assert.equal((await request(app, path, { headers })).status, 200);
    const body = JSON.stringify({ desktopId: DESKTOP });
    const refused = await request(app, path, { method: "POST", headers, body });
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "1");
    const { error } = await refused.json();
    assert.equal(error.code, "server-stopping");
    assert.deepEqual([error.retryable, error.retryAfterMs], [true, 1_000]);
  }, { ready: false });
});

Deno.test("HTTP: an operator has so many sessions, and ended ones make room", async () => {
  await withApp(async ({ app, cookie, shell }) => {
    await shell.dispatch(DESKTOP, on.caps());
    const path = "/api/v1/remote-desktop/sessions";
    const headers = { cookie, origin: BASE };
    const ask = () =>
      request(app, path, { method: "POST", headers, body: JSON.stringify({ desktopId: DESKTOP }) });
    const first = await ask();
    assert.equal(first.status, 201);
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    const { error } = await refused.json();
    assert.deepEqual([error.code, error.message], [
      "too-many-sessions",
      "No further session may be opened: an operator may have 1",
    ]);
    const { data } = await first.json();
    await request(app, `${path}/${data.sessionId}`, { method: "DELETE", headers });
    assert.equal((await ask()).status, 201);
  }, { operatorSessions: 1 });
});

Deno.test("HTTP: sign-ins and refusals are told with who and from where", async () => {
  await withApp(async ({ app, identities, told, cookie }) => {
    const headers = new Headers({ host: "127.0.0.1:8080", "user-agent": "browser" });
    const get = (path: string) => app.request(`${BASE}${path}`, { headers }, { address: PEER });
    const link = await identities.newSignInLink();
    await get(`/sign-in?link=${link}`);
    await get(`/sign-in?link=${link}`);
    await get("/no/such/page");
    headers.set("cookie", cookie);
    headers.set("origin", "https://evil.example");
    await app.request(`${BASE}/api/v1/console/ticket`, { method: "POST", headers }, {
      address: PEER,
    });
    const source = { address: "192.0.2.77", userAgent: "browser" };
    assert.deepEqual(
      told.map((d) => [d.action, d.outcome, d.reason ?? null, d.source]),
      [
        ["sign-in", "success", null, source],
        ["sign-in-refused", "failure", "link-used", source],
        ["message-rejected", "failure", "bad-origin", source],
      ],
    );
    assert.match(told[0].actor.name ?? "", /^operator [0-9a-f]{4}$/);
    assert.equal(told[1].actor.id, undefined);
    assert.equal(told[2].actor.id, identities.operatorOf(cookie)?.operatorId);
  });
});

Deno.test("HTTP: wrong sign-in links are limited by address, with a time, an event and few log lines", async () => {
  await withApp(async ({ app, identities, told, log, steady }) => {
    const headers = new Headers({ host: "127.0.0.1:8080" });
    const get = (link: string, address: string) =>
      app.request(`${BASE}/sign-in?link=${link}`, { headers }, { address });
    for (let i = 0; i < 6; i++) assert.equal((await get("wrong", PEER)).status, 401);
    const link = await identities.newSignInLink() ?? "";
    const refused = await get(link, PEER);
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "10"]);
    const { error } = await refused.json();
    assert.deepEqual([error.code, error.retryAfterMs], ["rate-limited", 10_000]);
    const html = new Headers({ ...Object.fromEntries(headers), accept: "text/html" });
    const url = `${BASE}/sign-in?link=${link}`;
    const page = await app.request(url, { headers: html }, { address: PEER });
    assert.match(await page.text(), /Wait a moment\.[^]*You may try again in 10 s\./);
    const last = told.at(-1);
    assert.deepEqual(
      [last?.action, last?.reason, last?.details],
      ["limit-hit", "rate-limited", { messageType: "sign-in", count: 1 }],
    );
    const lines = log.length;
    for (let i = 0; i < 100; i++) assert.equal((await get("wrong", PEER)).status, 429);
    assert.equal(log.length, lines, "a flood writes no lines");
    assert.equal(log.filter((event) => event === "sign-in-limited").length, 1);
    assert.equal((await get("wrong", "192.0.2.1")).status, 401, "another address");
    steady.ms += 10_000;
    assert.equal((await get(link, PEER)).status, 303, "the link was not used up");
  });
});

Deno.test("HTTP: all addresses together may try only so many wrong links", async () => {
  await withApp(async ({ app }) => {
    const headers = new Headers({ host: "127.0.0.1:8080" });
    const tries: number[] = [];
    for (let i = 0; i < 125; i++) {
      const address = `192.0.2.${i}`;
      tries.push((await app.request(`${BASE}/sign-in?link=x`, { headers }, { address })).status);
    }
    assert.equal(tries.filter((status) => status === 401).length, 120);
    assert.equal(tries.filter((status) => status === 429).length, 5);
  });
});

Deno.test("HTTP: a session's timeline and support bundle, also after its end, without names or secrets", async () => {
  await withApp(async ({ app, cookie, shell }) => {
    for (const event of [...SCRIPTS.connected, on.fallback("rtp", "diff-ws"), on.kill()]) {
      await shell.dispatch(DESKTOP, event);
    }
    const path = `/api/v1/remote-desktop/sessions/${SESSION}`;
    const headers = { cookie };
    const { data } = await (await request(app, `${path}/timeline`, { headers })).json();
    assert.deepEqual(
      data.timeline.lanes.map((l: { lane: string }) => l.lane),
      [
        ...["signalling", "connection", "ice-console", "ice-agent", "dtls-console", "dtls-agent"],
        ...["first-frame", "transport"],
      ],
    );
    const fallback = data.timeline.steps.find((s: { type: string }) =>
      s.type === "DESKTOP_TRANSPORT_FALLBACK"
    );
    assert.deepEqual([fallback.cause, fallback.evidence], ["rtp-stalled", { ms: 1 }]);
    assert.equal(typeof fallback.durationMs, "number");
    const answer = await request(app, `${path}/bundle`, { headers });
    assert.match(answer.headers.get("content-disposition") ?? "", /attachment/);
    const text = await answer.text();
    const bundle = JSON.parse(text).data;
    assert.equal(bundle.decisions[0].decision, "accept");
    assert.deepEqual(bundle.statistics[0].evidence, { ms: 1 });
    assert.equal(bundle.session.operator, "redacted");
    assert.doesNotMatch(
      text,
      /Test desktop|"machine"|candidate:|fingerprint|127\.0\.0\.1|credential/,
    );
    const asked = await request(app, `${path}/bundle?addresses=include`, { headers });
    const named = await asked.text();
    assert.match(named, /"Test desktop"[\s\S]*"machine"/);
    assert.equal(JSON.parse(named).data.addresses.exportedFrom, null);
    assert.doesNotMatch(named, /candidate:|fingerprint|credential/);
    assert.equal((await request(app, `${path}/bundle?addresses=all`, { headers })).status, 400);
    for (const what of ["timeline", "bundle"]) {
      const other = `/api/v1/remote-desktop/sessions/${DESKTOP}/${what}`;
      assert.equal((await request(app, other, { headers })).status, 404);
      assert.equal((await request(app, `${path}/${what}`)).status, 401);
    }
  });
});
