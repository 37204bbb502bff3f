/** Events for tests: one of each action, with everything an event can carry and with the least. */
import {
  EVENT_ACTIONS,
  type EventAction,
  type SecurityEvent,
  type SecurityEventOf,
} from "@farglass/protocol";

const DESKTOP = "11111111-1111-4111-8111-111111111111";
const AGENT = "22222222-2222-4222-8222-222222222222";
export const SAMPLE_SESSION = "33333333-3333-4333-8333-333333333333";

const rejection = { messageType: "DESKTOP_WEBRTC_SIGNAL", count: 3 };
const change = { from: "rtp", to: "diff-ws" } as const;

/** Details of each action, all of them present. */
export const SAMPLE_DETAILS: { readonly [A in EventAction]: SecurityEventOf<A>["details"] } = {
  "session-requested": {},
  "session-decided": { decision: "accept", by: "owner" },
  "session-started": { transport: "rtp", waitMs: 812 },
  "session-ended": { by: "operator", durationMs: 61_000 },
  "control-taken": {},
  "sound-started": {},
  "sound-stopped": {},
  "display-changed": { from: "DP-1", to: "all" },
  "control-released": { heldMs: 60_000 },
  "desktop-webrtc-state": {
    stage: "connected",
    previous: "connecting",
    elapsedMs: 250.5,
    retries: 1,
    transport: "none",
    localCandidate: "relay",
    remoteCandidate: "host",
    candidateProtocol: "udp",
    relayProtocol: "tls",
  },
  "desktop-transport-fallback": change,
  "desktop-transport-restored": { from: "diff-ws", to: "rtp" },
  "turn-credential-issued": { ttlSeconds: 600 },
  "turn-credential-rotated": { ttlSeconds: 600 },
  "turn-credential-refused": {},
  "desktop-killed": { scope: "session" },
  "limit-hit": rejection,
  "message-rejected": rejection,
  "stored-value-refused": { value: "session", count: 1 },
  "sign-in": {},
  "sign-in-refused": {},
  "agent-connected": { software: "0.1.0" },
  "agent-disconnected": {},
  "agent-refused": {},
  "configuration-changed": { scope: "server", keys: "port,limits.desktops" },
  "node-up": { software: "0.1.0" },
  "node-down": { uptimeMs: 3_600_000 },
  "node-lost": { lostNode: "node-b" },
  "events-dropped": { sink: "webhook", count: 7, total: 21 },
};

let serial = 0;
const nextId = () => `44444444-4444-4444-8444-${String(++serial).padStart(12, "0")}`;

/** An event with every field. */
export function fullEvent(action: EventAction, more: Partial<SecurityEvent> = {}): SecurityEvent {
  return {
    action,
    id: nextId(),
    at: 1_790_000_000_123,
    outcome: "success",
    actor: { kind: "operator", id: "0011aabb", name: "operator 0011" },
    operator: { id: "0011aabb", name: "operator 0011" },
    target: { desktopId: DESKTOP, desktopName: "Till 4", agentId: AGENT },
    source: { address: "192.0.2.7", userAgent: "Mozilla/5.0" },
    sessionId: SAMPLE_SESSION,
    node: "node-a",
    policy: { viewOnly: false, diffOnly: false, videoOnly: false, consent: "ask" },
    reason: "operator-choice",
    evidence: { rttMs: 250, lossRatio: 0.04 },
    traceId: SAMPLE_SESSION.replaceAll("-", ""),
    details: SAMPLE_DETAILS[action],
    ...more,
  } as SecurityEvent;
}

/** An event with no more than what must be there. */
export function bareEvent(action: EventAction, more: Partial<SecurityEvent> = {}): SecurityEvent {
  return {
    action,
    id: nextId(),
    at: 1_790_000_000_456,
    outcome: "unknown",
    actor: { kind: "server" },
    node: "node-a",
    details: SAMPLE_DETAILS[action],
    ...more,
  } as SecurityEvent;
}

export const SAMPLE_EVENTS: readonly SecurityEvent[] = EVENT_ACTIONS.flatMap((action) => [
  fullEvent(action),
  fullEvent(action, { outcome: "failure", actor: { kind: "agent", id: AGENT, name: "till" } }),
  fullEvent(action, { actor: { kind: "owner" }, source: { address: "2001:db8::1" } }),
  bareEvent(action),
]);
