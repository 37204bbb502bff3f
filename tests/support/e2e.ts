/** What most end-to-end tests need at once: X screen, server, agent, browser. */
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "./chromium.ts";
import type { Netns } from "./netns.ts";
import {
  type ConsolePage,
  hud,
  openConsole,
  type OpenOptions,
  readScreen,
} from "./console_page.ts";
import { poll, within } from "./process.ts";
import {
  type AgentOptions,
  type ServerOptions,
  startAgent,
  startServer,
  type TestAgent,
  type TestServer,
} from "./stack.ts";
import { startXvfb, type Xvfb } from "./xvfb.ts";
import { firstDifference, readXScreen } from "./xshot.ts";

/** A hung browser must not eat the whole run. */
const TEST_TIMEOUT_MS = 180_000;

/**
 * A test with Chromium. The driver keeps a pipe and timers of its own until the process ends, so
 * the leak sanitizers cannot judge it; processes and directories are closed by `await using`.
 */
export function e2eTest(name: string, body: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: (t) => within(name, TEST_TIMEOUT_MS, body(t)),
  });
}

export interface World extends AsyncDisposable {
  readonly xvfb: Xvfb;
  readonly server: TestServer;
  readonly agent: TestAgent;
  readonly browser: Browser;
  /** A signed-in console connected to the agent's desktop. */
  open(options?: Pick<OpenOptions, "init" | "prepare" | "viewport">): Promise<ConsolePage>;
}

export interface WorldOptions {
  readonly size?: { readonly width: number; readonly height: number };
  readonly server?: ServerOptions;
  readonly agent?: Partial<AgentOptions>;
  /** Server, agent and browser run inside this network namespace. */
  readonly netns?: Netns;
}

/** Starts all of it; disposing ends it in the order browser, agent, server, X. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const { size: { width, height } = { width: 1280, height: 720 }, netns } = options;
  const xvfb = stack.use(await startXvfb({ width, height }));
  const server = stack.use(await startServer({ netns, ...options.server }));
  const agent = stack.use(
    await startAgent({ server, capture: "x11", display: xvfb.display, netns, ...options.agent }),
  );
  const browser = stack.use(await launchChromium({ netns }));
  const owned = stack.move();
  return {
    xvfb,
    server,
    agent,
    browser,
    open: async (page = {}) => {
      const consoleUrl = await server.freshLink();
      return await openConsole(browser, { consoleUrl, connect: agent.desktopId, ...page });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits until the console shows exactly the X screen; says where they differ when it never does. */
export async function waitForExactPicture(
  page: Page,
  display: string,
  timeoutMs = 20_000,
): Promise<void> {
  let difference: string | null = "nothing was read yet";
  try {
    await poll("the exact picture", timeoutMs, async () => {
      difference = firstDifference(await readScreen(page), readXScreen(display));
      return difference === null ? true : null;
    });
  } catch (error) {
    const facts = JSON.stringify(await hud(page));
    throw new Error(`The console differs from the screen: ${difference}; HUD ${facts}`, {
      cause: error,
    });
  }
}

/** Chooses Auto, Video or Diff as an operator does. */
export async function chooseTransport(page: Page, choice: "auto" | "video" | "diff") {
  await page.locator(`[data-testid="transport-switch"] [data-value="${choice}"]`).click();
}

/** The server's structured events of one type so far. */
export function eventsOf(server: TestServer, type: string): Record<string, unknown>[] {
  return server.process.stderrLines
    .filter((line) => line.startsWith("{") && line.includes(`"${type}"`))
    .map((line) => JSON.parse(line));
}
