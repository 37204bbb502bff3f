/** Views of the console as its UI tests need them. */
import { type DesktopCaps, type DesktopSummary, VIDEO_PRESETS } from "@farglass/protocol";
import type {
  ConsoleView,
  Phase,
  SessionView,
  TimelineEntry,
} from "../../browser/core/session_view.ts";

export const DESKTOP_ID = "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a01";
const AGENT_ID = "0d9a2b6e-3f64-4f0e-8a8c-5b1f8f0c7a11";

const policy = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" } as const;

const desktop = (over: Partial<DesktopSummary>, now: number): DesktopSummary => ({
  desktopId: DESKTOP_ID,
  agentId: AGENT_ID,
  name: "Build server",
  hostname: "build-01",
  os: "Debian 12",
  online: true,
  viewers: 0,
  width: 1920,
  height: 1080,
  capture: "x11",
  policy,
  since: now - 2 * 3600_000 - 5 * 60_000,
  ...over,
});

export const desktops = (now: number): DesktopSummary[] => [
  desktop({ viewers: 2 }, now),
  desktop({
    desktopId: "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a02",
    name: "Reception display with a rather long name",
    hostname: "reception",
    os: "Ubuntu 24.04",
    width: 1280,
    height: 1024,
    policy: { ...policy, viewOnly: true, diffOnly: true, consent: "ask" },
    since: now - 95_000,
  }, now),
  desktop({
    desktopId: "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a03",
    name: "Demo",
    hostname: "laptop",
    capture: "synthetic",
    width: 1280,
    height: 720,
    since: now - 12_000,
  }, now),
  desktop({
    desktopId: "6f1c1f0e-8a3b-4a52-9d0e-2b7a5d1c0a04",
    name: "Laboratory",
    hostname: "lab-7",
    online: false,
    since: now - 26 * 3600_000,
  }, now),
];

const caps: DesktopCaps = {
  name: "Build server",
  transports: ["webrtc", "diff"],
  encoders: [],
  displays: [{ id: "0", name: "Screen", width: 1920, height: 1080, primary: true }],
  input: { pointer: true, keyboard: true },
  audio: { available: true },
  capture: "x11",
  policy,
};

const timeline = (now: number): TimelineEntry[] =>
  [
    { text: "You asked for the desktop", kind: "stage", reason: "session-requested", detail: null },
    {
      text: "The desktop's policy allows the session",
      kind: "stage",
      reason: "approved-by-policy",
      detail: null,
    },
    {
      text: "Connected",
      kind: "stage",
      reason: "peer-connected",
      detail: "Direct, UDP, after 214 ms",
    },
    { text: "Video is shown", kind: "transport", reason: "transport-selected", detail: null },
    {
      text: "Switched from video to diff",
      kind: "transport",
      reason: "rtp-stalled",
      detail: "capturedFrames 61, decodedFrames 0, stalledMs 2040",
    },
    {
      text: "The agent's video encoder failed",
      kind: "error",
      reason: null,
      detail: "encoder-failed",
    },
    { text: "Back to video", kind: "transport", reason: "transport-recovered", detail: null },
  ].map((
    entry,
    index,
  ) => ({ ...entry, id: index + 1, at: now - (7 - index) * 9_000 } as TimelineEntry));

/** A live session; `over` replaces parts of it. */
export const session = (over: Partial<SessionView>, now: number): SessionView => ({
  desktopId: DESKTOP_ID,
  desktopName: "Build server",
  sessionId: "a3f1c1f0-8a3b-4a52-9d0e-2b7a5d1c0b01",
  phase: { kind: "live" },
  stage: "connected",
  transport: "rtp",
  silent: false,
  choice: "auto",
  choices: ["auto", "video", "diff"],
  preset: "balanced",
  presets: VIDEO_PRESETS,
  viewOnly: false,
  soundOn: true,
  soundRefusal: null,
  inputGranted: true,
  width: 1920,
  height: 1080,
  displays: { list: caps.displays, all: false, shown: "0", switchingTo: null, notice: null },
  caps,
  hud: {
    fps: 29.6,
    bitrateKbps: 4210,
    rttMs: 11.6,
    loss: 0.004,
    decodeMs: 2.34,
    videoCodec: "H264",
    format: { codec: "h264", reason: "format-best", decisions: {} },
    jitterBufferMs: 14,
    candidatePair: { local: "relay", remote: "host", protocol: "udp", relayProtocol: "tcp" },
    relayHint: "turn",
    turnExpiresAtMs: now + 563_000,
    framesDecoded: 5120,
    network: {
      targetKbps: 6_400,
      reason: "application-limited",
      rttMs: 24,
      queueMs: 0.6,
      loss: 0.004,
      goodputKbps: 2_900,
      droppedPictures: 0,
      decisions: { probe: 3, "application-limited": 2 },
    },
    sound: { kbps: 94, jitterMs: 1.6, delayMs: 52, behindMs: 31 },
    patches: {
      ...{ reason: "patches-fit", linkKbps: null, rttMs: 27, queueMs: 0, windowBytes: 65_536 },
      decisions: {},
    },
    choice: { reason: "choice-plenty", videoAboveKbps: 2_400, regions: 1, decisions: {} },
    playout: "playout-zero",
    exactSinceMs: null,
    latency: {
      ...{ capture: 0.3, encode: 9.2, network: 4.1, buffer: 1.4, decode: 1.2, paint: 5.6 },
      ...{ totalMs: 21.8, errorMs: 1.2, frames: 58 },
    },
  },
  timeline: timeline(now),
  ...over,
});

const waiting: Phase = { kind: "waiting", text: "Waiting for the owner to allow the session" };
const recovering: Phase = { kind: "recovering", text: "The network path broke: reconnecting" };

/** Names of the scenes that a story can start with. */
export type Scene =
  | "list"
  | "empty"
  | "loading"
  | "offline"
  | "signed-out"
  | "live"
  | "diff"
  | "restricted"
  | "waiting"
  | "recovering"
  | "ended";

/** What the page offers to its test. */
export interface Story {
  readonly calls: [name: string, argument: unknown][];
  readonly keys: string[];
  view(): ConsoleView;
  show(scene: Scene): void;
  patch(view: Partial<ConsoleView>): void;
  crash(): void;
}

declare global {
  var story: Story;
}

/** The view of a scene; times count from `now`. */
export function sceneView(scene: Scene, now: number): ConsoleView {
  const online = { link: { state: "online" }, desktops: desktops(now), session: null } as const;
  switch (scene) {
    case "list":
      return online;
    case "empty":
      return { ...online, desktops: [] };
    case "loading":
      return { link: { state: "connecting" }, desktops: null, session: null };
    case "offline":
      return { ...online, link: { state: "offline", retryAtMs: now + 4_000, attempts: 3 } };
    case "signed-out":
      return { ...online, link: { state: "signed-out" } };
    case "live":
      return { ...online, session: session({}, now) };
    case "diff":
      return { ...online, session: session(diffParts(now), now) };
    case "restricted":
      return { ...online, session: session(restrictedParts(now), now) };
    case "waiting":
      return {
        ...online,
        session: session({ phase: waiting, stage: "requested", transport: "none" }, now),
      };
    case "recovering":
      return { ...online, session: session({ phase: recovering, stage: "restarting" }, now) };
    case "ended":
      return {
        ...online,
        session: session({
          phase: { kind: "ended", reason: "agent-lost", error: null },
          stage: "closed",
        }, now),
      };
  }
}

const diffParts = (now: number): Partial<SessionView> => ({
  transport: "diff-ws",
  stage: "fallback",
  choice: "diff",
  hud: {
    ...session({}, now).hud,
    network: null,
    decodeMs: null,
    jitterBufferMs: null,
    loss: null,
    candidatePair: null,
    turnExpiresAtMs: null,
    relayHint: null,
    exactSinceMs: now - 42_000,
    latency: {
      ...{ capture: 0.2, encode: 0.4, network: 0.9, buffer: 0, decode: 0.2, paint: 3.4 },
      ...{ totalMs: 5.1, errorMs: 0.8, frames: 64 },
    },
  },
});

const restrictedParts = (now: number): Partial<SessionView> => ({
  ...diffParts(now),
  choice: "diff",
  choices: ["diff"],
  inputGranted: false,
  caps: { ...caps, policy: { ...policy, viewOnly: true, diffOnly: true } },
});
