/** Hono, fenced in this folder: the console's files, sign-in, REST, health and metrics. */
import { type Context, Hono } from "hono";
import { SOFTWARE_VERSION } from "@farglass/protocol";
import type { OriginPolicy } from "../../core/origins.ts";
import {
  type DesktopStore,
  type Log,
  type Metrics,
  StoreNewer,
  StoreUnavailable,
} from "../../core/ports.ts";
import type { Telemetry } from "../../core/telemetry/ports.ts";
import type { ControllerShell } from "../controller_shell.ts";
import type { Identities } from "../identity.ts";
import type { OperatorSessions } from "../operator_sessions.ts";
import { apiRoutes, unknownApi } from "./api.ts";
import { Assets } from "./assets.ts";
import { page, PAGE_CSS, PAGE_CSS_PATH } from "./pages.ts";
import { checkHost, fail, securityHeaders } from "./security.ts";
import { SignIn } from "./sign_in.ts";

export interface HttpAppOptions {
  readonly identities: Identities;
  readonly store: DesktopStore;
  readonly shell: ControllerShell;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  /** Unix ms. */
  readonly clock: () => number;
  /** Unix ms that never jump; the times of sessions. */
  readonly steadyClock: () => number;
  /** Wrong sign-in links that one address may try. */
  readonly signInFailuresPerMinute: number;
  readonly operators: OperatorSessions;
  readonly log: Log;
  readonly newId: () => string;
  /** Known once the server listens. */
  readonly origins: () => OriginPolicy;
  readonly consoleDirectory: string;
  /** Whether cookies travel by https only. */
  readonly secureCookies: boolean;
  /** The exposition text, or null when it may not be shown. */
  readonly metricsText:
    | ((accept: string) => Promise<{ readonly text: string; readonly contentType: string }>)
    | null;
  /** False while the server is stopping. */
  readonly ready: () => boolean;
  /** Whether new connections are accepted; left out when they always are. */
  readonly listening?: () => boolean;
  /** Whether the store is there and takes writes; left out when it always is. */
  readonly storeUp?: () => boolean;
}

const API = "/api/v1";
/** Methods of each REST path, to tell 405 from 404. */
const API_PATHS = [
  /^\/api\/v1\/console\/ticket$/,
  /^\/api\/v1\/remote-desktop\/agents(?:\/[^/]+)?$/,
  /^\/api\/v1\/remote-desktop\/sessions(?:\/[^/]+(?:\/(?:timeline|bundle))?)?$/,
];

/** Builds the app; `app.request()` tests it without a socket. */
export function makeHttpApp(options: HttpAppOptions): Hono {
  const app = new Hono();
  app.use("*", securityHeaders);
  app.get("/healthz", () => Response.json({ status: "ok", version: SOFTWARE_VERSION }));
  app.get("/readyz", () => {
    // A load balancer sends new clients elsewhere; what is connected stays.
    const status = !options.ready()
      ? "stopping"
      : !(options.listening?.() ?? true)
      ? "out-of-descriptors"
      : !(options.storeUp?.() ?? true)
      ? "store-unavailable"
      : "ready";
    return Response.json({ status }, { status: status === "ready" ? 200 : 503 });
  });
  app.get("/metrics", async (c) => {
    if (options.metricsText === null) return fail(c, options, { code: "metrics-private" });
    const { text, contentType } = await options.metricsText(c.req.header("accept") ?? "");
    return new Response(text, { headers: { "content-type": contentType, vary: "accept" } });
  });
  app.get(PAGE_CSS_PATH, () =>
    new Response(PAGE_CSS, {
      headers: { "content-type": "text/css; charset=utf-8", "cache-control": "max-age=3600" },
    }));
  app.route(API, apiRoutes(options));
  const signIn = new SignIn(options);
  app.get("/sign-in", checkHost(options), (c) => signIn.handle(c));
  consoleRoutes(app, options);
  app.notFound((c) => {
    if (c.req.path.startsWith("/api/")) {
      return unknownApi(options, API_PATHS.some((p) => p.test(c.req.path)));
    }
    return fail(c, options, { code: c.req.method === "GET" ? "not-found" : "method-not-allowed" });
  });
  app.onError((cause, c) => {
    if (cause instanceof StoreUnavailable) return fail(c, options, { code: "store-unavailable" });
    if (cause instanceof StoreNewer) return fail(c, options, { code: "desktop-newer" });
    options.log.write("error", "request-failed", { error: String(cause) });
    return fail(c, options, { code: "internal" });
  });
  return app;
}

function consoleRoutes(app: Hono, options: HttpAppOptions): void {
  const assets = new Assets(options.consoleDirectory);
  app.get("/", checkHost(options), async (c) => {
    if (options.identities.operatorOf(c.req.header("cookie") ?? null) === null) {
      return fail(c, options, { code: "unauthorized" });
    }
    const response = await asset(c, assets, "/index.html", "no-cache");
    return response ?? notBuilt();
  });
  app.get("/assets/:name", async (c) => {
    const immutable = "public, max-age=31536000, immutable";
    return await asset(c, assets, c.req.path, immutable) ?? c.notFound();
  });
  app.get("/:name", async (c) => {
    // Such as favicon.svg: not hashed, so revalidated soon. The page itself is at "/".
    const response = c.req.path.endsWith(".html")
      ? null
      : await asset(c, assets, c.req.path, "max-age=3600");
    return response ?? c.notFound();
  });
}

async function asset(
  c: Context,
  assets: Assets,
  path: string,
  cacheControl: string,
): Promise<Response | null> {
  const found = await assets.read(path, c.req.header("accept-encoding") ?? "");
  if (found === null) return null;
  const headers = new Headers({
    "content-type": found.type,
    "cache-control": cacheControl,
    vary: "accept-encoding",
  });
  if (found.encoding !== null) headers.set("content-encoding", found.encoding);
  return new Response(found.body, { headers });
}

function notBuilt(): Response {
  const body = page("The console is not built yet", {
    text: ["Build it where the server runs, then reload this page:"],
    command: "deno task console:build",
    code: "503",
  });
  const headers = { "content-type": "text/html; charset=utf-8" };
  return new Response(body, { status: 503, headers });
}
