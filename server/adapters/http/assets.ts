/** The built console: files of one directory, read once each, with their compressed siblings. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  map: "application/json",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  webp: "image/webp",
  woff2: "font/woff2",
  wasm: "application/wasm",
  txt: "text/plain; charset=utf-8",
  webmanifest: "application/manifest+json",
};
/** Best first. */
const ENCODINGS = [{ name: "br", suffix: ".br" }, { name: "gzip", suffix: ".gz" }] as const;
/** The console's build is well under this; more would not be ours. */
const MAX_CACHED_FILES = 512;

export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly encoding: "br" | "gzip" | null;
}

interface Cached {
  readonly modifiedMs: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Serves files below one directory. */
export class Assets {
  readonly #directory: string;
  readonly #cache = new Map<string, Cached>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The file of a URL path such as `/assets/main-4f2a.js`, in the best encoding that
   * `acceptEncoding` takes; null when there is none. Only plain names get past: no dot files, no
   * `..`, no escapes.
   */
  async read(path: string, acceptEncoding: string): Promise<Asset | null> {
    if (!/^(?:\/[\w-][\w.-]*){1,4}$/.test(path) || path.includes("..")) return null;
    const extension = /\.(\w+)$/.exec(path)?.[1] ?? "";
    const type = TYPES[extension];
    if (type === undefined) return null;
    for (const { name, suffix } of ENCODINGS) {
      if (!accepts(acceptEncoding, name)) continue;
      const body = await this.#load(path + suffix);
      if (body !== null) return { body, type, encoding: name };
    }
    const body = await this.#load(path);
    return body === null ? null : { body, type, encoding: null };
  }

  async #load(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const file = join(this.#directory, path);
    try {
      const info = await stat(file);
      if (!info.isFile()) return null;
      const cached = this.#cache.get(path);
      if (cached !== undefined && cached.modifiedMs === info.mtimeMs) return cached.body;
      const body = new Uint8Array(await readFile(file));
      if (this.#cache.size >= MAX_CACHED_FILES) this.#cache.clear();
      this.#cache.set(path, { modifiedMs: info.mtimeMs, body });
      return body;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return null;
      throw error;
    }
  }
}

/** Whether an Accept-Encoding header takes a coding (RFC 9110 section 12.5.3). */
export function accepts(header: string, coding: string): boolean {
  for (const item of header.toLowerCase().split(",")) {
    const [name, ...parameters] = item.trim().split(";").map((p) => p.trim());
    if (name !== coding) continue;
    const q = parameters.find((p) => p.startsWith("q="));
    return q === undefined || Number(q.slice(2)) > 0;
  }
  return false;
}
