/** Headers of every answer, and who may call what. Local to the HTTP adapter. */
import type { Context, MiddlewareHandler } from "hono";
import { type ErrorCode, type EventSource, retryLater, statusOf } from "@farglass/protocol";
import { isHostAllowed, isOriginAllowed } from "../../core/origins.ts";
import type { Operator } from "../../core/state.ts";
import { eventSource, operatorActor, rejectionDraft } from "../../core/telemetry/drafts.ts";
import type { Peer } from "../node_http.ts";
import { refusal, retryAfterSeconds } from "../retry_after.ts";
import { page } from "./pages.ts";
import type { HttpAppOptions } from "./app.ts";

export type Env = { Variables: { operator: Operator } };

/** Strict policy of the console's page: own origin only, nothing inline, nothing evaluated. */
export function contentSecurityPolicy(host: string): string {
  // Safari before 15.4 does not take 'self' for WebSockets, so they are named.
  const socket = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : "";
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob: mediastream:",
    `connect-src 'self'${socket}`,
    "font-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    // Only the console's own policy may name scripts, and it names its workers (Trusted Types).
    "require-trusted-types-for 'script'",
    "trusted-types default",
  ].join("; ");
}

/** Sets the headers of security.md on every answer. */
export const securityHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const headers = c.res.headers;
  headers.set("content-security-policy", contentSecurityPolicy(c.req.header("host") ?? ""));
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-resource-policy", "same-origin");
  headers.set(
    "permissions-policy",
    "camera=(), microphone=(), geolocation=(), payment=(), usb=(), fullscreen=(self), clipboard-read=(self), clipboard-write=(self)",
  );
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
};

const wantsHtml = (c: Context): boolean =>
  (c.req.header("accept") ?? "").includes("text/html") && !c.req.path.startsWith("/api/");

/** Answers with a coded error: a page for people, JSON for programs. */
export function fail(
  c: Context,
  options: HttpAppOptions,
  error: { readonly code: ErrorCode; readonly detail?: string; readonly retryAfterMs?: number },
): Response {
  const { code, detail, retryAfterMs: ms } = error;
  const coded = ms === undefined ? refusal(code, detail) : retryLater(code, { ms, detail });
  const after = retryAfterSeconds(coded);
  const headers: Record<string, string> = after === null ? {} : { "retry-after": after };
  options.metrics.rejected(error.code);
  tellRejection(c, options, error.code);
  const status = statusOf(error.code);
  if (wantsHtml(c)) {
    const wait = after === null ? [] : [`You may try again in ${after} s.`];
    const text = [`${coded.advice}.`, ...wait];
    const body = page(coded.message, { text, code: `${status} ${error.code}` });
    headers["content-type"] = "text/html; charset=utf-8";
    return new Response(body, { status, headers });
  }
  return Response.json({ success: false, error: coded }, { status, headers });
}

/** Where a request came from. */
export function sourceOf(c: Context): EventSource {
  const peer = c.env as Peer | undefined;
  return eventSource(peer?.address, c.req.header("user-agent"));
}

/** Told elsewhere, or not worth it: any browser asks for pictures that there are not. */
const UNTOLD: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["link-used", "not-found"]);

function tellRejection(c: Context, options: HttpAppOptions, code: ErrorCode): void {
  if (UNTOLD.has(code)) return;
  const operator = options.identities.operatorOf(c.req.header("cookie") ?? null);
  options.telemetry.emit(rejectionDraft(code, {
    at: options.clock(),
    actor: operator === null ? { kind: "operator" } : operatorActor(operator),
    source: sourceOf(c),
    messageType: typeOf(c.req.path),
  }));
}

const typeOf = (path: string): string =>
  path.startsWith("/api/") ? "REST" : path === "/sign-in" ? "sign-in" : "HTTP";

/** A server that is stopping takes nothing new on; what it knows may still be read. */
export const refuseWhenStopping =
  (options: HttpAppOptions): MiddlewareHandler => async (c, next) => {
    const reads = c.req.method === "GET" || c.req.method === "HEAD";
    if (!reads && !options.ready()) return fail(c, options, { code: "server-stopping" });
    await next();
  };

/** Refuses names this server does not go by: a rebinding page's requests carry its own name. */
export const checkHost = (options: HttpAppOptions): MiddlewareHandler => async (c, next) => {
  if (!isHostAllowed(options.origins(), c.req.header("host") ?? null)) {
    return fail(c, options, { code: "bad-origin", detail: "Host header" });
  }
  await next();
};

/**
 * Refuses changes that a page of another origin asked for. Browsers send `Origin` with every
 * POST and DELETE; a program without one has no ambient cookie to abuse.
 */
export const checkOrigin = (options: HttpAppOptions): MiddlewareHandler => async (c, next) => {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site");
  const reads = c.req.method === "GET" || c.req.method === "HEAD";
  const foreign = origin !== undefined && !isOriginAllowed(options.origins(), origin) ||
    site !== undefined && site !== "same-origin" && site !== "none";
  if (!reads && foreign) return fail(c, options, { code: "bad-origin" });
  await next();
};

/** Lets only signed-in operators pass and remembers who it is. */
export const requireOperator =
  (options: HttpAppOptions): MiddlewareHandler<Env> => async (c, next) => {
    const operator = options.identities.operatorOf(c.req.header("cookie") ?? null);
    if (operator === null) return fail(c, options, { code: "unauthorized" });
    c.set("operator", operator);
    await next();
  };
