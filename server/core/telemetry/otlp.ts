/** OTLP/HTTP in JSON (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"). Pure. */
import { SERVICE_VERSION } from "./facts.ts";
import type { SpanAttributes } from "./ports.ts";

/** A span with ids of its own. Times are Unix ms. */
export interface OtlpSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly kind: "internal" | "server" | "client";
  readonly startMs: number;
  readonly endMs: number;
  readonly ok: boolean;
  readonly attributes: SpanAttributes;
}

const KINDS = { internal: 1, server: 2, client: 3 } as const;
const STATUS_ERROR = 2;
const SCOPE = { name: "farglass", version: SERVICE_VERSION };

/** Where spans go; null when the collector does not take OTLP over HTTP. */
export interface OtlpTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** PEM files: whose certificates count besides the machine's own, and who this server is. */
  readonly caFile?: string;
  readonly client?: { readonly certFile: string; readonly keyFile: string };
}

/** Reads the exporter's standard variables as the runtime does. */
export function otlpTarget(env: Readonly<Record<string, string | undefined>>): OtlpTarget | null {
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ??
    "http/protobuf";
  if (!protocol.startsWith("http/")) return null;
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "http://localhost:4318";
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? `${base.replace(/\/+$/, "")}/v1/traces`;
  const text = env.OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? env.OTEL_EXPORTER_OTLP_HEADERS ?? "";
  const caFile = env.OTEL_EXPORTER_OTLP_CERTIFICATE;
  const certFile = env.OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE;
  const keyFile = env.OTEL_EXPORTER_OTLP_CLIENT_KEY;
  return {
    url,
    headers: headersOf(text),
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined || keyFile === undefined ? {} : { client: { certFile, keyFile } }),
  };
}

/** `key=value,key=value`, the values percent-encoded (W3C Baggage). */
function headersOf(text: string): Record<string, string> {
  const pairs = text.split(",").flatMap((part) => {
    const at = part.indexOf("=");
    if (at <= 0) return [];
    return [[part.slice(0, at).trim(), decoded(part.slice(at + 1).trim())] as const];
  });
  return Object.fromEntries(pairs);
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // Not percent-encoded after all.
    return value;
  }
}

/** One ExportTraceServiceRequest. */
export function otlpBody(spans: readonly OtlpSpan[]): string {
  const services = [...new Set(spans.map((s) => s.service))];
  return JSON.stringify({
    resourceSpans: services.map((service) => ({
      resource: {
        attributes: attributesOf({ "service.name": service, "service.version": SERVICE_VERSION }),
      },
      scopeSpans: [{
        scope: SCOPE,
        spans: spans.filter((s) => s.service === service).map(spanOf),
      }],
    })),
  });
}

const spanOf = (span: OtlpSpan) => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentId === null ? {} : { parentSpanId: span.parentId }),
  name: span.name,
  kind: KINDS[span.kind],
  startTimeUnixNano: nanos(span.startMs),
  endTimeUnixNano: nanos(span.endMs),
  attributes: attributesOf(span.attributes),
  status: span.ok ? {} : { code: STATUS_ERROR },
});

/** To the microsecond: a double of Unix nanoseconds has no more. */
const nanos = (ms: number): string => `${Math.round(ms * 1000)}000`;

const attributesOf = (attributes: SpanAttributes) =>
  Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string"
      ? { stringValue: value }
      : typeof value === "boolean"
      ? { boolValue: value }
      : { doubleValue: value },
  }));
