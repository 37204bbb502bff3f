/** The program as it is run: its first line, its exits, and what it says when it cannot start. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "farglass-main-"));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const command = (args: readonly string[], env: Record<string, string> = {}) =>
  new Deno.Command(Deno.execPath(), {
    env,
    args: ["run", "-A", "--no-check", MAIN, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });

/** Runs it to its end. */
async function runOut(args: readonly string[], env: Record<string, string> = {}) {
  const child = command(args, env).spawn();
  await child.stdin.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

Deno.test("server --json: one line when ready, a link for each line, exit 0 on SIGTERM", async () => {
  await withDirectory(async (directory) => {
    const child = command(["--json", "--port", "0", "--data-dir", directory]).spawn();
    const errors = new Response(child.stderr).text();
    const lines = linesOf(child.stdout);
    const first = JSON.parse((await lines.next()).value ?? "");
    assert.deepEqual(
      Object.keys(first).toSorted(),
      ["agentSecretFile", "consoleUrl", "metricsUrl", "pid", "signalUrl"],
    );
    assert.match(first.consoleUrl, /^http:\/\/127\.0\.0\.1:\d+\/sign-in\?link=[\w-]{43}$/);
    assert.match(first.signalUrl, /^ws:\/\/127\.0\.0\.1:\d+\/ws\/rd-signal$/);
    assert.equal(first.pid, child.pid);
    assert.equal(first.agentSecretFile, join(directory, "agent.secret"));
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    const second = JSON.parse((await lines.next()).value ?? "");
    assert.deepEqual(Object.keys(second), ["consoleUrl"]);
    assert.notEqual(second.consoleUrl, first.consoleUrl);
    for (const { consoleUrl } of [first, second]) {
      const answer = await fetch(consoleUrl, { redirect: "manual" });
      await answer.body?.cancel();
      assert.equal(answer.status, 303);
    }
    const metrics = await (await fetch(first.metricsUrl)).text();
    assert.match(metrics, /^process_resident_memory_bytes \d/m);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    assert.equal((await lines.next()).done, true, "nothing else on stdout");
    await writer.close().catch(() => {
      // The pipe went with the process.
    });
    for (const line of (await errors).trim().split("\n")) JSON.parse(line);
    assert.doesNotMatch(await errors, /link=|127\.0\.0\.1/);
  });
});

Deno.test("server: a taken port is one clear sentence", async () => {
  await withDirectory(async (directory) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, stdout, stderr } = await runOut(
      ["--json", "--port", String(port), "--data-dir", directory],
    );
    await new Promise((resolve) => taken.close(resolve));
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      `Port ${port} on 127.0.0.1 is already in use: stop the other program or choose another with --port N (0 picks a free one)\n`,
    );
  });
});

Deno.test("server: a data directory that cannot be made is named, exit code 1", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "file");
    await writeFile(file, "");
    const dataDir = join(file, "data");
    const { code, stderr } = await runOut(["--port", "0", "--data-dir", dataDir]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `"${dataDir}" cannot be read or written (ENOTDIR): check its permissions, or choose another directory with --data-dir\n`,
    );
  });
});

Deno.test("server: bad settings are all named, exit code 2", async () => {
  await withDirectory(async (directory) => {
    const config = join(directory, "config.json");
    await writeFile(config, JSON.stringify({ prot: 1, limits: { connections: 0 } }));
    const bad = await runOut(["--config", config, "--port", "x"]);
    assert.equal(bad.code, 2);
    assert.deepEqual(bad.stderr.trim().split("\n").toSorted(), [
      '  --port must be a whole number from 0 to 65535: "x"',
      "  limits.connections must be a whole number from 1 to 15000: 0",
      '  prot is not a known setting; did you mean "port"?',
      "The settings have 3 problems:",
    ]);
    // The runtime would tell a collector every URL, sign-in links among them.
    const traced = await runOut(["--port", "0", "--data-dir", directory], {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "console",
    });
    assert.equal(traced.code, 2);
    for (const name of ["OTEL_TRACES_SAMPLER", "OTEL_PROPAGATORS"]) {
      assert.match(traced.stderr, new RegExp(`^  ${name} must be "`, "m"));
    }
    const missing = await runOut(["--config", join(directory, "none.json")]);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /none\.json cannot be read: check the path given by --config/);
    const help = await runOut(["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /--data-dir/);
  });
});
