/** Plain words for what the protocol names, and the HUD's number formats. */
import {
  type CandidatePair,
  type DesktopSummary,
  never,
  type Reason,
  REASONS,
  type Stage,
  type Transport,
  type TransportChoice,
  type VideoPreset,
} from "@farglass/protocol";
import { ALL_DISPLAYS, type DisplaysView, type LinkView, type SessionView } from "../core/mod.ts";

/** Shown wherever a fact is not known. */
export const UNKNOWN = "—";

/** The colour family of a state. */
export type Tone = "good" | "warn" | "bad" | "idle" | "busy";

const STAGE_WORDS: Readonly<Record<Stage, readonly [string, Tone]>> = {
  requested: ["Asking", "busy"],
  approved: ["Allowed", "busy"],
  offered: ["Offering", "busy"],
  answered: ["Answered", "busy"],
  connecting: ["Connecting", "busy"],
  connected: ["Connected", "good"],
  degraded: ["Unsteady", "warn"],
  restarting: ["Reconnecting", "warn"],
  fallback: ["Fallback", "warn"],
  closed: ["Closed", "idle"],
  failed: ["Failed", "bad"],
};

/** The session's stage in one or two words. */
export const stageWords = (stage: Stage | null): string =>
  stage === null ? UNKNOWN : STAGE_WORDS[stage][0];

/** The colour family of a stage. */
export const stageTone = (stage: Stage | null): Tone =>
  stage === null ? "idle" : STAGE_WORDS[stage][1];

const TRANSPORT_WORDS: Readonly<Record<Transport, string>> = {
  "hybrid": "Hybrid",
  "rtp": "Video",
  "diff-dc": "Diff",
  "diff-ws": "Diff via server",
  "none": "No picture yet",
};

/** How the pixels come, in the HUD. */
export const transportWords = (transport: Transport): string => TRANSPORT_WORDS[transport];

const CODEC_WORDS: Readonly<Record<string, string>> = { H264: "H.264", H265: "H.265" };

/** The video's format, as it is written. */
export const codecWords = (codec: string | null): string =>
  codec === null ? UNKNOWN : CODEC_WORDS[codec] ?? codec;

const CHOICE_WORDS: Readonly<Record<TransportChoice, readonly [string, string]>> = {
  auto: ["Auto", "Chooses by what the network carries"],
  video: ["Video", "Best for films and motion"],
  diff: ["Diff", "Only what changed, exact to the pixel: best for text"],
};

/** What an operator can make the video for: name and hint. */
export const PRESET_WORDS: Readonly<Record<VideoPreset, readonly [string, string]>> = {
  text: ["Text", "Sharpest picture, fewer pictures a second"],
  balanced: ["Balanced", "Sharp when still, smooth enough when it moves"],
  motion: ["Motion", "Most pictures a second, for films"],
  "low-bandwidth": ["Low bandwidth", "At most 1 Mb/s, for slow networks"],
};

/** A display's name; several of one name are told apart by their id. */
export function displayWords({ list }: DisplaysView, id: string | null): string {
  if (id === ALL_DISPLAYS) return "All displays";
  const display = list.find((one) => one.id === id);
  return display === undefined ? UNKNOWN : display.name;
}

/** A transport choice's name. */
export const choiceWords = (choice: TransportChoice): string => CHOICE_WORDS[choice][0];

/** What a transport choice is for; when the policy leaves it out, why. */
export function choiceHint(choice: TransportChoice, session: SessionView): string {
  if (session.choices.includes(choice)) return CHOICE_WORDS[choice][1];
  const caps = session.caps;
  if (caps === null) return "Not known yet: the agent has not said what it can do";
  if (caps.policy.diffOnly) return "Not available: the desktop's policy allows diff only";
  if (caps.policy.videoOnly) return "Not available: the desktop's policy allows video only";
  if (choice === "video" && !caps.transports.includes("webrtc")) {
    return "Not available: this desktop sends no video";
  }
  if (choice === "diff" && !caps.transports.includes("diff")) {
    return "Not available: this desktop sends no diff";
  }
  return "Not available on this desktop";
}

/** The network path: direct or relayed, and by which protocol; `data` is for machines. */
export function pathWords(
  pair: CandidatePair | null,
  transport: Transport,
): { readonly text: string; readonly data: string } {
  if (transport === "diff-ws") return { text: "Via server, WebSocket", data: "server/ws" };
  if (pair === null) return { text: UNKNOWN, data: "" };
  const relayed = pair.local === "relay" || pair.remote === "relay";
  const protocol = relayed && pair.relayProtocol !== undefined ? pair.relayProtocol : pair.protocol;
  if (relayed) {
    return { text: `Relayed by TURN, ${protocol.toUpperCase()}`, data: `relay/${protocol}` };
  }
  // A peer-reflexive address may also be one that was merely not told, as with mDNS names.
  const mapped = pair.local === "srflx" || pair.remote === "srflx";
  return {
    text: `Direct${mapped ? " through NAT" : ""}, ${protocol.toUpperCase()}`,
    data: `direct/${protocol}`,
  };
}

/** The relay hint of the settings in words. */
export function relayHintWords(hint: string | null): string {
  switch (hint) {
    case null:
      return UNKNOWN;
    case "turn":
      return "TURN as a fallback";
    case "relay":
    case "always":
      return "Always TURN";
    case "none":
      return "No relay";
    default:
      return hint;
  }
}

/** What an operator should try after a session ended for `reason`. */
export function endAdvice(reason: Reason): string {
  switch (reason) {
    case "denied-by-policy":
    case "denied-by-owner":
      return "Ask the owner of the desktop, then connect again";
    case "consent-timeout":
      return "Tell the owner that you would like to connect, then try again";
    case "killed":
    case "owner-stopped":
      return "Connect again if you still need the desktop";
    case "agent-lost":
      return "Check that the machine is on and its agent is running";
    case "agent-restarted":
    case "server-restarted":
    case "server-stopping":
    case "console-lost":
      return "Connect again in a moment";
    case "operator-disconnect":
      return "You can connect again at any time";
    default:
      return "Connect again; the connection details tell more";
  }
}

/** A reason's plain sentence. */
export const reasonWords = (reason: Reason): string => REASONS[reason];

/** The tab's title. */
export function titleWords(link: LinkView, session: SessionView | null): string {
  if (session !== null) return `${session.desktopName} – ${phaseWords(session)} · Farglass`;
  switch (link.state) {
    case "online":
    case "waiting":
      return "Desktops · Farglass";
    case "connecting":
      return "Connecting · Farglass";
    case "offline":
      return "Offline · Farglass";
    case "signed-out":
      return "Signed out · Farglass";
    case "outdated":
      return "Reload the page · Farglass";
    default:
      return never(link);
  }
}

/** The picture comes; what WebRTC does meanwhile, the details tell. */
const isByServer = ({ transport, stage }: SessionView): boolean =>
  transport === "diff-ws" && stage !== "connected";

/** The session's phase in a word or two. */
export function phaseWords(session: SessionView): string {
  switch (session.phase.kind) {
    case "waiting":
      return session.stage === null ? "Waiting" : stageWords(session.stage);
    case "live":
      if (session.silent) return "Not answering";
      if (isByServer(session)) return "Connected by the server";
      return session.stage === null ? "Connected" : stageWords(session.stage);
    case "recovering":
      return "Reconnecting";
    case "ended":
      return "Ended";
    default:
      return never(session.phase);
  }
}

/** The colour family of the session's phase. */
export function phaseTone(session: SessionView): Tone {
  switch (session.phase.kind) {
    case "waiting":
      return "busy";
    case "live":
      if (session.silent || isByServer(session)) return "warn";
      return session.stage === null ? "good" : stageTone(session.stage);
    case "recovering":
      return "warn";
    case "ended":
      return "bad";
    default:
      return never(session.phase);
  }
}

/** What the desktop's policy restricts, as short labels for its card. */
export function policyLabels(desktop: DesktopSummary): string[] {
  const { policy } = desktop;
  return [
    ...(policy.viewOnly ? ["View only"] : []),
    ...(policy.diffOnly ? ["Diff only"] : []),
    ...(policy.videoOnly ? ["Video only"] : []),
    ...(policy.consent === "ask" ? ["Owner is asked"] : []),
    ...(policy.consent === "deny" ? ["Closed to operators"] : []),
  ];
}

/** The capture's name as people know it. */
export function captureWords(capture: string): string {
  const known: Readonly<Record<string, string>> = {
    x11: "X11 screen",
    synthetic: "Built-in desktop",
  };
  return known[capture.toLowerCase()] ?? capture;
}
