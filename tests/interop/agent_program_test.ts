/** The agent as a program: verbs, exit codes, signals, sentences. */
import assert from "node:assert/strict";
import { withServer } from "../../server/testing/server_fixture.ts";
import { type SpawnedProcess, spawnProcess } from "../support/process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const STACK_TRACE = /^\s+at /;

function run(args: readonly string[], env: Record<string, string> = {}): SpawnedProcess {
  return spawnProcess({
    name: "agent",
    command: Deno.execPath(),
    args: ["run", "-A", `${ROOT}agent/main.ts`, ...args],
    env,
    cwd: ROOT,
  });
}

/** Runs to the end; both streams and the code. */
async function toEnd(args: readonly string[], env: Record<string, string> = {}) {
  await using child = run(args, env);
  const { code } = await child.exited;
  assert.ok(
    !child.stderrLines.some((line) => STACK_TRACE.test(line)),
    child.stderrLines.join("\n"),
  );
  return { code, out: child.stdoutLines.join("\n"), err: child.stderrLines.join("\n") };
}

async function inDirectory(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-program-" });
  try {
    await Deno.writeTextFile(`${dir}/secret`, "0123456789abcdef0123456789abcdef\n");
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("start, status, a second start, stop", async () => {
  await withServer({}, async ({ server }) => {
    await inDirectory(async (dir) => {
      const common = [
        ...["--server", server.signalUrl, "--secret-file", server.agentSecretFile],
        ...["--capture", "synthetic", "--allow", "--state-dir", `${dir}/state`],
      ];
      await using child = run(["start", "--json", ...common]);
      const [line] = await child.waitForLine(/^\{"agentId".*\}$/);
      const ready = JSON.parse(line);
      assert.deepEqual(Object.keys(ready), ["agentId", "desktopId", "pid"]);
      const status = await toEnd(["status", "--json", "--state-dir", `${dir}/state`]);
      assert.equal(status.code, 0);
      const facts = JSON.parse(status.out);
      assert.deepEqual([facts.agentId, facts.connected, facts.viewers], [ready.agentId, true, []]);
      const second = await toEnd(["start", ...common]);
      assert.equal(second.code, 1);
      assert.match(second.err, /Stop the running agent first/);
      const stop = await toEnd(["stop", "--state-dir", `${dir}/state`]);
      assert.deepEqual([stop.code, stop.out], [0, "The agent has stopped"]);
      assert.equal((await child.exited).code, 0);
      const after = await toEnd(["status", "--state-dir", `${dir}/state`]);
      assert.deepEqual([after.code, after.err], [1, "The agent is not running"]);
      await using again = run(["start", "--json", ...common]);
      const [next] = await again.waitForLine(/^\{"agentId".*\}$/);
      assert.equal(JSON.parse(next).desktopId, ready.desktopId);
    });
  });
});

Deno.test("SIGTERM and SIGINT end it with 0, also while the server cannot be reached", async () => {
  await inDirectory(async (dir) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using child = run([
        ...["start", "--server", "ws://127.0.0.1:9", "--secret-file", `${dir}/secret`],
        ...["--capture", "synthetic", "--state-dir", `${dir}/state`],
      ]);
      await child.waitForLine(/cannot be reached.*attempt 2/);
      Deno.kill(child.pid, signal);
      assert.equal((await child.exited).code, 0, signal);
      assert.ok(!child.stderrLines.some((line) => STACK_TRACE.test(line)));
    }
  });
});

Deno.test("bad settings: every problem at once, exit code 2", async () => {
  await inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/agent.toml`, "[capture]\nsource = 3\n[polcy]\n");
    const { code, err, out } = await toEnd(
      ["start", "--config", `${dir}/agent.toml`, "--encoder-max-fps", "999"],
      { FARGLASS_POLICY_VIEW_ONLY: "maybe" },
    );
    assert.equal(code, 2);
    assert.equal(out, "");
    for (const key of ["capture.source", "polcy", "encoder.maxFps", "policy.viewOnly"]) {
      assert.ok(err.split("\n").some((text) => text.startsWith(`${key}: `)), `${key} in ${err}`);
    }
    const traced = await toEnd(["start", "--state-dir", `${dir}/state`, "--secret-file", "x"], {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "console",
    });
    assert.equal(traced.code, 2);
    assert.match(traced.err, /^OTEL_TRACES_SAMPLER: must be "parentbased_always_off"/m);
    const missing = await toEnd(["start", "--state-dir", `${dir}/state`], { XDG_CONFIG_HOME: dir });
    assert.equal(missing.code, 2);
    assert.match(missing.err, /^server\.secretFile: Name the file/);
  });
});

Deno.test("no display → one sentence that says what to do, exit code 1", async () => {
  await inDirectory(async (dir) => {
    const { code, err } = await toEnd([
      ...["start", "--capture", "x11", "--display", ":9999", "--secret-file", `${dir}/secret`],
      ...["--state-dir", `${dir}/state`],
    ]);
    assert.equal(code, 1);
    assert.equal(err.split("\n").length, 1, err);
    assert.match(err, /:9999/);
  });
});

Deno.test("config, --help and --version", async () => {
  const config = await toEnd(["config", "--view-only"], {
    FARGLASS_SERVER_SECRET: "open-sesame-open-sesame",
    FARGLASS_AGENT_NAME: "Desk",
  });
  assert.equal(config.code, 0);
  assert.match(config.out, /^policy\.viewOnly = true {2}# flag$/m);
  assert.match(config.out, /^agent\.name = "Desk" {2}# environment$/m);
  assert.match(config.out, /^server\.secret = "\*\*\*" {2}# environment$/m);
  assert.match(config.out, /^capture\.source = "auto" {2}# default$/m);
  assert.ok(!config.out.includes("sesame"));
  const help = await toEnd(["--help"]);
  assert.deepEqual([help.code, help.out.includes("--policy-view-only")], [0, true]);
  assert.match((await toEnd(["--version"])).out, /^farglass-agent \d/);
});

Deno.test("a killed agent leaves its socket; the next start takes over", async () => {
  await withServer({}, async ({ server }) => {
    await inDirectory(async (dir) => {
      const args = [
        ...["start", "--json", "--server", server.signalUrl],
        ...["--secret-file", server.agentSecretFile, "--capture", "synthetic"],
        ...["--state-dir", `${dir}/state`],
      ];
      await using first = run(args);
      await first.waitForLine(/^\{"agentId".*\}$/);
      Deno.kill(first.pid, "SIGKILL");
      await first.exited;
      await using second = run(args);
      await second.waitForLine(/^\{"agentId".*\}$/);
    });
  });
});
