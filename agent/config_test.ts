import assert from "node:assert/strict";
import { parse } from "smol-toml";
import { loadSettings, readSecret, stateDirOf } from "./config.ts";
import { readCommandLine } from "./core/command_line.ts";
import { mergeSettings, SETTING_KEYS, SETTINGS } from "./core/settings.ts";

async function inDirectory(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-config-" });
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("agent.sample.toml names every setting with its default", async () => {
  const file = parse(await Deno.readTextFile(new URL("agent.sample.toml", import.meta.url)));
  const { settings, origins, problems } = mergeSettings({ file, env: {}, flags: new Map() });
  assert.deepEqual(problems, []);
  for (const key of SETTING_KEYS) {
    assert.equal(settings[key], SETTINGS[key].default, key);
    assert.equal(origins[key], "file", key);
  }
});

Deno.test("the file is found by flag, by environment, or in the settings directory", async () => {
  await inDirectory(async (dir) => {
    await Deno.mkdir(`${dir}/farglass`);
    await Deno.writeTextFile(`${dir}/farglass/agent.toml`, '[agent]\nname = "home"\n');
    await Deno.writeTextFile(`${dir}/other.toml`, '[agent]\nname = "other"\n');
    const env = { XDG_CONFIG_HOME: dir };
    const name = async (args: string[], more: Record<string, string> = {}) =>
      (await loadSettings(readCommandLine(args), { ...env, ...more })).settings["agent.name"];
    assert.equal(await name([]), "home");
    assert.equal(await name([], { FARGLASS_CONFIG: `${dir}/other.toml` }), "other");
    assert.equal(await name(["--config", `${dir}/other.toml`]), "other");
  });
});

Deno.test("a file that is missing or no TOML → one line each, without its content", async () => {
  await inDirectory(async (dir) => {
    const bad = `${dir}/bad.toml`;
    await Deno.writeTextFile(bad, '[server]\nsecret = "open sesame\n');
    const problems = async (path: string) =>
      (await loadSettings(readCommandLine(["--config", path]), {})).problems;
    assert.deepEqual(await problems(`${dir}/none.toml`), [
      { key: `${dir}/none.toml`, text: "Name a settings file that exists: there is none" },
    ]);
    const [problem] = await problems(bad);
    assert.match(problem.text, /^Correct line \d+: /);
    assert.ok(!JSON.stringify(problem).includes("sesame"));
  });
});

Deno.test("stateDir follows the XDG specification", () => {
  const merged = mergeSettings({ file: {}, env: {}, flags: new Map() });
  assert.equal(stateDirOf(merged, { XDG_STATE_HOME: "/s", HOME: "/h" }), "/s/farglass");
  assert.equal(stateDirOf(merged, { HOME: "/h" }), "/h/.local/state/farglass");
  const set = mergeSettings({ file: { agent: { stateDir: "/x" } }, env: {}, flags: new Map() });
  assert.equal(stateDirOf(set, { HOME: "/h" }), "/x");
});

Deno.test("the secret comes from the setting or the file; else a sentence says what to do", async () => {
  await inDirectory(async (dir) => {
    const of = (server: Record<string, string>) =>
      readSecret(mergeSettings({ file: { server }, env: {}, flags: new Map() }));
    await Deno.writeTextFile(`${dir}/secret`, "0123456789abcdef0123456789abcdef\n");
    await Deno.writeTextFile(`${dir}/empty`, "\n");
    assert.deepEqual(await of({ secret: "s3cret" }), { secret: "s3cret" });
    assert.deepEqual(await of({ secretFile: `${dir}/secret` }), {
      secret: "0123456789abcdef0123456789abcdef",
    });
    for (const secretFile of ["", `${dir}/none`, `${dir}/empty`]) {
      const answer = await of({ secretFile });
      assert.ok("problem" in answer && answer.problem.text.startsWith("Name "), secretFile);
    }
  });
});
