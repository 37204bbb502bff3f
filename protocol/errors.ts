/** What the console can tell its operator about a code. */
interface ErrorEntry {
  /** HTTP status at the REST edge (RFC 9110 section 15). */
  readonly status: number;
  /** One plain sentence, no full stop. */
  readonly message: string;
  /** What to try next, no full stop. */
  readonly advice: string;
  /** Whether trying the same again makes sense. */
  readonly retryable: boolean;
}

/** Every error code of the product, with its one mapping for the HTTP and the WebSocket edge. */
export const ERRORS = {
  "malformed": {
    status: 400,
    message: "The message could not be read",
    advice: "Reload the page or update the agent",
    retryable: false,
  },
  "unknown-type": {
    status: 400,
    message: "The message has a type this version does not know",
    advice: "Update the older side",
    retryable: false,
  },
  "wrong-version": {
    status: 400,
    message: "The two sides speak different protocol versions",
    advice: "Update the older side",
    retryable: false,
  },
  "wrong-direction": {
    status: 400,
    message: "This side may not send a message of that type",
    advice: "Update the older side",
    retryable: false,
  },
  "too-large": {
    status: 413,
    message: "The message is larger than the limit",
    advice: "Send less at once",
    retryable: false,
  },
  "out-of-state": {
    status: 409,
    message: "The message does not fit the session's stage",
    advice: "Connect again",
    retryable: true,
  },
  "display-unknown": {
    status: 404,
    message: "The desktop has no such display, or does not share it",
    advice: "Choose another display",
    retryable: false,
  },
  "stale-generation": {
    status: 409,
    message: "The signal belongs to an older negotiation",
    advice: "Nothing: the newer negotiation goes on",
    retryable: false,
  },
  "duplicate": {
    status: 409,
    message: "The signal was already received",
    advice: "Nothing: the first one counts",
    retryable: false,
  },
  "sequence-gap": {
    status: 409,
    message: "A message before this one is missing",
    advice: "Reconnect to receive it again",
    retryable: true,
  },
  "buffer-full": {
    status: 429,
    message: "Too many signals are waiting for the other side",
    advice: "Wait for the other side, then connect again",
    retryable: true,
  },
  "rate-limited": {
    status: 429,
    message: "Too many messages in a short time",
    advice: "Wait a moment",
    retryable: true,
  },
  "too-many-connections": {
    status: 503,
    message: "The server has no place free",
    advice: "Try again in a minute",
    retryable: true,
  },
  "out-of-descriptors": {
    status: 503,
    message: "The server has run out of file descriptors",
    advice: "Raise its limit of open files, or lower limits.connections",
    retryable: true,
  },
  "too-many-sessions": {
    status: 429,
    message: "No further session may be opened",
    advice: "End another session first",
    retryable: true,
  },
  "retries-exhausted": {
    status: 429,
    message: "The session has tried to connect too often without success",
    advice: "End the session and connect again; the diff transport still works",
    retryable: false,
  },
  "server-stopping": {
    status: 503,
    message: "The server is stopping",
    advice: "Nothing: the console moves to another server by itself",
    retryable: true,
  },
  "store-unavailable": {
    status: 503,
    message: "The server cannot reach its store; what is connected goes on",
    advice: "Nothing: signalling goes on by itself when the store is back",
    retryable: true,
  },
  "desktop-newer": {
    status: 503,
    message: "The desktop is looked after by servers of a newer version",
    advice: "Try again in a moment, and update this server",
    retryable: true,
  },
  "unauthorized": {
    status: 401,
    message: "You are not signed in",
    advice: "Open a fresh sign-in link",
    retryable: false,
  },
  "link-used": {
    status: 401,
    message: "The sign-in link was already used or has expired",
    advice: "Ask the server for a fresh link: press Enter where the server runs",
    retryable: false,
  },
  "forbidden": {
    status: 403,
    message: "You may not do that",
    advice: "Ask the owner of the desktop",
    retryable: false,
  },
  "metrics-private": {
    status: 403,
    message: "The metrics of this server are not public",
    advice: "Set metrics.public to yes where its network may read them",
    retryable: false,
  },
  "bad-origin": {
    status: 403,
    message: "The request comes from a page of another origin",
    advice: "Open the console at the server's own address",
    retryable: false,
  },
  "not-found": {
    status: 404,
    message: "There is no such resource",
    advice: "Check the address",
    retryable: false,
  },
  "method-not-allowed": {
    status: 405,
    message: "The address does not take that method",
    advice: "Check the API's documentation",
    retryable: false,
  },
  "desktop-not-found": {
    status: 404,
    message: "The desktop is not known",
    advice: "Check that its agent is running",
    retryable: true,
  },
  "desktop-offline": {
    status: 409,
    message: "The desktop's agent is offline",
    advice: "Wait until the agent is back",
    retryable: true,
  },
  "session-not-found": {
    status: 404,
    message: "The session is not known or has ended",
    advice: "Connect again",
    retryable: true,
  },
  "session-ended": {
    status: 409,
    message: "The session has ended",
    advice: "Connect again",
    retryable: true,
  },
  "sdp-too-large": {
    status: 400,
    message: "The session description is larger than 16 KiB",
    advice: "Use a current browser",
    retryable: false,
  },
  "sdp-invalid": {
    status: 400,
    message: "The session description is not valid",
    advice: "Use a current browser",
    retryable: false,
  },
  "sdp-no-fingerprint": {
    status: 400,
    message: "The session description has no sha-256 fingerprint",
    advice: "Use a current browser",
    retryable: false,
  },
  "sdp-no-ice-credentials": {
    status: 400,
    message: "The session description has no ICE user name or password",
    advice: "Use a current browser",
    retryable: false,
  },
  "sdp-too-many-sections": {
    status: 400,
    message: "The session description has more than 4 media sections",
    advice: "Use a current browser",
    retryable: false,
  },
  "sdp-too-many-candidates": {
    status: 400,
    message: "The session description has more than 32 candidates",
    advice: "Use a current browser",
    retryable: false,
  },
  "candidate-invalid": {
    status: 400,
    message: "The ICE candidate is not valid",
    advice: "Nothing: other candidates are still tried",
    retryable: false,
  },
  "caps-mismatch": {
    status: 409,
    message: "The offer asks for something this desktop cannot do",
    advice: "Choose another transport",
    retryable: false,
  },
  "webrtc-disabled": {
    status: 409,
    message: "WebRTC is switched off on this server or desktop",
    advice: "Use the diff transport",
    retryable: false,
  },
  "view-only": {
    status: 403,
    message: "The desktop may only be viewed",
    advice: "Ask the owner for control",
    retryable: false,
  },
  "peer-failed": {
    status: 502,
    message: "The agent could not set up the WebRTC peer",
    advice: "Connect again; the diff transport is used meanwhile",
    retryable: true,
  },
  "capture-failed": {
    status: 502,
    message: "The agent cannot read its screen",
    advice: "Look at the agent's log",
    retryable: true,
  },
  "encoder-failed": {
    status: 502,
    message: "The agent's video encoder failed",
    advice: "The diff transport is used instead",
    retryable: true,
  },
  "internal": {
    status: 500,
    message: "Something went wrong in the server",
    advice: "Try again; the log has the details",
    retryable: true,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[];

/** An expected failure as it crosses a wire. `detail` names the offending part, never a secret. */
export interface CodedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly advice: string;
  readonly retryable: boolean;
  /** When trying again makes sense, in milliseconds from now; absent where nobody knows. */
  readonly retryAfterMs?: number;
}

/** Builds a coded error; `detail` is appended to the sentence after a colon. */
export function codedError(code: ErrorCode, detail?: string): CodedError {
  const entry = ERRORS[code];
  return {
    code,
    message: detail === undefined ? entry.message : `${entry.message}: ${detail}`,
    advice: entry.advice,
    retryable: entry.retryable,
  };
}

/** What an error says beyond its code's own sentence; the sentence where there is no more. */
export function detailOf({ code, message }: CodedError): string {
  const lead = `${ERRORS[code].message}: `;
  return message.startsWith(lead) ? message.slice(lead.length) : message;
}

/** A coded error about a limit, with the time after which there is room again. */
export const retryLater = (
  code: ErrorCode,
  after: { readonly ms: number; readonly detail?: string },
): CodedError => ({
  ...codedError(code, after.detail),
  retryAfterMs: Math.max(0, Math.ceil(after.ms)),
});

/** HTTP status of a code at the REST edge. */
export const statusOf = (code: ErrorCode): number => ERRORS[code].status;

/** WebSocket close codes in use (RFC 6455 section 7.4; 4000–4999 are ours). */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  /** The server is stopping: resume on another one at once (IANA registry; RFC 6455 section 7.4). */
  serviceRestart: 1012,
  tryAgainLater: 1013,
  /** The same link was resumed on a newer socket. */
  replaced: 4000,
  unauthorized: 4001,
  wrongVersion: 4002,
  heartbeatLost: 4008,
} as const;
