/** Each writer with its real receiver on loopback; TLS and Redis are in tests/interop. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../../../tests/support/process.ts";
import { lineBytes } from "../../core/telemetry/ports.ts";
import { SyslogReceiver, WebhookReceiver } from "../../testing/sink_parts.ts";
import { FileWriter } from "./file.ts";
import { StdoutWriter } from "./stdout.ts";
import { octetCounted, SyslogWriter } from "./syslog.ts";
import { SIGNATURE_HEADER, signatureOf, TIMESTAMP_HEADER, WebhookWriter } from "./webhook.ts";

const signal = () => new AbortController().signal;

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "farglass-sinks-"));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

Deno.test("FileWriter: rotates by size, keeps so many files, none readable by others", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "logs", "events.jsonl");
    const lines = Array.from({ length: 23 }, (_, i) => JSON.stringify({ n: i }).padEnd(20));
    const perFile = 4;
    const options = { path, maxBytes: perFile * lineBytes(lines[0]), maxFiles: 3 };
    const writer = new FileWriter(options);
    await writer.write(lines.slice(0, 10));
    await writer.write(lines.slice(10, 11));
    await writer.close();
    const again = new FileWriter(options);
    await again.write(lines.slice(11));
    await again.close();
    const names = (await readdir(join(directory, "logs"))).toSorted();
    assert.deepEqual(names, ["events.jsonl", "events.jsonl.1", "events.jsonl.2", "events.jsonl.3"]);
    const kept: string[] = [];
    for (const name of names.toReversed()) {
      const file = join(directory, "logs", name);
      const info = await stat(file);
      assert.equal(info.mode & 0o777, 0o600);
      assert.ok(info.size <= options.maxBytes);
      kept.push(...(await readFile(file, "utf8")).split("\n").filter((l) => l !== ""));
    }
    assert.deepEqual(kept, lines.slice(lines.length - kept.length), "the newest, in order");
    assert.equal(kept.length, 3 * perFile + 3);
  });
});

Deno.test("FileWriter: a line larger than the limit has a file of its own", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "events.jsonl");
    const writer = new FileWriter({ path, maxBytes: 10, maxFiles: 9 });
    await writer.write(["a", "b".repeat(50), "c"]);
    await writer.close();
    assert.equal(await readFile(path, "utf8"), "c\n");
    assert.equal(await readFile(`${path}.1`, "utf8"), `${"b".repeat(50)}\n`);
    assert.equal(await readFile(`${path}.2`, "utf8"), "a\n");
  });
});

Deno.test("StdoutWriter: whole lines, however little is taken at once", async () => {
  const taken: number[] = [];
  const writer = new StdoutWriter((bytes) => {
    taken.push(...bytes.subarray(0, 3));
    return Promise.resolve(Math.min(3, bytes.length));
  });
  await writer.write(["ünicode", "second"]);
  assert.equal(new TextDecoder().decode(new Uint8Array(taken)), "ünicode\nsecond\n");
});

Deno.test("StdoutWriter: while a reader stands still, nothing more is written", async () => {
  let release: (() => void) | undefined;
  const stuck = new Promise<void>((resolve) => release = resolve);
  let calls = 0;
  const writer = new StdoutWriter(async (bytes) => {
    calls++;
    await stuck;
    return bytes.length;
  });
  const first = writer.write(["one"]);
  await assert.rejects(writer.write(["two"]), /stands still/);
  assert.equal(calls, 1);
  release?.();
  await first;
  await writer.write(["two"]);
  assert.equal(calls, 2);
});

Deno.test("WebhookWriter: signs the body with its time; the same batch has the same key", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new WebhookReceiver().up();
  stack.defer(() => receiver.down());
  const options = { url: receiver.url, secret: "0123456789abcdef", clock: () => 1_790_000_000_999 };
  const writer = new WebhookWriter(options);
  const lines = ['{"a":"ä"}', '{"b":2}'];
  await writer.write(lines, signal());
  await writer.write(lines, signal());
  const [first, second] = receiver.requests;
  assert.equal(first.body, `${lines.join("\n")}\n`);
  assert.equal(first.headers["content-type"], "application/x-ndjson");
  assert.equal(first.headers[TIMESTAMP_HEADER], "1790000000");
  assert.equal(
    first.headers[SIGNATURE_HEADER],
    signatureOf(options.secret, "1790000000", first.body),
  );
  assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"]);
  assert.ok(!JSON.stringify(first).includes(options.secret));
});

Deno.test("signatureOf: known answer", () => {
  // printf '1.a' | openssl dgst -sha256 -hmac key
  assert.equal(
    signatureOf("key", "1", "a"),
    "v1=32a5f52f8b585db06b5960c1b30992c0575588cf6343eeb646efa5bfd9ca5a17",
  );
});

Deno.test("WebhookWriter: anything but 2xx is a failure, and redirects are not followed", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new WebhookReceiver().up();
  stack.defer(() => receiver.down());
  const writer = new WebhookWriter({ url: receiver.url, secret: "s", clock: () => 0 });
  for (const status of [302, 400, 429, 500, 503]) {
    receiver.status = status;
    await assert.rejects(writer.write(["{}"], signal()), { code: `HTTP_${status}` });
  }
  assert.equal(receiver.requests.length, 5);
  await receiver.down();
  await assert.rejects(writer.write(["{}"], signal()), { code: "UNREACHABLE" });
});

Deno.test("SyslogWriter: octet counting, and a new connection after the old one broke", async () => {
  await using stack = new AsyncDisposableStack();
  const receiver = await new SyslogReceiver().up();
  stack.defer(() => receiver.down());
  const { port } = receiver;
  const writer = new SyslogWriter({ host: "127.0.0.1", port, tls: false, caFile: "" });
  stack.defer(() => writer.close());
  const messages = ["<110>1 one", "<110>1 zwö\nlines", "<110>1 😀"];
  await writer.write(messages, signal());
  await receiver.until("the messages", () => receiver.messages.length === 3);
  assert.deepEqual(receiver.messages, messages);
  await receiver.down();
  await receiver.up();
  // The first write may still go to the broken connection; syslog cannot tell.
  await poll("a message by a new connection", 10_000, async () => {
    await writer.write(["<110>1 again"], signal()).catch(() => {});
    return receiver.messages.length > messages.length || null;
  });
  assert.match(receiver.messages[3], /again/);
});

Deno.test("octetCounted: RFC 6587 section 3.4.1, the length is in bytes", () => {
  assert.equal(new TextDecoder().decode(octetCounted("<1>1 ä")), "7 <1>1 ä");
});
