/** The runtime's OpenTelemetry, fenced. */
import { readOtelEnv, SOFTWARE_VERSION } from "@farglass/protocol";
import type { SpanAttributes, Tracer } from "../core/trace.ts";

/**
 * Null unless the environment asks for traces; the library is loaded only then. Times given to
 * the tracer are those of `performance.now()`.
 */
export async function openOtelTracer(
  env: Readonly<Record<string, string | undefined>>,
): Promise<Tracer | null> {
  if (!readOtelEnv(env).tracing) return null;
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } = await import(
    "@opentelemetry/api"
  );
  const tracer = trace.getTracer("farglass", SOFTWARE_VERSION);
  const unixMs = (ms: number) => performance.timeOrigin + ms;
  return {
    start(name, { traceId, spanId }, startMs) {
      const span = tracer.startSpan(
        name,
        { kind: SpanKind.INTERNAL, startTime: unixMs(startMs) },
        trace.setSpanContext(ROOT_CONTEXT, {
          traceId,
          spanId,
          traceFlags: TraceFlags.SAMPLED,
          isRemote: true,
        }),
      );
      const own = span.spanContext();
      return {
        context: { traceId: own.traceId, spanId: own.spanId, sampled: true },
        end(endMs, { ok = true, attributes } = {}) {
          span.setAttributes(prefixed(attributes));
          if (!ok) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end(unixMs(endMs));
        },
      };
    },
  };
}

const prefixed = (attributes: SpanAttributes = {}): Record<string, string | number | boolean> =>
  Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [`farglass.${key}`, value]),
  );
