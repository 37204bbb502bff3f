/** Prometheus' own parser reads /metrics in OpenMetrics, exemplars and all. */
import assert from "node:assert/strict";
import { PromMetrics } from "../../server/adapters/prom_metrics.ts";
import { ControllerDriver, SCRIPTS } from "../../server/testing/controller_driver.ts";
import { promtool } from "../../tools/promtool.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

/** Reads a file of samples with their times into blocks, as Prometheus would a scrape. */
async function backfill(text: string): Promise<{ readonly code: number; readonly said: string }> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-open-metrics-" });
  try {
    await Deno.writeTextFile(`${dir}/metrics`, text);
    const args = ["tsdb", "create-blocks-from", "openmetrics", `${dir}/metrics`, `${dir}/blocks`];
    const { code, stdout, stderr } = await new Deno.Command(promtool(), { args }).output();
    const decoder = new TextDecoder();
    return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The tool wants a time after each value; a scrape has none. */
const withTimes = (text: string): string =>
  text.replace(/^([^#\n]\S*(?:\{[^}]*\})? \S+)(?= #|$)/gm, "$1 1700000000");

Deno.test("Prometheus reads the server's OpenMetrics with exemplars, and not a broken one", async () => {
  const metrics = new PromMetrics(() => Promise.resolve([]));
  metrics.watchSinks(() => [{ name: "webhook-1", waiting: 1, dropped: 2 }]);
  metrics.message("PING", "in");
  const driver = new ControllerDriver();
  for (const event of SCRIPTS.connected) {
    driver.run(event);
    for (const e of driver.effects) if (e.kind === "event") metrics.sessionEvent(e.event, TRACE);
  }
  const { text } = await metrics.text("application/openmetrics-text; version=1.0.0");
  metrics.close();
  assert.match(text, new RegExp(`# \\{trace_id="${TRACE}"\\}`));
  const good = await backfill(withTimes(text));
  assert.equal(good.code, 0, good.said);
  const broken = text.replace(`# {trace_id="${TRACE}"}`, `# {trace_id=${TRACE}}`);
  assert.notEqual((await backfill(withTimes(broken))).code, 0);
});
