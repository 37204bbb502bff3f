/// <reference lib="dom" />
/** The console as it is shipped: what its build is made of, and that it runs under a strict CSP. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { buildConsole } from "../../tools/build_console.ts";
import { launchChromium } from "../support/chromium.ts";
import { serveStrictly } from "../support/ui_story_server.ts";

/** Room to grow, and a stop before a heavy dependency slips in. */
const BUDGET_COMPRESSED_BYTES = 200_000;
/** Mentioned in comments, namespaces and error texts; nothing is loaded from there. */
const HARMLESS_URLS = /^(?:http:\/\/www\.w3\.org\/|https:\/\/(?:react\.dev|tailwindcss\.com))/;

Deno.test("console build: hashed, precompressed, self-contained, free of eval, cached", async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "farglass-dist-" });
  const distDir = join(dir, "dist");
  const log: string[] = [];
  try {
    const first = await buildConsole({ log: (line) => log.push(line), distDir });
    const names = [...await files(distDir)].filter((name) => !name.endsWith(".build.json"));
    const raw = names.filter((name) => !/\.(br|gz)$/.test(name));
    const read = (name: string) => Deno.readTextFileSync(join(distDir, name));

    await t.step("says what it does and how large the result is", () => {
      assert.equal(first.built, true);
      assert.match(log.at(-1) ?? "", /built in [\d.]+ s \(\d+ kB, \d+ kB compressed\)/);
      console.log(log.at(-1));
      assert.ok(first.compressedBytes < BUDGET_COMPRESSED_BYTES, `${first.compressedBytes} bytes`);
      assert.ok(first.compressedBytes < first.sizeBytes);
    });
    await t.step("every asset has a hashed name", () => {
      const assets = raw.filter((name) => name !== "index.html");
      assert.ok(assets.some((name) => name.endsWith(".js")));
      assert.ok(assets.some((name) => name.endsWith(".css")));
      for (const name of assets) assert.match(name, /^assets\/[\w.]+-[\w-]{8}\.\w+$/);
    });
    await t.step("every text file has a .br and a .gz that unpack to it", () => {
      for (const name of raw) {
        const bytes = Deno.readFileSync(join(distDir, name));
        const packed = (suffix: string) => Deno.readFileSync(join(distDir, name + suffix));
        assert.deepEqual(new Uint8Array(brotliDecompressSync(packed(".br"))), bytes, name);
        assert.deepEqual(new Uint8Array(gunzipSync(packed(".gz"))), bytes, name);
      }
    });
    await t.step("the page has nothing inline and loads only its own assets", () => {
      const html = read("index.html");
      assert.doesNotMatch(html, /<style|\son\w+=|\sstyle=|"javascript:/i);
      for (const [tag] of html.matchAll(/<script[^>]*>/g)) assert.match(tag, /\ssrc="/);
      for (const [, target] of html.matchAll(/\s(?:src|href)="([^"]*)"/g)) {
        assert.ok(raw.includes(target.slice(1)), target);
      }
    });
    await t.step("no address of a third party, no data: URL, no source of eval", () => {
      for (const name of raw) {
        const text = read(name);
        const foreign = [...text.matchAll(/\b(?:https?|wss?):\/\/[\w.-]+[^\s"'`)]*/g)]
          .map(([url]) => url).filter((url) => !HARMLESS_URLS.test(url));
        assert.deepEqual(foreign, [], name);
        if (name.endsWith(".css")) assert.doesNotMatch(text, /@import|url\((?!\/assets\/)/);
        if (name.endsWith(".js")) {
          assert.doesNotMatch(text, /\beval\(|\bnew Function\(|\bFunction\(["']/);
        }
      }
    });
    await t.step("the same inputs are not built again; a damaged result is", async () => {
      const second = await buildConsole({ log: (line) => log.push(line), distDir });
      assert.deepEqual(second, { ...first, built: false });
      assert.match(log.at(-1) ?? "", /up to date/);
      await Deno.remove(join(distDir, "index.html"));
      assert.equal((await buildConsole({ log: () => {}, distDir })).built, true);
    });
    await t.step("two builds at once leave one whole result", async () => {
      const other = join(dir, "other");
      const options = { log: () => {}, distDir: other };
      await Promise.all([buildConsole(options), buildConsole(options)]);
      const without = (list: string[]) => list.filter((name) => name !== ".build.json").sort();
      assert.deepEqual(without(await files(other)), without(names));
    });
    await t.step("Chromium runs it under script-src 'self'; style-src 'self'", () => runs(distDir));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

async function files(dir: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(join(dir, prefix))) {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory) found.push(...await files(dir, name));
    else found.push(name);
  }
  return found;
}

async function runs(distDir: string): Promise<void> {
  await using server = serveStrictly(distDir, "index.html");
  await using browser = await launchChromium();
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|TrustedScript/.test(message.text())) errors.push(message.text());
  });
  await page.goto(server.origin);
  // No server answers here: the console must say so instead of staying blank.
  await page.locator("header").first().waitFor();
  assert.deepEqual(errors, []);
}
