/// <reference lib="dom" />
/**
 * The remote desktops that `bench:peers` compares, each with the display that it shares:
 *
 *   farglass  our server and agent on an Xvfb
 *   novnc     noVNC in the page, websockify, TigerVNC's own X server (`Xtigervnc -FrameRate 60`)
 *   x11vnc    noVNC in the page, websockify, x11vnc on the very display that farglass shares
 *
 * All pages run in one headless Chromium with one viewport, and scale the screen to fit it.
 */
import type { Browser, Page } from "playwright-core";
import { ensureSystemPackages, program } from "../../tools/system_packages.ts";
import { launchChromium } from "../support/chromium.ts";
import { openConsole, waitForTransport } from "../support/console_page.ts";
import { chooseTransport } from "../support/e2e.ts";
import { type SpawnedProcess, spawnProcess } from "../support/process.ts";
import { startAgent, startServer } from "../support/stack.ts";
import { startXvfb } from "../support/xvfb.ts";
import { progress } from "../support/bench.ts";

export const SUBJECTS = ["farglass", "novnc", "x11vnc"] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** What the operator chooses at our console; the others have nothing to choose. */
export type Choice = "auto" | "video" | "diff";

export interface Shown extends AsyncDisposable {
  readonly page: Page;
  /** Bytes of WebSocket messages and of WebRTC transports that the page has received so far. */
  receivedBytes(): Promise<number>;
}

export interface Subject {
  readonly name: SubjectName;
  readonly display: string;
  /** The processes that serve the picture, without the X server when it has another task. */
  readonly pids: Readonly<Record<string, number>>;
  open(choice: Choice): Promise<Shown>;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface SubjectOptions {
  readonly size: Size;
  /** Further flags of our agent, and of its runtime. */
  readonly agentFlags?: readonly string[];
  readonly denoFlags?: readonly string[];
}

const VIEWPORT = { width: 1366, height: 768 };
const START_TIMEOUT_MS = 30_000;
const NOVNC_WEB = "/usr/share/novnc";

const NEEDS = [
  program("Xtigervnc", "tigervnc-standalone-server"),
  program("x11vnc"),
  program("websockify"),
  program("ffplay", "ffmpeg"),
  program("ffmpeg"),
  program("xterm"),
  program("xdotool"),
  {
    what: "noVNC",
    debianPackage: "novnc",
    present: () => {
      try {
        return Deno.statSync(`${NOVNC_WEB}/vnc_lite.html`).isFile;
      } catch {
        return false; // not there
      }
    },
  },
];

/** Says what is missing, or installs it; false when the benchmark cannot run. */
export async function havePeers(install: boolean): Promise<boolean> {
  if (install) return await ensureSystemPackages(progress, NEEDS);
  const missing = NEEDS.filter((need) => !need.present());
  for (const { what, debianPackage } of missing) {
    progress(`Install ${what}: the Debian package is ${debianPackage}, or run with --install`);
  }
  return missing.length === 0;
}

/** Starts the subjects that are asked for, and one browser. */
export async function startSubjects(
  names: readonly SubjectName[],
  options: SubjectOptions,
): Promise<{ readonly subjects: readonly Subject[] } & AsyncDisposable> {
  await using owned = new AsyncDisposableStack();
  const browser = owned.use(await launchChromium());
  const subjects: Subject[] = [];
  const xvfb = names.some((name) => name !== "novnc")
    ? owned.use(await startXvfb(options.size))
    : null;
  for (const name of names) {
    if (name === "novnc") subjects.push(await startTigerVnc(browser, owned, options.size));
    else if (name === "farglass") {
      subjects.push(await startFarglass(browser, owned, { ...options, display: xvfb!.display }));
    } else subjects.push(x11vncSubject(browser, xvfb!.display));
  }
  const moved = owned.move();
  return { subjects, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

async function startFarglass(
  browser: Browser,
  owned: AsyncDisposableStack,
  options: SubjectOptions & { readonly display: string },
): Promise<Subject> {
  const server = owned.use(await startServer());
  const { display, agentFlags: flags = [], denoFlags } = options;
  const agent = owned.use(
    await startAgent({ server, capture: "x11", display, flags, denoFlags }),
  );
  const first = flags.includes("--encoder-hybrid") ? "hybrid" : "rtp";
  return {
    name: "farglass",
    display,
    pids: { agent: agent.pid },
    open: async (choice) => {
      const opened = await openConsole(browser, {
        consoleUrl: await server.freshLink(),
        connect: agent.desktopId,
        viewport: VIEWPORT,
        init: countReceivedBytes,
      });
      const { page } = opened;
      await waitForTransport(page, first, START_TIMEOUT_MS);
      if (choice !== "auto") {
        await chooseTransport(page, choice);
        await waitForTransport(page, choice === "diff" ? "diff-dc" : "rtp", START_TIMEOUT_MS);
      }
      return shown(page, async () => await opened[Symbol.asyncDispose]());
    },
  };
}

async function startTigerVnc(
  browser: Browser,
  owned: AsyncDisposableStack,
  { width, height }: Size,
): Promise<Subject> {
  const rfbPort = freePort();
  const vnc = owned.use(spawnProcess({
    name: "Xtigervnc",
    command: "Xtigervnc",
    args: [
      ...["-displayfd", "1", "-geometry", `${width}x${height}`, "-depth", "24", "-dpi", "96"],
      ...["-FrameRate", "60", "-SecurityTypes", "None", "-AlwaysShared", "-localhost"],
      ...["-rfbport", String(rfbPort), "-nolisten", "tcp", "-noreset"],
    ],
  }));
  const [, number] = await vnc.waitForLine(/^(\d+)$/, START_TIMEOUT_MS);
  const web = await startWebsockify(owned, rfbPort);
  return {
    name: "novnc",
    display: `:${number}`,
    pids: { Xtigervnc: vnc.pid, websockify: web.process.pid },
    open: () => openNoVnc(browser, web.port, async () => {}),
  };
}

/** x11vnc looks at the screen all the time, so it runs only while its page is open. */
function x11vncSubject(browser: Browser, display: string): Subject {
  const pids: Record<string, number> = {};
  return {
    name: "x11vnc",
    display,
    pids,
    open: async () => {
      await using owned = new AsyncDisposableStack();
      const rfbPort = freePort();
      const vnc = owned.use(spawnProcess({
        name: "x11vnc",
        command: "x11vnc",
        args: [
          ...["-display", display, "-forever", "-shared", "-nopw", "-localhost", "-no6"],
          ...["-rfbport", String(rfbPort), "-noipv6", "-norc"],
        ],
      }));
      await vnc.waitForLine(/PORT=\d+|Listening for VNC connections/, START_TIMEOUT_MS);
      const web = await startWebsockify(owned, rfbPort);
      Object.assign(pids, { x11vnc: vnc.pid, websockify: web.process.pid });
      const moved = owned.move();
      return await openNoVnc(browser, web.port, () => moved.disposeAsync());
    },
  };
}

async function startWebsockify(
  owned: AsyncDisposableStack,
  rfbPort: number,
): Promise<{ readonly port: number; readonly process: SpawnedProcess }> {
  const port = freePort();
  const process = owned.use(spawnProcess({
    name: "websockify",
    command: "websockify",
    args: ["--web", NOVNC_WEB, `127.0.0.1:${port}`, `127.0.0.1:${rfbPort}`],
  }));
  await process.waitForLine(/proxying from/, START_TIMEOUT_MS);
  return { port, process };
}

async function openNoVnc(
  browser: Browser,
  port: number,
  close: () => Promise<void>,
): Promise<Shown> {
  const context = await browser.newContext({ viewport: VIEWPORT });
  await context.addInitScript(countReceivedBytes);
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${port}/vnc_lite.html?scale=true`);
  await page.waitForFunction(
    () => /^Connected to/.test(document.querySelector("#status")?.textContent ?? ""),
    undefined,
    { timeout: START_TIMEOUT_MS },
  );
  return shown(page, async () => {
    await context.close();
    await close();
  });
}

function shown(page: Page, close: () => Promise<void>): Shown {
  return {
    page,
    receivedBytes: () =>
      page.evaluate(() =>
        (globalThis as unknown as { receivedBytes(): Promise<number> }).receivedBytes()
      ),
    [Symbol.asyncDispose]: close,
  };
}

/** Runs in the page before its scripts: counts what its sockets and peer connections receive. */
function countReceivedBytes(): void {
  let bySocket = 0;
  const peers: RTCPeerConnection[] = [];
  const size = (data: unknown) =>
    typeof data === "string"
      ? data.length
      : data instanceof ArrayBuffer
      ? data.byteLength
      : data instanceof Blob
      ? data.size
      : 0;
  const page = globalThis as unknown as Record<string, unknown>;
  // Proxies and no subclasses: noVNC looks for the properties of a socket's very prototype.
  page.WebSocket = new Proxy(WebSocket, {
    construct(target, [url, protocols]) {
      const socket = new target(url, protocols);
      socket.addEventListener("message", ({ data }) => bySocket += size(data));
      return socket;
    },
  });
  page.RTCPeerConnection = new Proxy(RTCPeerConnection, {
    construct(target, [configuration]) {
      const peer = new target(configuration);
      peers.push(peer);
      return peer;
    },
  });
  page.receivedBytes = async () => {
    let sum = bySocket;
    for (const peer of peers) {
      const stats = await peer.getStats();
      stats.forEach((record) => {
        if (record.type === "transport") sum += record.bytesReceived ?? 0;
      });
    }
    return sum;
  };
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
