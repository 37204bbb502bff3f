/** When a refused client may try again: `Retry-After` of RFC 9110 section 10.2.3. */
import { type CodedError, codedError, type ErrorCode, retryLater } from "@farglass/protocol";

/** What is known of limits that free themselves, in milliseconds. */
const WAIT_MS: Readonly<Partial<Record<ErrorCode, number>>> = {
  "too-many-connections": 5_000,
  "too-many-sessions": 10_000,
  "desktop-newer": 5_000,
  "server-stopping": 1_000,
  "rate-limited": 1_000,
  "buffer-full": 1_000,
};

/** The coded error of a refusal, with the time to wait where one is known. */
export function refusal(code: ErrorCode, detail?: string): CodedError {
  const ms = WAIT_MS[code];
  return ms === undefined ? codedError(code, detail) : retryLater(code, { ms, detail });
}

/** Whole seconds for the header, or null when the error names no time. */
export const retryAfterSeconds = (error: CodedError): string | null =>
  error.retryAfterMs === undefined
    ? null
    : String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
