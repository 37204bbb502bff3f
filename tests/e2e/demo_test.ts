/** The demo as a person or a script runs it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { poll, type SpawnedProcess, spawnProcess, within } from "../support/process.ts";
import { ROOT } from "../support/stack.ts";

const START_TIMEOUT_MS = 90_000;
/** What the demo promises. */
const STOP_TIMEOUT_MS = 2_000;
const ENV = { FARGLASS_NETWORK_ICE_LOOPBACK_ONLY: "true", DISPLAY: "", NO_COLOR: "1" };

function startDemo(...args: string[]): SpawnedProcess {
  return spawnProcess({
    name: "demo",
    command: Deno.execPath(),
    args: ["run", "-A", join(ROOT, "tools/demo.ts"), ...args],
    env: ENV,
    cwd: ROOT,
  });
}

interface Announcement {
  readonly consoleUrl: string;
  readonly desktopId: string;
  readonly metricsUrl: string;
  readonly pid: number;
}

async function announcement(demo: SpawnedProcess): Promise<Announcement> {
  await demo.waitForLine(/^\{"consoleUrl":/, START_TIMEOUT_MS);
  return JSON.parse(demo.stdoutLines[0]);
}

/** Processes below `pid`, by their parents in /proc. */
function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const below = (parent: number): number[] =>
    [...parents].filter(([, its]) => its === parent).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false; // no such process
  }
};

const dataDirs = () =>
  [...Deno.readDirSync("/tmp")].map(({ name }) => name)
    .filter((name) => name.startsWith("farglass-demo-"));

/** The demo's own directory: the one that its server was given. */
function dataDirOf(pid: number): string {
  const [server] = descendants(pid).filter((child) =>
    Deno.readTextFileSync(`/proc/${child}/cmdline`).includes("server/main.ts")
  );
  const args = Deno.readTextFileSync(`/proc/${server}/cmdline`).split("\0");
  return args[args.indexOf("--data-dir") + 1].replace(/\/server$/, "");
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url, { redirect: "manual" });
  await response.body?.cancel();
  return response;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`demo --json: one line, a link that works once, fresh links by Enter, ${signal} ends all of it`, async () => {
    await using demo = startDemo("--json", "--port", "0", "--capture", "synthetic");
    const first = await announcement(demo);
    assert.deepEqual(Object.keys(first), ["consoleUrl", "desktopId", "metricsUrl", "pid"]);
    assert.equal(first.pid, demo.pid);
    assert.match(first.desktopId, /^[0-9a-f-]{36}$/);
    assert.equal(demo.stdoutLines.length, 1);

    const metrics = await fetch(first.metricsUrl);
    assert.match(await metrics.text(), /^farglass_\w*agents\w* 1$/m);
    assert.equal((await get(first.consoleUrl)).status, 303);
    assert.equal((await get(first.consoleUrl)).status, 401);

    const [line] = await demo.ask("", /^\{"consoleUrl":.*\}$/);
    const fresh = JSON.parse(line).consoleUrl;
    assert.notEqual(fresh, first.consoleUrl);
    assert.equal((await get(fresh)).status, 303);

    const children = descendants(demo.pid);
    const dataDir = dataDirOf(demo.pid);
    assert.ok(children.length >= 2);
    const { code } = await within("the end of the demo", STOP_TIMEOUT_MS, demo.stop(signal));
    assert.equal(code, 0);
    assert.deepEqual(children.filter(isAlive), []);
    assert.ok(!dataDirs().includes(dataDir.slice("/tmp/".length)), dataDir);
    await assert.rejects(() => get(first.metricsUrl));
  });
}

Deno.test("demo: words for a person, and standard input may be closed", async () => {
  await using demo = startDemo("--port", "0");
  await demo.waitForLine(/^ +http:\/\/127\.0\.0\.1:\d+\/sign-in\?link=/, START_TIMEOUT_MS);
  const from = demo.mark();
  await demo.write("");
  await demo.waitForLine(/^ +http:\/\/127\.0\.0\.1:\d+\/sign-in\?link=/, 10_000, from);
  assert.deepEqual(demo.stderrLines.filter((line) => line.startsWith("{")), []);
  assert.equal((await demo.stop("SIGINT")).code, 0);
});

Deno.test("demo at a terminal: Enter gives a link, Ctrl-C ends it with exit code 0", async () => {
  // script(1) gives it a terminal and hands on its exit code.
  await using demo = spawnProcess({
    name: "demo",
    command: "script",
    args: [
      ...["--quiet", "--flush", "--return", "/dev/null", "--command"],
      // As npx does: a shell of its own, which Ctrl-C as a signal would reach too.
      `sh -c '"${Deno.execPath()}" run -A tools/demo.ts --port 0; exit $?'`,
    ],
    env: ENV,
    cwd: ROOT,
  });
  await demo.waitForLine(/Ctrl-C: stop/, START_TIMEOUT_MS);
  await demo.ask("", /\/sign-in\?link=/);
  await demo.write("\x03");
  const { code } = await within("the end of the demo", STOP_TIMEOUT_MS, demo.exited);
  assert.equal(code, 0);
});

Deno.test("demo: a taken port is named, exit code 1", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await using demo = startDemo("--json", "--port", String(port));
  const { code } = await within("the end of the demo", START_TIMEOUT_MS, demo.exited);
  assert.equal(code, 1);
  assert.match(demo.stderrLines.join("\n"), new RegExp(`Port ${port} is taken.*--port`));
  assert.doesNotMatch(demo.stderrLines.join("\n"), /\bat \w+.*:\d+:\d+/);
  assert.deepEqual(demo.stdoutLines, []);
});

Deno.test("demo: every bad flag is named, exit code 2", async () => {
  await using demo = startDemo("--port", "x", "--capture", "wayland", "--colour");
  const { code } = await within("the end of the demo", START_TIMEOUT_MS, demo.exited);
  assert.equal(code, 2);
  const said = demo.stderrLines.join("\n");
  for (const part of ['--port is "x"', '--capture is "wayland"', '"--colour" is no option']) {
    assert.ok(said.includes(part), said);
  }
});

Deno.test("demo --help: exit code 0", async () => {
  await using demo = startDemo("--help");
  const { code } = await within("the end of the demo", START_TIMEOUT_MS, demo.exited);
  assert.equal(code, 0);
  assert.match(demo.stdoutLines.join("\n"), /--port N/);
});

Deno.test("demo: a display that is not there is one clear sentence, exit code 1", async () => {
  await using demo = spawnProcess({
    name: "demo",
    command: Deno.execPath(),
    args: ["run", "-A", join(ROOT, "tools/demo.ts"), "--port", "0", "--capture", "x11"],
    env: { ...ENV, DISPLAY: ":987" },
    cwd: ROOT,
  });
  const { code } = await within("the end of the demo", START_TIMEOUT_MS, demo.exited);
  assert.equal(code, 1);
  assert.match(demo.stderrLines.join("\n"), /:987/);
  assert.match(demo.stderrLines.at(-1)!, /The agent did not start/);
});

Deno.test("demo: the agent's unexpected end ends all of it, with a sentence", async () => {
  await using demo = startDemo("--json", "--port", "0");
  await announcement(demo);
  const children = descendants(demo.pid);
  const agent = children.find((pid) =>
    Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("agent/main.ts")
  );
  assert.ok(agent !== undefined);
  Deno.kill(agent, "SIGKILL");
  const { code } = await within("the end of the demo", 10_000, demo.exited);
  assert.equal(code, 1);
  assert.match(demo.stderrLines.at(-1)!, /The agent ended unexpectedly \(SIGKILL\)/);
  assert.deepEqual(children.filter(isAlive), []);
});

Deno.test("demo: when npx is ended, so is everything it started", async () => {
  // The chain that npx makes: a shell, `deno task`, the demo.
  await using shell = spawnProcess({
    name: "npx",
    command: "sh",
    args: ["-c", `"${Deno.execPath()}" task demo --json --port 0; exit $?`],
    env: { ...ENV, npm_command: "exec" },
    cwd: ROOT,
  });
  const { pid } = await announcement(shell);
  const children = [pid, ...descendants(pid)];
  Deno.kill(shell.pid, "SIGKILL");
  await poll("the end of all processes", 10_000, () => children.some(isAlive) ? null : true);
});

Deno.test("demo: when the demo is killed, nothing goes on sharing the screen", async () => {
  await using demo = startDemo("--json", "--port", "0");
  await announcement(demo);
  const dataDir = dataDirOf(demo.pid);
  const children = descendants(demo.pid);
  assert.ok(children.length >= 2);
  await demo.stop("SIGKILL");
  await poll("the end of all processes", 10_000, () => children.some(isAlive) ? null : true);
  await Deno.remove(dataDir, { recursive: true });
});
