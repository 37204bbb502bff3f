/** deploy/prometheus and deploy/grafana name only what the server tells. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { PromMetrics } from "./adapters/prom_metrics.ts";

const path = (name: string) => fileURLToPath(new URL(`../deploy/${name}`, import.meta.url));

/** Names that a Prometheus server has by itself. */
const ITS_OWN = new Set(["up"]);
/** `farglass_x_seconds_bucket` belongs to the histogram `farglass_x_seconds`. */
const SUFFIX = /_(?:bucket|sum|count)$/;

async function knownMetrics(): Promise<ReadonlySet<string>> {
  const metrics = new PromMetrics(() => Promise.resolve([]));
  metrics.watchSinks(() => []);
  metrics.watchLinks(() => []);
  const { text } = await metrics.text();
  metrics.close();
  return new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
}

/** Metric names of expressions: with a prefix that ours have, or alone. */
const namesIn = (expressions: readonly string[]): readonly string[] =>
  expressions.flatMap((e) => e.match(/\b(?:up|(?:farglass|process|nodejs)_\w+)\b/g) ?? []);

async function checkNames(expressions: readonly string[]): Promise<void> {
  const known = await knownMetrics();
  assert.ok(expressions.length > 5);
  for (const expression of expressions) {
    const names = namesIn([expression]);
    assert.ok(names.length > 0, expression);
    for (const name of names) {
      const plain = known.has(name) ? name : name.replace(SUFFIX, "");
      assert.ok(known.has(plain) || ITS_OWN.has(name), `${name} is in no /metrics`);
    }
  }
}

Deno.test("deploy: every metric in the alert rules is in /metrics, and each rule says what to do", async () => {
  const text = await readFile(path("prometheus/alerts.yml"), "utf8");
  const rules = text.split(/^ {6}- alert: /m).slice(1);
  const field = (rule: string, name: string) =>
    new RegExp(`^\\s+${name}: (.+)$`, "m").exec(rule)?.[1] ?? "";
  await checkNames(rules.map((rule) => field(rule, "expr")));
  for (const rule of rules) {
    assert.match(rule, /^Farglass\w+\n/);
    assert.match(field(rule, "for"), /^\d+m$/);
    assert.match(field(rule, "severity"), /^(?:critical|warning|info)$/);
    for (const name of ["summary", "description"]) assert.ok(field(rule, name).length > 10, rule);
  }
});

Deno.test("deploy: every metric on the Grafana dashboard is in /metrics", async () => {
  const dashboard = JSON.parse(await readFile(path("grafana/farglass.json"), "utf8"));
  const expressions: string[] = dashboard.panels.flatMap((
    panel: { readonly targets: readonly { readonly expr: string }[] },
  ) => panel.targets.map((target) => target.expr));
  await checkNames(expressions);
  const ids = dashboard.panels.map((panel: { readonly id: number }) => panel.id);
  assert.equal(new Set(ids).size, ids.length);
});
