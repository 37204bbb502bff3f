/** Random event sequences through the signalling controller. fast-check prints the seed. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_BUFFERED_SIGNALS, MAX_CANDIDATE_BYTES, type Signal } from "@farglass/protocol";
import { nextDeadline, step } from "../../server/core/controller.ts";
import type { ControllerEvent, Effect } from "../../server/core/events.ts";
import { DEFAULT_POLICY, MAX_SESSION_EVENTS } from "../../server/core/policy.ts";
import { isLegalEdge, isTerminal } from "../../server/core/stages.ts";
import { agentLinkId, consoleLinkId, type DesktopState } from "../../server/core/state.ts";
import { on } from "../../server/testing/controller_driver.ts";
import { CAPS, sampleSdp } from "../../server/testing/samples.ts";

const AGENTS = ["agent-1", "agent-2"];
const CONSOLES = ["console-1", "console-2", "console-3"];
const SESSIONS = ["a", "b", "c"].map((c) => `${c.repeat(8)}-0000-4000-8000-000000000000`);
const REF = { seq: 1, type: "REST" } as const;

const pick = <T>(...values: readonly T[]) => fc.constantFrom(...values);
/** Records as JSON makes them: fast-check's own may have no prototype. */
const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;

const session = pick(...SESSIONS);
const operator = pick("one", "two").map((id) => ({ operatorId: id, name: id }));
const generation = fc.integer({ min: 1, max: 4 });
const sdp = fc.oneof(
  { weight: 6, arbitrary: pick(sampleSdp(), sampleSdp({ codecs: ["VP8"] })) },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 200 }) },
);
const candidate = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.integer({ min: 40_000, max: 40_100 }).map((port) =>
      `candidate:1 1 udp 1 127.0.0.1 ${port} typ host`
    ),
  },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: MAX_CANDIDATE_BYTES }) },
);
const signal: fc.Arbitrary<Signal> = fc.oneof(
  plain({ kind: pick("offer" as const), generation, sdp }),
  plain({ kind: pick("answer" as const), generation, sdp }),
  plain({
    kind: pick("ice-candidate" as const),
    generation,
    candidate,
    sdpMid: pick("0", null),
    sdpMLineIndex: pick(0, null),
  }),
  plain({ kind: pick("ice-end" as const), generation }),
  plain({ kind: pick("restart" as const), generation, reason: pick("retry" as const) }),
);
const transport = pick(
  "hybrid" as const,
  "rtp" as const,
  "diff-dc" as const,
  "diff-ws" as const,
  "none" as const,
);
const content = fc.oneof(
  { weight: 8, arbitrary: signal.map((payload) => ["DESKTOP_WEBRTC_SIGNAL", payload] as const) },
  {
    weight: 40,
    arbitrary: plain({
      generation,
      state: pick("connecting", "connected", "disconnected", "failed", "closed"),
    }).map((payload) => ["PEER_STATE", payload] as const),
  },
  {
    weight: 20,
    arbitrary: plain({
      decision: pick("accept", "accept", "accept", "deny", "timeout"),
      by: pick("policy", "owner"),
      reason: pick("approved-by-owner"),
      viewOnly: fc.boolean(),
    }).map((payload) => ["SESSION_DECISION", payload] as const),
  },
  {
    weight: 20,
    arbitrary: fc.tuple(
      pick("DESKTOP_TRANSPORT_FALLBACK", "DESKTOP_TRANSPORT_RESTORED"),
      plain({
        from: transport,
        to: transport,
        reason: pick("rtp-stalled", "operator-choice"),
        evidence: pick({}),
        at: fc.nat(),
      }),
    ),
  },
  {
    weight: 10,
    arbitrary: transport.map((to) =>
      ["VIEWER_CONTROL", { op: "selected", transport: to, epoch: 1 }] as const
    ),
  },
  { weight: 1, arbitrary: pick(["SESSION_ENDED", { reason: "policy", by: "agent" }] as const) },
  {
    weight: 1,
    arbitrary: pick("session", "session", "session", "desktop").map((scope) =>
      ["DESKTOP_KILL", { scope, reason: "owner-stopped" }] as const
    ),
  },
);

const message: fc.Arbitrary<ControllerEvent> = plain({
  from: pick("agent" as const, "console" as const),
  agentLink: pick(...AGENTS),
  consoleLink: pick(...CONSOLES),
  sessionId: session,
  content,
}).map(({ from, agentLink, consoleLink, sessionId, content: [type, payload] }) => ({
  kind: "message",
  from,
  linkId: from === "agent" ? agentLink : consoleLink,
  message: { type, payload, desktopId: "d", sessionId, seq: 1, ack: 0, ts: 0 },
} as ControllerEvent));

/** A step of the script: an event, some time that passes, or what a good peer would say next. */
type Move =
  | { readonly event: ControllerEvent }
  | { readonly waitMs: number }
  | { readonly next: string };

const moves: fc.Arbitrary<Move> = fc.oneof(
  { weight: 120, arbitrary: message.map((event) => ({ event })) },
  {
    weight: 4,
    arbitrary: fc.tuple(pick(...AGENTS), fc.boolean()).map(([linkId, webrtc]) => ({
      event: on.caps({ ...CAPS, transports: webrtc ? ["webrtc", "diff"] : ["diff"] }, linkId),
    })),
  },
  {
    weight: 10,
    arbitrary: plain({
      sessionId: session,
      requestId: session,
      consoleLinkId: pick(...CONSOLES, null),
      operator,
    }).map((r): Move => ({ event: { kind: "request", ...r, ref: REF } })),
  },
  {
    weight: 10,
    arbitrary: plain({
      sessionId: session,
      requestId: session,
      consoleLinkId: pick(...CONSOLES),
      operator,
    }).map((r): Move => ({ event: { kind: "attach", ...r, ref: REF } })),
  },
  {
    weight: 15,
    arbitrary: fc.tuple(
      pick(...AGENTS, ...CONSOLES),
      fc.oneof(
        { weight: 8, arbitrary: pick("lost" as const, "resumed" as const) },
        { weight: 1, arbitrary: pick("gone" as const, "replaced" as const) },
      ),
    ).map(([linkId, change]) => ({ event: on.link(linkId, change) })),
  },
  { weight: 1, arbitrary: session.map((id) => ({ event: on.kill(id) })) },
  { weight: 120, arbitrary: pick(SESSIONS[0], SESSIONS[0], SESSIONS[1]).map((next) => ({ next })) },
  { weight: 30, arbitrary: fc.integer({ min: 0, max: 3_000 }).map((waitMs) => ({ waitMs })) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 40_000 }).map((waitMs) => ({ waitMs })) },
);

/** The message that brings a session on, so that scripts reach the late stages. */
function goodMove(desktop: DesktopState | null, sessionId: string): ControllerEvent {
  const live = desktop?.sessions[sessionId];
  const consoleLinkId = CONSOLES[SESSIONS.indexOf(sessionId)];
  const { generation: g, answered } = live?.negotiation ?? { generation: 0, answered: 0 };
  const from = (event: ControllerEvent): ControllerEvent => {
    if (event.kind !== "message") return event;
    const linkId = event.from === "agent" ? AGENTS[0] : consoleLinkId;
    return { ...event, linkId, message: { ...event.message, sessionId } } as ControllerEvent;
  };
  if (desktop === null || desktop.link.at === "gone") return on.caps(CAPS, AGENTS[0]);
  if (desktop.link.at === "away") return on.link(desktop.link.linkId, "resumed");
  if (live === undefined) {
    const operator = { operatorId: "one", name: "one" };
    return { kind: "request", sessionId, requestId: sessionId, consoleLinkId, operator, ref: REF };
  }
  if (live.console.at === "away") return on.link(live.console.linkId, "resumed");
  switch (live.stage) {
    case "requested":
      return from(on.decision("accept"));
    case "answered":
      return from(on.peer("agent", "connecting", g));
    case "connecting":
      return from(on.peer("console", "connected", g));
    case "connected":
      return from(
        live.transport === "rtp" ? on.fallback("rtp", "diff-ws") : on.restored("none", "rtp"),
      );
    default:
      return from(g > answered ? on.answer(g) : on.offer(g + 1));
  }
}

/** The links that a session's messages may go to. */
function partnersOf(desktop: DesktopState | null, sessionId: string): readonly string[] {
  if (desktop === null) return [];
  const session = desktop.sessions[sessionId];
  const viewer = session === undefined ? null : consoleLinkId(session);
  return [agentLinkId(desktop), viewer].filter((linkId) => linkId !== null);
}

/** What each end was sent, to prove order. */
class Witness {
  readonly #described = new Map<string, number>();
  readonly #live = new Set<string>();

  check(before: DesktopState | null, after: DesktopState | null, effects: readonly Effect[]): void {
    for (const id of Object.keys(before?.sessions ?? {})) this.#live.add(id);
    for (const id of Object.keys(after?.sessions ?? {})) this.#live.add(id);
    const told = new Set<string>();
    for (const effect of effects) {
      if (effect.kind === "event" && effect.event.type === "DESKTOP_WEBRTC_STATE") {
        const { previous, stage } = effect.event;
        assert.ok(
          previous === null || previous === stage || isLegalEdge(previous, stage),
          `${previous} to ${stage}`,
        );
      }
      if (effect.kind !== "send") continue;
      this.#send(effect, told);
      const { linkId, draft: { sessionId } } = effect;
      // Whoever has no part in a session hears nothing of it but that he has none.
      const isAnswer = effect.draft.type === "ERROR" && effect.draft.payload.refSeq !== undefined;
      if (sessionId === undefined || isAnswer) continue;
      const partners = [before, after].flatMap((state) => partnersOf(state, sessionId));
      assert.ok(partners.includes(linkId), `${effect.draft.type} leaked to ${linkId}`);
    }
    if (effects.some((e) => e.kind === "reject")) assert.equal(after, before);
    for (const id of [...this.#live]) {
      if (after?.sessions[id] !== undefined) continue;
      this.#live.delete(id);
      for (const key of [...this.#described.keys()]) {
        if (key.startsWith(id)) this.#described.delete(key);
      }
    }
  }

  #send({ linkId, draft }: Extract<Effect, { kind: "send" }>, told: Set<string>): void {
    if (draft.type === "ERROR" || draft.sessionId === undefined) return;
    const { sessionId } = draft;
    assert.ok(this.#live.has(sessionId), `${draft.type} for a session that is over`);
    const key = `${sessionId} ${linkId}`;
    assert.ok(!told.has(key), `${draft.type} after SESSION_ENDED`);
    if (draft.type === "SESSION_ENDED") told.add(key);
    if (draft.type !== "DESKTOP_WEBRTC_SIGNAL") return;
    const { payload } = draft;
    const toAgent = AGENTS.includes(linkId);
    const side = `${sessionId} ${toAgent ? "agent" : "console"}`;
    const described = this.#described.get(side) ?? 0;
    if (payload.kind === "offer" || payload.kind === "answer") {
      assert.ok(payload.generation > described, "descriptions only go forward");
      assert.equal(payload.kind, toAgent ? "offer" : "answer");
      this.#described.set(side, payload.generation);
    } else if (payload.kind !== "restart") {
      assert.ok(payload.generation <= described, "a candidate overtook its description");
    }
  }
}

function checkState(desktop: DesktopState | null, now: number): void {
  if (desktop === null) return;
  for (const live of Object.values(desktop.sessions)) {
    assert.ok(!isTerminal(live.stage));
    assert.ok(live.toAgent.length <= MAX_BUFFERED_SIGNALS);
    assert.ok(live.toConsole.length <= MAX_BUFFERED_SIGNALS);
    assert.ok(live.events.length <= MAX_SESSION_EVENTS);
  }
  assert.ok(Object.keys(desktop.sessions).length <= DEFAULT_POLICY.maxSessionsPerDesktop);
  assert.deepEqual(JSON.parse(JSON.stringify(desktop)), desktop, "the state is plain JSON");
  const at = nextDeadline(desktop, now);
  if (at === null) return;
  const [next] = step(desktop, on.tick, Math.max(at, now));
  const again = nextDeadline(next, Math.max(at, now));
  assert.ok(again === null || again > Math.max(at, now), "a tick does what was due");
}

Deno.test("fuzz: the controller never throws, leaks or forgets, whatever comes", () => {
  const seed = Number(Deno.env.get("FARGLASS_FUZZ_SEED") ?? Date.now() & 0x7fffffff);
  fc.assert(
    fc.property(fc.array(moves, { minLength: 1, maxLength: 80, size: "max" }), (script) => {
      let now = 1_000_000;
      let desktop: DesktopState | null = null;
      const witness = new Witness();
      const run = (event: ControllerEvent) => {
        // The shell's ids are random: none is given out twice while it is in use.
        if (event.kind === "request" && desktop?.sessions[event.sessionId] !== undefined) return;
        const [next, effects] = step(desktop, event, now);
        witness.check(desktop, next, effects);
        desktop = next;
      };
      run(on.caps(CAPS, AGENTS[0]));
      run({
        kind: "request",
        sessionId: SESSIONS[0],
        requestId: SESSIONS[0],
        consoleLinkId: CONSOLES[0],
        operator: { operatorId: "one", name: "one" },
        ref: REF,
      });
      for (const move of script) {
        if ("event" in move) run(move.event);
        else if ("next" in move) run(goodMove(desktop, move.next));
        else {
          now += move.waitMs;
          run(on.tick);
        }
        checkState(desktop, now);
      }
    }),
    { numRuns: 1500, seed },
  );
});
