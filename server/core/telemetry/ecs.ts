/**
 * Events as Elastic Common Schema documents. Ids of desktop and session, details and evidence,
 * which ECS has no fields for, are `labels`.
 */
import type { EventAction, SecurityEvent } from "@farglass/protocol";
import {
  compact,
  extrasOf,
  ipOf,
  type Json,
  LOG_NAME,
  messageOf,
  SERVICE,
  SERVICE_VERSION,
  severityNumber,
} from "./facts.ts";

/** The released version whose fields are used; all of them are older than 8.0. */
export const ECS_VERSION = "8.11.0";

interface Category {
  readonly kind: "event" | "alert" | "state";
  readonly category: readonly string[];
  readonly type: readonly string[];
}

const session = (...type: string[]): Category => ({ kind: "event", category: ["session"], type });
const network = (...type: string[]): Category => ({
  kind: "event",
  category: ["session", "network"],
  type,
});
const authentication = (...type: string[]): Category => ({
  kind: "event",
  category: ["authentication"],
  type,
});
const rejected: Category = { kind: "alert", category: ["intrusion_detection"], type: ["denied"] };

/** ECS's four categorisation fields but for the outcome, which the event knows. */
export const ECS_CATEGORIES: Readonly<Record<EventAction, Category>> = {
  "session-requested": session("info"),
  "session-decided": session("info"),
  "session-started": session("start"),
  "session-ended": session("end"),
  "control-taken": session("info"),
  "control-released": session("info"),
  "sound-started": session("info"),
  "sound-stopped": session("info"),
  "display-changed": session("info"),
  "desktop-webrtc-state": network("info"),
  "desktop-transport-fallback": network("info"),
  "desktop-transport-restored": network("info"),
  "turn-credential-issued": authentication("info"),
  "turn-credential-rotated": authentication("info"),
  "turn-credential-refused": authentication("info"),
  "desktop-killed": session("end"),
  "message-rejected": rejected,
  "limit-hit": rejected,
  "stored-value-refused": { kind: "alert", category: ["database"], type: ["error"] },
  "sign-in": authentication("start"),
  "sign-in-refused": authentication("start"),
  "agent-connected": authentication("start"),
  "agent-disconnected": authentication("end"),
  "agent-refused": authentication("start"),
  "configuration-changed": { kind: "event", category: ["configuration"], type: ["change"] },
  "node-up": { kind: "event", category: ["process"], type: ["start"] },
  "node-down": { kind: "event", category: ["process"], type: ["end"] },
  "node-lost": { kind: "alert", category: ["process"], type: ["end"] },
  "events-dropped": { kind: "alert", category: ["process"], type: ["info"] },
};

/** How long what the event ends has lasted, in nanoseconds as ECS wants it. */
function durationNs(event: SecurityEvent): number | undefined {
  const ms = event.action === "session-ended"
    ? event.details.durationMs
    : event.action === "control-released"
    ? event.details.heldMs
    : event.action === "node-down"
    ? event.details.uptimeMs
    : undefined;
  return ms === undefined ? undefined : Math.round(ms) * 1_000_000;
}

/** One ECS document. */
export function toEcs(event: SecurityEvent): Json {
  const { kind, category, type } = ECS_CATEGORIES[event.action];
  const { actor, source, target } = event;
  const ip = ipOf(event);
  // Whose address `source` is: an agent's is not where the session's operator sits.
  const asked = actor.kind === "server" ? event.operator : undefined;
  const user = actor.kind === "operator" ? actor : asked;
  const pivots = [user?.id, user?.name, event.operator?.id, event.operator?.name];
  // Labels are keywords: numbers and flags are written as text.
  const labels = Object.entries(extrasOf(event)).map(([key, value]) => [key, String(value)]);
  const isRefused = kind === "alert" && event.reason !== undefined;
  return compact({
    "@timestamp": new Date(event.at).toISOString(),
    ecs: { version: ECS_VERSION },
    message: messageOf(event),
    event: {
      id: event.id,
      kind,
      category: [...category],
      type: [...type],
      action: event.action,
      outcome: event.outcome,
      severity: severityNumber(event),
      reason: event.reason,
      duration: durationNs(event),
      module: "farglass",
      dataset: LOG_NAME,
      provider: SERVICE,
    },
    error: isRefused ? { code: event.reason } : undefined,
    service: {
      name: SERVICE,
      type: "farglass",
      version: SERVICE_VERSION,
      node: { name: event.node },
    },
    source: { address: source?.address, ip },
    user_agent: { original: source?.userAgent },
    user: { id: user?.id, name: user?.name },
    related: {
      ip: ip === undefined ? [] : [ip],
      user: [...new Set(pivots.filter((t) => t !== undefined))],
      hosts: target?.agentId === undefined ? [] : [target.agentId],
    },
    trace: { id: event.traceId },
    labels: Object.fromEntries(labels),
  });
}
