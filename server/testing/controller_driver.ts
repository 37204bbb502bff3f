/** Drives the pure controller in tests: short names for events, and a state reached by a script. */
import {
  codedError,
  type DesktopCaps,
  type MessageOf,
  type MessageType,
  type Reason,
  type Signal,
  type Stage,
  type Transport,
} from "@farglass/protocol";
import { nextDeadline, step } from "../core/controller.ts";
import type { ControllerEvent, ControllerMessage, Effect } from "../core/events.ts";
import { type ControllerPolicy, DEFAULT_POLICY } from "../core/policy.ts";
import type { DesktopState, SessionState } from "../core/state.ts";
import { agentInfo, CAPS, sampleCandidate, sampleSdp } from "./samples.ts";

export const DESKTOP = "11111111-1111-4111-8111-111111111111";
export const SESSION = "22222222-2222-4222-8222-222222222222";
export const REQUEST = "33333333-3333-4333-8333-333333333333";
export const AGENT = "44444444-4444-4444-8444-444444444444";
export const AGENT_LINK = "agent-link";
export const CONSOLE_LINK = "console-link";
export const START = 1_000_000;

const REF = { seq: 1, type: "REST" } as const;
const OPERATOR = { operatorId: "op", name: "operator" };
const IDS = { desktopId: DESKTOP, sessionId: SESSION };
const HEADER = { ...IDS, seq: 1, ack: 0, ts: 0 };

type PayloadOf<T extends MessageType> = MessageOf<T>["payload"];

const message = (
  from: "agent" | "console",
  content: Pick<ControllerMessage, "type" | "payload">,
): ControllerEvent => ({
  kind: "message",
  from,
  linkId: from === "agent" ? AGENT_LINK : CONSOLE_LINK,
  message: { ...HEADER, ...content } as ControllerMessage,
});

/** Events by short names. */
export const on = {
  caps: (caps: DesktopCaps = CAPS, linkId = AGENT_LINK): ControllerEvent => ({
    kind: "caps",
    desktopId: DESKTOP,
    linkId,
    agent: agentInfo(AGENT),
    caps,
    ref: REF,
  }),
  request: (sessionId = SESSION, requestId = REQUEST): ControllerEvent => ({
    kind: "request",
    sessionId,
    requestId,
    consoleLinkId: CONSOLE_LINK,
    operator: OPERATOR,
    ref: REF,
  }),
  restRequest: (): ControllerEvent => ({
    kind: "request",
    sessionId: SESSION,
    requestId: REQUEST,
    consoleLinkId: null,
    operator: OPERATOR,
    ref: REF,
  }),
  attach: (operatorId = "op", consoleLinkId = CONSOLE_LINK): ControllerEvent => ({
    kind: "attach",
    sessionId: SESSION,
    requestId: REQUEST,
    consoleLinkId,
    operator: { operatorId, name: "operator" },
    ref: REF,
  }),
  decision: (decision: "accept" | "deny" | "timeout", viewOnly = false): ControllerEvent =>
    message("agent", {
      type: "SESSION_DECISION",
      payload: {
        decision,
        by: "policy",
        reason: decision === "accept" ? "approved-by-policy" : "denied-by-policy",
        viewOnly,
      },
    }),
  signal: (from: "agent" | "console", payload: Signal): ControllerEvent =>
    message(from, { type: "DESKTOP_WEBRTC_SIGNAL", payload }),
  offer: (generation: number, sdp = sampleSdp()): ControllerEvent =>
    on.signal("console", { kind: "offer", generation, sdp }),
  answer: (generation: number, sdp = sampleSdp()): ControllerEvent =>
    on.signal("agent", { kind: "answer", generation, sdp }),
  candidate: (from: "agent" | "console", generation: number, port = 40_000): ControllerEvent =>
    on.signal(from, {
      kind: "ice-candidate",
      generation,
      candidate: sampleCandidate(port),
      sdpMid: "0",
      sdpMLineIndex: 0,
    }),
  iceEnd: (from: "agent" | "console", generation: number): ControllerEvent =>
    on.signal(from, { kind: "ice-end", generation }),
  restart: (from: "agent" | "console", generation: number): ControllerEvent =>
    on.signal(from, { kind: "restart", generation, reason: "heartbeat-lost" }),
  peer: (
    from: "agent" | "console",
    state: PayloadOf<"PEER_STATE">["state"],
    generation = 1,
    layers?: PayloadOf<"PEER_STATE">["layers"],
  ): ControllerEvent =>
    message(from, {
      type: "PEER_STATE",
      payload: { generation, state, ...(layers === undefined ? {} : { layers }) },
    }),
  change: (
    type: "DESKTOP_TRANSPORT_FALLBACK" | "DESKTOP_TRANSPORT_RESTORED",
    from: Transport,
    to: Transport,
    reason: Reason = "rtp-stalled",
  ): ControllerEvent =>
    message("console", { type, payload: { from, to, reason, evidence: { ms: 1 }, at: START } }),
  fallback: (from: Transport, to: Transport, reason?: Reason): ControllerEvent =>
    on.change("DESKTOP_TRANSPORT_FALLBACK", from, to, reason),
  restored: (from: Transport, to: Transport, reason: Reason = "transport-recovered") =>
    on.change("DESKTOP_TRANSPORT_RESTORED", from, to, reason),
  control: (from: "agent" | "console", payload: PayloadOf<"VIEWER_CONTROL">): ControllerEvent =>
    message(from, { type: "VIEWER_CONTROL", payload }),
  choice: (payload: PayloadOf<"VIEWER_CHOICE">): ControllerEvent =>
    message("agent", { type: "VIEWER_CHOICE", payload }),
  ended: (from: "agent" | "console", reason: Reason = "operator-disconnect"): ControllerEvent =>
    message(from, {
      type: "SESSION_ENDED",
      payload: { reason, by: from === "agent" ? "agent" : "operator" },
    }),
  agentKill: (scope: "session" | "desktop"): ControllerEvent =>
    message("agent", { type: "DESKTOP_KILL", payload: { scope, reason: "owner-stopped" } }),
  kill: (sessionId: string | null = SESSION): ControllerEvent => ({
    kind: "kill",
    sessionId,
    reason: "killed",
    ref: REF,
  }),
  link: (
    linkId: string,
    change: "lost" | "resumed" | "gone" | "replaced",
  ): ControllerEvent => ({ kind: "link", linkId, change }),
  agentError: (linkId = AGENT_LINK): ControllerEvent => ({
    kind: "agent-error",
    linkId,
    error: { sessionId: SESSION, payload: codedError("peer-failed") },
  }),
  tick: { kind: "tick" } as ControllerEvent,
};

/** What reaches each stage by the shortest legal way. */
export const SCRIPTS: Readonly<
  Record<Exclude<Stage, "closed" | "failed">, readonly ControllerEvent[]>
> = (() => {
  const requested = [on.caps(), on.request()];
  const approved = [...requested, on.decision("accept")];
  const offered = [...approved, on.offer(1)];
  const answered = [...offered, on.answer(1)];
  const connecting = [...answered, on.peer("agent", "connecting")];
  const connected = [...connecting, on.peer("console", "connected")];
  return {
    requested,
    approved,
    offered,
    answered,
    connecting,
    connected,
    degraded: [...connected, on.peer("console", "disconnected")],
    restarting: [...connected, on.restored("none", "rtp"), on.offer(2)],
    fallback: [...connected, on.fallback("rtp", "diff-ws")],
  };
})();

export class ControllerDriver {
  desktop: DesktopState | null = null;
  now = START;
  /** Effects of the last event. */
  effects: readonly Effect[] = [];
  readonly policy: ControllerPolicy;

  constructor(policy: Partial<ControllerPolicy> = {}) {
    this.policy = { ...DEFAULT_POLICY, ...policy };
  }

  run(...events: readonly ControllerEvent[]): this {
    for (const event of events) {
      [this.desktop, this.effects] = step(this.desktop, event, this.now, this.policy);
    }
    return this;
  }

  /** Moves the clock to the next deadline and ticks. */
  expire(): this {
    const at = nextDeadline(this.desktop, this.now, this.policy);
    if (at === null) throw new Error("No deadline");
    this.now = at;
    return this.run(on.tick);
  }

  get session(): SessionState | undefined {
    return this.desktop?.sessions[SESSION];
  }

  /** The stage, also of a session that has ended. */
  get stage(): Stage | undefined {
    return this.session?.stage ?? this.desktop?.ended.at(-1)?.stage;
  }

  /** Code of the last event's rejection. */
  get rejection(): string | undefined {
    for (const effect of this.effects) if (effect.kind === "reject") return effect.error.code;
    return undefined;
  }

  /** Types of the messages that the last event sent to a link; signals by their kind. */
  sent(linkId: string): string[] {
    return this.effects.flatMap((e) =>
      e.kind !== "send" || e.linkId !== linkId
        ? []
        : [e.draft.type === "DESKTOP_WEBRTC_SIGNAL" ? e.draft.payload.kind : e.draft.type]
    );
  }

  has(kind: Effect["kind"]): boolean {
    return this.effects.some((e) => e.kind === kind);
  }
}
