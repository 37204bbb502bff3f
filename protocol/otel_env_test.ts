import assert from "node:assert/strict";
import { readOtelEnv } from "./otel_env.ts";

const GOOD = {
  OTEL_DENO: "true",
  OTEL_TRACES_SAMPLER: "parentbased_always_off",
  OTEL_PROPAGATORS: "none",
};

const CASES: readonly (readonly [
  name: string,
  env: Record<string, string>,
  tracing: boolean,
  problems: readonly string[],
])[] = [
  ["nothing", {}, false, []],
  ["all that is needed", GOOD, true, []],
  ["1 is true", { ...GOOD, OTEL_DENO: "1" }, true, []],
  [
    "OTEL_DENO alone",
    { OTEL_DENO: "true" },
    false,
    ["OTEL_TRACES_SAMPLER", "OTEL_PROPAGATORS"],
  ],
  ["another sampler", { ...GOOD, OTEL_TRACES_SAMPLER: "always_on" }, false, [
    "OTEL_TRACES_SAMPLER",
  ]],
  ["another propagator", { ...GOOD, OTEL_PROPAGATORS: "tracecontext" }, false, [
    "OTEL_PROPAGATORS",
  ]],
  ["metrics and logs only", { OTEL_DENO: "true", OTEL_DENO_TRACING: "false" }, false, []],
  ["no span at all", { OTEL_DENO: "true", OTEL_TRACES_SAMPLER: "always_off" }, false, []],
  ["switched off", { ...GOOD, OTEL_SDK_DISABLED: "true" }, false, []],
  ["not switched on", { ...GOOD, OTEL_DENO: "false" }, false, []],
];

for (const [name, env, tracing, problems] of CASES) {
  Deno.test(`readOtelEnv: ${name}`, () => {
    const read = readOtelEnv(env);
    assert.deepEqual([read.tracing, read.problems.map((p) => p.key)], [tracing, problems]);
  });
}
