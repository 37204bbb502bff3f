/** Builds the UI story with the console's own build settings and serves it on loopback. */
import { extname, join } from "node:path";
import { build } from "vite";
import { viteConfig } from "../../browser/vite.config.ts";

/** The strictest policy the console must live with; a violation is an error in the page's log. */
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Serves a folder; `await using` stops it. */
export interface StaticServer extends AsyncDisposable {
  readonly origin: string;
}

/** Builds the story into a folder of its own and serves it; the folder goes with the server. */
export async function startStory(): Promise<StaticServer> {
  const outDir = await Deno.makeTempDir({ prefix: "farglass-story-" });
  await build(viteConfig({ root: import.meta.dirname!, html: "ui_story.html", outDir }));
  const server = serveStrictly(outDir, "ui_story.html");
  return {
    origin: server.origin,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await Deno.remove(outDir, { recursive: true });
    },
  };
}

/** Serves `dir` under the strict policy; `/` is `index`. */
export function serveStrictly(dir: string, index: string): StaticServer {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => answer(dir, index, new URL(request.url).pathname),
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function answer(dir: string, index: string, path: string): Promise<Response> {
  try {
    const body = await Deno.readFile(join(dir, path === "/" ? index : path));
    const type = TYPES[extname(path === "/" ? index : path)] ?? "application/octet-stream";
    return new Response(body, {
      headers: { "content-type": type, "content-security-policy": CSP },
    });
  } catch {
    return new Response("Not found", { status: 404 });
  }
}
