/**
 * What the environment says of the runtime's OpenTelemetry, and whether it is safe. The runtime
 * writes a span of its own for every HTTP request, with the whole URL in it: sign-in links and
 * addresses would reach the collector. Two standard variables keep those out and our spans in.
 */

export interface OtelProblem {
  readonly key: string;
  readonly text: string;
}

/** `tracing`: spans are wanted. With problems the program must not start. */
export interface OtelEnv {
  readonly tracing: boolean;
  readonly problems: readonly OtelProblem[];
}

const isOn = (value: string | undefined): boolean => value === "true" || value === "1";
const isOff = (value: string | undefined): boolean => value === "false" || value === "0";

/** Reads `OTEL_*` as the runtime does. */
export function readOtelEnv(env: Readonly<Record<string, string | undefined>>): OtelEnv {
  const {
    OTEL_DENO: deno,
    OTEL_DENO_TRACING: tracing,
    OTEL_SDK_DISABLED: disabled,
    OTEL_TRACES_SAMPLER: sampler,
    OTEL_PROPAGATORS: propagators,
  } = env;
  if (!isOn(deno) || isOff(tracing) || isOn(disabled) || sampler === "always_off") {
    return { tracing: false, problems: [] };
  }
  const problems: OtelProblem[] = [];
  const why = "because the runtime's own HTTP spans would carry sign-in links and addresses";
  if (sampler !== "parentbased_always_off") {
    problems.push({
      key: "OTEL_TRACES_SAMPLER",
      text: `must be "parentbased_always_off" with OTEL_DENO, ${why}`,
    });
  }
  if (propagators !== "none") {
    problems.push({ key: "OTEL_PROPAGATORS", text: `must be "none" with OTEL_DENO, ${why}` });
  }
  return { tracing: problems.length === 0, problems };
}
