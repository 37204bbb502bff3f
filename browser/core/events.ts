/** What the console's core hears and what it wants done. */
import type {
  ChannelName,
  ControlOf,
  ErrorCode,
  IceServer,
  LayerState,
  Transport,
  TransportChoice,
  VideoPreset,
} from "@farglass/protocol";
import type { ShownFrame } from "./latency.ts";
import type { PeerStats } from "./stats.ts";

/** A local or remote ICE candidate; null ends them (RFC 8838 section 8.2). */
export type IceCandidate = {
  readonly candidate: string;
  readonly sdpMid: string | null;
  readonly sdpMLineIndex: number | null;
} | null;

/** States of RTCPeerConnection and RTCIceTransport that matter, merged by the adapter. */
export type PeerConnectionState =
  | "new"
  | "connecting"
  | "connected"
  | "disconnected"
  | "failed"
  | "closed";

/** Callbacks of a socket or peer carry its number; one that was replaced is ignored. */
export type ConsoleEvent =
  | { readonly type: "start" }
  | { readonly type: "tick" }
  /** What the operator asks for. */
  | { readonly type: "connect"; readonly desktopId: string; readonly display?: string | null }
  | { readonly type: "disconnect" }
  | { readonly type: "choose"; readonly choice: TransportChoice }
  | { readonly type: "choose-display"; readonly display: string }
  | { readonly type: "choose-preset"; readonly preset: VideoPreset }
  | { readonly type: "set-view-only"; readonly viewOnly: boolean }
  | { readonly type: "set-sound"; readonly on: boolean }
  /** The browser refuses to play sound without a click. */
  | { readonly type: "sound-blocked" }
  | { readonly type: "retry-now" }
  /** The signalling link. */
  | { readonly type: "ticket"; readonly epoch: number; readonly ticket: string }
  | { readonly type: "ticket-failed"; readonly epoch: number; readonly signedOut: boolean }
  | { readonly type: "socket-open"; readonly epoch: number }
  | { readonly type: "socket-text"; readonly epoch: number; readonly text: string }
  /** A binary frame came: a sign of life, told at most once a second. */
  | { readonly type: "socket-alive"; readonly epoch: number }
  | { readonly type: "socket-closed"; readonly epoch: number; readonly code: number }
  /** A peer connection. */
  | { readonly type: "peer-offer"; readonly peerId: number; readonly sdp: string }
  | { readonly type: "peer-candidate"; readonly peerId: number; readonly candidate: IceCandidate }
  | { readonly type: "peer-error"; readonly peerId: number }
  | { readonly type: "peer-state"; readonly peerId: number; readonly state: PeerConnectionState }
  | { readonly type: "peer-layer"; readonly peerId: number; readonly change: LayerState }
  | {
    readonly type: "channel";
    readonly peerId: number;
    readonly channel: ChannelName;
    readonly open: boolean;
  }
  | { readonly type: "control-text"; readonly peerId: number; readonly text: string }
  | { readonly type: "peer-stats"; readonly peerId: number; readonly stats: PeerStats }
  /** Frames that the surfaces have shown since the last such event. */
  | { readonly type: "frames-shown"; readonly frames: readonly ShownFrame[] }
  /** The picture. Counters count since the console's start. */
  | { readonly type: "diff-stats"; readonly frames: number; readonly bytes: number }
  /** The transport selected with `epoch` has painted its first whole picture. */
  | { readonly type: "painted"; readonly epoch: number }
  | { readonly type: "screen-size"; readonly width: number; readonly height: number }
  /** The picture was proved equal to the screen, or is no longer known to be. */
  | { readonly type: "exact"; readonly proved: boolean }
  | { readonly type: "diff-fault"; readonly code: ErrorCode }
  /** Hybrid mode: the regions of that version are what is shown. */
  | { readonly type: "regions"; readonly version: number }
  /** Hybrid mode: the video is needed for a part of the screen, or no longer. */
  | { readonly type: "video-needed"; readonly needed: boolean }
  /** The browser does not tell the RTP times of video frames after all. */
  | { readonly type: "no-frame-times" }
  /** The video element reported an error. */
  | { readonly type: "video-fault" }
  /** A hidden page paints no video; then decoded frames count as painted. */
  | { readonly type: "visibility"; readonly hidden: boolean };

/** Where diff messages are accepted from. */
export type DiffSource =
  | { readonly via: "dc"; readonly peerId: number }
  | { readonly via: "ws"; readonly sessionId: string };

/** What the shell has to do, in order; none answers at once, answers come as events. */
export type ConsoleEffect =
  | { readonly type: "fetch-ticket"; readonly epoch: number }
  | { readonly type: "open-socket"; readonly epoch: number }
  | { readonly type: "send-text"; readonly epoch: number; readonly text: string }
  | { readonly type: "close-socket"; readonly epoch: number; readonly code: number }
  | {
    readonly type: "peer-open";
    readonly peerId: number;
    readonly iceServers: readonly IceServer[];
    readonly iceTransportPolicy: "all" | "relay";
    readonly video: boolean;
    /** Offer to listen. */
    readonly sound: boolean;
  }
  | { readonly type: "peer-answer"; readonly peerId: number; readonly sdp: string }
  | {
    readonly type: "peer-add-candidate";
    readonly peerId: number;
    readonly candidate: IceCandidate;
  }
  | { readonly type: "peer-send"; readonly peerId: number; readonly text: string }
  /** Let the browser hold this peer's video back for so long, and empty its buffer now. */
  | { readonly type: "peer-playout"; readonly peerId: number; readonly minMs: number }
  | { readonly type: "peer-close"; readonly peerId: number }
  /** Read the statistics of the peer, if any, and of the diff painter. */
  | { readonly type: "sample"; readonly peerId: number | null }
  /** Show this peer's video on the video element; what is visible stays visible. */
  | { readonly type: "bind-video"; readonly peerId: number }
  /** Tell `painted` at the next frame of the bound video, with this RTP time or a later one. */
  | {
    readonly type: "await-video";
    readonly epoch: number;
    readonly sinceRtpTime: number | null;
  }
  /** Take diff messages only from there; with an epoch, tell `painted` at the first whole picture. */
  | {
    readonly type: "accept-diff";
    readonly source: DiffSource | null;
    readonly epoch: number | null;
    /** Lay it over the video, where the agent says that patches show the screen. */
    readonly hybrid: boolean;
    /** The whole picture is that of the next stream: what comes until then still shows the old one. */
    readonly nextStream?: boolean;
  }
  /** The next stream does not come after all. */
  | { readonly type: "keep-stream" }
  | { readonly type: "cursor-shape"; readonly shape: ControlOf<"cursor"> | null }
  /** `away`: it is on a display that is not shown. */
  | {
    readonly type: "cursor-position";
    readonly x: number;
    readonly y: number;
    readonly away: boolean;
  }
  /** Release everything that is pressed: on the old way if it still works, and on the new one. */
  | { readonly type: "release-input" };

/** Where input goes. */
export type InputPath =
  | { readonly via: "dc"; readonly peerId: number }
  | { readonly via: "ws"; readonly sessionId: string };

/** A transport as it stands on the screen. */
export interface Shown {
  readonly transport: Transport;
  /** The peer that carries it; null through the server. */
  readonly peerId: number | null;
  /** The session it belongs to; a picture of an older session stays until the new one paints. */
  readonly sessionId: string | null;
}
