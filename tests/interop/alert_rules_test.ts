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
