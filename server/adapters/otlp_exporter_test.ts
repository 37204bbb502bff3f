/** The exporter against a collector on loopback that takes, refuses or is away. */
import assert from "node:assert/strict";
import type { Log } from "../core/ports.ts";
import type { OtlpSpan } from "../core/telemetry/otlp.ts";
import { OtlpExporter } from "./otlp_exporter.ts";

const span = (n: number): OtlpSpan => ({
  service: "farglass-console",
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: n.toString(16).padStart(16, "0"),
  parentId: null,
  name: "desktop.open",
  kind: "client",
  startMs: 1,
  endMs: 2,
  ok: true,
  attributes: {},
});

interface World {
  readonly exporter: OtlpExporter;
  /** Spans of each request. */
  readonly requests: number[];
  readonly headers: (string | null)[];
  readonly lost: unknown[];
  /** The first request has come. */
  readonly came: Promise<void>;
}

/** A collector that answers with `status`; none at all for null. */
async function withCollector(status: number | null, run: (world: World) => Promise<void>) {
  const requests: number[] = [];
  const headers: (string | null)[] = [];
  const lost: unknown[] = [];
  const came = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    headers.push(request.headers.get("authorization"));
    const { resourceSpans: [{ scopeSpans: [{ spans }] }] } = await request.json();
    requests.push(spans.length);
    came.resolve();
    return new Response(null, { status: status ?? 500 });
  });
  const { port } = server.addr;
  if (status === null) await server.shutdown();
  const log: Log = { write: (_level, _event, fields) => void lost.push(fields?.lost) };
  const target = { url: `http://127.0.0.1:${port}/v1/traces`, headers: { authorization: "key" } };
  const exporter = new OtlpExporter({ target, log, clock: () => 0 });
  try {
    await run({ exporter, requests, headers, lost, came: came.promise });
  } finally {
    await exporter.close();
    if (status !== null) await server.shutdown();
  }
}

Deno.test("OtlpExporter: what waits goes out in batches, with the collector's headers", async () => {
  await withCollector(200, async ({ exporter, requests, headers, lost }) => {
    for (let n = 1; n <= 300; n++) exporter.add(span(n));
    await exporter.close();
    assert.deepEqual([requests, headers, lost], [[256, 44], ["key", "key"], []]);
  });
});

Deno.test("OtlpExporter: spans are sent without being asked for", async () => {
  await withCollector(200, async ({ exporter, requests, came }) => {
    exporter.add(span(1));
    await came;
    assert.deepEqual(requests, [1]);
  });
});

for (const [name, status] of [["refuses", 503], ["is away", null]] as const) {
  Deno.test(`OtlpExporter: a collector that ${name} costs spans, said once`, async () => {
    await withCollector(status, async ({ exporter, lost }) => {
      for (let round = 0; round < 3; round++) {
        exporter.add(span(round + 1));
        await exporter.close();
      }
      assert.deepEqual(lost, [1]);
    });
  });
}

Deno.test("OtlpExporter: more than can wait is dropped, not kept", async () => {
  await withCollector(200, async ({ exporter, requests }) => {
    for (let n = 1; n <= 5_000; n++) exporter.add(span(n));
    await exporter.close();
    assert.equal(requests.reduce((sum, n) => sum + n, 0), 1_024);
  });
});
