/** Sinks whose receivers need programs: TLS with a certificate made here, and a real Redis. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventDraft } from "@farglass/protocol";
import { openOtlpClient, OtlpExporter } from "../../server/adapters/otlp_exporter.ts";
import { EventHub } from "../../server/adapters/sinks/hub.ts";
import { makeSinks, type SinkSettings } from "../../server/adapters/sinks/make_sinks.ts";
import { otlpTarget } from "../../server/core/telemetry/otlp.ts";
import { ListLog, SyslogReceiver } from "../../server/testing/sink_parts.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";

const TIMEOUT_MS = 20_000;
const SPOOL_BYTES = 1 << 24;

const signIn = (n: number): EventDraft => ({
  action: "sign-in",
  at: n,
  outcome: "success",
  actor: { kind: "operator", id: String(n) },
  details: {},
});
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

async function withHub(
  sink: SinkSettings,
  run: (parts: { readonly hub: EventHub; readonly log: ListLog }) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "farglass-sinks-"));
  const log = new ListLog();
  const newId = () => crypto.randomUUID();
  const hub = new EventHub({ node: "n", format: "native", clock: Date.now, newId, log });
  hub.start(
    await makeSinks([sink], {
      dataDir,
      stdout: (bytes) => Promise.resolve(bytes.length),
      clock: Date.now,
      random: () => 0,
      log,
      onDropped: () => {},
    }),
  );
  try {
    await run({ hub, log });
  } finally {
    await hub.close();
    await rm(dataDir, { recursive: true });
  }
}

/** A certificate for 127.0.0.1 and localhost that signs itself. */
async function makeCertificate(directory: string, name: string) {
  const [key, cert] = [join(directory, `${name}.key`), join(directory, `${name}.pem`)];
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ],
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return { caFile: cert, cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}

Deno.test("console spans over TLS: to a collector with the named certificate only", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "farglass-otlp-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const good = await makeCertificate(directory, "good");
  const foreign = await makeCertificate(directory, "foreign");
  let requests = 0;
  const { cert, key } = good;
  const quiet = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve({ ...quiet, cert, key }, () => {
    requests++;
    return new Response();
  });
  stack.defer(() => server.shutdown());
  const send = async (caFile: string) => {
    const target = otlpTarget({
      OTEL_EXPORTER_OTLP_ENDPOINT: `https://127.0.0.1:${server.addr.port}`,
      OTEL_EXPORTER_OTLP_CERTIFICATE: caFile,
    });
    assert.ok(target !== null);
    const events: string[] = [];
    const log = { write: (_level: string, event: string) => void events.push(event) };
    const client = await openOtlpClient(target);
    const exporter = new OtlpExporter({ target, client, log, clock: () => 0 });
    exporter.add({
      ...{ service: "farglass-console", name: "desktop.open", kind: "client", ok: true },
      ...{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "00f067aa0ba902b7" },
      ...{ parentId: null, startMs: 1, endMs: 2, attributes: {} },
    });
    await exporter.close();
    return events;
  };
  assert.deepEqual([await send(good.caFile), requests], [[], 1]);
  assert.deepEqual([await send(foreign.caFile), requests], [["trace-export-failed"], 1]);
});

for (const host of ["127.0.0.1", "localhost"]) {
  Deno.test(`syslog over TLS (RFC 5425) to ${host}: trusted by its certificate only`, async () => {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), "farglass-tls-"));
    stack.defer(() => rm(directory, { recursive: true }));
    const good = await makeCertificate(directory, "good");
    const foreign = await makeCertificate(directory, "foreign");
    const receiver = await new SyslogReceiver(good).up();
    stack.defer(() => receiver.down());
    const sink = (caFile: string): SinkSettings => ({
      type: "syslog",
      host,
      port: receiver.port,
      tls: true,
      caFile,
      spoolBytes: SPOOL_BYTES,
    });
    await withHub(sink(good.caFile), async ({ hub, log }) => {
      for (const n of upTo(300)) hub.emit(signIn(n));
      await receiver.until("all", () => receiver.messages.length >= 300);
      assert.deepEqual(
        receiver.messages.map((m) => JSON.parse(m.slice(m.indexOf("] ") + 2)).at),
        upTo(300),
      );
      assert.match(
        receiver.messages[0],
        /^<110>1 1970-01-01T00:00:00\.000Z \S+ farglass \d+ sign-in \[/,
      );
      assert.deepEqual(log.lines, []);
    });
    await withHub(sink(foreign.caFile), async ({ hub, log }) => {
      hub.emit(signIn(1));
      await poll("the refusal", TIMEOUT_MS, () => log.lines.length > 0 || null);
      assert.equal(log.lines[0].event, "sink-failed");
      assert.equal(receiver.messages.length, 300);
    });
  });
}

Deno.test("Redis Stream: in order, bounded, and nothing lost while Redis is away", async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const sink: SinkSettings = {
    type: "redis",
    url: redis.url,
    stream: "soc:events",
    maxLength: 1_000,
    spoolBytes: SPOOL_BYTES,
  };
  const length = async () => Number(await redis.cli("XLEN", "soc:events"));
  await withHub(sink, async ({ hub, log }) => {
    for (const n of upTo(500)) hub.emit(signIn(n));
    await poll("the first", TIMEOUT_MS, async () => await length() === 500 || null);
    await redis.stop("SIGKILL");
    for (const n of upTo(300)) hub.emit(signIn(500 + n));
    await poll("the failure", TIMEOUT_MS, () => log.lines.length > 0 || null);
    stack.use(await redis.again());
    await poll("the rest", TIMEOUT_MS, async () => await length() >= 800 || null);
    const answer = await redis.cli("--json", "XRANGE", "soc:events", "-", "+");
    const entries = JSON.parse(answer) as [string, string[]][];
    const fields = entries.map(([, list]) => list);
    const events = fields.map((list) => JSON.parse(list[5]));
    // At least once: what was under way when Redis died may be there twice.
    const seen = new Map(events.map((e, i) => [e.id, { at: e.at, list: fields[i] }]));
    assert.deepEqual([...seen.values()].map((e) => e.at), upTo(800));
    for (const [id, { list }] of seen) {
      assert.deepEqual(list.slice(0, 5), ["id", id, "action", "sign-in", "event"]);
    }
    for (const n of upTo(5_000)) hub.emit(signIn(n));
    await poll("all", TIMEOUT_MS, () => hub.status()[0].waiting === 0 || null);
    const kept = await length();
    // `MAXLEN ~` keeps whole nodes of the stream, 100 entries each by default.
    assert.ok(kept >= 1_000 && kept <= 1_100, String(kept));
  });
});
