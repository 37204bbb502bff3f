/**
 * How Vite builds the console: one function, so that the shipped build and the test stories are
 * made alike. Kept out of Vite's own config loading (`configFile: false`), which would bundle it
 * with a second compiler.
 */
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { InlineConfig } from "vite";

const browserDir = dirname(fileURLToPath(import.meta.url));
const repoDir = dirname(browserDir);

/**
 * Browsers that know every feature the console uses without a polyfill: `light-dark()`, popover,
 * `oklch()`.
 */
const TARGET = ["chrome123", "edge123", "firefox125", "safari17.5"];

/** Options of one build. */
export interface ConsoleBuild {
  /** Folder with the HTML entry. */
  readonly root: string;
  /** Name of the HTML entry inside `root`. */
  readonly html: string;
  /** Emptied and then filled. */
  readonly outDir: string;
}

/**
 * Vite's settings for a build that passes `script-src 'self'; style-src 'self'`: nothing inline,
 * no data: URL, no module-preload polyfill, every asset name hashed.
 */
export function viteConfig(options: ConsoleBuild): InlineConfig {
  return {
    configFile: false,
    root: options.root,
    base: "/",
    publicDir: false,
    cacheDir: join(repoDir, ".farglass", "vite"),
    logLevel: "warn",
    plugins: [react(), tailwindcss()],
    resolve: { alias: { "@farglass/protocol": join(repoDir, "protocol", "mod.ts") } },
    build: {
      outDir: options.outDir,
      emptyOutDir: true,
      target: TARGET,
      cssTarget: TARGET,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      sourcemap: false,
      rolldownOptions: {
        input: join(options.root, options.html),
        output: {
          entryFileNames: "assets/[name]-[hash].js",
          chunkFileNames: "assets/[name]-[hash].js",
          assetFileNames: "assets/[name]-[hash][extname]",
        },
      },
    },
  };
}
