/** What the agent's pipeline asks of the machine; one adapter per platform or vendor library. */
import type {
  InputMessage,
  LayerState,
  Rect,
  Result,
  SoundAbsence,
  VideoCodec,
  ViewerNetwork,
} from "@farglass/protocol";
import type { Display } from "./displays.ts";

/** The desktop's pixels at one moment. */
export interface Frame {
  /** Counts captured frames in which something changed, from 1. */
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly strideBytes: number;
  /**
   * BGRX, row by row. A live view: the next capture overwrites it, never while JavaScript runs,
   * so read it before the next `await`, or `hold` it.
   */
  readonly pixels: Uint8Array;
  /**
   * Keeps the pixels as they are until the function that it returns is called, once: a few
   * milliseconds, for the next capture waits. Not every capture can.
   */
  readonly hold?: () => () => void;
  /** What may have changed since the last frame; the whole screen for the first and after a resize. */
  readonly damage: readonly Rect[];
  /** When the picture was read, in ms of `performance.now()`. */
  readonly capturedAtMs: number;
  /** When the first of its changes was noticed, where the capture knows. */
  readonly changedAtMs?: number;
}

/** Straight (not premultiplied) RGBA; 0×0 is a hidden cursor. */
export interface CursorShape {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  readonly rgba: Uint8Array;
}

export interface CaptureEvents {
  /** Displays came, went, moved or were turned; told before the first picture of it. */
  onDisplays(displays: readonly Display[]): void;
  /** Something changed; called at most at the frame-rate limit, at once after a still moment. */
  onFrame(frame: Frame): void;
  onCursorShape(shape: CursorShape): void;
  onCursorPosition(x: number, y: number): void;
  /** The screen cannot be read any more (the X server went away). The capture is closed then. */
  onFault(error: Error): void;
}

/** A source of frames. It costs nothing while the desktop is still. */
export interface Capture {
  readonly name: "x11" | "synthetic";
  readonly width: number;
  readonly height: number;
  /** As the system tells them; the screen is one display where it tells none. */
  readonly displays: readonly Display[];
  /** Begins to call `events`; the first frame comes at once. Call it once. */
  start(events: CaptureEvents): void;
  /** The last picture, with empty damage, or null before the first. */
  current(): Frame | null;
  /** The last cursor shape and position, or null before the first. */
  cursor(): { readonly shape: CursorShape; readonly x: number; readonly y: number } | null;
  /** Resolves when threads, descriptors and shared memory are given back. */
  close(): Promise<void>;
}

/** Plays input on the desktop. Coordinates are desktop pixels, already clamped. */
export interface InputSink {
  readonly pointer: boolean;
  readonly keyboard: boolean;
  play(input: InputMessage): void;
  /** Releases every key and button that this sink holds down. */
  releaseAll(): void;
  close(): void;
}

/** One encoded picture. */
export interface EncodedFrame {
  readonly codec: VideoCodec;
  /** H.264: NAL units in Annex B order, without start codes. VP8: the frame as it is. */
  readonly units: readonly Uint8Array[];
  readonly keyframe: boolean;
  readonly capturedAtMs: number;
}

/** How much video may take: the average over about a second, and pictures a second. */
export interface VideoRate {
  readonly bitrateKbps: number;
  readonly maxFps: number;
}

/** What the network lets one viewer's video take. */
export interface VideoTarget extends VideoRate {
  /** The last picture still waits to leave: the newest one of later is worth more. */
  readonly blocked: boolean;
}

/** How well a still picture looks, where the rate allows a choice. */
export const VIDEO_QUALITIES = ["sharp", "balanced", "moving", "smooth"] as const;
export type VideoQuality = (typeof VIDEO_QUALITIES)[number];

export interface VideoKnobs extends VideoRate {
  readonly quality: VideoQuality;
}

export interface VideoEncoderOptions extends VideoKnobs {
  /** Its name, such as `libx264`. */
  readonly encoder: string;
  readonly width: number;
  readonly height: number;
  /** The rate may grow to this while it runs; without it, to what is asked for now. */
  readonly most?: VideoRate;
}

/** A desktop's picture as encoders take it; made by the adapter that brings the encoders. */
export interface VideoPicture {
  readonly width: number;
  readonly height: number;
  readonly capturedAtMs: number;
}

/** Converts a desktop's pictures for all its encoders; one size for its whole life. */
export interface PictureConverter {
  readonly size: { readonly width: number; readonly height: number };
  /** What changed since the last frame; everything counts as changed at the beginning. */
  damage(rects: readonly Rect[]): void;
  /**
   * Brings the picture up to date. The pixels of `frame` are read before the first suspension, or
   * held meanwhile. The result is good until the next call; one call at a time.
   */
  convert(frame: Frame): Promise<VideoPicture>;
  close(): void;
}

/** Turns pictures into video. One call at a time: the caller waits for the result. */
export interface VideoEncoder {
  readonly name: string;
  /**
   * `picture` is held before the first suspension, so that the next conversion leaves it alone;
   * `keyframe` forces a picture from which a decoder can start. Rejects when the encoder fails; it is of no use afterwards.
   */
  encode(picture: VideoPicture, keyframe: boolean): Promise<EncodedFrame>;
  /** Holds from the next picture on, without a keyframe; may be called while one is encoded. */
  setRate(rate: VideoKnobs): void;
  close(): void;
}

/** Sound is 48 kHz, stereo, in frames of 10 ms. */
export const SOUND_CHANNELS = 2;
export const SOUND_FRAME_SAMPLES = 480;
/** 16 bits each, the left one first. */
export const SOUND_FRAME_BYTES = SOUND_FRAME_SAMPLES * SOUND_CHANNELS * 2;

/** Turns one frame of samples (s16le) after another into Opus. Throws when it fails. */
export interface SoundEncoder {
  encode(pcm: Uint8Array): Uint8Array;
  close(): void;
}

export interface SoundCaptureEvents {
  /** Samples are s16le and only good until this returns; see `SoundFrame` for the rest. */
  onFrame(frame: Omit<SoundFrame, "data"> & { readonly pcm: Uint8Array }): void;
  /** The sound server went away. The capture is closed then. */
  onFault(error: Error): void;
}

/** What the desktop plays; it follows the default output. */
export interface SoundCapture {
  close(): Promise<void>;
}

/** Begins to listen; why not is a code for consoles and a sentence for the owner's log. */
export type OpenSoundCapture = (
  events: SoundCaptureEvents,
) => Promise<Result<SoundCapture, { readonly code: SoundAbsence; readonly message: string }>>;

/** One frame of the desktop's sound as an Opus packet (RFC 6716). */
export interface SoundFrame {
  readonly data: Uint8Array;
  /** Its first sample's number since the agent began to listen; pauses count, too. */
  readonly position: number;
  /** When its first sample was to be heard on the desktop, in ms of `performance.now()`. */
  readonly capturedAtMs: number;
}

export type PeerChannel = "control" | "input" | "motion" | "diff";

export interface PeerEvents {
  onState(state: "connecting" | "connected" | "disconnected" | "failed" | "closed"): void;
  /** ICE or DTLS below it changed; told before the state that follows from it. */
  onLayer(change: LayerState): void;
  /** A local candidate line without `a=`, or null when there are no more. */
  onCandidate(
    candidate: { candidate: string; sdpMid: string | null; sdpMLineIndex: number | null } | null,
  ): void;
  onChannelOpen(channel: PeerChannel): void;
  onChannelClose(channel: PeerChannel): void;
  onMessage(channel: PeerChannel, data: string | Uint8Array): void;
  /** The channel's buffer fell to its low-water mark. */
  onDrain(channel: PeerChannel): void;
  /** PLI, FIR, or pictures that were left out on the way, so that only a keyframe helps. */
  onKeyframeRequest(reason: "pli" | "fir" | "skipped"): void;
  /** What the network lets the video take changed. */
  onVideoTarget(target: VideoTarget): void;
}

export interface PeerOptions {
  readonly iceServers: readonly {
    readonly urls: readonly string[];
    readonly username?: string;
    readonly credential?: string;
  }[];
  /** What the agent can encode, the best first; each one that the offer has is answered. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly relayOnly: boolean;
  /** Use 127.0.0.1 only and drop every other candidate (tests, the demo on one machine). */
  readonly loopbackOnly: boolean;
  /** 127.0.0.1 beside the others: server, agent and browser may share one machine. */
  readonly loopbackToo?: boolean;
  /** Peers of the same session in a row that never connected before this one. */
  readonly failures?: number;
  /** Sound may be sent where the offer listens to it. */
  readonly sound?: boolean;
  /** The video never takes more, whatever the network carries. */
  readonly maxVideoKbps?: number;
  /** What the way to this viewer was known to carry a moment ago. */
  readonly startVideoKbps?: number;
  /** Milliseconds until this peer's candidates count as complete. */
  readonly gatherTimeoutMs?: number;
}

/** One viewer's peer connection: a video and a sound track out, four data channels. */
export interface Peer {
  /** Applies the console's offer (already checked) and returns the answer's SDP. */
  answer(offerSdp: string): Promise<string>;
  /** Adds a remote candidate (already checked); null ends them. */
  addCandidate(
    candidate: { candidate: string; sdpMid: string | null; sdpMLineIndex: number | null } | null,
  ): Promise<void>;
  /** Sends one encoded picture by RTP; does nothing until connected. Returns bytes sent. */
  sendVideo(frame: EncodedFrame): number;
  /** Sends it at once, before video that waits; returns bytes sent. */
  sendSound(frame: SoundFrame): number;
  /** False when the channel is not open. */
  send(channel: PeerChannel, data: string | Uint8Array): boolean;
  bufferedBytes(channel: PeerChannel): number;
  readonly videoReady: boolean;
  readonly soundReady: boolean;
  /** What was agreed on, the best first; none before the answer, and when there is no video. */
  readonly videoCodecs: readonly VideoCodec[];
  /** An RTP time of the sound track, and when it was to be heard; null before there is sound. */
  readonly soundClock: { readonly rtpTime: number; readonly atMs: number } | null;
  /** Asks the viewer's browser to show each picture so long after it came, at least. */
  setPlayout(minMs: number): void;
  /** The RTP time that a picture captured then has on the video track; null without one. */
  videoTime(capturedAtMs: number): number | null;
  /** What is known of the way to the viewer; null before there is video. */
  readonly network: ViewerNetwork | null;
  close(): Promise<void>;
}
export type PeerFactory = (options: PeerOptions, events: PeerEvents) => Peer;
