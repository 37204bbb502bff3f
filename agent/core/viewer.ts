/**
 * The media side of one session: what the console asked for, what it may do, what it holds down.
 * Pure; the shell carries out the effects on channels, encoder and input.
 */
import {
  type CodedError,
  codedError,
  type ControlMessage,
  type ControlOf,
  decodeInput,
  type InputMessage,
  never,
  PEER_TIMEOUT_MS,
  type Transport,
  type VideoPreset,
} from "@farglass/protocol";
import { type HeldInput, hold, MAX_HELD_KEYS, nothingHeld, releases } from "./held_input.ts";

/** How a control message came, and so how it is answered: the data channel or the server's relay. */
export type ControlPath = "channel" | "relay";

export interface ViewerPolicy {
  readonly viewOnly: boolean;
  readonly diffOnly: boolean;
  readonly videoOnly: boolean;
}

/** What the console is told of the display that it is shown. */
export type ScreenTold = Omit<ControlOf<"screen">, "op">;

export interface ViewerState {
  readonly policy: ViewerPolicy;
  /** Whether the encoder works: without it `rtp` cannot be chosen. */
  readonly video: boolean;
  readonly transport: Transport;
  /** The console's last choice; -1 before the first. */
  readonly epoch: number;
  readonly width: number;
  readonly height: number;
  readonly held: HeldInput;
  /** Sequence number of the newest pointer event; older ones on the unordered channel are dropped. */
  readonly pointerSeq: number | null;
  readonly lastRefusalMs: number | null;
  /** The last heartbeat by data channel; null when there is none to watch. */
  readonly lastPingMs: number | null;
}

export type ViewerEvent =
  | { readonly kind: "control"; readonly path: ControlPath; readonly message: ControlMessage }
  | { readonly kind: "input"; readonly bytes: Uint8Array }
  /** What the viewer is shown has this size from now on; to be told by `path`. */
  | { readonly kind: "screen"; readonly screen: ScreenTold; readonly path: ControlPath | null }
  /** It is shown another display: what is held down was meant for the one before. */
  | { readonly kind: "moved" }
  | { readonly kind: "policy"; readonly policy: ViewerPolicy }
  /** The encoder began or ceased to work. */
  | { readonly kind: "video"; readonly available: boolean }
  /** The control channel closed, or the console's link and peer are gone. */
  | { readonly kind: "console-away" }
  | { readonly kind: "ended" }
  | { readonly kind: "tick" };

export type ViewerEffect =
  /** Show this display, and tell its size. */
  | { readonly kind: "display"; readonly path: ControlPath; readonly display: string }
  /** `path` null: whichever way is open. */
  | {
    readonly kind: "control";
    readonly path: ControlPath | null;
    readonly message: ControlMessage;
  }
  /** Answer a heartbeat with the counters of this moment. */
  | { readonly kind: "pong"; readonly path: ControlPath; readonly ping: ControlOf<"ping"> }
  /** Screen, grants and cursor: what a console must know to show anything. */
  | { readonly kind: "greet"; readonly path: ControlPath }
  /** From now on pixels go this way; a diff transport begins with the whole picture. */
  | { readonly kind: "transport"; readonly transport: Transport }
  | { readonly kind: "keyframe" }
  | { readonly kind: "playout"; readonly minMs: number }
  /** The operator chose; the shell answers with what that comes to. */
  | { readonly kind: "preset"; readonly path: ControlPath; readonly preset: VideoPreset }
  /** The operator wants to hear the desktop, or no longer. */
  | { readonly kind: "sound"; readonly on: boolean }
  | { readonly kind: "refresh" }
  /** Hybrid: the console shows the video regions of this version. */
  | { readonly kind: "regions-shown"; readonly version: number }
  | { readonly kind: "play"; readonly input: InputMessage }
  /** The console did something it must not; `refType` names the kind of message. */
  | { readonly kind: "refuse"; readonly error: CodedError; readonly refType: string };

type Step = readonly [ViewerState, readonly ViewerEffect[]];

/** A console that ignores its grants hears of it this often. */
const REFUSAL_INTERVAL_MS = 1_000;

export function newViewer(
  policy: ViewerPolicy,
  video: boolean,
  screen: { readonly width: number; readonly height: number },
): ViewerState {
  return {
    policy,
    video,
    transport: "none",
    epoch: -1,
    width: screen.width,
    height: screen.height,
    held: nothingHeld,
    pointerSeq: null,
    lastRefusalMs: null,
    lastPingMs: null,
  };
}

/** One event of the viewer; `now` in ms of any steady clock. */
export function stepViewer(state: ViewerState, event: ViewerEvent, now: number): Step {
  switch (event.kind) {
    case "control":
      return onControl(state, event.path, event.message, now);
    case "input":
      return onInput(state, event.bytes, now);
    case "screen": {
      const { screen, path } = event;
      const message = { op: "screen", ...screen } as const;
      const sized = { ...state, width: screen.width, height: screen.height };
      return [sized, [{ kind: "control", path, message }]];
    }
    case "moved":
      return release(state);
    case "policy":
      return onPolicy({ ...state, policy: event.policy }, state.policy);
    case "video":
      return onVideo(state, event.available);
    case "console-away":
      return release({ ...state, lastPingMs: null });
    case "ended":
      return release({ ...state, transport: "none", lastPingMs: null });
    case "tick":
      return onTick(state, now);
    default:
      return never(event);
  }
}

/** When `tick` is due, or null: the heartbeat of a data channel that holds something down. */
export function viewerDeadline(state: ViewerState): number | null {
  return state.lastPingMs === null ? null : state.lastPingMs + PEER_TIMEOUT_MS;
}

function onTick(state: ViewerState, now: number): Step {
  const due = viewerDeadline(state);
  // The path broke without a word; the console comes back by the relay, with nothing pressed.
  return due !== null && due <= now ? release({ ...state, lastPingMs: null }) : [state, []];
}

function onControl(
  state: ViewerState,
  path: ControlPath,
  message: ControlMessage,
  now: number,
): Step {
  switch (message.op) {
    case "select":
      return onSelect(state, path, message);
    case "preset":
      return [state, [{ kind: "preset", path, preset: message.preset }]];
    case "sound":
      return [state, [{ kind: "sound", on: message.on }]];
    case "playout":
      return [state, [{ kind: "playout", minMs: message.minMs }]];
    case "keyframe":
      return [state, usesVideo(state.transport) ? [{ kind: "keyframe" }] : []];
    case "refresh":
      return [state, isDiff(state.transport) ? [{ kind: "refresh" }] : []];
    case "regions":
      return [
        state,
        state.transport === "hybrid" ? [{ kind: "regions-shown", version: message.version }] : [],
      ];
    case "ping":
      return [path === "channel" ? { ...state, lastPingMs: now } : state, [{
        kind: "pong",
        path,
        ping: message,
      }]];
    case "selected":
    case "video":
    case "pong":
    case "screen":
    case "cursor":
    case "cursor-position":
    case "grants":
    case "fault":
      return [state, [{
        kind: "refuse",
        error: codedError("wrong-direction", message.op),
        refType: "VIEWER_CONTROL",
      }]];
    default:
      return never(message);
  }
}

/** Whether patches come by the data channel. */
export const diffByChannel = (transport: Transport): boolean =>
  transport === "hybrid" || transport === "diff-dc";
/** Whether pixels come by patches, wholly or in part. */
export const isDiff = (transport: Transport): boolean =>
  diffByChannel(transport) || transport === "diff-ws";
/** Whether pixels come by the video track, wholly or in part. */
export const usesVideo = (transport: Transport): boolean =>
  transport === "hybrid" || transport === "rtp";

function onSelect(state: ViewerState, path: ControlPath, select: ControlOf<"select">): Step {
  // A choice that was overtaken by a newer one on another path.
  if (select.epoch < state.epoch) return [state, []];
  const refusal = refuseTransport(state, select.transport);
  const transport = refusal === null ? select.transport : state.transport;
  const { display } = select;
  const moves = display !== undefined && select.epoch > state.epoch;
  // What is held down was meant for the display before.
  const [from, releases] = moves ? release(state) : [state, []];
  const effects: ViewerEffect[] = [...releases];
  if (moves) effects.push({ kind: "display", path, display });
  effects.push({
    kind: "control",
    path,
    message: { op: "selected", transport, epoch: select.epoch },
  });
  if (refusal !== null) {
    if (refusal.code === "encoder-failed") {
      effects.push({ kind: "control", path, message: { op: "fault", code: "encoder-failed" } });
    }
    effects.push({ kind: "refuse", error: refusal, refType: "VIEWER_CONTROL" });
  } else if (select.epoch > state.epoch) {
    effects.push({ kind: "greet", path }, { kind: "transport", transport });
  }
  return [{ ...from, transport, epoch: select.epoch }, effects];
}

function refuseTransport(state: ViewerState, transport: Transport): CodedError | null {
  if (usesVideo(transport)) {
    if (state.policy.diffOnly) return codedError("caps-mismatch", "this desktop is diff only");
    if (!state.video) return codedError("encoder-failed");
  }
  if (isDiff(transport) && state.policy.videoOnly) {
    return codedError("caps-mismatch", "this desktop is video only");
  }
  return null;
}

function onVideo(state: ViewerState, available: boolean): Step {
  if (available || !usesVideo(state.transport)) return [{ ...state, video: available }, []];
  return [{ ...state, video: false, transport: "none" }, [
    { kind: "transport", transport: "none" },
    { kind: "control", path: null, message: { op: "fault", code: "encoder-failed" } },
  ]];
}

function onPolicy(state: ViewerState, previous: ViewerPolicy): Step {
  const { viewOnly } = state.policy;
  if (viewOnly === previous.viewOnly) return [state, []];
  const [next, effects] = viewOnly ? release(state) : [state, []];
  return [next, [...effects, {
    kind: "control",
    path: null,
    message: { op: "grants", input: !viewOnly },
  }]];
}

function onInput(state: ViewerState, bytes: Uint8Array, now: number): Step {
  const decoded = decodeInput(bytes);
  if (!decoded.ok) {
    return [state, [{ kind: "refuse", error: decoded.error, refType: "input" }]];
  }
  if (state.policy.viewOnly) {
    if (state.lastRefusalMs !== null && now - state.lastRefusalMs < REFUSAL_INTERVAL_MS) {
      return [state, []];
    }
    return [{ ...state, lastRefusalMs: now }, [
      { kind: "control", path: null, message: { op: "fault", code: "view-only" } },
      { kind: "refuse", error: codedError("view-only"), refType: "input" },
    ]];
  }
  const input = clamp(state, decoded.value);
  if (input.kind === "release-all") return release(state);
  if (input.kind === "move" || input.kind === "button" || input.kind === "wheel") {
    // Only motion may be dropped: a late button press still has to be played.
    if (input.kind === "move" && isOlder(input.seq, state.pointerSeq)) return [state, []];
    const pointerSeq = isOlder(input.seq, state.pointerSeq) ? state.pointerSeq : input.seq;
    return play({ ...state, pointerSeq }, input);
  }
  return play(state, input);
}

function play(state: ViewerState, input: InputMessage): Step {
  const held = hold(state.held, input);
  if (held.keys.length > MAX_HELD_KEYS) return [state, []];
  return [{ ...state, held }, [{ kind: "play", input }]];
}

/** Whether `seq` comes before `newest` in numbers modulo 2^32 (RFC 1982). */
function isOlder(seq: number, newest: number | null): boolean {
  if (newest === null) return false;
  return ((seq - newest) | 0) < 0;
}

function clamp(state: ViewerState, input: InputMessage): InputMessage {
  if (input.kind !== "move" && input.kind !== "button" && input.kind !== "wheel") return input;
  return {
    ...input,
    x: Math.min(input.x, Math.max(0, state.width - 1)),
    y: Math.min(input.y, Math.max(0, state.height - 1)),
  };
}

function release(state: ViewerState): Step {
  const effects = releases(state.held).map((input): ViewerEffect => ({ kind: "play", input }));
  return [{ ...state, held: { ...state.held, buttons: [], keys: [] } }, effects];
}
