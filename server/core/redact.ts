/** Keeps secrets, session descriptions, candidates and addresses out of the log. */
const SECRET_KEY =
  /^(sdp|candidate|address|ip|host|hostname|credential|credentials|password|secret|ticket|link|cookie|authorization|nonce|proof|url|username|iceservers)$/i;
const HIDDEN = "[redacted]";
const MAX_TEXT = 512;
const MAX_DEPTH = 6;

const PATTERNS: readonly RegExp[] = [
  // A description or a candidate anywhere hides the whole text.
  /(?:^|[^a-z])(?:v=0|candidate:|a=(?:ice-|fingerprint|candidate)|m=(?:audio|video|application))/i,
];
const PARTS: readonly RegExp[] = [
  /\b\d{1,3}(?:\.\d{1,3}){3}\b/g,
  // IPv6 has at least two colons; times of day are left alone by asking for three groups or "::".
  /(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?/gi,
  // Long opaque words are tokens, digests or keys; UUIDs have dashes and stay.
  /[A-Za-z0-9+/_=]{32,}/g,
];

/** Thirty-two hex digits elsewhere may be a token. */
const isTraceId = (key: string, value: unknown): boolean =>
  key === "traceId" && typeof value === "string" && /^[0-9a-f]{32}$/.test(value);

function redactText(text: string): string {
  if (PATTERNS.some((p) => p.test(text))) return HIDDEN;
  let out = text;
  for (const part of PARTS) out = out.replace(part, HIDDEN);
  return out.length > MAX_TEXT ? `${out.slice(0, MAX_TEXT)}…` : out;
}

/** A copy of `value` that is fit for a log. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return HIDDEN;
  if (Array.isArray(value)) return value.map((v) => redact(v, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map((
      [key, v],
    ) => [key, SECRET_KEY.test(key) ? HIDDEN : isTraceId(key, v) ? v : redact(v, depth + 1)]),
  );
}
