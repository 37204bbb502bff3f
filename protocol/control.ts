import * as v from "valibot";
import { type CodedError, codedError } from "./errors.ts";
import { MAX_CONTROL_MESSAGE_BYTES, MAX_CURSOR_SIDE_PX, MAX_TIMED_FRAMES } from "./limits.ts";
import { err, ok, type Result } from "./result.ts";
import {
  CHOICE_REASON_CODES,
  CONGESTION_REASON_CODES,
  FORMAT_REASON_CODES,
  PATCH_REASON_CODES,
  REASON_CODES,
  TRANSPORTS,
  VIDEO_CODECS,
  VIDEO_PRESETS,
} from "./vocabulary.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
const timeMs = v.pipe(v.number(), v.finite());
const cursorSide = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_CURSOR_SIDE_PX));
const coordinate = v.pipe(v.number(), v.integer(), v.minValue(-8192), v.maxValue(16384));

/** The id of a display. */
export const displayIdSchema = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(64),
  v.regex(/^[^\p{C}]*$/u),
);

/** The playout-delay extension could say 40 s; nobody controls a desktop that late. */
const MAX_PLAYOUT_MS = 1_000;

const frameKey = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff));
/**
 * What the agent did with one frame, in ms of its clock: when it noticed the change, had read the
 * pixels, and had the frame encoded. `key` is the RTP time of a video frame, the number of a diff
 * frame.
 */
export const agentFrameSchema = v.object({
  path: v.picklist(["rtp", "diff"]),
  key: frameKey,
  changedAt: timeMs,
  capturedAt: timeMs,
  encodedAt: timeMs,
});
export type AgentFrame = v.InferOutput<typeof agentFrameSchema>;

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));

/** What the agent measures of a viewer's link, and what its video may take for what reason. */
const viewerNetworkSchema = v.object({
  targetKbps: count,
  reason: v.picklist(CONGESTION_REASON_CODES),
  rttMs: amount,
  /** How long packets wait in the network beyond its least delay. */
  queueMs: amount,
  /** 0..1 */
  loss: v.pipe(amount, v.maxValue(1)),
  /** What arrives. */
  goodputKbps: count,
  /** Pictures left out since the peer connected, because older ones had not left. */
  droppedPictures: count,
  /** Decisions by reason since the peer connected. */
  decisions: v.record(v.picklist(CONGESTION_REASON_CODES), count),
});
export type ViewerNetwork = v.InferOutput<typeof viewerNetworkSchema>;

/** What the agent measures of the way of patches, and what it lets them do for what reason. */
const patchFlowSchema = v.object({
  reason: v.picklist(PATCH_REASON_CODES),
  /** What the way carries; null before it was filled once. */
  linkKbps: v.nullable(count),
  /** From a message to the console's answer, painting included; null before the first. */
  rttMs: v.nullable(amount),
  /** How long the last answer took beyond that. */
  queueMs: amount,
  /** What may be under way. */
  windowBytes: count,
  /** Decisions by reason since the session began. */
  decisions: v.record(v.picklist(PATCH_REASON_CODES), count),
});
export type PatchFlow = v.InferOutput<typeof patchFlowSchema>;

/** Why moving parts of the screen go by video or by patches (hybrid mode). */
const regionChoiceSchema = v.object({
  reason: v.picklist(CHOICE_REASON_CODES),
  /** A region whose patches take more goes by video. */
  videoAboveKbps: count,
  /** Regions by video now. */
  regions: count,
  decisions: v.record(v.picklist(CHOICE_REASON_CODES), count),
});
export type RegionChoice = v.InferOutput<typeof regionChoiceSchema>;

/** In which format a viewer's video is encoded, and why. */
const sentFormatSchema = v.object({
  codec: v.picklist(VIDEO_CODECS),
  reason: v.picklist(FORMAT_REASON_CODES),
  /** Decisions by reason since the session began. */
  decisions: v.record(v.picklist(FORMAT_REASON_CODES), count),
});
export type SentFormat = v.InferOutput<typeof sentFormatSchema>;

/**
 * JSON messages of the `control` data channel; the server carries the same ones in
 * VIEWER_CONTROL when there is no data channel.
 */
export const controlMessageSchema = v.variant("op", [
  /**
   * Console → agent: send pixels this way from now on. `epoch` numbers the console's choices;
   * `display` is the id of one display or `all`, and what is shown stays without it.
   */
  v.object({
    op: v.literal("select"),
    transport: v.picklist(TRANSPORTS),
    epoch: count,
    display: v.optional(displayIdSchema),
  }),
  /** Agent → console: the choice is in force. */
  v.object({ op: v.literal("selected"), transport: v.picklist(TRANSPORTS), epoch: count }),
  /** Console → agent: the video needs a keyframe. */
  v.object({ op: v.literal("keyframe") }),
  /** Console → agent: show each picture so long after it came, at least; 0 is as it comes. */
  v.object({
    op: v.literal("playout"),
    minMs: v.pipe(count, v.maxValue(MAX_PLAYOUT_MS)),
  }),
  /** Console → agent: make the video for this; answered with `video`. */
  v.object({ op: v.literal("preset"), preset: v.picklist(VIDEO_PRESETS) }),
  /** Agent → console: what is in force for this viewer's video, within the desktop's limits. */
  v.object({
    op: v.literal("video"),
    preset: v.picklist(VIDEO_PRESETS),
    bitrateKbps: count,
    maxFps: count,
  }),
  /** Console → agent: whether the operator wants to hear the desktop, see DESKTOP_CAPS.audio. */
  v.object({ op: v.literal("sound"), on: v.boolean() }),
  /** Console → agent: send the whole picture on the diff path again. */
  v.object({ op: v.literal("refresh") }),
  /** Console → agent: in hybrid mode, the video regions of that version are what is shown. */
  v.object({ op: v.literal("regions"), version: count }),
  /** Console → agent, every PEER_HEARTBEAT_MS (PEER_STILL_HEARTBEAT_MS while the desktop is still); `at` is the console's clock and comes back. */
  v.object({ op: v.literal("ping"), id: count, at: timeMs }),
  /**
   * Agent → console: answer to ping. `captured` counts frames in which the desktop changed,
   * `rtpFrames` frames sent to this viewer by RTP, `diffFrames` by the diff path; `agentAt` is
   * the agent's clock in ms. `frames` are some of the newest, for the console to measure how long
   * the picture was on its way.
   */
  v.object({
    op: v.literal("pong"),
    id: count,
    at: timeMs,
    agentAt: timeMs,
    captured: count,
    rtpFrames: count,
    diffFrames: count,
    frames: v.optional(v.pipe(v.array(agentFrameSchema), v.maxLength(MAX_TIMED_FRAMES))),
    /**
     * While the viewer is shown video. Of an agent that knows further reasons they are left out:
     * the heartbeat counts all the same.
     */
    network: v.fallback(v.optional(viewerNetworkSchema), undefined),
    /** Likewise. */
    format: v.fallback(v.optional(sentFormatSchema), undefined),
    /** While the viewer is shown patches. */
    patches: v.fallback(v.optional(patchFlowSchema), undefined),
    /** In hybrid mode. */
    choice: v.fallback(v.optional(regionChoiceSchema), undefined),
    /** While the viewer hears sound: when by the agent's clock one of its RTP times was to be heard. */
    sound: v.optional(v.object({ rtpTime: frameKey, at: timeMs })),
  }),
  /** Agent → console: size in pixels of what this viewer is shown. */
  v.object({
    op: v.literal("screen"),
    width: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8192)),
    height: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8192)),
    /** Which display that is, or `all`. */
    display: v.optional(displayIdSchema),
    /** From this RTP time on the video shows it. */
    rtpTime: v.optional(v.pipe(count, v.maxValue(0xffffffff))),
    /** Why it is another one than the operator chose. */
    reason: v.optional(v.picklist(REASON_CODES)),
  }),
  /** Agent → console: shape of the cursor, straight RGBA in base64; 0×0 is a hidden cursor. */
  v.object({
    op: v.literal("cursor"),
    width: cursorSide,
    height: cursorSide,
    hotX: cursorSide,
    hotY: cursorSide,
    rgba: v.pipe(v.string(), v.base64(), v.maxLength(52_000)),
  }),
  /** Agent → console: position of the cursor's hot spot in desktop pixels. */
  v.object({
    op: v.literal("cursor-position"),
    x: coordinate,
    y: coordinate,
    /** It is on a display that this viewer is not shown; the position is the nearest one here. */
    away: v.optional(v.boolean()),
  }),
  /** Agent → console: what this viewer may do. */
  v.object({ op: v.literal("grants"), input: v.boolean() }),
  /** Agent → console: something failed on the agent's side of this viewer. */
  v.object({
    op: v.literal("fault"),
    code: v.picklist(["capture-failed", "encoder-failed", "peer-failed", "view-only"]),
  }),
]);
export type ControlMessage = v.InferOutput<typeof controlMessageSchema>;
export type ControlOf<Op extends ControlMessage["op"]> = Extract<ControlMessage, { op: Op }>;

/** What the agent tells the server of an operator's choices, which came by the control channel. */
export const viewerChoiceSchema = v.variant("kind", [
  v.object({ kind: v.literal("sound"), on: v.boolean() }),
  /** Null while none of the displays that may be seen is there. */
  v.object({
    kind: v.literal("display"),
    from: v.nullable(displayIdSchema),
    to: v.nullable(displayIdSchema),
    reason: v.optional(v.picklist(REASON_CODES)),
  }),
]);
export type ViewerChoice = v.InferOutput<typeof viewerChoiceSchema>;

/** Names and options of the data channels; the console opens them (W3C WebRTC section 6.2). */
export const CHANNELS = {
  control: { label: "control", ordered: true },
  /** Keys, buttons and wheel: nothing may be lost. */
  input: { label: "input", ordered: true },
  /** Pointer motion: only the newest counts. */
  motion: { label: "motion", ordered: false, maxRetransmits: 0 },
  /** Diff messages one way, their acknowledgements the other. */
  diff: { label: "diff", ordered: true },
} as const;
export type ChannelName = keyof typeof CHANNELS;

/** Reads one control message. */
export function decodeControl(text: string): Result<ControlMessage, CodedError> {
  if (text.length > MAX_CONTROL_MESSAGE_BYTES) return err(codedError("too-large"));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err(codedError("malformed", "not JSON"));
  }
  const parsed = v.safeParse(controlMessageSchema, json, { abortEarly: true });
  return parsed.success
    ? ok(parsed.output)
    : err(codedError("malformed", `control ${v.getDotPath(parsed.issues[0]) ?? ""}`.trim()));
}
