/** deploy/prometheus as Prometheus' own checker reads it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { promtool } from "../../tools/promtool.ts";
import { ROOT } from "../support/stack.ts";

const check = async (...args: string[]) => {
  const { code, stdout, stderr } = await new Deno.Command(promtool(), { args }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, text };
};

Deno.test("promtool accepts the alert rules, and finds what is wrong in others", async () => {
  const rules = join(ROOT, "deploy/prometheus/alerts.yml");
  const { code, text } = await check("check", "rules", rules);
  assert.equal(code, 0, text);
  assert.match(text, /SUCCESS: \d{2} rules found/);
  const dir = await Deno.makeTempDir({ prefix: "farglass-rules-" });
  try {
    const broken = join(dir, "broken.yml");
    const good = await Deno.readTextFile(rules);
    await Deno.writeTextFile(
      broken,
      good.replace("histogram_quantile(0.95,", "histogram_quantil(0.95,"),
    );
    const refused = await check("check", "rules", broken);
    assert.equal(refused.code, 1, refused.text);
    assert.match(refused.text, /unknown function/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** A constant or a counter, each minute for half an hour, as promtool writes it. */
const always = (value: number) => `${value}x40`;
const growing = (perMinute: number) => `0+${perMinute}x40`;
const STILL = always(0);

/** A histogram of which everything is slower than `le` and none slower than `more`. */
const slow = (name: string, labels: string, [le, more]: readonly [string, string]) => ({
  [`${name}_bucket{${labels}le="${le}"}`]: STILL,
  [`${name}_bucket{${labels}le="${more}"}`]: growing(600),
  [`${name}_bucket{${labels}le="+Inf"}`]: growing(600),
});
const sessions = (nodes: readonly string[], counts: Readonly<Record<string, number>>) =>
  Object.fromEntries(nodes.flatMap((instance) =>
    Object.entries(counts).map(([transport, n]) => [
      `farglass_sessions{job="farglass",instance="${instance}",stage="connected",transport="${transport}"}`,
      always(n),
    ])
  ));

/** What makes each alert fire. */
const FIRING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  FarglassServerDown: { 'up{job="farglass"}': STILL },
  FarglassEventLoopLag: slow("farglass_event_loop_lag_seconds", "", ["0.2", "0.5"]),
  FarglassMemoryHigh: { process_resident_memory_bytes: always(3e9) },
  FarglassDescriptorsLow: { process_open_fds: always(90), process_max_fds: always(100) },
  FarglassRedisSlow: slow("farglass_redis_command_duration_seconds", 'outcome="ok",', [
    "0.1",
    "0.25",
  ]),
  FarglassRedisFails: {
    'farglass_redis_command_duration_seconds_count{outcome="error"}': growing(120),
  },
  FarglassMessagesDropped: { 'farglass_dropped_messages_total{reason="link-full"}': growing(1) },
  FarglassNegotiationSlow: slow("farglass_negotiation_duration_seconds", 'phase="connected",', [
    "5",
    "10",
  ]),
  FarglassFirstFrameSlow: slow("farglass_first_frame_seconds", "", ["5", "10"]),
  FarglassFallbacks: { 'farglass_transport_fallbacks_total{reason="ice-failed"}': growing(60) },
  FarglassOnDiffRelay: sessions(["a", "b"], { "diff-ws": 4, rtp: 3 }),
  FarglassRejections: { 'farglass_rejected_messages_total{code="malformed"}': growing(600) },
  FarglassRelaySkips: { farglass_relay_skipped_frames_total: growing(1_800) },
  FarglassEventsDropped: { 'farglass_events_dropped_total{sink="webhook-1"}': growing(1) },
};
/** Nothing is wrong; three nodes that tell of the same three sessions are no nine sessions. */
const HEALTHY: Readonly<Record<string, string>> = {
  'up{job="farglass"}': always(1),
  process_resident_memory_bytes: always(2e8),
  process_open_fds: always(30),
  process_max_fds: always(1_000),
  'farglass_events_dropped_total{sink="webhook-1"}': always(3),
  'farglass_rejected_messages_total{code="malformed"}': growing(6),
  'farglass_dropped_messages_total{reason="link-gone"}': growing(60),
  ...sessions(["a", "b", "c"], { "diff-ws": 2, rtp: 1 }),
};

Deno.test("each alert fires when it should, and none while all is well", async () => {
  const text = await Deno.readTextFile(join(ROOT, "deploy/prometheus/alerts.yml"));
  const names = [...text.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  assert.deepEqual(names.toSorted(), Object.keys(FIRING).toSorted());
  const firing = (
    name: string,
    series: Readonly<Record<string, string>>,
    count: number | null,
  ) => ({
    name: `${name} ${count === null ? "rests" : "fires"}`,
    interval: "1m",
    input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
    promql_expr_test: [{
      expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`,
      eval_time: "30m",
      exp_samples: count === null ? [] : [{ labels: "{}", value: count }],
    }],
  });
  const tests = names.flatMap((name) => [
    firing(name, FIRING[name], 1),
    firing(name, HEALTHY, null),
  ]);
  const dir = await Deno.makeTempDir({ prefix: "farglass-rules-" });
  try {
    await Deno.writeTextFile(join(dir, "alerts.yml"), text);
    // JSON is YAML.
    const file = join(dir, "tests.yml");
    const cases = { rule_files: ["alerts.yml"], evaluation_interval: "1m", tests };
    await Deno.writeTextFile(file, JSON.stringify(cases));
    const { code, text: said } = await check("test", "rules", file);
    assert.equal(code, 0, said);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
