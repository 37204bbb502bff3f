import * as v from "valibot";
import { type CodedError, codedError, ERROR_CODES } from "./errors.ts";
import { controlMessageSchema, displayIdSchema, viewerChoiceSchema } from "./control.ts";
import {
  MAX_CANDIDATE_BYTES,
  MAX_DISPLAYS,
  MAX_ENVELOPE_BYTES,
  MAX_LAYER_CHANGES,
  MAX_SDP_BYTES,
} from "./limits.ts";
import { type QuickCheck, quickCheck } from "./quick_check.ts";
import { err, ok, type Result } from "./result.ts";
import { consoleSpanSchema, MAX_REPORTED_SPANS, traceparentSchema } from "./trace_context.ts";
import {
  DTLS_STATES,
  ICE_STATES,
  MEDIA_DECISIONS,
  REASON_CODES,
  SOUND_ABSENCES,
  STAGES,
  TRANSPORTS,
  VIDEO_CODECS,
  VIDEO_PRESETS,
} from "./vocabulary.ts";

/** More decisions than anything makes between two reports. */
const MAX_REPORTED_DECISIONS = 100_000;

const uuid = v.pipe(v.string(), v.uuid());
const label = v.pipe(v.string(), v.maxLength(256));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
const timestampMs = v.pipe(v.number(), v.finite(), v.minValue(0));
const reason = v.picklist(REASON_CODES);
const transport = v.picklist(TRANSPORTS);
const sidePx = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8192));
const offsetPx = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(8191));

export const agentInfoSchema = v.object({
  agentId: uuid,
  name: label,
  hostname: label,
  os: label,
  software: label,
});
export type AgentInfo = v.InferOutput<typeof agentInfoSchema>;

export const encoderCapsSchema = v.object({
  name: label,
  codec: v.picklist(VIDEO_CODECS),
  hardware: v.boolean(),
  minBitrateKbps: count,
  maxBitrateKbps: count,
  defaultBitrateKbps: count,
  maxFps: count,
  defaultFps: count,
});
/** One display (monitor) of a desktop; it is chosen by its `id`, which is never `all`. */
export const displaySchema = v.object({
  id: displayIdSchema,
  name: label,
  width: sidePx,
  height: sidePx,
  primary: v.boolean(),
  /** Where it stands among the others, in desktop pixels; agents of before displays do not say. */
  x: v.optional(offsetPx),
  y: v.optional(offsetPx),
  /** Clockwise, in degrees. */
  rotation: v.optional(v.picklist([0, 90, 180, 270])),
});
export type DisplayCaps = v.InferOutput<typeof displaySchema>;
/** RTCIceServer of W3C WebRTC section 4.2.1. */
export const iceServerSchema = v.object({
  urls: v.pipe(v.array(label), v.minLength(1), v.maxLength(8)),
  username: v.optional(label),
  credential: v.optional(label),
});
export type IceServer = v.InferOutput<typeof iceServerSchema>;

/** Times of the TURN credentials: Unix seconds, and the lifetime in seconds. */
export const turnTokenSchema = v.object({ issuedAt: count, expiresAt: count, ttlSeconds: count });
export type TurnToken = v.InferOutput<typeof turnTokenSchema>;

export const webrtcCapsSchema = v.object({
  enabled: v.boolean(),
  iceServers: v.pipe(v.array(iceServerSchema), v.maxLength(8)),
  token: v.optional(turnTokenSchema),
  relayHint: v.optional(label),
  iceTransportPolicy: v.optional(v.picklist(["all", "relay"]), "all"),
});
export type WebrtcCaps = v.InferOutput<typeof webrtcCapsSchema>;

export const policySchema = v.object({
  viewOnly: v.boolean(),
  diffOnly: v.boolean(),
  videoOnly: v.boolean(),
  consent: v.picklist(["allow", "ask", "deny"]),
});
export type DesktopPolicy = v.InferOutput<typeof policySchema>;

/** DESKTOP_CAPS: what a desktop can do; `webrtc` is filled in by the server, per session. */
export const desktopCapsSchema = v.object({
  name: label,
  transports: v.pipe(v.array(v.picklist(["webrtc", "diff"])), v.minLength(1), v.maxLength(2)),
  /** The agent can compose video and patches (transport `hybrid`). */
  hybrid: v.optional(v.boolean()),
  encoders: v.pipe(v.array(encoderCapsSchema), v.maxLength(16)),
  /** What an operator can choose for the video, and what holds until then. */
  video: v.optional(v.object({
    presets: v.pipe(v.array(v.picklist(VIDEO_PRESETS)), v.maxLength(8)),
    preset: v.picklist(VIDEO_PRESETS),
  })),
  displays: v.pipe(v.array(displaySchema), v.minLength(1), v.maxLength(MAX_DISPLAYS)),
  /** The displays can be had as one picture, too. */
  allDisplays: v.optional(v.boolean()),
  input: v.object({ pointer: v.boolean(), keyboard: v.boolean() }),
  /**
   * Sound goes by an audio section of its own, which may be offered unless it is `not-allowed`: so
   * whatever else keeps it away may end without another negotiation.
   */
  audio: v.object({
    available: v.boolean(),
    /** Why not; one that is not known here is left out. */
    reason: v.fallback(v.optional(v.picklist(SOUND_ABSENCES)), undefined),
  }),
  capture: label,
  policy: policySchema,
  webrtc: v.optional(webrtcCapsSchema),
});
export type DesktopCaps = v.InferOutput<typeof desktopCapsSchema>;

/** Whether a console may offer to receive the desktop's sound. */
export const soundOfferable = ({ available, reason }: DesktopCaps["audio"]): boolean =>
  available || (reason !== undefined && reason !== "not-allowed");

const sdp = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_SDP_BYTES));
/** `generation` counts negotiations of a session, from 1; anything older is stale. */
const generation = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000_000));

export const signalSchema = v.variant("kind", [
  v.object({ kind: v.literal("offer"), generation, sdp }),
  v.object({ kind: v.literal("answer"), generation, sdp }),
  v.object({
    kind: v.literal("ice-candidate"),
    generation,
    candidate: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_CANDIDATE_BYTES)),
    sdpMid: v.nullable(v.pipe(v.string(), v.maxLength(64))),
    sdpMLineIndex: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(16))),
  }),
  v.object({ kind: v.literal("ice-end"), generation }),
  /** Asks the other side to drop its peer; the next offer has a higher generation. */
  v.object({ kind: v.literal("restart"), generation, reason }),
]);
export type Signal = v.InferOutput<typeof signalSchema>;

/** The selected ICE candidate pair, without addresses. */
export const candidatePairSchema = v.object({
  local: v.picklist(["host", "srflx", "prflx", "relay"]),
  remote: v.picklist(["host", "srflx", "prflx", "relay"]),
  protocol: v.picklist(["udp", "tcp"]),
  /** Between the console and its TURN server, when `local` is `relay`. */
  relayProtocol: v.optional(v.picklist(["udp", "tcp", "tls"])),
});
export type CandidatePair = v.InferOutput<typeof candidatePairSchema>;

/**
 * ICE or DTLS of one end changed, so long before the message was sent: an age and not a time of
 * day, since the ends' clocks differ.
 */
export const layerChangeSchema = v.variant("layer", [
  v.object({ layer: v.literal("ice"), state: v.picklist(ICE_STATES), agoMs: timestampMs }),
  v.object({ layer: v.literal("dtls"), state: v.picklist(DTLS_STATES), agoMs: timestampMs }),
]);
export type LayerChange = v.InferOutput<typeof layerChangeSchema>;
/** A layer and its state, without a time. */
export type LayerState =
  | { readonly layer: "ice"; readonly state: (typeof ICE_STATES)[number] }
  | { readonly layer: "dtls"; readonly state: (typeof DTLS_STATES)[number] };

/** Statistics that triggered a decision: numbers only, so that no address or secret can slip in. */
export const evidenceSchema = v.pipe(
  v.record(v.pipe(v.string(), v.maxLength(64)), v.pipe(v.number(), v.finite())),
  v.check((r) => Object.keys(r).length <= 24, "at most 24 entries"),
);
export type Evidence = v.InferOutput<typeof evidenceSchema>;

export const transportChangeSchema = v.object({
  from: transport,
  to: transport,
  reason,
  evidence: evidenceSchema,
  at: timestampMs,
});
export type TransportChange = v.InferOutput<typeof transportChangeSchema>;

export const webrtcStateSchema = v.object({
  stage: v.picklist(STAGES),
  previous: v.nullable(v.picklist(STAGES)),
  reason,
  at: timestampMs,
  elapsedMs: timestampMs,
  retries: count,
  candidatePair: v.nullable(candidatePairSchema),
  transport,
});
export type WebrtcState = v.InferOutput<typeof webrtcStateSchema>;

export const desktopSummarySchema = v.object({
  desktopId: uuid,
  agentId: uuid,
  name: label,
  hostname: label,
  os: label,
  online: v.boolean(),
  viewers: count,
  width: count,
  height: count,
  capture: label,
  policy: policySchema,
  since: timestampMs,
});
export type DesktopSummary = v.InferOutput<typeof desktopSummarySchema>;

const header = {
  desktopId: v.optional(uuid),
  sessionId: v.optional(uuid),
  /** Counts the sender's sequenced messages from 1; 0 marks a message outside the sequence. */
  seq: count,
  /** The last sequence number the sender has received. */
  ack: count,
  ts: timestampMs,
  /** W3C Trace Context of the sender's span; on the messages that open a session. */
  traceparent: traceparentSchema,
};
const desktopHeader = { ...header, desktopId: uuid };
const sessionHeader = { ...header, desktopId: uuid, sessionId: uuid };

const codedErrorSchema = v.object({
  code: v.picklist(ERROR_CODES),
  message: v.pipe(v.string(), v.maxLength(1024)),
  advice: v.pipe(v.string(), v.maxLength(256)),
  retryable: v.boolean(),
  retryAfterMs: v.optional(count),
});

const schemas = {
  /** First message of a client, outside the sequence. */
  HELLO: v.object({
    type: v.literal("HELLO"),
    ...header,
    payload: v.object({
      version: v.pipe(v.number(), v.integer()),
      role: v.picklist(["agent", "console"]),
      software: label,
      /** A console's single-use ticket. */
      ticket: v.optional(label),
      agent: v.optional(agentInfoSchema),
      resume: v.optional(v.object({ linkId: uuid, lastSeq: count })),
    }),
  }),
  /** The server's answer to HELLO, outside the sequence. */
  WELCOME: v.object({
    type: v.literal("WELCOME"),
    ...header,
    payload: v.object({
      version: v.pipe(v.number(), v.integer()),
      software: label,
      linkId: uuid,
      resumed: v.boolean(),
      lastSeq: count,
      heartbeatMs: count,
    }),
  }),
  PING: v.object({ type: v.literal("PING"), ...header, payload: v.object({}) }),
  PONG: v.object({
    type: v.literal("PONG"),
    ...header,
    /** A server with many links asks for a slower heartbeat than WELCOME said, and takes it back. */
    payload: v.object({ heartbeatMs: v.optional(count) }),
  }),
  /** A coded error to the sender of a message; `refSeq` and `refType` name that message. */
  ERROR: v.object({
    type: v.literal("ERROR"),
    ...header,
    payload: v.object({
      ...codedErrorSchema.entries,
      refSeq: v.optional(count),
      refType: v.optional(label),
      requestId: v.optional(uuid),
    }),
  }),
  DESKTOP_LIST: v.object({
    type: v.literal("DESKTOP_LIST"),
    ...header,
    payload: v.object({ desktops: v.pipe(v.array(desktopSummarySchema), v.maxLength(256)) }),
  }),
  DESKTOP_CAPS: v.object({
    type: v.literal("DESKTOP_CAPS"),
    ...desktopHeader,
    payload: desktopCapsSchema,
  }),
  /**
   * Console → server: asks for a desktop (or, with a sessionId, attaches to a session made by
   * REST). Server → console: the same requestId with its new sessionId. Server → agent: asks for
   * a decision.
   */
  SESSION_REQUEST: v.object({
    type: v.literal("SESSION_REQUEST"),
    ...desktopHeader,
    payload: v.object({
      requestId: uuid,
      operator: v.optional(v.object({ name: label, address: v.optional(label) })),
    }),
  }),
  SESSION_DECISION: v.object({
    type: v.literal("SESSION_DECISION"),
    ...sessionHeader,
    payload: v.object({
      decision: v.picklist(["accept", "deny", "timeout"]),
      by: v.picklist(["policy", "owner"]),
      reason,
      viewOnly: v.boolean(),
    }),
  }),
  SESSION_ENDED: v.object({
    type: v.literal("SESSION_ENDED"),
    ...sessionHeader,
    payload: v.object({ reason, by: v.picklist(["operator", "agent", "server"]) }),
  }),
  DESKTOP_WEBRTC_SIGNAL: v.object({
    type: v.literal("DESKTOP_WEBRTC_SIGNAL"),
    ...sessionHeader,
    payload: signalSchema,
  }),
  DESKTOP_WEBRTC_STATE: v.object({
    type: v.literal("DESKTOP_WEBRTC_STATE"),
    ...sessionHeader,
    payload: webrtcStateSchema,
  }),
  /** Console or agent → server: what its own peer connection says. */
  PEER_STATE: v.object({
    type: v.literal("PEER_STATE"),
    ...sessionHeader,
    payload: v.object({
      generation,
      state: v.picklist(["connecting", "connected", "disconnected", "failed", "closed"]),
      reason: v.optional(reason),
      candidatePair: v.optional(v.nullable(candidatePairSchema)),
      /** What ICE and DTLS did since the last such message, oldest first. */
      layers: v.optional(v.pipe(v.array(layerChangeSchema), v.maxLength(MAX_LAYER_CHANGES))),
    }),
  }),
  /** Server → console and agent: whether the session's other end has a live link. */
  PEER_PRESENCE: v.object({
    type: v.literal("PEER_PRESENCE"),
    ...sessionHeader,
    payload: v.object({ peer: v.picklist(["agent", "console"]), online: v.boolean() }),
  }),
  /** Console → server: which transport paints now; the server answers with the event it recorded. */
  DESKTOP_TRANSPORT_FALLBACK: v.object({
    type: v.literal("DESKTOP_TRANSPORT_FALLBACK"),
    ...sessionHeader,
    payload: transportChangeSchema,
  }),
  DESKTOP_TRANSPORT_RESTORED: v.object({
    type: v.literal("DESKTOP_TRANSPORT_RESTORED"),
    ...sessionHeader,
    payload: transportChangeSchema,
  }),
  /** A control message of the viewer's control channel, carried by the server when there is none. */
  VIEWER_CONTROL: v.object({
    type: v.literal("VIEWER_CONTROL"),
    ...sessionHeader,
    payload: controlMessageSchema,
  }),
  /** Server → agent: the relay skipped diff frames because the console reads too slowly. */
  RELAY_CONGESTION: v.object({
    type: v.literal("RELAY_CONGESTION"),
    ...sessionHeader,
    payload: v.object({ congested: v.boolean(), skippedFrames: count, bufferedBytes: count }),
  }),
  /** Console → server: how long its part of opening the session took; only of a sampled trace. */
  TRACE_SPANS: v.object({
    type: v.literal("TRACE_SPANS"),
    ...sessionHeader,
    payload: v.object({
      spans: v.pipe(v.array(consoleSpanSchema), v.minLength(1), v.maxLength(MAX_REPORTED_SPANS)),
    }),
  }),
  /** Agent or console → server: its decisions about a session's media since its last report. */
  MEDIA_REPORT: v.object({
    type: v.literal("MEDIA_REPORT"),
    ...sessionHeader,
    payload: v.object({
      decisions: v.record(
        v.picklist(MEDIA_DECISIONS),
        v.pipe(count, v.maxValue(MAX_REPORTED_DECISIONS)),
      ),
    }),
  }),
  /** Agent → server: what an operator chose by the control channel, which the server does not see. */
  VIEWER_CHOICE: v.object({
    type: v.literal("VIEWER_CHOICE"),
    ...sessionHeader,
    payload: viewerChoiceSchema,
  }),
  DESKTOP_KILL: v.object({
    type: v.literal("DESKTOP_KILL"),
    ...desktopHeader,
    payload: v.object({ scope: v.picklist(["session", "desktop"]), reason }),
  }),
} as const;

export type MessageType = keyof typeof schemas;
export type MessageOf<T extends MessageType> = v.InferOutput<(typeof schemas)[T]>;
export type Message = { [T in MessageType]: MessageOf<T> }[MessageType];
/** A message before its link has numbered and stamped it. */
export type Draft = {
  [T in MessageType]: Omit<MessageOf<T>, "seq" | "ack" | "ts">;
}[MessageType];

export const MESSAGE_TYPES = Object.keys(schemas) as readonly MessageType[];

/**
 * Messages outside the sequence: they are neither numbered nor sent again. A list is absolute, and
 * a console that comes back gets a fresh one.
 */
export const UNSEQUENCED: ReadonlySet<MessageType> = new Set([
  "HELLO",
  "WELCOME",
  "PING",
  "PONG",
  "DESKTOP_LIST",
]);

export type Sender = "agent" | "console" | "server";

/** Who may send what. */
export const SENDERS: Readonly<Record<MessageType, readonly Sender[]>> = {
  HELLO: ["agent", "console"],
  WELCOME: ["server"],
  PING: ["agent", "console", "server"],
  PONG: ["agent", "console", "server"],
  ERROR: ["agent", "server"],
  DESKTOP_LIST: ["server"],
  DESKTOP_CAPS: ["agent", "server"],
  SESSION_REQUEST: ["console", "server"],
  SESSION_DECISION: ["agent", "server"],
  SESSION_ENDED: ["agent", "console", "server"],
  DESKTOP_WEBRTC_SIGNAL: ["agent", "console", "server"],
  DESKTOP_WEBRTC_STATE: ["server"],
  PEER_STATE: ["agent", "console"],
  PEER_PRESENCE: ["server"],
  DESKTOP_TRANSPORT_FALLBACK: ["console", "server"],
  DESKTOP_TRANSPORT_RESTORED: ["console", "server"],
  VIEWER_CONTROL: ["agent", "console", "server"],
  RELAY_CONGESTION: ["server"],
  TRACE_SPANS: ["console"],
  MEDIA_REPORT: ["agent", "console"],
  VIEWER_CHOICE: ["agent"],
  DESKTOP_KILL: ["agent", "server"],
};

const quickChecks = new Map<MessageType, QuickCheck>();

function quickOf(type: MessageType): QuickCheck {
  const known = quickChecks.get(type);
  if (known !== undefined) return known;
  const check = quickCheck(schemas[type]);
  quickChecks.set(type, check);
  return check;
}

/** What a message of this type has to pass. */
export const schemaOf = (type: MessageType): v.GenericSchema => schemas[type];

/**
 * Reads one text frame from `from`. Unknown fields are dropped (the other side may be newer);
 * an unknown type, a wrong direction or a wrong shape is a coded error.
 */
export function decodeMessage(text: string, from: Sender): Result<Message, CodedError> {
  if (text.length > MAX_ENVELOPE_BYTES) return err(codedError("too-large"));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err(codedError("malformed", "not JSON"));
  }
  const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
  if (typeof type !== "string") return err(codedError("malformed", "no type"));
  if (!Object.hasOwn(schemas, type)) return err(codedError("unknown-type"));
  const known = type as MessageType;
  if (!SENDERS[known].includes(from)) return err(codedError("wrong-direction", known));
  if (quickOf(known)(json)) return ok(json as Message);
  const parsed = v.safeParse(schemas[known], json, { abortEarly: true, abortPipeEarly: true });
  if (!parsed.success) {
    return err(codedError("malformed", `${known} ${v.getDotPath(parsed.issues[0]) ?? ""}`.trim()));
  }
  return ok(parsed.output as Message);
}
