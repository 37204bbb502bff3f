/** What every shape of an event needs: versions, names, and the fields that no standard has. */
import {
  EVENT_CATALOGUE,
  EVENT_SEVERITIES,
  eventReasonText,
  parseIp,
  type SecurityEvent,
  SOFTWARE_VERSION,
} from "@farglass/protocol";

export const PRODUCT = "Farglass";
export const SERVICE = "farglass-server";
export const SERVICE_VERSION: string = SOFTWARE_VERSION;
export const LOG_NAME = "farglass.events";

/** A JSON object in the making; undefined values vanish when it is written. */
export type Json = { [key: string]: JsonValue | undefined };
export type JsonValue = string | number | boolean | null | JsonValue[] | Json;

/** 1 informational, 2 low, 3 medium, 4 high: OCSF's numbers, and ours in ECS. */
export const severityNumber = (event: SecurityEvent): number =>
  EVENT_SEVERITIES.indexOf(EVENT_CATALOGUE[event.action].severity) + 1;

/** A sentence for people, without names and addresses. */
export function messageOf(event: SecurityEvent): string {
  const { text } = EVENT_CATALOGUE[event.action];
  return event.reason === undefined ? text : `${text}: ${eventReasonText(event.reason)}`;
}

/** The source's address, if that is what it is. */
export function ipOf(event: SecurityEvent): string | undefined {
  const address = event.source?.address;
  return address !== undefined && parseIp(address) !== null ? address : undefined;
}

const ownEntries = (object: object): [string, string | number | boolean][] =>
  Object.entries(object).filter(([, value]) => value !== undefined);

/** Details, evidence, policy and ids under flat names such as `evidence_rttMs`. */
export function extrasOf(event: SecurityEvent): Record<string, string | number | boolean> {
  const prefixed = (prefix: string, object: object | undefined) =>
    object === undefined
      ? []
      : ownEntries(object).map(([key, value]) => [`${prefix}_${key}`, value] as const);
  const { target } = event;
  return Object.fromEntries([
    ...ownEntries({
      session_id: event.sessionId,
      desktop_id: target?.desktopId,
      desktop_name: target?.desktopName,
      agent_id: target?.agentId,
      actor_kind: event.actor.kind,
      actor_id: event.actor.id,
      operator_id: event.operator?.id,
      operator_name: event.operator?.name,
    }),
    ...prefixed("detail", event.details),
    ...prefixed("evidence", event.evidence),
    ...prefixed("policy", event.policy),
  ]);
}

/** A copy without undefined values and empty objects, at every depth. */
export function compact(json: Json): Json {
  const out: Json = {};
  for (const [key, value] of Object.entries(json)) {
    const kept = compactValue(value);
    if (kept !== undefined) out[key] = kept;
  }
  return out;
}

function compactValue(value: JsonValue | undefined): JsonValue | undefined {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value;
  if (typeof value !== "object" || value === null) return value;
  const inner = compact(value);
  return Object.keys(inner).length === 0 ? undefined : inner;
}
