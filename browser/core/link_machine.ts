/** The signalling link: ticket, socket, greeting, heartbeat, and reconnects for ever. */
import {
  CLOSE,
  type CodedError,
  codedError,
  decodeMessage,
  LINK_TIMEOUT_MS,
  linkReceive,
  linkResume,
  linkSend,
  type Message,
  type MessageOf,
  never,
  newLink,
  numbersOf,
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
} from "@farglass/protocol";
import type { Draft } from "./draft.ts";
import type { LinkView } from "./session_view.ts";
import type { LinkMachine } from "./state.ts";

/** Ticket, socket and greeting each get this long. */
export const LINK_STEP_TIMEOUT_MS = 5_000;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 5_000;
/** Another tab may sign in again at any time. */
const SIGNED_OUT_RETRY_MS = 5_000;

/** Begins an attempt. */
export function linkConnect(d: Draft): void {
  const epoch = d.link.epoch + 1;
  d.setLink({ epoch, phase: { kind: "ticket", since: d.now } });
  d.emit({ type: "fetch-ticket", epoch });
}

/** Waits before the next attempt: exponential, with jitter so that consoles don't come at once. */
function linkWait(d: Draft, signedOut: boolean): void {
  const { attempts } = d.link;
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempts, 10));
  const waitMs = signedOut ? SIGNED_OUT_RETRY_MS : ceiling * (0.5 + 0.5 * d.unit());
  d.setLink({
    attempts: attempts + 1,
    signedOut,
    phase: { kind: "waiting", retryAt: d.now + waitMs },
  });
}

/** Gives the socket up and tries again; `forget` begins a new link instead of resuming. */
function linkBreak(d: Draft, code: number, forget: boolean): void {
  d.emit({ type: "close-socket", epoch: d.link.epoch, code });
  if (forget) d.setLink({ linkId: null, numbers: newLink });
  linkWait(d, false);
}

/** The ticket came: open the socket. */
export function linkTicket(d: Draft, ticket: string): void {
  if (d.link.phase.kind !== "ticket") return;
  d.setLink({ signedOut: false, phase: { kind: "opening", since: d.now, ticket } });
  d.emit({ type: "open-socket", epoch: d.link.epoch });
}

/** No ticket: wait, longer when the server does not know this browser's sign-in. */
export function linkTicketFailed(d: Draft, signedOut: boolean): void {
  if (d.link.phase.kind === "ticket") linkWait(d, signedOut);
}

/** The socket opened: greet. */
export function linkOpened(d: Draft): void {
  const { phase, linkId, numbers, epoch } = d.link;
  if (phase.kind !== "opening") return;
  const sent = linkSend(numbers, {
    type: "HELLO",
    payload: {
      version: PROTOCOL_VERSION,
      role: "console",
      software: `farglass-console/${SOFTWARE_VERSION}`,
      ticket: phase.ticket,
      ...(linkId === null ? {} : { resume: { linkId, lastSeq: numbers.received } }),
    },
  }, d.now);
  d.setLink({ phase: { kind: "greeting", since: d.now } });
  if (sent.ok) d.emit({ type: "send-text", epoch, text: sent.value.text });
}

/** The socket is gone, whoever closed it. */
export function linkClosed(d: Draft, code: number): void {
  const { kind } = d.link.phase;
  if (kind === "waiting" || kind === "idle" || kind === "ticket") return;
  // A wrong version needs a newer page: don't hammer the server.
  if (code === CLOSE.wrongVersion) setOutdated(d);
  linkWait(d, false);
  if (code !== CLOSE.serviceRestart || kind !== "online") return;
  // The server is stopping and another one may be there already: back at once, but not in step.
  const retryAt = d.now + d.unit() * MOVE_JITTER_MS;
  d.setLink({ attempts: 1, phase: { kind: "waiting", retryAt } });
}

/** Spread of the clients that a stopping server sends away. */
const MOVE_JITTER_MS = 500;

/** A binary frame is a sign of life too. */
export function linkAlive(d: Draft): void {
  const { phase } = d.link;
  if (phase.kind === "online") d.setLink({ phase: { ...phase, heardAt: d.now } });
}

/** What a frame brought for the rest of the console. */
export type LinkNews =
  | { readonly kind: "nothing" }
  | { readonly kind: "welcome"; readonly resumed: boolean }
  | { readonly kind: "message"; readonly message: Message };

/** Reads one text frame: new messages come out once and in order. */
export function linkText(d: Draft, text: string): LinkNews {
  const nothing = { kind: "nothing" } as const;
  const { phase } = d.link;
  if (phase.kind !== "greeting" && phase.kind !== "online") return nothing;
  const decoded = decodeMessage(text, "server");
  if (!decoded.ok && decoded.error.code === "unknown-type" && phase.kind === "online") {
    return passOver(d, text, decoded.error);
  }
  if (!decoded.ok) {
    // What it was cannot be known, so the sequence cannot go on.
    linkBreak(d, CLOSE.policyViolation, true);
    d.noteError(decoded.error);
    return nothing;
  }
  const message = decoded.value;
  if (message.type === "WELCOME") return linkWelcome(d, message);
  const away = message.type === "ERROR" && message.payload.code === "store-unavailable";
  // What has a number was stored before it was sent; a list is what the server says first then.
  if (away || message.seq > 0 || message.type === "DESKTOP_LIST") setStoreAway(d, away);
  // An error before WELCOME is followed by a close, which decides.
  if (phase.kind === "greeting") return nothing;
  const receipt = linkReceive(d.link.numbers, message);
  if (receipt.kind === "gap") {
    d.noteError(codedError("sequence-gap"));
    linkBreak(d, CLOSE.policyViolation, false);
    return nothing;
  }
  d.setLink({ numbers: receipt.link, phase: { ...phase, heardAt: d.now } });
  if (receipt.kind === "duplicate" || message.type === "PONG") return nothing;
  if (message.type === "PING") {
    d.send({ type: "PONG", payload: {} });
    return nothing;
  }
  return { kind: "message", message };
}

/** A newer server may send what this page does not know: its number counts, so the rest comes. */
function passOver(d: Draft, text: string, error: CodedError): LinkNews {
  const numbers = numbersOf(text);
  const receipt = numbers === null
    ? null
    : linkReceive(d.link.numbers, { type: "PONG", ...numbers, ts: 0, payload: {} });
  if (receipt === null || receipt.kind === "gap") linkBreak(d, CLOSE.policyViolation, true);
  else d.setLink({ numbers: receipt.link });
  d.noteError(error);
  return { kind: "nothing" };
}

const setOutdated = (d: Draft): void =>
  d.setLink({ outdated: true, attempts: Math.max(d.link.attempts, 8) });

function setStoreAway(d: Draft, storeAway: boolean): void {
  if (d.link.storeAway !== storeAway) d.setLink({ storeAway });
}

function linkWelcome(d: Draft, message: MessageOf<"WELCOME">): LinkNews {
  const { payload } = message;
  if (d.link.phase.kind !== "greeting") return { kind: "nothing" };
  if (payload.version !== PROTOCOL_VERSION) {
    d.noteError(codedError("wrong-version"));
    setOutdated(d);
    linkBreak(d, CLOSE.wrongVersion, true);
    return { kind: "nothing" };
  }
  const resumed = payload.resumed && d.link.linkId === payload.linkId;
  const again = linkResume(resumed ? d.link.numbers : newLink, resumed ? payload.lastSeq : 0);
  d.setLink({
    attempts: 0,
    outdated: false,
    storeAway: false,
    linkId: payload.linkId,
    numbers: again.link,
    phase: {
      kind: "online",
      heartbeatMs: Math.max(100, payload.heartbeatMs),
      heardAt: d.now,
      nextPingAt: d.now + Math.max(100, payload.heartbeatMs),
    },
  });
  for (const text of again.resend) d.emit({ type: "send-text", epoch: d.link.epoch, text });
  return { kind: "welcome", resumed };
}

/** Deadlines of the link. */
export function linkTick(d: Draft): void {
  const { phase, epoch } = d.link;
  switch (phase.kind) {
    case "idle":
      return;
    case "ticket":
    case "opening":
    case "greeting":
      if (d.now < phase.since + LINK_STEP_TIMEOUT_MS) return;
      d.emit({ type: "close-socket", epoch, code: CLOSE.heartbeatLost });
      linkWait(d, false);
      return;
    case "waiting":
      if (d.now >= phase.retryAt) linkConnect(d);
      return;
    case "online":
      if (d.now >= phase.heardAt + LINK_TIMEOUT_MS) {
        linkBreak(d, CLOSE.heartbeatLost, false);
      } else if (d.now >= phase.nextPingAt) {
        d.setLink({ phase: { ...phase, nextPingAt: d.now + phase.heartbeatMs } });
        d.send({ type: "PING", payload: {} });
      }
      return;
    default:
      never(phase);
  }
}

/** When the link wants to be looked at again. */
export function linkDeadline({ phase }: LinkMachine): number | null {
  switch (phase.kind) {
    case "idle":
      return null;
    case "ticket":
    case "opening":
    case "greeting":
      return phase.since + LINK_STEP_TIMEOUT_MS;
    case "waiting":
      return phase.retryAt;
    case "online":
      return Math.min(phase.nextPingAt, phase.heardAt + LINK_TIMEOUT_MS);
    default:
      return never(phase);
  }
}

/** The operator does not want to wait. */
export function linkRetryNow(d: Draft): void {
  if (d.link.phase.kind === "waiting") linkConnect(d);
}

/** What the UI shows of the link. */
export function linkView(
  { phase, attempts, signedOut, outdated, storeAway }: LinkMachine,
): LinkView {
  if (phase.kind === "online") return { state: storeAway ? "waiting" : "online" };
  if (signedOut) return { state: "signed-out" };
  if (outdated) return { state: "outdated" };
  if (attempts === 0 || phase.kind === "idle") return { state: "connecting" };
  const retryAtMs = phase.kind === "waiting" ? phase.retryAt : phase.since;
  return { state: "offline", retryAtMs, attempts };
}
