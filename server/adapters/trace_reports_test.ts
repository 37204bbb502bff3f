import assert from "node:assert/strict";
import { type ConsoleSpan, type MessageOf } from "@farglass/protocol";
import type { Tracer } from "../core/telemetry/ports.ts";
import {
  CONSOLE_LINK,
  ControllerDriver,
  DESKTOP,
  on,
  SCRIPTS,
  SESSION,
} from "../testing/controller_driver.ts";
import type { HubLink } from "./link_types.ts";
import { MemoryBus, MemoryDesktopStore } from "./memory_store.ts";
import { TraceReports } from "./trace_reports.ts";

const ROOT = "aaaaaaaaaaaaaaaa";
const TRACE = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  callerSpanId: ROOT,
  spanId: "bbbbbbbbbbbbbbbb",
  sampled: true,
};

const link = (linkId: string, operatorId = "op"): HubLink => ({
  linkId,
  identity: { role: "console", operator: { operatorId, name: "operator" } },
  agent: null,
  desktopIds: new Set(),
  addDesktop: () => Promise.resolve(),
});

/** A store with the session at the end of the script, and what reached the tracer. */
async function world(ended = false) {
  const request = on.request();
  if (request.kind !== "request") throw new Error("unreachable");
  const driver = new ControllerDriver().run(
    on.caps(),
    { ...request, trace: TRACE },
    ...SCRIPTS.connected.slice(2),
    ...(ended ? [on.kill()] : []),
  );
  const store = new MemoryDesktopStore(new MemoryBus());
  await store.save(DESKTOP, 0, { desktop: driver.desktop });
  const forwarded: [string, string[]][] = [];
  const tracer: Tracer = {
    start: () => {
      throw new Error("A report starts no span");
    },
    forward: (traceId, spans) => void forwarded.push([traceId, spans.map((s) => s.spanId)]),
  };
  const clock = { now: driver.now };
  const reports = new TraceReports({ tracer, store, clock: () => clock.now });
  const message = (change: Partial<ConsoleSpan> = {}): MessageOf<"TRACE_SPANS"> => ({
    type: "TRACE_SPANS",
    desktopId: DESKTOP,
    sessionId: SESSION,
    seq: 1,
    ack: 0,
    ts: 0,
    payload: {
      spans: [{
        name: "desktop.open",
        spanId: ROOT,
        parentId: null,
        startMs: driver.now - 500,
        endMs: driver.now,
        ok: true,
        ...change,
      }],
    },
  });
  return { reports, forwarded, message, clock };
}

Deno.test("TraceReports: a console's own spans go on, with the session's trace id", async () => {
  const { reports, forwarded, message } = await world();
  assert.equal(await reports.take(link(CONSOLE_LINK), message()), null);
  assert.deepEqual(forwarded, [[TRACE.traceId, [ROOT]]]);
});

Deno.test("TraceReports: another console, another operator and another trace are refused", async () => {
  const live = await world();
  const refused = await live.reports.take(link("other-link"), live.message());
  assert.equal(refused?.code, "session-not-found");
  const foreign = live.message({ spanId: "c".repeat(16) });
  const wrong = await live.reports.take(link(CONSOLE_LINK), foreign);
  assert.equal(wrong?.code, "malformed");
  assert.deepEqual(live.forwarded, []);
  const over = await world(true);
  const stranger = await over.reports.take(link("new-link", "stranger"), over.message());
  assert.equal(stranger?.code, "session-not-found");
  assert.equal(await over.reports.take(link("new-link"), over.message()), null);
});

Deno.test("TraceReports: many reports of one console are refused, and taken again later", async () => {
  const { reports, message, clock } = await world();
  const console = link(CONSOLE_LINK);
  const codes: (string | undefined)[] = [];
  for (let i = 0; i < 9; i++) codes.push((await reports.take(console, message()))?.code);
  assert.deepEqual(codes, [...Array(8).fill(undefined), "rate-limited"]);
  clock.now += 2_000;
  assert.equal(await reports.take(console, message()), null);
});
