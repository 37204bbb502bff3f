/** Chromium under playwright-core, with the flags that keep WebRTC on loopback. */
import { type Browser, chromium } from "playwright-core";
import type { Netns } from "./netns.ts";

export interface ChromiumOptions {
  readonly extraArgs?: readonly string[];
  /** Chromium writes WebRTC's own log to stderr when true. */
  readonly verbose?: boolean;
  /** Runs inside this network namespace. */
  readonly netns?: Netns;
}

/** Path of the browser under test. */
export const chromiumPath = (): string => Deno.env.get("FARGLASS_CHROMIUM") ?? "/usr/bin/chromium";

/** Flags of every browser in tests and benchmarks. */
export const CHROMIUM_ARGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--allow-loopback-in-peer-connection",
  "--disable-features=WebRtcHideLocalIpsWithMdns,Translate,MediaRouter,OptimizationHints",
  "--autoplay-policy=no-user-gesture-required",
];

/** Starts a headless Chromium; `await using` closes it. */
export async function launchChromium(
  options: ChromiumOptions = {},
): Promise<Browser & AsyncDisposable> {
  return await chromium.launch({
    executablePath: options.netns === undefined
      ? chromiumPath()
      : await options.netns.executable(chromiumPath()),
    headless: true,
    args: [...CHROMIUM_ARGS, ...options.extraArgs ?? []],
    // Signals belong to the test runner.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}
