/** Builds the UI story with the console's own build settings and serves it on loopback. */
import { extname, join } from "node:path";
import { build } from "vite";
import { viteConfig } from "../../browser/vite.config.ts";

/** The strictest policy the console must live with; a violation is an error in the page's log. */
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** A running story; `await using` stops it and removes its build. */
export interface StoryServer extends AsyncDisposable {
  readonly origin: string;
}

/** Every path is answered from the build; `/` is the story's page. */
export async function startStory(): Promise<StoryServer> {
  const outDir = await Deno.makeTempDir({ prefix: "farglass-story-" });
  await build(viteConfig({ root: import.meta.dirname!, html: "ui_story.html", outDir }));
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => answer(outDir, new URL(request.url).pathname),
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: async () => {
      await server.shutdown();
      await Deno.remove(outDir, { recursive: true });
    },
  };
}

async function answer(outDir: string, path: string): Promise<Response> {
  const name = path === "/" ? "/ui_story.html" : path;
  try {
    const body = await Deno.readFile(join(outDir, name));
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    return new Response(body, {
      headers: { "content-type": type, "content-security-policy": CSP },
    });
  } catch {
    return new Response("Not found", { status: 404 });
  }
}
