/**
 * Times that cannot be: a wait that began in the future, a deadline farther away than any wait is
 * long. They come from a store whose clock was set back, or from a node that had another time, and
 * would keep a session waiting for as long as the clocks differ.
 */
import { type ControllerPolicy, ROTATE_AT } from "./policy.ts";
import type { DesktopState, End, SessionState } from "./state.ts";

/** Nodes agree on the time better than this. */
const TOLERANCE_MS = 5_000;

/** The same desktop, the very object when all its times can be; others are brought to `now`. */
export function withoutFuture(
  desktop: DesktopState,
  policy: ControllerPolicy,
  now: number,
): DesktopState {
  let next = desktop;
  const { link } = desktop;
  if (link.at !== "online" && link.sinceMs > now + TOLERANCE_MS) {
    next = { ...next, link: { ...link, sinceMs: now } };
  }
  for (const session of Object.values(desktop.sessions)) {
    const settled = settle(session, policy, now);
    if (settled === session) continue;
    next = { ...next, sessions: { ...next.sessions, [session.sessionId]: settled } };
  }
  return next;
}

function settle(session: SessionState, policy: ControllerPolicy, now: number): SessionState {
  const { consentMs, negotiationMs, credentialTtlMs } = policy;
  // Credentials of an older setting may live longer: asking for fresh ones early does no harm.
  const rotateMs = (credentialTtlMs ?? 0) * ROTATE_AT;
  const console = endBy(session.console, now);
  const consentByMs = by(session.consentByMs, now, consentMs);
  const negotiateByMs = by(session.negotiateByMs, now, negotiationMs);
  const rotateAtMs = by(session.rotateAtMs, now, rotateMs);
  const late = session.offers.atMs > now + TOLERANCE_MS;
  const same = console === session.console && consentByMs === session.consentByMs &&
    negotiateByMs === session.negotiateByMs && rotateAtMs === session.rotateAtMs && !late;
  if (same) return session;
  const offers = late ? { ...session.offers, atMs: now } : session.offers;
  return { ...session, console, consentByMs, negotiateByMs, rotateAtMs, offers };
}

const endBy = (end: End, now: number): End =>
  end.at !== "online" && end.sinceMs > now + TOLERANCE_MS ? { ...end, sinceMs: now } : end;

const by = (at: number | null, now: number, waitMs: number): number | null =>
  at !== null && at > now + waitMs + TOLERANCE_MS ? now + waitMs : at;
