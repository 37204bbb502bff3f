/**
 * The agent's link to its server: challenge, socket, greeting, heartbeat, resumption, and trying
 * again for ever. Pure: the shell owns fetch, socket, clock and chance.
 */
import {
  type AgentInfo,
  CLOSE,
  decodeMessage,
  type Draft,
  LINK_HEARTBEAT_MS,
  LINK_TIMEOUT_MS,
  linkReceive,
  linkResume,
  linkSend,
  type LinkState,
  type Message,
  type MessageOf,
  never,
  newLink,
  numbersOf,
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
} from "@farglass/protocol";
import { backoffDelayMs } from "./backoff.ts";

/** Why an attempt failed, as far as it changes what to do. */
export type LinkFailure =
  | "unreachable"
  /** A link that stood has broken. */
  | "lost"
  /** The server does not accept this agent's secret. */
  | "unauthorized"
  /** There is something, but it is no Farglass server, or it refuses for another reason. */
  | "refused";

type Phase =
  | { readonly kind: "stopped" }
  | { readonly kind: "waiting"; readonly retryAtMs: number }
  | { readonly kind: "challenging"; readonly deadlineMs: number }
  | { readonly kind: "opening"; readonly deadlineMs: number }
  | { readonly kind: "greeting"; readonly deadlineMs: number }
  | {
    readonly kind: "online";
    readonly sinceMs: number;
    readonly heardMs: number;
    readonly pingAtMs: number;
    readonly heartbeatMs: number;
  };

export interface LinkClient {
  readonly agent: AgentInfo;
  readonly phase: Phase;
  /** Numbers attempts, so that a late callback of an older one is recognised. */
  readonly epoch: number;
  /** Failed attempts in a row. */
  readonly attempts: number;
  readonly link: LinkState;
  /** What may be resumed; null before the first greeting. */
  readonly linkId: string | null;
}

export type LinkEvent =
  | { readonly kind: "start" }
  | { readonly kind: "nonce"; readonly epoch: number; readonly nonce: string }
  | { readonly kind: "failed"; readonly epoch: number; readonly failure: LinkFailure }
  | { readonly kind: "opened"; readonly epoch: number }
  | { readonly kind: "text"; readonly epoch: number; readonly text: string }
  | { readonly kind: "closed"; readonly epoch: number; readonly code: number }
  | { readonly kind: "send"; readonly draft: Draft }
  | { readonly kind: "tick" }
  | { readonly kind: "stop" };

export type LinkEffect =
  /** Ask the server for a nonce. */
  | { readonly kind: "challenge"; readonly epoch: number }
  /** Open the socket with the proof for this nonce. */
  | { readonly kind: "open"; readonly epoch: number; readonly nonce: string }
  | { readonly kind: "write"; readonly text: string }
  /** Close the socket of the current attempt, if there is one. */
  | { readonly kind: "close"; readonly code: number }
  | { readonly kind: "deliver"; readonly message: Message }
  | { readonly kind: "up"; readonly resumed: boolean }
  | { readonly kind: "down" }
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly text: string };

/** The moment of an event: the clock, and a number in [0, 1) for the jitter. */
export interface Moment {
  readonly now: number;
  readonly random: number;
}

type Step = readonly [LinkClient, readonly LinkEffect[]];

const BACKOFF = { minMs: 250, maxMs: 10_000 };
/** A refused secret does not get better by trying often. */
const SLOW_BACKOFF = { minMs: 10_000, maxMs: 30_000 };
const CHALLENGE_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;
const GREETING_TIMEOUT_MS = 5_000;
/** A link that held for so long starts its pauses from the beginning. */
const STABLE_MS = 5_000;
/** Room that is kept for messages that matter, when cursor positions pile up. */
const MAX_UNACKED_POSITIONS = 128;

export function newLinkClient(agent: AgentInfo): LinkClient {
  return {
    agent,
    phase: { kind: "stopped" },
    epoch: 0,
    attempts: 0,
    link: newLink,
    linkId: null,
  };
}

/** One event of the link. */
export function stepLink(state: LinkClient, event: LinkEvent, at: Moment): Step {
  if ("epoch" in event && event.epoch !== state.epoch) return [state, []];
  const { now } = at;
  switch (event.kind) {
    case "start":
      return state.phase.kind === "stopped" ? attempt(state, now) : [state, []];
    case "nonce":
      if (state.phase.kind !== "challenging") return [state, []];
      return [
        { ...state, phase: { kind: "opening", deadlineMs: now + OPEN_TIMEOUT_MS } },
        [{ kind: "open", epoch: state.epoch, nonce: event.nonce }],
      ];
    case "failed":
      return retry(state, event.failure, at);
    case "opened":
      return state.phase.kind === "opening" ? greet(state, at) : [state, []];
    case "text":
      return onText(state, event.text, at);
    case "closed":
      return onClosed(state, event.code, at);
    case "send":
      return onSend(state, event.draft, at);
    case "tick":
      return onTick(state, at);
    case "stop":
      return [{ ...state, phase: { kind: "stopped" }, epoch: state.epoch + 1 }, [
        { kind: "close", code: CLOSE.goingAway },
      ]];
    default:
      return never(event);
  }
}

/** When `tick` is due, or null. */
export function linkDeadline(state: LinkClient): number | null {
  const { phase } = state;
  switch (phase.kind) {
    case "stopped":
      return null;
    case "waiting":
      return phase.retryAtMs;
    case "challenging":
    case "opening":
    case "greeting":
      return phase.deadlineMs;
    case "online":
      return Math.min(phase.pingAtMs, silentAtMs(phase));
    default:
      return never(phase);
  }
}

function attempt(state: LinkClient, now: number): Step {
  const epoch = state.epoch + 1;
  const phase = { kind: "challenging", deadlineMs: now + CHALLENGE_TIMEOUT_MS } as const;
  return [{ ...state, epoch, phase }, [{ kind: "challenge", epoch }]];
}

const ADVICE: Readonly<Record<LinkFailure, string>> = {
  unreachable: "The server cannot be reached; check server.url and that the server is running",
  lost: "The connection to the server broke",
  unauthorized:
    "The server refused this agent's secret; check server.secretFile (the server writes agent.secret into its data directory)",
  refused: "The server did not accept the connection; check server.url and both sides' versions",
};

function retry(state: LinkClient, failure: LinkFailure, { now, random }: Moment): Step {
  const bounds = failure === "unauthorized" ? SLOW_BACKOFF : BACKOFF;
  const delayMs = backoffDelayMs(state.attempts, random, bounds);
  const next: LinkClient = {
    ...state,
    // Whatever the old socket still says is not heard any more.
    epoch: state.epoch + 1,
    attempts: state.attempts + 1,
    phase: { kind: "waiting", retryAtMs: now + delayMs },
  };
  const seconds = (delayMs / 1000).toFixed(1);
  return [next, [{
    kind: "log",
    level: "warn",
    text: `${ADVICE[failure]}: attempt ${next.attempts}, next in ${seconds} s`,
  }]];
}

function greet(state: LinkClient, at: Moment): Step {
  const hello: Draft = {
    type: "HELLO",
    payload: {
      version: PROTOCOL_VERSION,
      role: "agent",
      software: SOFTWARE_VERSION,
      agent: state.agent,
      ...(state.linkId === null
        ? {}
        : { resume: { linkId: state.linkId, lastSeq: state.link.received } }),
    },
  };
  const phase = { kind: "greeting", deadlineMs: at.now + GREETING_TIMEOUT_MS } as const;
  return onSend({ ...state, phase }, hello, at);
}

function onText(state: LinkClient, text: string, at: Moment): Step {
  const decoded = decodeMessage(text, "server");
  if (!decoded.ok) return onUnreadable(state, text, decoded.error.message, at);
  const message = decoded.value;
  if (state.phase.kind === "greeting") {
    if (message.type === "WELCOME") return onWelcome(state, message, at);
    return message.type === "ERROR"
      ? [state, [{
        kind: "log",
        level: "warn",
        text: `The server says: ${message.payload.message}`,
      }]]
      : [state, []];
  }
  if (state.phase.kind !== "online") return [state, []];
  const heard: LinkClient = { ...state, phase: { ...state.phase, heardMs: at.now } };
  const receipt = linkReceive(heard.link, message);
  const next = { ...heard, link: receipt.link };
  switch (receipt.kind) {
    case "duplicate":
      return [next, []];
    case "gap":
      // The server sends again what is missing once the link is resumed.
      return reconnect(next, CLOSE.policyViolation, at);
    case "deliver":
      if (message.type === "PING") {
        return onSend(next, { type: "PONG", payload: {} }, at);
      }
      if (message.type === "PONG") return [onPong(next, message.payload.heartbeatMs), []];
      return [next, [{ kind: "deliver", message }]];
    default:
      return never(receipt);
  }
}

/** A server with many agents asks for fewer heartbeats, and for more when they are gone. */
function onPong(state: LinkClient, heartbeatMs: number | undefined): LinkClient {
  const { phase } = state;
  if (phase.kind !== "online" || heartbeatMs === undefined || heartbeatMs === 0) return state;
  const pingAtMs = phase.pingAtMs - phase.heartbeatMs + heartbeatMs;
  return { ...state, phase: { ...phase, heartbeatMs, pingAtMs } };
}

/** When the server has been silent for too long: three heartbeats are missing. */
const silentAtMs = (phase: { readonly heardMs: number; readonly heartbeatMs: number }): number =>
  phase.heardMs + Math.max(LINK_TIMEOUT_MS, 3 * phase.heartbeatMs);

/** A newer server may send what we do not know: its number counts, so that the rest still comes. */
function onUnreadable(state: LinkClient, text: string, why: string, { now }: Moment): Step {
  const log: LinkEffect = { kind: "log", level: "warn", text: `Ignored a message: ${why}` };
  if (state.phase.kind !== "online") return [state, [log]];
  const numbers = numbersOf(text);
  if (numbers === null) return [state, [log]];
  const receipt = linkReceive(state.link, {
    type: "PONG",
    ...numbers,
    ts: 0,
    payload: {},
  });
  const link = receipt.kind === "gap" ? state.link : receipt.link;
  return [{ ...state, link, phase: { ...state.phase, heardMs: now } }, [log]];
}

function onWelcome(state: LinkClient, message: MessageOf<"WELCOME">, { now }: Moment): Step {
  const { resumed, linkId, lastSeq, heartbeatMs } = message.payload;
  const beat = heartbeatMs > 0 ? heartbeatMs : LINK_HEARTBEAT_MS;
  const phase = {
    kind: "online",
    sinceMs: now,
    heardMs: now,
    pingAtMs: now + beat,
    heartbeatMs: beat,
  } as const;
  if (!resumed) {
    return [{ ...state, phase, linkId, link: newLink }, [{ kind: "up", resumed: false }]];
  }
  const { link, resend } = linkResume(state.link, lastSeq);
  return [{ ...state, phase, linkId, link }, [
    ...resend.map((text): LinkEffect => ({ kind: "write", text })),
    { kind: "up", resumed: true },
  ]];
}

function onClosed(state: LinkClient, code: number, at: Moment): Step {
  if (code === CLOSE.unauthorized) return fail(state, "unauthorized", at);
  if (code === CLOSE.wrongVersion) return fail(state, "refused", at);
  if (code === CLOSE.serviceRestart && state.phase.kind === "online") return move(state, at);
  return fail(state, state.phase.kind === "greeting" ? "refused" : "lost", at);
}

/** The server is stopping and another one may be there already: back at once, but not in step. */
function move(state: LinkClient, at: Moment): Step {
  const [next, effects] = fail(state, "lost", at);
  const retryAtMs = at.now + Math.round(at.random * MOVE_JITTER_MS);
  return [{ ...next, attempts: 0, phase: { kind: "waiting", retryAtMs } }, effects];
}

/** Spread of the clients that a stopping server sends away. */
const MOVE_JITTER_MS = 500;

/** Ends the current attempt or link, and plans the next. */
function fail(state: LinkClient, failure: LinkFailure, at: Moment): Step {
  const { phase } = state;
  if (phase.kind === "stopped" || phase.kind === "waiting") return [state, []];
  if (phase.kind !== "online") return retry(state, failure, at);
  const stable = at.now - phase.sinceMs >= STABLE_MS;
  const [next, effects] = retry({ ...state, attempts: stable ? 0 : state.attempts }, failure, at);
  return [next, [{ kind: "down" }, ...effects]];
}

function reconnect(state: LinkClient, code: number, at: Moment): Step {
  const failure = state.phase.kind === "online" ? "lost" : "unreachable";
  const [next, effects] = fail(state, failure, at);
  return [next, [{ kind: "close", code }, ...effects]];
}

function onSend(state: LinkClient, draft: Draft, at: Moment): Step {
  // Before the first greeting there is nobody who could resume.
  if (state.linkId === null && draft.type !== "HELLO") return [state, []];
  if (isPosition(draft) && state.link.unacked.length >= MAX_UNACKED_POSITIONS) return [state, []];
  const sent = linkSend(state.link, draft, at.now);
  if (!sent.ok) {
    // The server acknowledges nothing: begin anew, as after its restart.
    return reconnect({ ...state, linkId: null, link: newLink }, CLOSE.tryAgainLater, at);
  }
  const next = { ...state, link: sent.value.link };
  const open = state.phase.kind === "online" || state.phase.kind === "greeting";
  const now = draft.type === "HELLO" || state.phase.kind === "online";
  return [next, open && now ? [{ kind: "write", text: sent.value.text }] : []];
}

const isPosition = (draft: Draft): boolean =>
  draft.type === "VIEWER_CONTROL" && draft.payload.op === "cursor-position";

function onTick(state: LinkClient, at: Moment): Step {
  const { phase } = state;
  const { now } = at;
  switch (phase.kind) {
    case "stopped":
      return [state, []];
    case "waiting":
      return phase.retryAtMs <= now ? attempt(state, now) : [state, []];
    case "challenging":
    case "opening":
    case "greeting":
      return phase.deadlineMs <= now ? reconnect(state, CLOSE.goingAway, at) : [state, []];
    case "online": {
      if (silentAtMs(phase) <= now) {
        return reconnect(state, CLOSE.heartbeatLost, at);
      }
      if (phase.pingAtMs > now) return [state, []];
      const next = { ...phase, pingAtMs: now + phase.heartbeatMs };
      return onSend({ ...state, phase: next }, { type: "PING", payload: {} }, at);
    }
    default:
      return never(phase);
  }
}
