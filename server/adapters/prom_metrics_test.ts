import assert from "node:assert/strict";
import { poll } from "../../tests/support/process.ts";
import { ControllerDriver, on, SCRIPTS } from "../testing/controller_driver.ts";
import { PromMetrics } from "./prom_metrics.ts";

Deno.test("PromMetrics: names, units and labels without ids", async () => {
  const { desktop } = new ControllerDriver().run(...SCRIPTS.fallback);
  if (desktop === null) throw new Error("unreachable");
  const metrics = new PromMetrics(() => Promise.resolve([desktop]));
  metrics.message("PING", "in");
  metrics.rejected("malformed");
  metrics.connections("agent", 2);
  metrics.connections("console", 3);
  metrics.relayed(1000);
  metrics.relaySkipped(4);
  metrics.dropped("link-gone", 7);
  metrics.dropped("link-full", 0);
  metrics.mediaDecisions({ "queue-standing": 2, "patches-window": 0 });
  metrics.mediaDecisions({ "queue-standing": 1 });
  metrics.redisCommand("ok", 0.002);
  metrics.watchLinks(() => [{ role: "agent", messages: 5, bytes: 640 }]);
  metrics.watchSinks(() => [{ name: "webhook-1", waiting: 12, dropped: 3 }]);
  for (const session of Object.values(desktop.sessions)) {
    for (const event of session.events) metrics.sessionEvent(event);
  }
  const painted = new ControllerDriver().run(
    ...SCRIPTS.connected,
    on.restored("none", "rtp", "transport-selected"),
  );
  for (const effect of painted.effects) {
    if (effect.kind === "event") metrics.sessionEvent(effect.event);
  }
  const { text, contentType } = await metrics.text();
  metrics.close();
  assert.match(contentType, /^text\/plain/);
  for (
    const line of [
      'farglass_sessions{stage="fallback",transport="diff-ws"} 1',
      'farglass_messages_total{type="PING",direction="in"} 1',
      'farglass_rejected_messages_total{code="malformed"} 1',
      'farglass_transport_fallbacks_total{reason="rtp-stalled"} 1',
      'farglass_negotiation_duration_seconds_count{phase="answered"} 1',
      'farglass_negotiation_duration_seconds_count{phase="connected"} 1',
      "farglass_first_frame_seconds_count 1",
      "farglass_connected_agents 2",
      "farglass_connected_consoles 3",
      "farglass_relay_bytes_total 1000",
      "farglass_relay_skipped_frames_total 4",
      'farglass_dropped_messages_total{reason="link-gone"} 7',
      'farglass_congestion_decisions_total{reason="queue-standing"} 3',
      'farglass_redis_command_duration_seconds_bucket{le="0.0025",outcome="ok"} 1',
      'farglass_buffered_messages{role="agent"} 5',
      'farglass_buffered_bytes{role="agent"} 640',
      'farglass_events_waiting{sink="webhook-1"} 12',
      'farglass_events_dropped_total{sink="webhook-1"} 3',
    ]
  ) assert.ok(text.split("\n").includes(line), line);
  assert.match(text, /^process_cpu_seconds_total /m);
  assert.doesNotMatch(text, /nodejs_eventloop/);
  assert.doesNotMatch(text, /[0-9a-f]{8}-[0-9a-f]{4}-/);
});

Deno.test("PromMetrics: exemplars name the trace, in OpenMetrics only", async () => {
  const metrics = new PromMetrics(() => Promise.resolve([]));
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const driver = new ControllerDriver();
  for (const event of [...SCRIPTS.connected, on.restored("none", "rtp", "transport-selected")]) {
    driver.run(event);
    for (const e of driver.effects) if (e.kind === "event") metrics.sessionEvent(e.event, traceId);
  }
  metrics.message("PING", "in");
  // As Prometheus asks, and a plain scrape at the same time: neither may spoil the other.
  const accept =
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  const [plain, open, again] = await Promise.all([
    metrics.text("text/plain"),
    metrics.text(accept),
    metrics.text(),
  ]);
  metrics.close();
  assert.match(open.contentType, /^application\/openmetrics-text; version=1\.0\.0/);
  assert.ok(open.text.endsWith("# EOF\n"));
  const label = `# {trace_id="${traceId}"} 0 \\d+`;
  for (
    const series of [
      'farglass_negotiation_duration_seconds_bucket{le="0.05",phase="answered"} 1',
      'farglass_negotiation_duration_seconds_bucket{le="0.05",phase="connected"} 1',
      'farglass_first_frame_seconds_bucket{le="0.05"} 1',
    ]
  ) {
    const line = open.text.split("\n").find((l) => l.startsWith(series));
    assert.match(line ?? `${series} is missing`, new RegExp(label.replace("{", "\\{")));
  }
  assert.match(open.text, /^# TYPE farglass_messages counter$/m);
  assert.match(open.text, /^farglass_messages_total\{/m);
  for (const { text, contentType } of [plain, again]) {
    assert.match(contentType, /^text\/plain/);
    assert.match(text, /^# TYPE farglass_messages_total counter$/m);
    assert.match(text, /^farglass_messages_total\{/m);
    assert.ok(!text.includes(traceId));
  }
});

Deno.test("PromMetrics: an event loop that stands still for 300 ms is seen to lag", async () => {
  const metrics = new PromMetrics(() => Promise.resolve([]));
  metrics.watchEventLoop();
  const count = async (le: string) => {
    const { text } = await metrics.text();
    const line = new RegExp(`^farglass_event_loop_lag_seconds_bucket\\{le="${le}"\\} (\\d+)$`, "m");
    return Number(line.exec(text)?.[1]);
  };
  const until = performance.now() + 400;
  while (performance.now() < until) { /* nothing else runs */ }
  await poll("a beat after it", 5_000, async () => await count("\\+Inf") >= 1 || null);
  const [late, all] = [await count("0.2"), await count("\\+Inf")];
  metrics.close();
  assert.ok(all > late, `${late} of ${all} beats came within 0.2 s`);
});
