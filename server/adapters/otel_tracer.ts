/** The runtime's OpenTelemetry, fenced: spans of this process by its API, others by OTLP. */
import {
  type ConsoleSpan,
  readOtelEnv,
  SOFTWARE_VERSION,
  type TraceContext,
} from "@farglass/protocol";
import type { Log } from "../core/ports.ts";
import { otlpTarget } from "../core/telemetry/otlp.ts";
import type { OpenSpan, SpanAttributes, Tracer } from "../core/telemetry/ports.ts";
import { openOtlpClient, OtlpExporter } from "./otlp_exporter.ts";

export interface RunningTracer extends Tracer {
  /** Hands over what waits; the runtime does the same with its own when the process ends. */
  close(): Promise<void>;
}

export interface OtelTracerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Unix ms. */
  readonly clock: () => number;
}

type SpanOptions = Parameters<Tracer["start"]>[0];

const CONSOLE_SERVICE = "farglass-console";

/** Null unless the environment asks for traces; the library is loaded only then. */
export async function openOtelTracer(options: OtelTracerOptions): Promise<RunningTracer | null> {
  const { env, log } = options;
  if (!readOtelEnv(env).tracing) return null;
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } = await import(
    "@opentelemetry/api"
  );
  const tracer = trace.getTracer("farglass", SOFTWARE_VERSION);
  const target = otlpTarget(env);
  if (target === null) log.write("warn", "console-traces-off", { reason: "OTLP is not by HTTP" });
  const exporter = target === null
    ? null
    : new OtlpExporter({ ...options, target, client: await openOtlpClient(target) });
  const service = env.OTEL_SERVICE_NAME ?? "farglass-server";

  function startChild(
    { traceId, spanId }: TraceContext,
    { name, startMs, attributes }: SpanOptions,
  ): OpenSpan {
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.SERVER, startTime: startMs, attributes: prefixed(attributes) },
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
        span.end(endMs);
      },
    };
  }

  /** The runtime cannot begin a trace with a given id. */
  function startRoot({ name, traceId, startMs, attributes: first }: SpanOptions): OpenSpan {
    const spanId = newSpanId();
    return {
      context: { traceId, spanId, sampled: true },
      end(endMs, { ok = true, attributes } = {}) {
        const all = prefixed({ ...first, ...attributes });
        const ids = { service, traceId, spanId, parentId: null };
        exporter?.add({ ...ids, name, kind: "server", startMs, endMs, ok, attributes: all });
      },
    };
  }

  return {
    start: (span) => span.parent === null ? startRoot(span) : startChild(span.parent, span),
    forward(traceId: string, spans: readonly ConsoleSpan[]) {
      for (const { transport, reason, ...span } of spans) {
        const attributes = prefixed({
          ...(transport === undefined ? {} : { transport }),
          ...(reason === undefined ? {} : { reason }),
        });
        exporter?.add({ service: CONSOLE_SERVICE, traceId, kind: "client", ...span, attributes });
      }
    },
    close: async () => await exporter?.close(),
  };
}

const prefixed = (attributes: SpanAttributes = {}): Record<string, string | number | boolean> =>
  Object.fromEntries(
    Object.entries(attributes).map(([key, value]) => [`farglass.${key}`, value]),
  );

/** Eight random bytes; all zero is no id. */
function newSpanId(): string {
  const [a, b] = crypto.getRandomValues(new Uint32Array(2));
  return a.toString(16).padStart(8, "0") + ((b | 1) >>> 0).toString(16).padStart(8, "0");
}
