/**
 * Builds the console into browser/dist, unless what is there was made from the very same inputs.
 * Run by `deno task console:build` and by the demo. A failed build leaves the old one in place.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const REPO_DIR = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST_DIR = join(REPO_DIR, "browser", "dist");
/** Ignored by git, and on the same file system as dist, so that a rename is enough. */
const WORK_DIR = join(REPO_DIR, ".farglass");
/** Everything that can change the output; folders are walked. */
const INPUTS = ["browser", "protocol", "deno.json", "deno.lock", "tools/build_console.ts"];
/** Text formats; pictures and fonts are packed already. */
const COMPRESSIBLE = /\.(html|js|css|svg|json|txt|webmanifest)$/;
const RENAME_ATTEMPTS = 10;
const STAMP_FILE = ".build.json";

/** What a build made. */
export interface ConsoleBuildResult {
  /** False when the existing build was still right. */
  readonly built: boolean;
  /** All files as a browser unpacks them. */
  readonly sizeBytes: number;
  /** The same files as they travel, compressed with Brotli. */
  readonly compressedBytes: number;
}

/** Options of `buildConsole`. */
export interface BuildOptions {
  /** Takes each sentence of progress. */
  readonly log: (line: string) => void;
  /** Where the result goes; the repository's browser/dist when absent. */
  readonly distDir?: string;
}

interface Stamp {
  readonly inputs: string;
  readonly sizeBytes: number;
  readonly compressedBytes: number;
}

/** Makes browser/dist when it is missing or older than its sources. Throws Vite's own error. */
export async function buildConsole(options: BuildOptions): Promise<ConsoleBuildResult> {
  const distDir = options.distDir ?? DIST_DIR;
  const inputs = await hashInputs();
  const stamp = await readStamp(distDir);
  if (stamp !== null && stamp.inputs === inputs && existsSync(join(distDir, "index.html"))) {
    options.log(`The console is up to date (${sizeWords(stamp)})`);
    return { built: false, sizeBytes: stamp.sizeBytes, compressedBytes: stamp.compressedBytes };
  }
  options.log("Building the console, which takes a few seconds the first time");
  const startedAt = performance.now();
  await mkdir(WORK_DIR, { recursive: true });
  const tempDir = await mkdtemp(join(WORK_DIR, "console-"));
  try {
    await runVite(tempDir);
    const sizes = await compressAll(tempDir);
    await writeFile(
      join(tempDir, STAMP_FILE),
      JSON.stringify({ inputs, ...sizes } satisfies Stamp),
    );
    await chmod(tempDir, 0o755); // mkdtemp keeps others out; a server may be another user
    await replaceDir(tempDir, distDir);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    options.log(`The console is built in ${seconds} s (${sizeWords(sizes)})`);
    return { built: true, ...sizes };
  } finally {
    await rm(tempDir, { recursive: true, force: true });
  }
}

/** Loaded only when a build is due: Vite alone takes longer to load than the check above. */
async function runVite(outDir: string): Promise<void> {
  const [{ build }, { viteConfig }] = await Promise.all([
    import("vite"),
    import("../browser/vite.config.ts"),
  ]);
  await build(viteConfig({ root: join(REPO_DIR, "browser"), html: "index.html", outDir }));
}

async function hashInputs(): Promise<string> {
  const hash = createHash("sha256");
  const files: string[] = [];
  for (const input of INPUTS) await collect(join(REPO_DIR, input), files);
  for (const file of files.sort()) {
    hash.update(`${relative(REPO_DIR, file)}\0`).update(await readFile(file)).update("\0");
  }
  return hash.digest("hex");
}

async function collect(path: string, files: string[]): Promise<void> {
  if (!/\.\w+$/.test(path)) {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.name === "dist" || entry.name === "node_modules") continue;
      if (entry.isDirectory()) await collect(join(path, entry.name), files);
      else if (!/_test\.tsx?$/.test(entry.name)) files.push(join(path, entry.name));
    }
  } else files.push(path);
}

async function readStamp(distDir: string): Promise<Stamp | null> {
  try {
    const value = JSON.parse(await readFile(join(distDir, STAMP_FILE), "utf8"));
    const good = typeof value?.inputs === "string" && typeof value.sizeBytes === "number" &&
      typeof value.compressedBytes === "number";
    return good ? value : null;
  } catch {
    return null; // missing or damaged: build again
  }
}

/** Puts a `.br` and a `.gz` beside every text file, and adds up what travels. */
async function compressAll(dir: string): Promise<Omit<Stamp, "inputs">> {
  let sizeBytes = 0;
  let compressedBytes = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const raw = await readFile(path);
    sizeBytes += raw.length;
    if (!COMPRESSIBLE.test(entry.name)) {
      compressedBytes += raw.length;
      continue;
    }
    const brotli = await promisify(brotliCompress)(raw, {
      params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
    });
    await writeFile(`${path}.br`, brotli);
    await writeFile(
      `${path}.gz`,
      await promisify(gzip)(raw, { level: constants.Z_BEST_COMPRESSION }),
    );
    compressedBytes += brotli.length;
  }
  return { sizeBytes, compressedBytes };
}

/**
 * Two renames, so that nobody ever sees half a build. Another process may build at the same time:
 * whoever comes last wins, with the same files.
 */
async function replaceDir(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  for (let attempt = 1;; attempt++) {
    const old = `${from}-old-${attempt}`;
    if (existsSync(to)) await rename(to, old).catch(unless("ENOENT"));
    try {
      await rename(from, to);
      return;
    } catch (error) {
      if (attempt === RENAME_ATTEMPTS) throw error;
      unless("ENOTEMPTY", "EEXIST")(error);
    } finally {
      await rm(old, { recursive: true, force: true });
    }
  }
}

/** Swallows the named system errors: another build was quicker. */
const unless = (...codes: string[]) => (error: unknown): void => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!codes.includes(code)) throw error;
};

function sizeWords(sizes: Omit<Stamp, "inputs">): string {
  const kB = (bytes: number) => `${Math.round(bytes / 1000)} kB`;
  return `${kB(sizes.sizeBytes)}, ${kB(sizes.compressedBytes)} compressed`;
}

if (import.meta.main) {
  try {
    await buildConsole({ log: (line) => console.log(line) });
  } catch (error) {
    console.error(
      `The console could not be built: ${error instanceof Error ? error.message : error}`,
    );
    Deno.exit(1);
  }
}
