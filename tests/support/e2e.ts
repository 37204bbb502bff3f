/** What most end-to-end tests need at once: X screen, server, agent, browser. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { askAgent } from "../../agent/adapters/control_socket.ts";
import type { AgentStatus } from "../../agent/agent.ts";
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
import { firstDifference, meanDifference, type Picture, readXScreen } from "./xshot.ts";

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

/** Mean error per colour channel that 4:2:0 chroma and the quantiser may leave on drawn content. */
export const VIDEO_TOLERANCE = 8;

/** Waits until the console shows about the X screen, by video; returns what it shows. */
export const waitForVideoPicture = (page: Page, display: string): Promise<Picture> =>
  poll("a video picture like the screen", 20_000, async () => {
    const shown = await readScreen(page);
    const screen = readXScreen(display);
    if (shown.width !== screen.width || shown.height !== screen.height) return null;
    return meanDifference(shown, screen) < VIDEO_TOLERANCE ? shown : null;
  });

/** Waits until the HUD names the video's format so. */
export const waitForCodec = (page: Page, codec: string): Promise<true> =>
  poll(`${codec} in the HUD`, 10_000, async () => (await hud(page)).codec === codec ? true : null);

/** What the agent says of itself to its owner. */
export async function statusOf(world: World): Promise<AgentStatus> {
  const answer = await askAgent(world.agent.stateDir, { op: "status" });
  assert.ok(answer.ok);
  return answer.value as AgentStatus;
}

/** Encoders in use: name, format and viewers, in alphabetical order. */
export const encodersOf = async (world: World): Promise<string[]> =>
  (await statusOf(world)).video.encoders
    .map(({ name, codec, viewers }) => `${name} ${codec} ${viewers}`).sort();

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

/** A server whose file sink has every event for security teams, in this shape. */
export const withEvents = (format: "ecs" | "ocsf"): ServerOptions => ({
  config: { telemetry: { format, sinks: [{ type: "file", path: EVENT_FILE }] } },
});
const EVENT_FILE = "events.jsonl";

/** The events that `withEvents` has so far, in order; fields by their path, with dots. */
export async function securityEvents(
  { dataDir }: TestServer,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const text = await Deno.readTextFile(join(dataDir, EVENT_FILE)).catch(() => "");
  // The last line may be half written.
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => Object.fromEntries(flat(JSON.parse(line), "")));
}

function flat(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) =>
    flat(inner, path === "" ? key : `${path}.${key}`)
  );
}
