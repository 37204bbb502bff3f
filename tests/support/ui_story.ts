/// <reference lib="dom" />
/**
 * The console's UI with an in-memory client, for tests/interop/console_ui_test.ts. The address
 * picks the scene (`?scene=live`); the test changes the view and reads the calls by `story`.
 */
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import type {
  ConsoleActions,
  ConsoleClient,
  ConsoleView,
  HTMLElementLike,
} from "../../browser/core/session_view.ts";
import { readRecord, readSession, readSessions } from "../../browser/adapters/session_record.ts";
import { makeBundle } from "../../browser/adapters/support_bundle.ts";
import { App } from "../../browser/ui/app.tsx";
import { ErrorBoundary } from "../../browser/ui/message_page.tsx";
import { applyStoredTheme } from "../../browser/ui/theme.ts";
import { DESKTOP_ID, type Scene, sceneView, session, type Story } from "./ui_story_views.ts";

const scene = (new URLSearchParams(location.search).get("scene") ?? "list") as Scene;
let view = sceneView(scene, Date.now());
const listeners = new Set<() => void>();
const calls: Story["calls"] = [];
const keys: string[] = [];

function patch(next: Partial<ConsoleView>): void {
  view = { ...view, ...next };
  for (const listener of listeners) listener();
}

function patchSession(next: Partial<NonNullable<ConsoleView["session"]>>): void {
  if (view.session !== null) patch({ session: { ...view.session, ...next } });
}

const record = (name: keyof ConsoleActions) => (argument?: unknown) => {
  calls.push([name, argument ?? null]);
};

const client: ConsoleClient = {
  ...{ readRecord, readSession, readSessions },
  exportBundle: (sessionId, { addresses }) => {
    const part = { samples: [], decisions: [], timeline: [], addresses: addresses ? [] : null };
    return makeBundle(sessionId, part, Date.now());
  },
  getView: () => view,
  subscribe: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  connect: (desktopId) => {
    record("connect")(desktopId);
    const listed = view.desktops?.find((desktop) => desktop.desktopId === desktopId);
    patch({ session: session({ desktopId, desktopName: listed?.name ?? "?" }, Date.now()) });
  },
  disconnect: () => {
    record("disconnect")();
    patch({ session: null });
  },
  choose: (choice) => {
    record("choose")(choice);
    patchSession({ choice });
  },
  choosePreset: (preset) => {
    record("choosePreset")(preset);
    patchSession({ preset });
  },
  chooseDisplay: (display) => {
    record("chooseDisplay")(display);
    const displays = view.session?.displays;
    if (displays !== undefined) patchSession({ displays: { ...displays, shown: display } });
  },
  setSound: (soundOn) => {
    record("setSound")(soundOn);
    patchSession({ soundOn });
  },
  setViewOnly: (viewOnly) => {
    record("setViewOnly")(viewOnly);
    patchSession({ viewOnly });
  },
  sendSpecial: record("sendSpecial"),
  typeText: record("typeText"),
  retryNow: record("retryNow"),
  attach: ({ stage, video, canvas }) => attach(stage, video, canvas),
};

/** Shows the canvas with a painted desktop, and notes the keys that reach the stage. */
function attach(stage: HTMLElementLike, video: HTMLElementLike, canvas: HTMLElementLike) {
  if (!(stage instanceof HTMLElement) || !(video instanceof HTMLVideoElement)) throw new Error();
  if (!(canvas instanceof HTMLCanvasElement)) throw new Error();
  video.hidden = true;
  canvas.hidden = false;
  paintDesktop(canvas);
  const onKey = (event: KeyboardEvent) => {
    keys.push(event.key);
    event.preventDefault();
  };
  stage.addEventListener("keydown", onKey);
  calls.push(["attach", null]);
  return () => stage.removeEventListener("keydown", onKey);
}

function paintDesktop(canvas: HTMLCanvasElement): void {
  canvas.width = 1920;
  canvas.height = 1080;
  const context = canvas.getContext("2d");
  if (context === null) return;
  const sky = context.createLinearGradient(0, 0, 1920, 1080);
  sky.addColorStop(0, "#23405f");
  sky.addColorStop(1, "#5f8a8b");
  context.fillStyle = sky;
  context.fillRect(0, 0, 1920, 1080);
  context.fillStyle = "#1d2127";
  context.fillRect(0, 1030, 1920, 50);
  context.fillStyle = "#14171c";
  context.fillRect(180, 130, 1050, 680);
  context.fillStyle = "#2b3038";
  context.fillRect(180, 130, 1050, 44);
  context.font = "24px monospace";
  for (let line = 0; line < 18; line++) {
    context.fillStyle = line % 4 === 0 ? "#8fd19e" : "#c8d0da";
    context.fillText(line % 4 === 0 ? "$ deno task test" : "ok | 418 passed", 206, 220 + line * 32);
  }
}

globalThis.story = {
  calls,
  keys,
  view: () => view,
  show: (next) => patch(sceneView(next, Date.now())),
  patch,
  crash: () => patch({ desktops: [null] as unknown as ConsoleView["desktops"] }),
};

applyStoredTheme();
if (view.session !== null && location.hash === "") {
  history.replaceState(null, "", `${location.search}#/session/${DESKTOP_ID}`);
}
const root = document.getElementById("root");
if (root === null) throw new Error("The page has no element #root");
createRoot(root).render(createElement(ErrorBoundary, null, createElement(App, { client })));
