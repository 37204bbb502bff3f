import assert from "node:assert/strict";
import { SOFTWARE_VERSION } from "@farglass/protocol";
import { otlpBody, type OtlpSpan, otlpTarget } from "./otlp.ts";

const TARGETS: readonly (readonly [
  name: string,
  env: Record<string, string>,
  target: ReturnType<typeof otlpTarget>,
])[] = [
  ["nothing", {}, { url: "http://localhost:4318/v1/traces", headers: {} }],
  [
    "an endpoint with a path and a slash",
    { OTEL_EXPORTER_OTLP_ENDPOINT: "https://otel.example.com/in/" },
    { url: "https://otel.example.com/in/v1/traces", headers: {} },
  ],
  [
    "an endpoint for traces, taken as it is",
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://otel.example.com",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces.example.com/x",
    },
    { url: "https://traces.example.com/x", headers: {} },
  ],
  [
    "headers",
    { OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc=, x-a = 1,nonsense,=2,p=%zz" },
    {
      url: "http://localhost:4318/v1/traces",
      headers: { authorization: "Bearer abc=", "x-a": "1", p: "%zz" },
    },
  ],
  ["gRPC", { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, null],
  [
    "gRPC, but not for traces",
    { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" },
    { url: "http://localhost:4318/v1/traces", headers: {} },
  ],
];

for (const [name, env, target] of TARGETS) {
  Deno.test(`otlpTarget: ${name}`, () => assert.deepEqual(otlpTarget(env), target));
}

Deno.test("otlpBody: services apart, ids and times to the letter", () => {
  const span: OtlpSpan = {
    service: "farglass-console",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    parentId: null,
    name: "desktop.open",
    kind: "client",
    startMs: 1_700_000_000_000.25,
    endMs: 1_700_000_000_750,
    ok: true,
    attributes: { "farglass.transport": "rtp", "farglass.retries": 2, "farglass.again": true },
  };
  const failed: OtlpSpan = {
    ...span,
    service: "farglass-server",
    parentId: "1111111111111111",
    kind: "server",
    ok: false,
    attributes: {},
  };
  const resource = (service: string) => ({
    attributes: [
      { key: "service.name", value: { stringValue: service } },
      { key: "service.version", value: { stringValue: SOFTWARE_VERSION } },
    ],
  });
  const scope = { name: "farglass", version: SOFTWARE_VERSION };
  const common = {
    traceId: span.traceId,
    spanId: span.spanId,
    name: "desktop.open",
    startTimeUnixNano: "1700000000000250000",
    endTimeUnixNano: "1700000000750000000",
  };
  assert.deepEqual(JSON.parse(otlpBody([span, failed])), {
    resourceSpans: [
      {
        resource: resource("farglass-console"),
        scopeSpans: [{
          scope,
          spans: [{
            ...common,
            kind: 3,
            attributes: [
              { key: "farglass.transport", value: { stringValue: "rtp" } },
              { key: "farglass.retries", value: { doubleValue: 2 } },
              { key: "farglass.again", value: { boolValue: true } },
            ],
            status: {},
          }],
        }],
      },
      {
        resource: resource("farglass-server"),
        scopeSpans: [{
          scope,
          spans: [{
            ...common,
            parentSpanId: "1111111111111111",
            kind: 2,
            attributes: [],
            status: { code: 2 },
          }],
        }],
      },
    ],
  });
});
