/** DESKTOP_WEBRTC_SIGNAL: the table of what may come when, and its way to the other end. */
import {
  checkCandidate,
  checkSdp,
  type CodedError,
  codedError,
  isLoopback,
  never,
  ok,
  type Result,
  retryLater,
  type SdpSummary,
  type Signal,
  soundOfferable,
} from "@farglass/protocol";
import type { MessageRef } from "./events.ts";
import { MAX_CANDIDATES_PER_GENERATION } from "./policy.ts";
import { takeToken } from "./rate_limit.ts";
import { hold, holdDescription, release } from "./signal_buffer.ts";
import { isNegotiating } from "./stages.ts";
import type { LastCandidate, SessionState } from "./state.ts";
import { traceHeader } from "./trace.ts";
import { changeStage, headerOf, put, reject, sendAgent, sendConsole, type Work } from "./work.ts";

type Side = "agent" | "console";
type SignalOf<K extends Signal["kind"]> = Extract<Signal, { kind: K }>;
type Description = SignalOf<"offer"> | SignalOf<"answer">;
type Trickle = SignalOf<"ice-candidate"> | SignalOf<"ice-end">;

/** Decides one signal: forwarded, kept for later, or answered with a coded error. */
export function onSignal(
  work: Work,
  session: SessionState,
  input: {
    readonly from: Side;
    readonly linkId: string;
    readonly signal: Signal;
    readonly ref: MessageRef;
  },
): void {
  const decided = decide(work, session, input.from, input.signal);
  if (!decided.ok) {
    reject(work, { ...input, sessionId: session.sessionId }, decided.error);
    return;
  }
  const { signal } = input;
  if (signal.kind === "offer") onOffer(work, session, signal);
  else if (signal.kind === "answer") onAnswer(work, session, signal);
  else if (signal.kind === "restart") onRestart(work, session, input.from, signal);
  else put(work, decided.value);
}

/** The table: whether a signal is taken in this state, and for a trickled one the new state. */
function decide(
  work: Work,
  session: SessionState,
  from: Side,
  signal: Signal,
): Result<SessionState, CodedError> {
  const no = (code: Parameters<typeof codedError>[0], detail?: string) =>
    ({ ok: false, error: codedError(code, detail) }) as const;
  if (session.stage === "requested") return no("out-of-state", "the session is not approved");
  if (!webrtcAllowed(work)) return no("webrtc-disabled");
  const { generation, answered } = session.negotiation;
  switch (signal.kind) {
    case "offer": {
      if (from !== "console") return no("wrong-direction", "the console makes the offer");
      if (signal.generation < generation) return no("stale-generation");
      if (signal.generation === generation) return no("duplicate");
      if (session.attempts >= work.policy.maxRetries) return no("retries-exhausted");
      const busy = offerLimit(work, session);
      if (busy !== null) return { ok: false, error: busy };
      const checked = checkOffer(work, signal.sdp);
      return checked.ok ? ok(session) : checked;
    }
    case "answer": {
      if (from !== "agent") return no("wrong-direction", "the agent answers");
      if (signal.generation < generation) return no("stale-generation");
      if (signal.generation > generation) return no("out-of-state", "no such offer");
      if (signal.generation === answered) return no("duplicate");
      const checked = checkDescription(work, signal.sdp);
      return checked.ok ? ok(session) : checked;
    }
    case "ice-candidate":
    case "ice-end":
      return takeTrickle(work, session, from, signal);
    case "restart":
      if (signal.generation < generation) return no("stale-generation");
      if (signal.generation > generation || generation === 0) {
        return no("out-of-state", "no such offer");
      }
      return ok(session);
    default:
      return never(signal);
  }
}

/** Whether this offer is one too many, for the session or for the desktop's agent. */
function offerLimit(work: Work, session: SessionState): CodedError | null {
  const { policy, now } = work;
  const { ok: free, waitMs } = takeToken(session.offers, policy.offerRate, now);
  if (!free) return retryLater("rate-limited", { ms: waitMs, detail: "offers" });
  const waiting = Object.values(work.desktop.sessions).filter((s) =>
    s !== session && s.negotiation.generation > s.negotiation.answered && isNegotiating(s.stage)
  );
  if (waiting.length < policy.maxOffersInFlight) return null;
  const freeAt = Math.min(...waiting.map((s) => s.negotiateByMs ?? now + policy.negotiationMs));
  return retryLater("rate-limited", {
    ms: Math.min(OFFER_RETRY_MS, freeAt - now),
    detail: "offers in flight",
  });
}
/** Room comes with the other end; it is expected back soon or never. */
const BUFFER_RETRY_MS = 1_000;
/** An answer takes a few hundred milliseconds, so a place is soon free. */
const OFFER_RETRY_MS = 1_000;

const webrtcAllowed = (work: Work): boolean =>
  work.policy.webrtcEnabled && work.desktop.caps.transports.includes("webrtc");

function checkDescription(work: Work, sdp: string): Result<SdpSummary, CodedError> {
  const checked = checkSdp(sdp);
  if (!checked.ok || work.policy.loopbackCandidates) return checked;
  for (const [, line] of sdp.matchAll(/^a=(candidate:[^\r\n]*)/gm)) {
    const candidate = checkCandidate(line);
    if (candidate.ok && isLoopback(candidate.value.address)) {
      return { ok: false, error: codedError("candidate-invalid", "loopback address") };
    }
  }
  return checked;
}

/** Compares an offer with what the desktop can do. */
function checkOffer(work: Work, sdp: string): Result<SdpSummary, CodedError> {
  const checked = checkDescription(work, sdp);
  if (!checked.ok) return checked;
  const { media, videoCodecs, audio: offered } = checked.value;
  const { encoders, audio, policy } = work.desktop.caps;
  const bad = (detail: string) =>
    ({ ok: false, error: codedError("caps-mismatch", detail) }) as const;
  if (media.includes("audio") && !soundOfferable(audio)) return bad("audio");
  // A console listens, it has no microphone here; a section may be switched off, too.
  if (offered !== null && offered !== "recvonly" && offered !== "inactive") {
    return bad("audio direction");
  }
  const shared = encoders.some((e) => videoCodecs.includes(e.codec.toUpperCase()));
  if (media.includes("video") && !policy.diffOnly && !shared) return bad("video codec");
  if (policy.videoOnly && !media.includes("video")) return bad("no video section");
  return checked;
}

function takeTrickle(
  work: Work,
  session: SessionState,
  from: Side,
  signal: Trickle,
): Result<SessionState, CodedError> {
  const { negotiation } = session;
  const no = (code: Parameters<typeof codedError>[0], detail?: string) =>
    ({ ok: false, error: codedError(code, detail) }) as const;
  if (signal.generation < negotiation.generation) return no("stale-generation");
  // Only the console can be ahead: its offer may have been overtaken by nothing else.
  if (from === "agent" && signal.generation > negotiation.generation) {
    return no("out-of-state", "no such offer");
  }
  let type: LastCandidate["type"] = "end";
  if (signal.kind === "ice-candidate") {
    const checked = checkCandidate(signal.candidate);
    if (!checked.ok) return checked;
    ({ type } = checked.value);
    if (!work.policy.loopbackCandidates && isLoopback(checked.value.address)) {
      return no("candidate-invalid", "loopback address");
    }
  }
  const current = signal.generation === negotiation.generation;
  const seen = from === "agent" ? negotiation.fromAgent : negotiation.fromConsole;
  const mark = signal.kind === "ice-end" ? null : `${signal.sdpMid ?? ""} ${signal.candidate}`;
  const early = (s: Signal) =>
    s.generation === signal.generation && s.kind === signal.kind &&
    (s.kind !== "ice-candidate" || signal.kind !== "ice-candidate" ||
      (s.candidate === signal.candidate && s.sdpMid === signal.sdpMid));
  if (current ? seen.includes(mark) : session.toAgent.some(early)) return no("duplicate");
  const over = current
    ? seen.includes(null)
    : session.toAgent.some((s) => s.kind === "ice-end" && s.generation === signal.generation);
  // RFC 8838 section 13: nothing follows the end mark of a generation.
  if (over) return no("out-of-state", "after ice-end");
  const full =
    () => ({ ok: false, error: retryLater("buffer-full", { ms: BUFFER_RETRY_MS }) } as const);
  if (current && seen.length >= MAX_CANDIDATES_PER_GENERATION) return full();
  const held = hold(from === "agent" ? session.toConsole : session.toAgent, signal);
  if (held === null) return full();
  const marks = current ? [...seen, mark] : seen;
  return ok(flush(work, {
    ...session,
    negotiation: {
      ...negotiation,
      ...(from === "agent" ? { fromAgent: marks } : { fromConsole: marks }),
      lastCandidate: { from, type, at: work.now },
    },
    ...(from === "agent" ? { toConsole: held } : { toAgent: held }),
  }));
}

function onOffer(work: Work, session: SessionState, offer: SignalOf<"offer">): void {
  const summary = checkSdp(offer.sdp);
  const videoCodecs = summary.ok ? summary.value.videoCodecs : [];
  const first = session.negotiation.generation === 0;
  const early = session.toAgent.filter((s) => s.generation === offer.generation);
  const next = place(work, {
    ...session,
    retries: first ? session.retries : session.retries + 1,
    attempts: session.attempts + 1,
    offers: takeToken(session.offers, work.policy.offerRate, work.now).bucket,
    negotiation: {
      generation: offer.generation,
      answered: session.negotiation.answered,
      startedAtMs: work.now,
      videoCodecs,
      agentPeer: null,
      consolePeer: null,
      fromAgent: [],
      fromConsole: early.map((s) =>
        s.kind === "ice-candidate" ? `${s.sdpMid ?? ""} ${s.candidate}` : null
      ),
    },
    toConsole: session.toConsole.filter((s) => s.generation >= offer.generation),
    negotiateByMs: work.now + work.policy.negotiationMs,
  }, offer);
  if (first && session.stage !== "restarting") changeStage(work, next, "offered", "offer-received");
  else changeStage(work, next, "restarting", "retry");
}

function onAnswer(work: Work, session: SessionState, answer: SignalOf<"answer">): void {
  const next = place(work, {
    ...session,
    negotiation: { ...session.negotiation, answered: answer.generation },
  }, answer);
  // After a fallback the late answer still goes through, but the stage tells what is shown.
  if (session.stage === "offered" || session.stage === "restarting") {
    changeStage(work, next, "answered", "answer-received");
  } else put(work, next);
}

/** Asks the other side of `from` for a new negotiation; the next offer has a higher generation. */
export function onRestart(
  work: Work,
  session: SessionState,
  from: Side,
  signal: SignalOf<"restart">,
): void {
  const key = from === "agent" ? "toConsole" : "toAgent";
  const held = hold(session[key], signal) ?? [signal];
  const next = flush(work, {
    ...session,
    [key]: held,
    negotiateByMs: work.now + work.policy.negotiationMs,
  });
  // On the diff relay the picture goes on meanwhile; the stage follows with the next offer.
  if (session.stage === "fallback") put(work, { ...next, negotiateByMs: session.negotiateByMs });
  else changeStage(work, next, "restarting", signal.reason);
}

function place(work: Work, session: SessionState, description: Description): SessionState {
  const key = description.kind === "offer" ? "toAgent" : "toConsole";
  return flush(work, { ...session, [key]: holdDescription(session[key], description) });
}

/** Sends what each end can take now. */
export function flush(work: Work, session: SessionState): SessionState {
  let next = session;
  if (work.desktop.link.at === "online" && next.toAgent.length > 0) {
    const { out, rest } = release(next.toAgent, next.negotiation.generation);
    for (const payload of out) {
      sendAgent(work, signalDraft(session, payload));
    }
    if (out.length > 0) next = { ...next, toAgent: rest };
  }
  if (next.console.at === "online" && next.toConsole.length > 0) {
    const { out, rest } = release(next.toConsole, next.negotiation.answered);
    for (const payload of out) {
      sendConsole(work, next, signalDraft(session, payload));
    }
    if (out.length > 0) next = { ...next, toConsole: rest };
  }
  return next;
}

/** Descriptions carry the trace; for each candidate that would only be weight. */
const signalDraft = (session: SessionState, payload: Signal) =>
  ({
    type: "DESKTOP_WEBRTC_SIGNAL",
    ...headerOf(session),
    ...(payload.kind === "offer" || payload.kind === "answer" ? traceHeader(session) : {}),
    payload,
  }) as const;
