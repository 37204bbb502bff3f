/**
 * What happened, for security teams: one event model for every sink and shape. Events never carry
 * a session description, an ICE candidate or password, a token or a credential: their schemas
 * have no field that could.
 */
import * as v from "valibot";
import { displayIdSchema } from "./control.ts";
import { ERROR_CODES, type ErrorCode, ERRORS } from "./errors.ts";
import { evidenceSchema, policySchema } from "./messages.ts";
import { type Reason, REASON_CODES, REASONS, STAGES, TRANSPORTS } from "./vocabulary.ts";

const uuid = v.pipe(v.string(), v.uuid());
const label = v.pipe(v.string(), v.maxLength(256));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
const durationMs = v.pipe(v.number(), v.finite(), v.minValue(0));
const candidateType = v.picklist(["host", "srflx", "prflx", "relay"]);

/** From "worth knowing" to "look at it now". */
export const EVENT_SEVERITIES = ["informational", "low", "medium", "high"] as const;
export type EventSeverity = (typeof EVENT_SEVERITIES)[number];

export const EVENT_OUTCOMES = ["success", "failure", "unknown"] as const;
export type EventOutcome = (typeof EVENT_OUTCOMES)[number];

/** Who made it happen; `owner` is the person at the shared machine. */
export const ACTOR_KINDS = ["operator", "agent", "server", "owner"] as const;
export type ActorKind = (typeof ACTOR_KINDS)[number];

export const eventActorSchema = v.object({
  kind: v.picklist(ACTOR_KINDS),
  /** Operator id, agent id or node name; absent when nobody has proved who they are. */
  id: v.optional(label),
  name: v.optional(label),
});
export type EventActor = v.InferOutput<typeof eventActorSchema>;

export const eventTargetSchema = v.object({
  desktopId: v.optional(uuid),
  desktopName: v.optional(label),
  agentId: v.optional(uuid),
});
export type EventTarget = v.InferOutput<typeof eventTargetSchema>;

/** Where the actor is: the socket's address, or as a trusted proxy tells it; without its port. */
export const eventSourceSchema = v.object({
  address: v.optional(v.pipe(v.string(), v.maxLength(64))),
  userAgent: v.optional(v.pipe(v.string(), v.maxLength(512))),
});
export type EventSource = v.InferOutput<typeof eventSourceSchema>;

/** A reason of the vocabulary, or the code of the error that was answered. */
export type EventReason = Reason | ErrorCode;
const REASON_OR_ERROR = [...REASON_CODES, ...ERROR_CODES] as readonly EventReason[];

/** The plain sentence of a reason. */
export const eventReasonText = (reason: EventReason): string =>
  Object.hasOwn(REASONS, reason) ? REASONS[reason as Reason] : ERRORS[reason as ErrorCode].message;

const common = {
  /** Unique: a receiver that sees an id twice has seen a repeated delivery. */
  id: uuid,
  /** Unix milliseconds. */
  at: v.pipe(v.number(), v.integer(), v.minValue(0)),
  outcome: v.picklist(EVENT_OUTCOMES),
  actor: eventActorSchema,
  /** Whose session it is, where the actor is somebody else. */
  operator: v.optional(v.object({ id: label, name: v.optional(label) })),
  target: v.optional(eventTargetSchema),
  source: v.optional(eventSourceSchema),
  sessionId: v.optional(uuid),
  /** Name of the server node that saw it. */
  node: label,
  policy: v.optional(policySchema),
  reason: v.optional(v.picklist(REASON_OR_ERROR)),
  evidence: v.optional(evidenceSchema),
  /** W3C trace id: 32 lower-case hex digits. */
  traceId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
};

interface Definition<A extends string, D extends v.ObjectEntries> {
  readonly severity: EventSeverity;
  /** One sentence for the catalogue and for `message` fields. */
  readonly text: string;
  readonly action: A;
  readonly details: D;
}

/* @__NO_SIDE_EFFECTS__ */
function define<const A extends string, const D extends v.ObjectEntries>(
  definition: Definition<A, D>,
) {
  const { action, details } = definition;
  const schema = v.object({ action: v.literal(action), ...common, details: v.object(details) });
  return { ...definition, schema };
}

/** What nodes keep or send through the shared store. */
export const STORED_VALUES = ["desktop", "session", "link", "mail", "notice"] as const;
export type StoredValue = (typeof STORED_VALUES)[number];

const transportChange = {
  from: v.picklist(TRANSPORTS),
  to: v.picklist(TRANSPORTS),
};
const rejection = {
  /** Type of the message that was answered with an error, or `REST`, `HTTP`, `upgrade`. */
  messageType: label,
  /** Equal events within ten seconds are told as one. */
  count,
};

/** Every kind of event, in the order of a session's life and then of the server's. */
export const SECURITY_EVENTS = [
  define({
    action: "session-requested",
    severity: "informational",
    text: "An operator asked for a desktop",
    details: {},
  }),
  define({
    action: "session-decided",
    severity: "informational",
    text: "A session was accepted, denied or left undecided",
    details: {
      decision: v.picklist(["accept", "deny", "timeout"]),
      by: v.picklist(["policy", "owner"]),
    },
  }),
  define({
    action: "session-started",
    severity: "informational",
    text: "A session is live: pixels and input can flow",
    details: { transport: v.picklist(TRANSPORTS), waitMs: durationMs },
  }),
  define({
    action: "control-taken",
    severity: "low",
    text: "An operator may use pointer and keyboard of the desktop",
    details: {},
  }),
  define({
    action: "sound-started",
    severity: "low",
    text: "An operator began to listen to the desktop's sound",
    details: {},
  }),
  define({
    action: "sound-stopped",
    severity: "informational",
    text: "An operator listens to the desktop's sound no longer",
    details: {},
  }),
  define({
    action: "display-changed",
    severity: "informational",
    text: "An operator is shown another display of the desktop, or all of them",
    /** Ids of displays as DESKTOP_CAPS names them, or `all`; absent where none is shown. */
    details: { from: v.optional(displayIdSchema), to: v.optional(displayIdSchema) },
  }),
  define({
    action: "desktop-webrtc-state",
    severity: "informational",
    text: "The WebRTC state of a session changed",
    details: {
      stage: v.picklist(STAGES),
      previous: v.optional(v.picklist(STAGES)),
      elapsedMs: durationMs,
      retries: count,
      transport: v.picklist(TRANSPORTS),
      localCandidate: v.optional(candidateType),
      remoteCandidate: v.optional(candidateType),
      candidateProtocol: v.optional(v.picklist(["udp", "tcp"])),
      relayProtocol: v.optional(v.picklist(["udp", "tcp", "tls"])),
    },
  }),
  define({
    action: "desktop-transport-fallback",
    severity: "low",
    text: "The picture fell back to a lesser transport",
    details: transportChange,
  }),
  define({
    action: "desktop-transport-restored",
    severity: "informational",
    text: "The picture returned to a better transport",
    details: transportChange,
  }),
  define({
    action: "turn-credential-issued",
    severity: "informational",
    text: "A session got its first TURN credential",
    details: { ttlSeconds: count },
  }),
  define({
    action: "turn-credential-rotated",
    severity: "informational",
    text: "A session got a fresh TURN credential",
    details: { ttlSeconds: count },
  }),
  define({
    action: "turn-credential-refused",
    severity: "low",
    text: "No more TURN credentials are given out for a session",
    details: {},
  }),
  define({
    action: "control-released",
    severity: "informational",
    text: "An operator's use of pointer and keyboard ended",
    details: { heldMs: durationMs },
  }),
  define({
    action: "session-ended",
    severity: "informational",
    text: "A session ended",
    details: { by: v.picklist(["operator", "agent", "server"]), durationMs },
  }),
  define({
    action: "desktop-killed",
    severity: "medium",
    text: "A session or a whole desktop was ended by DESKTOP_KILL",
    details: { scope: v.picklist(["session", "desktop"]) },
  }),
  define({
    action: "message-rejected",
    severity: "medium",
    text: "A message or request was answered with an error",
    details: rejection,
  }),
  define({
    action: "limit-hit",
    severity: "medium",
    text: "A message or request went over a limit",
    details: rejection,
  }),
  define({
    action: "stored-value-refused",
    severity: "high",
    text: "A damaged or foreign value in the shared store was given up, with what it stood for",
    details: {
      value: v.picklist(STORED_VALUES),
      /** Equal events within ten seconds are told as one. */
      count,
    },
  }),
  define({
    action: "sign-in",
    severity: "informational",
    text: "An operator signed in",
    details: {},
  }),
  define({
    action: "sign-in-refused",
    severity: "medium",
    text: "A sign-in was refused",
    details: {},
  }),
  define({
    action: "agent-connected",
    severity: "informational",
    text: "An agent proved its key and opened a link",
    details: { software: v.optional(label) },
  }),
  define({
    action: "agent-disconnected",
    severity: "informational",
    text: "An agent's link ended and will not be resumed",
    details: {},
  }),
  define({
    action: "agent-refused",
    severity: "medium",
    text: "An agent could not prove its key",
    details: {},
  }),
  define({
    action: "configuration-changed",
    severity: "medium",
    text: "Settings of the server or the policy of a desktop changed",
    details: {
      scope: v.picklist(["server", "desktop"]),
      /** Names of the settings, with commas; never their values. */
      keys: v.pipe(v.string(), v.maxLength(2048)),
    },
  }),
  define({
    action: "node-up",
    severity: "informational",
    text: "A server node is up",
    details: { software: label },
  }),
  define({
    action: "node-down",
    severity: "low",
    text: "A server node is going down",
    details: { uptimeMs: durationMs },
  }),
  define({
    action: "node-lost",
    severity: "high",
    text: "A server node stopped without a goodbye, as another node noticed",
    /** The node that is gone; the event's own `node` is the one that noticed. */
    details: { lostNode: label },
  }),
  define({
    action: "events-dropped",
    severity: "high",
    text: "A sink's buffer was full and events were lost to it",
    details: { sink: label, count, total: count },
  }),
] as const;

type Defined = (typeof SECURITY_EVENTS)[number];
export type SecurityEvent = v.InferOutput<Defined["schema"]>;
export type EventAction = SecurityEvent["action"];
export type SecurityEventOf<A extends EventAction> = Extract<SecurityEvent, { action: A }>;

/** An event before it has an id and the name of its node. */
export type EventDraft = { [A in EventAction]: Omit<SecurityEventOf<A>, "id" | "node"> }[
  EventAction
];

// Annotated, so that the console's build leaves out what it does not use.
export const EVENT_ACTIONS: readonly EventAction[] = /* @__PURE__ */ SECURITY_EVENTS.map((e) =>
  e.action
);

/** Sentence and severity of each action. */
export const EVENT_CATALOGUE = /* @__PURE__ */ Object.fromEntries(
  /* @__PURE__ */ SECURITY_EVENTS.map((e) => [e.action, { text: e.text, severity: e.severity }]),
) as Readonly<
  Record<EventAction, { readonly text: string; readonly severity: EventSeverity }>
>;

/** Checks one event of any action; unknown fields are dropped. */
export const securityEventSchema = /* @__PURE__ */ v.variant(
  "action",
  /* @__PURE__ */ SECURITY_EVENTS.map((e) => e.schema) as unknown as [
    Defined["schema"],
    ...Defined["schema"][],
  ],
);
