/** REST under /api/v1 (design section 3): `{success, data | error}`. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { codedError, parseTraceparent, STAGES, statusOf } from "@farglass/protocol";
import { bundleOf } from "../../core/bundle.ts";
import type { Effect, MessageRef } from "../../core/events.ts";
import { operatorActor } from "../../core/telemetry/drafts.ts";
import { timelineOf } from "../../core/timeline.ts";
import { agentViews, endedView, sessionView } from "../../core/views.ts";
import { retryAfterSeconds } from "../retry_after.ts";
import type { HttpAppOptions } from "./app.ts";
import {
  checkHost,
  checkOrigin,
  type Env,
  fail,
  refuseWhenStopping,
  requireOperator,
  sourceOf,
} from "./security.ts";

const uuid = v.pipe(v.string(), v.uuid());
const challengeBody = v.object({ agentId: uuid });
const sessionBody = v.object({ desktopId: uuid });
const sessionFilter = v.object({
  desktopId: v.optional(uuid),
  stage: v.optional(v.picklist(STAGES)),
});
/** Left out, a bundle has no addresses and names. */
const bundleQuery = v.object({ addresses: v.optional(v.picklist(["include", "redact"])) });
const REST: MessageRef = { seq: 0, type: "REST" };

const success = (data: unknown, status = 200): Response =>
  Response.json({ success: true, data }, { status });

const withMessage = (effects: readonly Effect[]) =>
  effects.find((e): e is Extract<Effect, { kind: "reject" }> => e.kind === "reject");

/** Routes below `/api/v1`. */
export function apiRoutes(options: HttpAppOptions): Hono<Env> {
  const app = new Hono<Env>();
  app.use("*", refuseWhenStopping(options));
  // An agent proves its key and has no cookie; it may know the server by any name.
  app.post("/remote-desktop/agents/challenge", async (c) => {
    const body = await readJson(c, challengeBody);
    if (body === null) return fail(c, options, { code: "malformed", detail: "agentId" });
    const nonce = await options.identities.newChallenge(body.agentId);
    return nonce === null ? fail(c, options, { code: "rate-limited" }) : success({ nonce });
  });
  app.use("*", checkHost(options), checkOrigin(options), requireOperator(options));
  app.post("/console/ticket", async (c) => {
    const ticket = await options.identities.newTicket(c.get("operator"));
    return ticket === null ? fail(c, options, { code: "rate-limited" }) : success({ ticket });
  });
  agentRoutes(app, options);
  sessionRoutes(app, options);
  return app;
}

function agentRoutes(app: Hono<Env>, options: HttpAppOptions): void {
  app.get("/remote-desktop/agents", async () => success(agentViews(await options.store.list())));
  app.get("/remote-desktop/agents/:id", async (c) => {
    const agents = agentViews(await options.store.list());
    const agent = agents.find((a) => a.agentId === c.req.param("id"));
    return agent === undefined ? fail(c, options, { code: "not-found" }) : success(agent);
  });
}

function sessionRoutes(app: Hono<Env>, options: HttpAppOptions): void {
  const { store, shell, newId } = options;
  app.post("/remote-desktop/sessions", async (c) => {
    const body = await readJson(c, sessionBody);
    if (body === null) return fail(c, options, { code: "malformed", detail: "desktopId" });
    const sessionId = newId();
    if (!await options.operators.admit(c.get("operator").operatorId, sessionId)) {
      return fail(c, options, { code: "too-many-sessions", detail: options.operators.detail });
    }
    const effects = await shell.dispatch(body.desktopId, {
      kind: "request",
      sessionId,
      requestId: newId(),
      consoleLinkId: null,
      operator: c.get("operator"),
      source: sourceOf(c),
      ref: REST,
    }, { origin: originOf(c), caller: parseTraceparent(c.req.header("traceparent") ?? "") });
    const rejected = withMessage(effects);
    if (rejected !== undefined) {
      await options.operators.release(c.get("operator").operatorId, sessionId);
      return refused(rejected);
    }
    const stored = await store.load(body.desktopId);
    const session = stored?.desktop.sessions[sessionId];
    return session === undefined
      ? fail(c, options, { code: "session-ended" })
      : success(sessionView(session), 201);
  });
  app.get("/remote-desktop/sessions", async (c) => {
    const filter = v.safeParse(sessionFilter, c.req.query());
    if (!filter.success) {
      const key = v.getDotPath(filter.issues[0]) ?? "query";
      return fail(c, options, { code: "malformed", detail: key });
    }
    const { desktopId, stage } = filter.output;
    const desktops = (await store.list()).filter((d) =>
      desktopId === undefined || d.desktopId === desktopId
    );
    const views = desktops.flatMap((d) => [
      ...Object.values(d.sessions).map(sessionView),
      ...d.ended.map(endedView),
    ]);
    const wanted = views.filter((s) => stage === undefined || s.stage === stage);
    return success(wanted.sort((a, b) => a.createdAt - b.createdAt));
  });
  app.get("/remote-desktop/sessions/:id", async (c) => {
    const found = await findSession(options, c.req.param("id"));
    return found === null ? fail(c, options, { code: "session-not-found" }) : success(found);
  });
  app.get("/remote-desktop/sessions/:id/timeline", async (c) => {
    const found = await findStored(options, c.req.param("id"));
    if (found === null) return fail(c, options, { code: "session-not-found" });
    return success({ ...found.view, timeline: timelineOf(found.source, options.steadyClock()) });
  });
  app.get("/remote-desktop/sessions/:id/bundle", async (c) => {
    const wanted = v.safeParse(bundleQuery, c.req.query());
    if (!wanted.success) return fail(c, options, { code: "malformed", detail: "addresses" });
    const found = await findStored(options, c.req.param("id"));
    if (found === null) return fail(c, options, { code: "session-not-found" });
    const name = `farglass-session-${found.view.sessionId}.json`;
    c.header("content-disposition", `attachment; filename="${name}"`);
    const addresses = wanted.output.addresses === "include"
      ? { exportedFrom: sourceOf(c).address ?? null }
      : null;
    return c.json({
      success: true,
      data: bundleOf(found, { now: options.steadyClock(), addresses }),
    });
  });
  app.delete("/remote-desktop/sessions/:id", async (c) => {
    const sessionId = c.req.param("id");
    const desktopId = await store.desktopOf(sessionId);
    if (desktopId === null) return fail(c, options, { code: "session-not-found" });
    const effects = await shell.dispatch(desktopId, {
      kind: "kill",
      sessionId,
      reason: "killed",
      ref: REST,
    }, { origin: originOf(c) });
    const rejected = withMessage(effects);
    return rejected === undefined ? success({ sessionId }) : refused(rejected);
  });
}

const originOf = (c: Context<Env>) => ({
  actor: operatorActor(c.get("operator")),
  source: sourceOf(c),
});

/** The controller's refusal; it is counted there. */
function refused(effect: Extract<Effect, { kind: "reject" }>): Response {
  const { error } = effect;
  const after = retryAfterSeconds(error);
  const headers: Record<string, string> = after === null ? {} : { "retry-after": after };
  return Response.json({ success: false, error }, { status: statusOf(error.code), headers });
}

/** A session, live or ended, as far as the store remembers. */
async function findStored(options: HttpAppOptions, sessionId: string) {
  const { store } = options;
  const desktopId = await store.desktopOf(sessionId);
  const desktop = desktopId === null ? null : (await store.load(desktopId))?.desktop;
  const live = desktop?.sessions[sessionId];
  if (desktop != null && live !== undefined) {
    return { view: sessionView(live), source: { ...live, endedAtMs: null }, desktop };
  }
  const ended = desktop?.ended.find((s) => s.sessionId === sessionId);
  if (desktop != null && ended !== undefined) {
    return { view: endedView(ended), source: ended, desktop };
  }
  const record = await store.recordOf(sessionId);
  return record === null
    ? null
    : { view: endedView(record.session), source: record.session, desktop: record };
}

async function findSession(options: HttpAppOptions, sessionId: string) {
  const found = await findStored(options, sessionId);
  return found === null ? null : { ...found.view, events: found.source.events };
}

async function readJson<T extends v.GenericSchema>(
  c: Context,
  schema: T,
): Promise<v.InferOutput<T> | null> {
  let json: unknown;
  try {
    json = await c.req.json();
  } catch {
    // Not JSON: the caller answers `malformed`.
    return null;
  }
  const parsed = v.safeParse(schema, json);
  return parsed.success ? parsed.output : null;
}

/** JSON answer of a path or method that the API does not have. */
export const unknownApi = (options: HttpAppOptions, known: boolean): Response => {
  const code = known ? "method-not-allowed" : "not-found";
  options.metrics.rejected(code);
  return Response.json({ success: false, error: codedError(code) }, { status: statusOf(code) });
};
