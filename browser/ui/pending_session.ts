/** What a session looks like while it cannot even be asked for. */
import { never } from "@farglass/protocol";
import { type ConsoleView, EMPTY_HUD, type SessionView, UNKNOWN_DISPLAYS } from "../core/mod.ts";

/** Stands for the session of `desktopId` until the client has one; says what it waits for. */
export function pendingSession(desktopId: string, view: ConsoleView): SessionView {
  const desktop = view.desktops?.find((listed) => listed.desktopId === desktopId);
  return {
    desktopId,
    desktopName: desktop?.name ?? "Desktop",
    sessionId: null,
    phase: { kind: "waiting", text: waitText(desktopId, view) },
    stage: null,
    transport: "none",
    silent: false,
    choice: "auto",
    choices: ["auto", "video", "diff"],
    preset: null,
    presets: [],
    viewOnly: false,
    soundOn: false,
    soundRefusal: "Not while there is no live picture",
    inputGranted: false,
    width: desktop?.width ?? 0,
    height: desktop?.height ?? 0,
    displays: UNKNOWN_DISPLAYS,
    caps: null,
    hud: EMPTY_HUD,
    timeline: [],
  };
}

function waitText(desktopId: string, view: ConsoleView): string {
  switch (view.link.state) {
    case "connecting":
      return "Connecting to the server";
    case "offline":
      return "Waiting for the server";
    case "signed-out":
      return "Signed out";
    case "outdated":
      return "This page is of another version than the server; reload it";
    case "waiting":
      return "The server cannot reach its store; it goes on by itself";
    case "online":
      break;
    default:
      return never(view.link);
  }
  if (view.desktops === null) return "Reading the list of desktops";
  const desktop = view.desktops.find((listed) => listed.desktopId === desktopId);
  if (desktop === undefined) {
    return "The server does not know this desktop yet. It opens as soon as its agent is connected";
  }
  if (!desktop.online) return "The desktop is offline. It opens as soon as its agent is back";
  return "Asking for the desktop";
}
