/** Small makers of events that many places tell. */
import type {
  ErrorCode,
  EventActor,
  EventDraft,
  EventSource,
  EventTarget,
} from "@farglass/protocol";
import type { Operator } from "../state.ts";

/** Who asked and from where; a request that nobody has proved to be theirs has no id. */
export interface EventOrigin {
  readonly actor: EventActor;
  readonly source?: EventSource;
}

export const operatorActor = ({ operatorId, name }: Operator): EventActor => ({
  kind: "operator",
  id: operatorId,
  name,
});
export const SERVER_ORIGIN: EventOrigin = { actor: { kind: "server" } };

/** Errors that say "too much" rather than "wrong". */
const LIMIT_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "rate-limited",
  "too-large",
  "too-many-connections",
  "out-of-descriptors",
  "too-many-sessions",
  "buffer-full",
  "sdp-too-large",
  "sdp-too-many-candidates",
  "sdp-too-many-sections",
]);

/** `limit-hit` or `message-rejected`, by the code that was answered. */
export function rejectionDraft(
  code: ErrorCode,
  about: EventOrigin & {
    readonly at: number;
    readonly messageType: string;
    readonly target?: EventTarget;
    readonly sessionId?: string;
  },
): EventDraft {
  const { messageType, ...rest } = about;
  return {
    action: LIMIT_CODES.has(code) ? "limit-hit" : "message-rejected",
    ...rest,
    outcome: "failure",
    reason: code,
    details: { messageType, count: 1 },
  };
}

/** Where a request came from, without what is empty or longer than an event may carry. */
export function eventSource(
  address: string | undefined,
  userAgent: string | undefined,
): EventSource {
  // IPv4 on a dual-stack socket (RFC 4291 section 2.5.5.2).
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, "").slice(0, 64);
  return {
    ...(plain === undefined || plain === "" ? {} : { address: plain }),
    ...(userAgent === undefined || userAgent === "" ? {} : { userAgent: userAgent.slice(0, 512) }),
  };
}
