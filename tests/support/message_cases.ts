/** One good message of every type and of every variant inside it, and everything that is refused. */
import type { ErrorCode, Message, MessageType, Sender } from "@farglass/protocol";

const ID = "01234567-89ab-4def-8123-456789abcdef";
const OTHER_ID = "fedcba98-7654-4210-8fed-cba987654321";
const HEADER = { seq: 1, ack: 0, ts: 1_700_000_000_000 };
const DESKTOP = { ...HEADER, desktopId: ID };
const SESSION = { ...DESKTOP, sessionId: OTHER_ID };
const POLICY = { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" } as const;
const CHANGE = {
  from: "rtp",
  to: "diff-dc",
  reason: "rtp-stalled",
  evidence: { stalledMs: 2000, captured: 60 },
  at: 1_700_000_000_000,
} as const;

const SPAN = {
  name: "desktop.open",
  spanId: "b7ad6b7169203331",
  parentId: null,
  startMs: 1_700_000_000_000.25,
  endMs: 1_700_000_000_750,
  ok: true,
  transport: "rtp",
  reason: "transport-selected",
} as const;

export interface MessageCase {
  readonly name: string;
  readonly from: Sender;
  readonly message: Message;
}

/** Every type at least once; the test checks that none is forgotten. */
export const MESSAGE_CASES: readonly MessageCase[] = [
  {
    name: "HELLO of an agent that resumes",
    from: "agent",
    message: {
      type: "HELLO",
      seq: 0,
      ack: 0,
      ts: 1,
      payload: {
        version: 1,
        role: "agent",
        software: "0.1.0",
        agent: { agentId: ID, name: "desk", hostname: "host", os: "linux", software: "0.1.0" },
        resume: { linkId: OTHER_ID, lastSeq: 9 },
      },
    },
  },
  {
    name: "HELLO of a console with its ticket",
    from: "console",
    message: {
      type: "HELLO",
      seq: 0,
      ack: 0,
      ts: 1,
      payload: { version: 1, role: "console", software: "0.1.0", ticket: "t".repeat(256) },
    },
  },
  {
    name: "WELCOME",
    from: "server",
    message: {
      type: "WELCOME",
      seq: 0,
      ack: 0,
      ts: 1,
      payload: {
        version: 1,
        software: "0.1.0",
        linkId: ID,
        resumed: false,
        lastSeq: 0,
        heartbeatMs: 1500,
      },
    },
  },
  { name: "PING", from: "agent", message: { type: "PING", seq: 0, ack: 3, ts: 1, payload: {} } },
  { name: "PONG", from: "server", message: { type: "PONG", seq: 0, ack: 3, ts: 1, payload: {} } },
  {
    name: "ERROR that answers a message",
    from: "server",
    message: {
      type: "ERROR",
      ...SESSION,
      payload: {
        code: "out-of-state",
        message: "The message does not fit the session's stage",
        advice: "Connect again",
        retryable: true,
        refSeq: 4,
        refType: "DESKTOP_WEBRTC_SIGNAL",
        requestId: ID,
      },
    },
  },
  {
    name: "DESKTOP_LIST",
    from: "server",
    message: {
      type: "DESKTOP_LIST",
      ...HEADER,
      payload: {
        desktops: [{
          desktopId: ID,
          agentId: OTHER_ID,
          name: "desk",
          hostname: "host",
          os: "linux",
          online: true,
          viewers: 2,
          width: 1920,
          height: 1080,
          capture: "x11",
          policy: POLICY,
          since: 1,
        }],
      },
    },
  },
  {
    name: "DESKTOP_CAPS with credentials",
    from: "server",
    message: {
      type: "DESKTOP_CAPS",
      ...SESSION,
      payload: {
        name: "desk",
        transports: ["webrtc", "diff"],
        encoders: [{
          name: "libx264",
          codec: "h264",
          hardware: false,
          minBitrateKbps: 200,
          maxBitrateKbps: 20_000,
          defaultBitrateKbps: 6000,
          maxFps: 60,
          defaultFps: 30,
        }],
        displays: [{ id: "0", name: "screen", width: 8192, height: 1, primary: true }],
        input: { pointer: true, keyboard: true },
        audio: { available: false },
        capture: "x11",
        policy: POLICY,
        webrtc: {
          enabled: true,
          iceServers: [{ urls: ["turn:127.0.0.1:3478"], username: "1:a", credential: "c" }],
          token: { issuedAt: 1, expiresAt: 601, ttlSeconds: 600 },
          relayHint: "turn",
          iceTransportPolicy: "relay",
        },
      },
    },
  },
  {
    name: "SESSION_REQUEST with an operator",
    from: "server",
    message: {
      type: "SESSION_REQUEST",
      ...SESSION,
      payload: { requestId: ID, operator: { name: "operator", address: "127.0.0.1" } },
    },
  },
  {
    name: "SESSION_DECISION",
    from: "agent",
    message: {
      type: "SESSION_DECISION",
      ...SESSION,
      payload: { decision: "deny", by: "owner", reason: "denied-by-owner", viewOnly: true },
    },
  },
  {
    name: "SESSION_ENDED",
    from: "console",
    message: {
      type: "SESSION_ENDED",
      ...SESSION,
      payload: { reason: "operator-disconnect", by: "operator" },
    },
  },
  {
    name: "offer",
    from: "console",
    message: {
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...SESSION,
      payload: { kind: "offer", generation: 1, sdp: "v=0\r\n" },
    },
  },
  {
    name: "answer",
    from: "agent",
    message: {
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...SESSION,
      payload: { kind: "answer", generation: 1_000_000, sdp: "v=0\r\n" },
    },
  },
  {
    name: "candidate",
    from: "agent",
    message: {
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...SESSION,
      payload: {
        kind: "ice-candidate",
        generation: 1,
        candidate: "candidate:1 1 udp 1 127.0.0.1 5000 typ host",
        sdpMid: null,
        sdpMLineIndex: 0,
      },
    },
  },
  {
    name: "end of candidates",
    from: "console",
    message: {
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...SESSION,
      payload: { kind: "ice-end", generation: 2 },
    },
  },
  {
    name: "restart",
    from: "agent",
    message: {
      type: "DESKTOP_WEBRTC_SIGNAL",
      ...SESSION,
      payload: { kind: "restart", generation: 2, reason: "ice-failed" },
    },
  },
  {
    name: "DESKTOP_WEBRTC_STATE",
    from: "server",
    message: {
      type: "DESKTOP_WEBRTC_STATE",
      ...SESSION,
      payload: {
        stage: "connected",
        previous: "connecting",
        reason: "peer-connected",
        at: 1,
        elapsedMs: 250.5,
        retries: 0,
        candidatePair: { local: "relay", remote: "host", protocol: "udp", relayProtocol: "tls" },
        transport: "rtp",
      },
    },
  },
  {
    name: "PEER_STATE",
    from: "console",
    message: {
      type: "PEER_STATE",
      ...SESSION,
      payload: {
        generation: 1,
        state: "failed",
        reason: "ice-failed",
        candidatePair: null,
        layers: [
          { layer: "ice", state: "checking", agoMs: 120.5 },
          { layer: "dtls", state: "failed", agoMs: 0 },
        ],
      },
    },
  },
  {
    name: "PEER_PRESENCE",
    from: "server",
    message: { type: "PEER_PRESENCE", ...SESSION, payload: { peer: "agent", online: false } },
  },
  {
    name: "DESKTOP_TRANSPORT_FALLBACK",
    from: "console",
    message: { type: "DESKTOP_TRANSPORT_FALLBACK", ...SESSION, payload: CHANGE },
  },
  {
    name: "DESKTOP_TRANSPORT_RESTORED",
    from: "server",
    message: {
      type: "DESKTOP_TRANSPORT_RESTORED",
      ...SESSION,
      payload: { ...CHANGE, from: "diff-ws", to: "rtp", reason: "transport-recovered" },
    },
  },
  {
    name: "VIEWER_CONTROL",
    from: "console",
    message: {
      type: "VIEWER_CONTROL",
      ...SESSION,
      payload: { op: "select", transport: "diff-ws", epoch: 3 },
    },
  },
  {
    name: "RELAY_CONGESTION",
    from: "server",
    message: {
      type: "RELAY_CONGESTION",
      ...SESSION,
      payload: { congested: true, skippedFrames: 5, bufferedBytes: 262_144 },
    },
  },
  {
    name: "TRACE_SPANS",
    from: "console",
    message: {
      type: "TRACE_SPANS",
      ...SESSION,
      payload: { spans: [SPAN, { ...SPAN, parentId: SPAN.spanId, spanId: "b7ad6b7169203332" }] },
    },
  },
  {
    name: "MEDIA_REPORT",
    from: "agent",
    message: {
      type: "MEDIA_REPORT",
      ...SESSION,
      payload: { decisions: { "queue-standing": 2, "patches-window": 1, "choice-lossy": 1 } },
    },
  },
  {
    name: "VIEWER_CHOICE of sound",
    from: "agent",
    message: { type: "VIEWER_CHOICE", ...SESSION, payload: { kind: "sound", on: true } },
  },
  {
    name: "VIEWER_CHOICE",
    from: "agent",
    message: {
      type: "VIEWER_CHOICE",
      ...SESSION,
      payload: { kind: "display", from: null, to: "HDMI-1", reason: "operator-choice" },
    },
  },
  {
    name: "SESSION_REQUEST in a trace",
    from: "console",
    message: {
      type: "SESSION_REQUEST",
      ...DESKTOP,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      payload: { requestId: ID },
    },
  },
  {
    name: "DESKTOP_KILL",
    from: "server",
    message: { type: "DESKTOP_KILL", ...DESKTOP, payload: { scope: "desktop", reason: "killed" } },
  },
];

/** The first good message of a type. */
export function goodMessage(type: MessageType): MessageCase {
  const found = MESSAGE_CASES.find(({ message }) => message.type === type);
  if (found === undefined) throw new Error(`No case for ${type}`);
  return found;
}

export interface BadText {
  readonly name: string;
  readonly from: Sender;
  readonly text: string;
  readonly code: ErrorCode;
}

/** A good message with one path (`payload.sdp`) changed; `undefined` takes the field away. */
function changed(name: string, path: string, value: unknown): BadText {
  const found = MESSAGE_CASES.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`No case "${name}"`);
  const message: Record<string, unknown> = structuredClone(found.message);
  const keys = path.split(".");
  let at = message;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[keys.at(-1)!] = value;
  const shown = JSON.stringify(value)?.slice(0, 40) ?? "missing";
  return {
    name: `${name}: ${path} = ${shown}`,
    from: found.from,
    text: JSON.stringify(message),
    code: "malformed",
  };
}

const from = "console";

export const BAD_TEXTS: readonly BadText[] = [
  { name: "nothing", from, text: "", code: "malformed" },
  { name: "not JSON", from, text: "{", code: "malformed" },
  { name: "null", from, text: "null", code: "malformed" },
  { name: "a list", from, text: "[]", code: "malformed" },
  { name: "a text", from, text: '"HELLO"', code: "malformed" },
  { name: "no type", from, text: "{}", code: "malformed" },
  { name: "a type that is no text", from, text: '{"type":1}', code: "malformed" },
  { name: "an unknown type", from, text: '{"type":"NOPE"}', code: "unknown-type" },
  { name: "a name of Object.prototype", from, text: '{"type":"toString"}', code: "unknown-type" },
  { name: "__proto__", from, text: '{"type":"__proto__"}', code: "unknown-type" },
  { name: "a lower-case type", from, text: '{"type":"hello"}', code: "unknown-type" },
  { name: "a type from the wrong side", from, text: '{"type":"WELCOME"}', code: "wrong-direction" },
  { name: "nothing but the type", from, text: '{"type":"HELLO"}', code: "malformed" },
  {
    name: "a nest of 30 000 lists",
    from,
    text: "[".repeat(30_000) + "]".repeat(30_000),
    code: "malformed",
  },
  { name: "too much", from, text: `"${"x".repeat(64 * 1024)}"`, code: "too-large" },
  changed("PING", "seq", -1),
  changed("PING", "seq", 1.5),
  changed("PING", "seq", "1"),
  changed("PING", "seq", undefined),
  changed("PING", "ack", 2 ** 53),
  changed("PING", "ts", -1),
  changed("PING", "payload", undefined),
  changed("PING", "desktopId", "desk"),
  changed("HELLO of an agent that resumes", "payload.agent.agentId", "1"),
  changed("HELLO of an agent that resumes", "payload.agent.name", "n".repeat(257)),
  changed("HELLO of an agent that resumes", "payload.resume.linkId", "../../etc"),
  changed("HELLO of a console with its ticket", "payload.ticket", "t".repeat(257)),
  changed("HELLO of a console with its ticket", "payload.role", "server"),
  changed("offer", "payload.sdp", ""),
  changed("offer", "payload.sdp", "v".repeat(16 * 1024 + 1)),
  changed("offer", "payload.generation", 0),
  changed("offer", "payload.generation", 1_000_001),
  changed("offer", "payload.kind", "pranswer"),
  changed("offer", "sessionId", undefined),
  changed("candidate", "payload.candidate", ""),
  changed("candidate", "payload.candidate", "c".repeat(513)),
  changed("candidate", "payload.sdpMLineIndex", 17),
  changed("candidate", "payload.sdpMid", 0),
  changed("PEER_STATE", "payload.state", "new"),
  changed("PEER_STATE", "payload.reason", "because"),
  changed("PEER_STATE", "payload.layers", [{ layer: "dtls", state: "checking", agoMs: 0 }]),
  changed("PEER_STATE", "payload.layers", [{ layer: "ice", state: "checking", agoMs: -1 }]),
  changed(
    "PEER_STATE",
    "payload.layers",
    Array.from({ length: 17 }, () => ({ layer: "ice", state: "checking", agoMs: 0 })),
  ),
  changed("DESKTOP_TRANSPORT_FALLBACK", "payload.to", "carrier-pigeon"),
  changed("DESKTOP_TRANSPORT_FALLBACK", "payload.evidence", { address: "192.0.2.1" }),
  changed("DESKTOP_TRANSPORT_FALLBACK", "payload.evidence", { loss: null }),
  changed("DESKTOP_TRANSPORT_FALLBACK", "payload.evidence", { ["k".repeat(65)]: 1 }),
  changed(
    "DESKTOP_TRANSPORT_FALLBACK",
    "payload.evidence",
    Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`k${i}`, i])),
  ),
  changed("VIEWER_CONTROL", "payload.op", "shutdown"),
  changed("VIEWER_CONTROL", "payload.epoch", -1),
  changed("MEDIA_REPORT", "payload.decisions", { mood: 1 }),
  changed("MEDIA_REPORT", "payload.decisions", { loss: -1 }),
  changed("MEDIA_REPORT", "payload.decisions", { loss: 1e9 }),
  changed("VIEWER_CHOICE", "payload.kind", "mood"),
  changed("VIEWER_CHOICE", "payload.to", "x".repeat(65)),
  changed("VIEWER_CHOICE", "payload.reason", "because"),
  changed("TRACE_SPANS", "payload.spans", []),
  changed("TRACE_SPANS", "payload.spans", Array(17).fill(SPAN)),
  changed("TRACE_SPANS", "payload.spans", [{ ...SPAN, name: "https://example.com/?token=1" }]),
  changed("TRACE_SPANS", "payload.spans", [{ ...SPAN, spanId: "0".repeat(16) }]),
  changed("TRACE_SPANS", "payload.spans", [{ ...SPAN, parentId: "B7AD6B7169203331" }]),
  changed("TRACE_SPANS", "payload.spans", [{ ...SPAN, endMs: SPAN.startMs - 1 }]),
  changed("TRACE_SPANS", "payload.spans", [{ ...SPAN, startMs: null }]),
  changed("TRACE_SPANS", "payload.spans", [{ ...SPAN, reason: "candidate:1 1 udp" }]),
  changed("SESSION_DECISION", "payload.decision", "maybe"),
  changed("DESKTOP_CAPS with credentials", "payload.transports", []),
  changed("DESKTOP_CAPS with credentials", "payload.displays", []),
  changed("DESKTOP_CAPS with credentials", "payload.webrtc.iceServers", [{ urls: [] }]),
];
