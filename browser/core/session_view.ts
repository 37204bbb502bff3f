/**
 * What the console shows of a session: one immutable snapshot, made by the core, painted by any
 * UI. All times are milliseconds of the console's clock.
 */
import type {
  CandidatePair,
  CodedError,
  DesktopCaps,
  DesktopSummary,
  DisplayCaps,
  PatchFlow,
  PlayoutReason,
  Reason,
  RegionChoice,
  SentFormat,
  Stage,
  Transport,
  TransportChoice,
  VideoPreset,
  ViewerNetwork,
} from "@farglass/protocol";
import type { LatencyView } from "./latency.ts";
import type { KnownSession } from "./past_sessions.ts";
import type { SessionRecord } from "./session_record.ts";

/** The signalling socket. */
export type LinkView =
  | { readonly state: "connecting" }
  | { readonly state: "online" }
  /** Connected, but the server's store is away: what is connected goes on, all else waits. */
  | { readonly state: "waiting" }
  | { readonly state: "offline"; readonly retryAtMs: number; readonly attempts: number }
  | { readonly state: "signed-out" }
  /** The server was updated under this page: only loading it anew helps. */
  | { readonly state: "outdated" };

export interface TimelineEntry {
  readonly id: number;
  readonly at: number;
  /** `stage` a change of stage, `transport` a switch, `error` a coded error, `note` the rest. */
  readonly kind: "stage" | "transport" | "error" | "note";
  /** Plain words. */
  readonly text: string;
  readonly reason: Reason | null;
  readonly detail: string | null;
}

/** Live facts; null is "not known yet" or "does not apply to this transport". */
/** How the desktop's sound comes. */
export interface SoundView {
  readonly kbps: number;
  readonly jitterMs: number | null;
  /** From the moment it was to be heard on the desktop until it was handed over to be played here. */
  readonly delayMs: number | null;
  /** How much later than the picture; negative when sooner. */
  readonly behindMs: number | null;
}

export interface HudView {
  readonly fps: number | null;
  readonly bitrateKbps: number | null;
  readonly rttMs: number | null;
  /** 0..1 */
  readonly loss: number | null;
  readonly decodeMs: number | null;
  readonly jitterBufferMs: number | null;
  /** Format of the video that is shown, such as `H264`; null when there is none. */
  readonly videoCodec: string | null;
  /** What the agent encodes it as, and why. */
  readonly format: SentFormat | null;
  readonly candidatePair: CandidatePair | null;
  readonly relayHint: string | null;
  /** Unix ms at which the TURN credentials expire. */
  readonly turnExpiresAtMs: number | null;
  readonly framesDecoded: number;
  /** Since when the picture has been proved equal to the screen, pixel by pixel. */
  readonly exactSinceMs: number | null;
  /** From the change on the shared screen to the picture here. */
  readonly latency: LatencyView | null;
  /** What the agent measures of the way here, and what the video may take for what reason. */
  readonly network: ViewerNetwork | null;
  /** Null while the operator does not listen. */
  readonly sound: SoundView | null;
  /** What the agent measures of the way of patches, and why they go or wait. */
  readonly patches: PatchFlow | null;
  /** Hybrid mode: by what motion goes, and why. */
  readonly choice: RegionChoice | null;
  /** Whether video is held back before it is shown, and why; null while none is shown. */
  readonly playout: PlayoutReason | null;
}

export type Phase =
  /** Waiting for the agent, the owner or the first picture; `reason` in plain words. */
  | { readonly kind: "waiting"; readonly text: string }
  | { readonly kind: "live" }
  /** The last picture stays; something is being repaired. */
  | { readonly kind: "recovering"; readonly text: string }
  | { readonly kind: "ended"; readonly reason: Reason; readonly error: CodedError | null };

/** The desktop's displays; a choice is an id, or `all`. */
export interface DisplaysView {
  /** One entry leaves nothing to choose. */
  readonly list: readonly DisplayCaps[];
  /** They can be had as one picture. */
  readonly all: boolean;
  readonly shown: string | null;
  /** Chosen, but its picture has not come yet. */
  readonly switchingTo: string | null;
  readonly notice: { readonly text: string; readonly at: number } | null;
}

export interface SessionView {
  readonly desktopId: string;
  readonly desktopName: string;
  readonly sessionId: string | null;
  readonly phase: Phase;
  readonly stage: Stage | null;
  /** What is on the screen now. */
  readonly transport: Transport;
  /** The agent answers nothing for longer than it should: the picture may be an old one. */
  readonly silent: boolean;
  readonly choice: TransportChoice;
  /** The choices that the desktop's policy leaves. */
  readonly choices: readonly TransportChoice[];
  /** What the video is made for; null when this desktop offers no choice. */
  readonly preset: VideoPreset | null;
  readonly presets: readonly VideoPreset[];
  /** The operator's own switch. */
  readonly viewOnly: boolean;
  /** The operator's own switch for sound. */
  readonly soundOn: boolean;
  /** Why there is no sound, in plain words; null where it can be had. */
  readonly soundRefusal: string | null;
  /** False when the policy or the agent refuses input. */
  readonly inputGranted: boolean;
  readonly width: number;
  readonly height: number;
  readonly displays: DisplaysView;
  readonly caps: DesktopCaps | null;
  readonly hud: HudView;
  readonly timeline: readonly TimelineEntry[];
}

export interface ConsoleView {
  readonly link: LinkView;
  /** Null until the first list came. */
  readonly desktops: readonly DesktopSummary[] | null;
  readonly session: SessionView | null;
}

/** Keys that a browser or its system keeps for itself. */
export type SpecialKeys = "ctrl-alt-del" | "super" | "alt-tab" | "escape" | "print-screen";

/** What a UI can ask for. Each call is safe at any time. */
export interface ConsoleActions {
  connect(desktopId: string): void;
  disconnect(): void;
  choose(choice: TransportChoice): void;
  choosePreset(preset: VideoPreset): void;
  /** Shows this display, or `all`; remembered for the desktop. */
  chooseDisplay(display: string): void;
  setViewOnly(viewOnly: boolean): void;
  /** Whether to hear the desktop; off at first. Call it in a click, for browsers that want one. */
  setSound(on: boolean): void;
  sendSpecial(keys: SpecialKeys): void;
  /** Types finished text on the desktop. */
  typeText(text: string): void;
  /** Tries at once instead of waiting for the next attempt. */
  retryNow(): void;
}

/** Handed to the UI by `browser/adapters/console_client.ts`. */
export interface ConsoleClient extends ConsoleActions {
  getView(): ConsoleView;
  /** Calls `listener` after each change; returns the way to stop. */
  subscribe(listener: () => void): () => void;
  /** The server's record of a session, or null when there is none to be had. */
  readRecord(sessionId: string): Promise<SessionRecord | null>;
  /** What the server remembers of a desktop's sessions, newest first; null when it tells nothing. */
  readSessions(desktopId: string): Promise<readonly KnownSession[] | null>;
  /** One session, live or long over. */
  readSession(sessionId: string): Promise<KnownSession | null>;
  /**
   * A support bundle as JSON; without `addresses` it has no address and no name. Not `complete`
   * when the server's part could not be read.
   */
  exportBundle(
    sessionId: string,
    options: { readonly addresses: boolean },
  ): Promise<{ readonly text: string; readonly complete: boolean }>;
  /**
   * Gives the client its three surfaces once the session view is mounted: it shows one of video
   * and canvas or both, paints them, and listens for pointer and keyboard on `stage`.
   */
  attach(surfaces: {
    readonly stage: HTMLElementLike;
    readonly video: HTMLElementLike;
    readonly canvas: HTMLElementLike;
    readonly cursor: HTMLElementLike;
  }): () => void;
}

/** The core knows no DOM; the adapters narrow this to real elements. */
// deno-lint-ignore no-empty-interface
export interface HTMLElementLike {}
