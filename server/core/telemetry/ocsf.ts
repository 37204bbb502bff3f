/**
 * Events in the Open Cybersecurity Schema Framework: sessions are RDP Activity, proofs of identity
 * Authentication, refusals findings. What OCSF has no attribute for is `unmapped`.
 */
import type { EventAction, SecurityEvent, Stage } from "@farglass/protocol";
import {
  compact,
  extrasOf,
  ipOf,
  type Json,
  LOG_NAME,
  messageOf,
  PRODUCT,
  SERVICE,
  SERVICE_VERSION,
  severityNumber,
} from "./facts.ts";

export const OCSF_VERSION = "1.5.0";

/** Classes in use, with the captions of their category and their activities. */
export const OCSF_CLASSES = {
  rdp: { uid: 4005, name: "RDP Activity", category: "Network Activity" },
  authentication: { uid: 3002, name: "Authentication", category: "Identity & Access Management" },
  entity: { uid: 3004, name: "Entity Management", category: "Identity & Access Management" },
  lifecycle: { uid: 6002, name: "Application Lifecycle", category: "Application Activity" },
  finding: { uid: 2004, name: "Detection Finding", category: "Findings" },
  log: { uid: 1008, name: "Event Log Activity", category: "System Activity" },
} as const;
export type OcsfClass = keyof typeof OCSF_CLASSES;

interface Activity {
  readonly id: number;
  readonly name: string;
}
const OTHER = 99;
const other = (name: string): Activity => ({ id: OTHER, name });
const INITIAL_REQUEST = { id: 1, name: "Initial Request" };
const INITIAL_RESPONSE = { id: 2, name: "Initial Response" };
const CONNECT_REQUEST = { id: 3, name: "Connect Request" };
const CONNECT_RESPONSE = { id: 4, name: "Connect Response" };
const TRAFFIC = { id: 6, name: "Traffic" };
const LOGON = { id: 1, name: "Logon" };
const LOGOFF = { id: 2, name: "Logoff" };
const TICKET = { id: 4, name: "Service Ticket Request" };
const RENEWAL = { id: 5, name: "Service Ticket Renew" };
const START = { id: 3, name: "Start" };
const STOP = { id: 4, name: "Stop" };
const UPDATE = { id: 3, name: "Update" };
const CREATE = { id: 1, name: "Create" };

/** Class and activity of each action; a WebRTC state's activity follows its stage. */
export const OCSF_ACTIVITIES: Readonly<
  Record<EventAction, { readonly class: OcsfClass; readonly activity: Activity }>
> = {
  "session-requested": { class: "rdp", activity: INITIAL_REQUEST },
  "session-decided": { class: "rdp", activity: INITIAL_RESPONSE },
  "session-started": { class: "rdp", activity: CONNECT_RESPONSE },
  "session-ended": { class: "rdp", activity: other("Session Ended") },
  "control-taken": { class: "rdp", activity: other("Control Taken") },
  "control-released": { class: "rdp", activity: other("Control Released") },
  "sound-started": { class: "rdp", activity: other("Sound Started") },
  "sound-stopped": { class: "rdp", activity: other("Sound Stopped") },
  "display-changed": { class: "rdp", activity: other("Display Changed") },
  "desktop-webrtc-state": { class: "rdp", activity: other("State Changed") },
  "desktop-transport-fallback": { class: "rdp", activity: TRAFFIC },
  "desktop-transport-restored": { class: "rdp", activity: TRAFFIC },
  "turn-credential-issued": { class: "authentication", activity: TICKET },
  "turn-credential-rotated": { class: "authentication", activity: RENEWAL },
  "turn-credential-refused": { class: "authentication", activity: other("Ticket Refused") },
  "desktop-killed": { class: "rdp", activity: other("Session Killed") },
  "message-rejected": { class: "finding", activity: CREATE },
  "limit-hit": { class: "finding", activity: CREATE },
  "stored-value-refused": { class: "finding", activity: CREATE },
  "sign-in": { class: "authentication", activity: LOGON },
  "sign-in-refused": { class: "authentication", activity: LOGON },
  "agent-connected": { class: "authentication", activity: LOGON },
  "agent-disconnected": { class: "authentication", activity: LOGOFF },
  "agent-refused": { class: "authentication", activity: LOGON },
  "configuration-changed": { class: "entity", activity: UPDATE },
  "node-up": { class: "lifecycle", activity: START },
  "node-down": { class: "lifecycle", activity: STOP },
  "node-lost": { class: "lifecycle", activity: STOP },
  "events-dropped": { class: "log", activity: other("Events Dropped") },
};

const STAGE_ACTIVITIES: Readonly<Partial<Record<Stage, Activity>>> = {
  requested: INITIAL_REQUEST,
  approved: INITIAL_RESPONSE,
  offered: CONNECT_REQUEST,
  answered: CONNECT_RESPONSE,
};

const SEVERITY_NAMES = ["Unknown", "Informational", "Low", "Medium", "High"];
const STATUS = {
  success: { id: 1, name: "Success" },
  failure: { id: 2, name: "Failure" },
  unknown: { id: 0, name: "Unknown" },
} as const;

const product = { name: PRODUCT, vendor_name: PRODUCT, version: SERVICE_VERSION };

function userOf(event: SecurityEvent): Json {
  const { actor } = event;
  const isPerson = actor.kind === "operator" || actor.kind === "owner";
  const [id, type] = isPerson ? [1, "User"] : [3, "System"];
  return { uid: actor.id, name: actor.name ?? actor.kind, type_id: id, type };
}

/** The shared desktop as the far end of a connection; the server where there is none. */
function desktopEndpoint(event: SecurityEvent): Json {
  const { target } = event;
  if (target?.desktopId === undefined) {
    return { name: target?.agentId ?? event.node, type_id: 1, type: "Server" };
  }
  return { uid: target.desktopId, name: target.desktopName, type_id: 2, type: "Desktop" };
}

function sourceEndpoint(event: SecurityEvent): Json | undefined {
  const ip = ipOf(event);
  return ip === undefined ? undefined : { ip };
}

const sessionOf = (event: SecurityEvent): Json | undefined =>
  event.sessionId === undefined
    ? undefined
    : { uid: event.sessionId, uuid: event.sessionId, is_remote: true };

/** Attributes that only one class has. */
function ownAttributes(event: SecurityEvent, kind: OcsfClass): Json {
  switch (kind) {
    case "rdp":
      return {
        actor: { user: userOf(event), session: sessionOf(event) },
        app_name: PRODUCT,
        src_endpoint: sourceEndpoint(event),
        dst_endpoint: desktopEndpoint(event),
        connection_info: { direction_id: 1, direction: "Inbound", session: sessionOf(event) },
        duration: event.action === "session-ended"
          ? Math.round(event.details.durationMs)
          : undefined,
      };
    case "authentication":
      return {
        user: userOf(event),
        service: { name: SERVICE, uid: event.node, version: SERVICE_VERSION },
        src_endpoint: sourceEndpoint(event),
        dst_endpoint: desktopEndpoint(event),
        session: sessionOf(event),
        is_remote: true,
        logon_type_id: 3,
        auth_protocol: authProtocol(event),
        http_request: { user_agent: event.source?.userAgent },
      };
    case "entity":
      return {
        actor: { user: userOf(event) },
        entity: { ...changedEntity(event), type_id: 5, type: "Policy" },
        src_endpoint: sourceEndpoint(event),
      };
    case "lifecycle":
      return { app: { ...product, uid: stoppedOrStarted(event) } };
    case "finding":
      return {
        finding_info: { uid: event.id, title: messageOf(event), types: [event.action] },
        is_alert: true,
        status_id: 1,
        status: "New",
        count: "count" in event.details ? event.details.count : undefined,
        evidences: [
          compact({ actor: { user: userOf(event) }, src_endpoint: sourceEndpoint(event) }),
        ],
      };
    case "log":
      return {
        log_name: LOG_NAME,
        log_provider: SERVICE,
        count: "count" in event.details ? event.details.count : undefined,
      };
  }
}

const authProtocol = (event: SecurityEvent): string =>
  event.action.startsWith("turn-")
    ? "TURN REST credentials"
    : event.action.startsWith("agent-")
    ? "HMAC-SHA256 challenge"
    : "Single-use link";

/** The node that the event is about. */
const stoppedOrStarted = (event: SecurityEvent): string =>
  event.action === "node-lost" ? event.details.lostNode : event.node;

const changedEntity = (event: SecurityEvent): Json =>
  event.target?.desktopId === undefined
    ? { name: `Settings of ${event.node}` }
    : { uid: event.target.desktopId, name: event.target.desktopName };

/** One OCSF event: `type_uid` is the class's uid times 100 plus the activity's id. */
export function toOcsf(event: SecurityEvent): Json {
  const { class: kind, activity: usual } = OCSF_ACTIVITIES[event.action];
  const { uid, name, category } = OCSF_CLASSES[kind];
  const activity = event.action === "desktop-webrtc-state"
    ? STAGE_ACTIVITIES[event.details.stage] ?? usual
    : usual;
  const status = STATUS[event.outcome];
  const severity = severityNumber(event);
  return compact({
    activity_id: activity.id,
    activity_name: activity.name,
    category_uid: Math.floor(uid / 1000),
    category_name: category,
    class_uid: uid,
    class_name: name,
    type_uid: uid * 100 + activity.id,
    type_name: `${name}: ${activity.name}`,
    time: event.at,
    severity_id: severity,
    severity: SEVERITY_NAMES[severity],
    status_id: status.id,
    status: status.name,
    status_code: event.reason,
    message: messageOf(event),
    metadata: {
      version: OCSF_VERSION,
      product,
      uid: event.id,
      event_code: event.action,
      correlation_uid: event.traceId,
      log_name: LOG_NAME,
      log_provider: SERVICE,
      profiles: kind === "rdp" ? ["host"] : [],
    },
    ...ownAttributes(event, kind),
    unmapped: { ...extrasOf(event), node: event.node },
  });
}
