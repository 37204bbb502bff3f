/** A small OTLP/HTTP collector (JSON) on loopback: keeps what it receives, to the letter. */
import { poll } from "./process.ts";

export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Null for a root. */
  readonly parentId: string | null;
  /** Unix ms. */
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface OtlpCollector extends AsyncDisposable {
  /** Environment of a process that sends its traces here. */
  envFor(service: string): Record<string, string>;
  readonly spans: readonly CollectedSpan[];
  /** Every request body, whatever its signal. */
  readonly bodies: readonly string[];
  /** Waits until a span with each of these names (`service name`), of this trace, is there. */
  waitFor(names: readonly string[], traceId?: string): Promise<void>;
}

const WAIT_MS = 15_000;

// deno-lint-ignore no-explicit-any -- the collector takes any OTLP; the test asserts what it needs
type Json = any;

/** Starts it on a free port. */
export function startOtlpCollector(): OtlpCollector {
  const spans: CollectedSpan[] = [];
  const bodies: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const text = await request.text();
    bodies.push(text);
    if (new URL(request.url).pathname === "/v1/traces") spans.push(...spansOf(JSON.parse(text)));
    return Response.json({});
  });
  return {
    envFor: (service) => ({
      OTEL_DENO: "true",
      OTEL_SERVICE_NAME: service,
      OTEL_TRACES_SAMPLER: "parentbased_always_off",
      OTEL_PROPAGATORS: "none",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
    }),
    spans,
    bodies,
    async waitFor(names, traceId) {
      const own = () => spans.filter((s) => traceId === undefined || s.traceId === traceId);
      const missing = () => names.filter((n) => !own().some((s) => `${s.service} ${s.name}` === n));
      try {
        await poll("spans", WAIT_MS, () => missing().length === 0 ? true : null);
      } catch (cause) {
        const got = own().map((s) => `${s.service} ${s.name}`);
        throw new Error(`Missing spans: ${missing()}; there are ${got}`, { cause });
      }
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function spansOf(body: Json): CollectedSpan[] {
  return body.resourceSpans.flatMap(({ resource, scopeSpans }: Json) => {
    const service = attributesOf(resource.attributes)["service.name"];
    return scopeSpans.flatMap(({ spans }: Json) =>
      spans.map((span: Json) => ({
        service,
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentId: span.parentSpanId || null,
        startMs: Number(span.startTimeUnixNano) / 1e6,
        endMs: Number(span.endTimeUnixNano) / 1e6,
        failed: span.status?.code === 2,
        attributes: attributesOf(span.attributes),
      }))
    );
  });
}

const attributesOf = (attributes: Json): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }: Json) => [key, Object.values(value)[0]]));
