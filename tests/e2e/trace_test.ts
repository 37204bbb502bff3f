/// <reference lib="dom" />
/** One trace from the operator's click through server and agent to the first frame. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openConsole, waitForTransport } from "../support/console_page.ts";
import { e2eTest, startWorld } from "../support/e2e.ts";
import {
  type CollectedSpan,
  type OtlpCollector,
  startOtlpCollector,
} from "../support/otlp_collector.ts";
import { poll } from "../support/process.ts";

/** Each span below the one that led to it. */
const TREE: Readonly<Record<string, string | null>> = {
  "farglass-console desktop.open": null,
  "farglass-console link.ready": "farglass-console desktop.open",
  "farglass-console session.request": "farglass-console desktop.open",
  "farglass-server session.request": "farglass-console desktop.open",
  "farglass-agent session.decision": "farglass-server session.request",
  "farglass-server session.decision": "farglass-server session.request",
  "farglass-console session.decision": "farglass-console desktop.open",
  "farglass-console negotiation.offer": "farglass-console desktop.open",
  "farglass-console negotiation.answer": "farglass-console desktop.open",
  "farglass-server signal.offer": "farglass-console negotiation.answer",
  "farglass-agent negotiation.answer": "farglass-server signal.offer",
  "farglass-server signal.answer": "farglass-agent negotiation.answer",
  "farglass-agent peer.connect": "farglass-agent negotiation.answer",
  "farglass-server negotiation": "farglass-server session.request",
  "farglass-console ice.connect": "farglass-console desktop.open",
  "farglass-console channels.open": "farglass-console desktop.open",
  "farglass-agent capture.open": "farglass-server session.request",
  "farglass-agent encode.first": "farglass-server session.request",
  "farglass-agent frame.send": "farglass-server session.request",
  "farglass-console first-frame": "farglass-console desktop.open",
};
/** The clocks of the browser and of the runtime are read apart. */
const CLOCK_SLACK_MS = 5;

const nameOf = (span: CollectedSpan): string => `${span.service} ${span.name}`;

e2eTest("a click is one trace through console, server and agent to the first frame", async () => {
  await using collector = startOtlpCollector();
  const directory = await Deno.makeTempDir({ prefix: "farglass-trace-" });
  await using _directory = {
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
  const events = join(directory, "events.jsonl");
  await using world = await startWorld({
    server: {
      env: collector.envFor("farglass-server"),
      config: { telemetry: { sinks: [{ type: "file", path: events }] } },
    },
    agent: { env: collector.envFor("farglass-agent") },
  });
  const consoleUrl = await world.server.freshLink();
  await using opened = await openConsole(world.browser, { consoleUrl });
  const { page } = opened;
  await page.getByTestId("desktop-list").waitFor();
  assert.equal(collector.spans.length, 0, "nothing is traced before the click");
  await page.getByTestId("connect").click();
  await waitForTransport(page, "rtp");
  await collector.waitFor(Object.keys(TREE));

  const traceId = checkTree(collector.spans);
  checkOrder(collector.spans);

  const [session] = await page.evaluate(async () => {
    const answer = await fetch("/api/v1/remote-desktop/sessions");
    return (await answer.json()).data;
  });
  assert.equal(session.traceId, traceId);
  const timeline = await page.evaluate(async (id) => {
    const answer = await fetch(`/api/v1/remote-desktop/sessions/${id}/timeline`);
    return (await answer.json()).data;
  }, session.sessionId);
  assert.equal(timeline.traceId, traceId);
  await page.getByTestId("disconnect").click();
  await checkEvents(events, session.sessionId, traceId);
  for (const line of world.server.process.stderrLines.map((l) => JSON.parse(l))) {
    if (line.sessionId === session.sessionId) assert.equal(line.traceId, traceId, line.event);
  }
  const metrics = await fetch(world.server.metricsUrl, {
    headers: { accept: "application/openmetrics-text" },
  });
  const exemplar = `^farglass_first_frame_seconds_bucket.* # \\{trace_id="${traceId}"\\}`;
  assert.match(await metrics.text(), new RegExp(exemplar, "m"));

  await checkRest(page, collector, world.agent.desktopId);

  const secret = (await Deno.readTextFile(world.server.agentSecretFile)).trim();
  // The processes hand over what is left when they end.
  await world.agent.stop();
  await world.server.stop();
  checkSecrets(collector.bodies, [new URL(consoleUrl).searchParams.get("link") ?? "", secret]);
  checkTree(collector.spans.filter((s) => s.traceId === traceId));
});

e2eTest("a desktop that comes by patches is traced to its first patch", async () => {
  await using collector = startOtlpCollector();
  await using world = await startWorld({
    server: { env: collector.envFor("farglass-server") },
    agent: {
      capture: "synthetic",
      env: collector.envFor("farglass-agent"),
      flags: ["--policy-diff-only"],
    },
  });
  await using opened = await world.open();
  await waitForTransport(opened.page, "diff-dc");
  await collector.waitFor([
    "farglass-agent patch.first",
    "farglass-agent frame.send",
    "farglass-console desktop.open",
  ]);
  const { spans } = collector;
  const root = spans.find((s) => nameOf(s) === "farglass-console desktop.open");
  assert.equal(root?.attributes["farglass.transport"], "diff-dc");
  const patch = spans.find((s) => s.name === "patch.first");
  assert.deepEqual([patch?.traceId, patch?.attributes["farglass.transport"]], [
    root?.traceId,
    "diff-dc",
  ]);
  assert.ok(!spans.some((s) => s.name === "encode.first"));
});

/** A session made by REST: a trace that the server begins, or one that its caller began. */
async function checkRest(page: Page, collector: OtlpCollector, desktopId: string): Promise<void> {
  const caller = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
  for (const traceparent of ["", `00-${caller.traceId}-${caller.spanId}-01`]) {
    const { traceId } = await page.evaluate(async ({ desktopId, traceparent }) => {
      const answer = await fetch("/api/v1/remote-desktop/sessions", {
        method: "POST",
        headers: { "content-type": "application/json", traceparent },
        body: JSON.stringify({ desktopId }),
      });
      return (await answer.json()).data;
    }, { desktopId, traceparent });
    const names = ["farglass-server session.request", "farglass-agent session.decision"];
    await collector.waitFor(names, traceId);
    const spans = collector.spans.filter((s) => s.traceId === traceId);
    const [request, decision] = names.map((name) => spans.find((s) => nameOf(s) === name));
    assert.equal(traceId === caller.traceId, traceparent !== "");
    assert.equal(request?.parentId, traceparent === "" ? null : caller.spanId);
    assert.equal(decision?.parentId, request?.spanId);
  }
}

/** Returns the one trace id. */
function checkTree(spans: readonly CollectedSpan[]): string {
  const [{ traceId }] = spans;
  const byId = new Map(spans.map((s) => [s.spanId, s]));
  for (const span of spans) {
    assert.equal(span.traceId, traceId, nameOf(span));
    assert.ok(Object.hasOwn(TREE, nameOf(span)), nameOf(span));
    const parent = span.parentId === null ? null : byId.get(span.parentId);
    assert.ok(parent !== undefined, `${nameOf(span)} has an unknown parent`);
    assert.equal(parent === null ? null : nameOf(parent), TREE[nameOf(span)], nameOf(span));
    assert.equal(span.failed, false, nameOf(span));
  }
  assert.deepEqual(spans.map(nameOf).toSorted(), Object.keys(TREE).toSorted());
  return traceId;
}

function checkOrder(spans: readonly CollectedSpan[]): void {
  const of = (name: string) => spans.find((s) => nameOf(s) === name)!;
  const root = of("farglass-console desktop.open");
  const last = of("farglass-console first-frame");
  assert.equal(root.endMs, last.endMs);
  for (const span of spans) {
    assert.ok(span.startMs <= span.endMs, nameOf(span));
    assert.ok(span.startMs >= root.startMs - CLOCK_SLACK_MS, `${nameOf(span)} before the click`);
    assert.ok(span.endMs <= last.endMs + CLOCK_SLACK_MS, `${nameOf(span)} after the first frame`);
  }
  assert.equal(root.attributes["farglass.transport"], "rtp");
  assert.equal(of("farglass-agent session.decision").attributes["farglass.decision"], "accept");
}

/** Every security event of the session bears the trace, its end included. */
async function checkEvents(path: string, sessionId: string, traceId: string): Promise<void> {
  const own = await poll("the session's last event", 10_000, async () => {
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    const found = lines.map((l) => JSON.parse(l)).filter((e) => e.sessionId === sessionId);
    return found.some((e) => e.action === "session-ended") ? found : null;
  });
  for (const event of own) assert.equal(event.traceId, traceId, event.action);
  assert.ok(own.some((e) => e.action === "session-requested"));
}

function checkSecrets(bodies: readonly string[], secrets: readonly string[]): void {
  const all = bodies.join("\n");
  const forbidden =
    /v=0|a=(?:ice|fingerprint|candidate)|ice-(?:ufrag|pwd)|candidate:|127\.0\.0\.1|localhost|\.local\b|sign-in|\?link=|cookie|ticket|ws:\/\/|http:\/\//i;
  const found = forbidden.exec(all);
  assert.equal(found, null, found === null ? "" : all.slice(found.index - 80, found.index + 80));
  for (const secret of secrets) {
    assert.ok(secret.length > 8, "a secret to look for");
    assert.ok(!all.includes(secret));
  }
}
