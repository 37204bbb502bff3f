/** Events from the hub to real receivers that go away and come back. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { type EventDraft, type SecurityEvent, securityEventSchema } from "@farglass/protocol";
import { SAMPLE_EVENTS } from "../../../tests/support/event_samples.ts";
import { ecsProblems, ocsfProblems } from "../../testing/schema_checks.ts";
import { ListLog, SyslogReceiver, Watched, WebhookReceiver } from "../../testing/sink_parts.ts";
import { type EventFormat, EventHub } from "./hub.ts";
import { makeSinks, type SinkParts, type SinkSettings } from "./make_sinks.ts";

const SECRET = "a secret of the webhook";
const PROGRAM = fileURLToPath(new URL("../../testing/spool_program.ts", import.meta.url));

interface Fixture {
  readonly hub: EventHub;
  readonly log: ListLog;
  readonly stdout: Watched & { text: string };
  readonly directory: string;
}

async function makeHub(
  stack: AsyncDisposableStack,
  sinks: readonly SinkSettings[],
  more: { format?: EventFormat; directory?: string; stdout?: SinkParts["stdout"] } = {},
): Promise<Fixture> {
  const directory = more.directory ?? await mkdtemp(join(tmpdir(), "farglass-hub-"));
  if (more.directory === undefined) stack.defer(() => rm(directory, { recursive: true }));
  const log = new ListLog();
  const stdout = Object.assign(new Watched(), { text: "" });
  const hub = new EventHub({
    node: "test-node",
    format: more.format ?? "native",
    clock: Date.now,
    newId: () => crypto.randomUUID(),
    log,
  });
  const made = await makeSinks(sinks, {
    dataDir: directory,
    stdout: more.stdout ?? ((bytes) => {
      stdout.text += new TextDecoder().decode(bytes);
      stdout.changed();
      return Promise.resolve(bytes.length);
    }),
    clock: Date.now,
    random: () => 0,
    log,
    onDropped: (sink, count, total) => hub.emit(dropped(sink, count, total)),
  });
  hub.start(made);
  stack.defer(() => hub.close());
  return { hub, log, stdout, directory };
}

const dropped = (sink: string, count: number, total: number): EventDraft => ({
  action: "events-dropped",
  at: Date.now(),
  outcome: "failure",
  actor: { kind: "server" },
  reason: "buffer-full",
  details: { sink, count, total },
});

const signIn = (n: number): EventDraft => ({
  action: "sign-in",
  at: n,
  outcome: "success",
  actor: { kind: "operator", id: String(n) },
  details: {},
});

const events = (lines: readonly string[]) => lines.map((l) => JSON.parse(l) as SecurityEvent);
const numbersOf = (lines: readonly string[]) => events(lines).map((e) => e.at);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

Deno.test("hub: every event to every sink, in each format, each one valid", async () => {
  for (const format of ["native", "ecs", "ocsf"] as const) {
    await using stack = new AsyncDisposableStack();
    const webhook = await new WebhookReceiver().up();
    stack.defer(() => webhook.down());
    const syslog = await new SyslogReceiver().up();
    stack.defer(() => syslog.down());
    const { hub, stdout, directory, log } = await makeHub(stack, [
      { type: "stdout" },
      { type: "file", path: "logs/events.jsonl", maxBytes: 1 << 20, maxFiles: 1 },
      { type: "webhook", url: webhook.url, secret: SECRET, spoolBytes: 1 << 20 },
      {
        type: "syslog",
        host: "127.0.0.1",
        port: syslog.port,
        tls: false,
        caFile: "",
        spoolBytes: 1 << 20,
      },
    ], { format });
    for (const { id: _id, node: _node, ...draft } of SAMPLE_EVENTS) hub.emit(draft as EventDraft);
    await hub.close();
    await syslog.until("syslog", () => syslog.messages.length >= webhook.lines.length);
    const lines = stdout.text.trim().split("\n");
    assert.ok(lines.length >= SAMPLE_EVENTS.length - 2, "all but the repeated ones");
    assert.deepEqual(webhook.lines, lines);
    assert.deepEqual(
      (await readFile(join(directory, "logs/events.jsonl"), "utf8")).trim().split("\n"),
      lines,
    );
    assert.deepEqual(syslog.messages.map((m) => m.slice(m.indexOf("] ") + 2)), lines);
    assert.deepEqual(log.lines, []);
    for (const line of lines) {
      const doc = JSON.parse(line);
      if (format === "native") assert.deepEqual(v.parse(securityEventSchema, doc), doc);
      else assert.deepEqual(format === "ecs" ? ecsProblems(doc) : ocsfProblems(doc), []);
    }
  }
});

Deno.test("hub: what an event must not carry never leaves it", async () => {
  await using stack = new AsyncDisposableStack();
  const { hub, stdout, log } = await makeHub(stack, [{ type: "stdout" }]);
  const spoiled = { ...signIn(1), details: { sdp: "v=0", token: SECRET }, credential: SECRET };
  hub.emit(spoiled as unknown as EventDraft);
  hub.emit({ ...signIn(2), actor: { kind: "x".repeat(300) } } as unknown as EventDraft);
  await hub.close();
  assert.deepEqual(events(stdout.text.trim().split("\n")).map((e) => e.details), [{}]);
  assert.ok(!stdout.text.includes(SECRET));
  assert.deepEqual(log.lines.map((l) => l.event), ["event-invalid"]);
});

Deno.test("webhook: a receiver that refuses, goes and comes back misses nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new WebhookReceiver().up();
  stack.defer(() => receiver.down());
  const { hub, log } = await makeHub(stack, [
    { type: "webhook", url: receiver.url, secret: SECRET, spoolBytes: 1 << 24 },
  ]);
  for (const n of upTo(100)) hub.emit(signIn(n));
  await receiver.until("the first", () => receiver.lines.length === 100);
  receiver.status = 503;
  for (const n of upTo(100)) hub.emit(signIn(100 + n));
  await receiver.until("a refusal", () => receiver.requests.some((r) => r.status === 503));
  await receiver.down();
  for (const n of upTo(400)) hub.emit(signIn(200 + n));
  receiver.status = 204;
  await receiver.up();
  await receiver.until("all", () => receiver.lines.length >= 600);
  assert.deepEqual(numbersOf(receiver.lines), upTo(600), "each once and in order");
  const ids = events(receiver.lines).map((e) => e.id);
  assert.equal(new Set(ids).size, 600);
  await hub.close();
  assert.deepEqual(log.lines.map((l) => l.event), ["sink-failed", "sink-recovered"]);
});

Deno.test("webhook: a stopped server delivers after its next start", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new WebhookReceiver().up();
  stack.defer(() => receiver.down());
  await receiver.down();
  const sink = { type: "webhook", url: receiver.url, secret: SECRET, spoolBytes: 1 << 24 } as const;
  const first = await makeHub(stack, [sink]);
  for (const n of upTo(50)) first.hub.emit(signIn(n));
  await first.hub.close();
  await receiver.up();
  const second = await makeHub(stack, [sink], { directory: first.directory });
  second.hub.emit(signIn(50));
  await receiver.until("all", () => receiver.lines.length >= 51);
  assert.deepEqual(numbersOf(receiver.lines), upTo(51));
});

Deno.test("webhook: kill -9 loses nothing that was on disk", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new WebhookReceiver().up();
  stack.defer(() => receiver.down());
  await receiver.down();
  const { directory } = await makeHub(stack, []);
  const { url } = receiver;
  const child = spawn(
    Deno.execPath(),
    ["run", "-A", "--no-check", PROGRAM, directory, url, SECRET, "2000"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const reader = child.stdout;
  await new Promise<void>((resolve, reject) => {
    reader.on("data", (data: Uint8Array) => {
      if (new TextDecoder().decode(data).includes("spooled")) resolve();
    });
    child.once("exit", () => reject(new Error("It ended by itself")));
  });
  child.kill("SIGKILL");
  await ended;
  await receiver.up();
  await makeHub(stack, [{ type: "webhook", url, secret: SECRET, spoolBytes: 1 << 24 }], {
    directory,
  });
  await receiver.until("all", () => receiver.lines.length >= 2000);
  assert.deepEqual(numbersOf(receiver.lines), upTo(2000));
});

Deno.test("webhook: a full spool drops, counts, tells the others at once and itself later", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new WebhookReceiver().up();
  stack.defer(() => receiver.down());
  await receiver.down();
  const { hub, stdout } = await makeHub(stack, [
    { type: "webhook", url: receiver.url, secret: SECRET, spoolBytes: 2000 },
    { type: "stdout" },
  ]);
  for (const n of upTo(100)) hub.emit(signIn(n));
  const reports = (lines: readonly string[]) =>
    events(lines).flatMap((e) => e.action === "events-dropped" ? [e.details] : []);
  await stdout.until("the report", () => stdout.text.includes("events-dropped"));
  assert.deepEqual(reports(stdout.text.trim().split("\n")), [
    { sink: "webhook-1", count: 1, total: 1 },
  ]);
  await receiver.up();
  await receiver.until("its own report", () => reports(receiver.lines).length > 0);
  const kept = numbersOf(receiver.lines.filter((l) => !l.includes("events-dropped")));
  assert.deepEqual(kept, upTo(kept.length), "the oldest are kept");
  assert.ok(kept.length > 5 && kept.length < 50);
  const [{ count, total }] = reports(receiver.lines);
  assert.deepEqual([count, total], [100 - kept.length - 1, 100 - kept.length]);
});

Deno.test("hub: a sink that stands still holds up nobody", async () => {
  await using stack = new AsyncDisposableStack();
  let release: (() => void) | undefined;
  const stuck = new Promise<void>((resolve) => release = resolve);
  const { hub, directory } = await makeHub(stack, [
    { type: "stdout" },
    { type: "file", path: "events.jsonl", maxBytes: 1 << 26, maxFiles: 1 },
  ], {
    stdout: async (bytes) => {
      await stuck;
      return bytes.length;
    },
  });
  for (const n of upTo(12_000)) {
    hub.emit(signIn(n));
    // The file's writer needs its turns, however slow the disk, or its own buffer fills up.
    while (hub.status()[1].waiting > 5_000) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const [stdout] = hub.status();
  assert.deepEqual([stdout.name, stdout.waiting], ["stdout-1", 10_000]);
  assert.ok(stdout.dropped > 0);
  await hub.close();
  release?.();
  const lines = (await readFile(join(directory, "events.jsonl"), "utf8")).trim().split("\n");
  const own = events(lines).filter((e) => e.action === "sign-in").map((e) => e.at);
  assert.deepEqual(own, upTo(12_000));
  assert.ok(events(lines).some((e) => e.action === "events-dropped"));
  assert.deepEqual(await readdir(directory), ["events.jsonl"]);
});

Deno.test("hub: a flood of equal rejections is told as one, with its count", async () => {
  await using stack = new AsyncDisposableStack();
  const { hub, stdout } = await makeHub(stack, [{ type: "stdout" }]);
  const rejection = (address: string): EventDraft => ({
    action: "message-rejected",
    at: 1,
    outcome: "failure",
    actor: { kind: "operator" },
    source: { address },
    reason: "malformed",
    details: { messageType: "HTTP", count: 1 },
  });
  for (const _ of upTo(500)) hub.emit(rejection("192.0.2.1"));
  hub.emit(rejection("192.0.2.2"));
  await hub.close();
  const told = events(stdout.text.trim().split("\n"));
  assert.deepEqual(
    told.map((e) => [e.source?.address, e.action === "message-rejected" && e.details.count]),
    [["192.0.2.1", 1], ["192.0.2.2", 1], ["192.0.2.1", 499]],
  );
});
