/** The agent's part of each session's trace, up to the first frame. */
import {
  type Draft,
  formatTraceparent,
  type Message,
  parseTraceparent,
  type TraceContext,
  type Transport,
} from "@farglass/protocol";
import type { OpenSpan, Tracer } from "./core/trace.ts";

interface TracedSession {
  readonly parent: TraceContext;
  readonly decision: OpenSpan;
  readonly answers: Map<number, OpenSpan>;
  readonly connects: Map<number, OpenSpan>;
}

/** What was never decided or ended is forgotten when so many others have come. */
const MAX_SESSIONS = 64;

/** Sessions whose trace is recorded; the others are not even remembered. */
export class SessionTraces {
  readonly #tracer: Tracer;
  readonly #now: () => number;
  readonly #sessions = new Map<string, TracedSession>();

  constructor(tracer: Tracer, now: () => number) {
    this.#tracer = tracer;
    this.#now = now;
  }

  /** Before the message is dealt with. */
  onMessage({ type, sessionId, traceparent, payload }: Message): void {
    if (sessionId === undefined || traceparent === undefined) return;
    const parent = parseTraceparent(traceparent);
    if (parent === null || !parent.sampled) return;
    const known = this.#sessions.get(sessionId);
    if (type === "SESSION_REQUEST" && known === undefined) {
      const decision = this.#tracer.start("session.decision", parent, this.#now());
      const spans = { decision, answers: new Map(), connects: new Map() };
      if (this.#sessions.size >= MAX_SESSIONS) {
        for (const oldest of this.#sessions.keys()) {
          this.forget(oldest);
          break;
        }
      }
      this.#sessions.set(sessionId, { parent, ...spans });
    } else if (
      type === "DESKTOP_WEBRTC_SIGNAL" && known !== undefined && payload.kind === "offer"
    ) {
      const span = this.#tracer.start("negotiation.answer", parent, this.#now());
      known.answers.set(payload.generation, span);
    }
  }

  /** The message as it goes out: what ends a span carries its context. */
  outgoing(draft: Draft): Draft {
    const session = this.#sessions.get(draft.sessionId ?? "");
    if (session === undefined) return draft;
    if (draft.type === "SESSION_DECISION") {
      const { decision, by, reason } = draft.payload;
      const ok = decision === "accept";
      session.decision.end(this.#now(), { ok, attributes: { decision, by, reason } });
      if (!ok) this.forget(draft.sessionId ?? "");
      return { ...draft, traceparent: formatTraceparent(session.decision.context) };
    }
    if (draft.type !== "DESKTOP_WEBRTC_SIGNAL" || draft.payload.kind !== "answer") return draft;
    const { generation } = draft.payload;
    const answer = session.answers.get(generation);
    if (answer === undefined) return draft;
    session.answers.delete(generation);
    const now = this.#now();
    answer.end(now);
    session.connects.set(generation, this.#tracer.start("peer.connect", answer.context, now));
    return { ...draft, traceparent: formatTraceparent(answer.context) };
  }

  /** What a peer connection says. */
  onPeerState(sessionId: string, generation: number, state: string): void {
    const session = this.#sessions.get(sessionId);
    const connect = session?.connects.get(generation);
    if (session === undefined || connect === undefined) return;
    if (state !== "connected" && state !== "failed" && state !== "closed") return;
    session.connects.delete(generation);
    connect.end(this.#now(), { ok: state === "connected" });
  }

  /** For the viewer that begins now; null when its trace is not recorded. */
  viewer(sessionId: string): ViewerTrace | null {
    const session = this.#sessions.get(sessionId);
    return session === undefined ? null : new ViewerTrace(this.#tracer, this.#now, session.parent);
  }

  /** The session is over; what it has not finished is not told. */
  forget(sessionId: string): void {
    this.#sessions.delete(sessionId);
  }
}

/** From a viewer's beginning to its first frame. */
export class ViewerTrace {
  readonly #tracer: Tracer;
  readonly #now: () => number;
  readonly #parent: TraceContext;
  #capture: OpenSpan | null;
  #selected: { readonly transport: Transport; readonly atMs: number } | null = null;
  #encodedMs: number | null = null;
  #done = false;

  constructor(tracer: Tracer, now: () => number, parent: TraceContext) {
    this.#tracer = tracer;
    this.#now = now;
    this.#parent = parent;
    this.#capture = tracer.start("capture.open", parent, now());
  }

  /** The screen was read. */
  captured(): void {
    this.#capture?.end(this.#now());
    this.#capture = null;
  }

  /** The console chose how pixels come. */
  selected(transport: Transport): void {
    this.#selected = { transport, atMs: this.#now() };
    this.#encodedMs = null;
  }

  /** The first picture or patch is ready to be sent. */
  encoded(): void {
    if (this.#done || this.#encodedMs !== null || this.#selected === null) return;
    const { transport, atMs } = this.#selected;
    this.#encodedMs = this.#now();
    const name = transport === "rtp" ? "encode.first" : "patch.first";
    const attributes = { transport };
    this.#tracer.start(name, this.#parent, atMs).end(this.#encodedMs, { attributes });
  }

  /** The carrier took it: nothing more is told. */
  sent(): void {
    if (this.#done || this.#encodedMs === null) return;
    this.#done = true;
    this.#tracer.start("frame.send", this.#parent, this.#encodedMs).end(this.#now());
  }
}
