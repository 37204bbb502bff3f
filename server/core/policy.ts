/** Limits and times of the controller; a test may pass its own. All durations in milliseconds. */
import { LINK_RESUME_MS } from "@farglass/protocol";
import type { BucketRate } from "./rate_limit.ts";

export interface ControllerPolicy {
  /** False switches WebRTC off for every desktop of this server. */
  readonly webrtcEnabled: boolean;
  /** Whether 127.0.0.0/8 and ::1 may be ICE candidates: only where everything is one machine. */
  readonly loopbackCandidates: boolean;
  /** Lifetime of minted TURN credentials, or null when no TURN server is configured. */
  readonly credentialTtlMs: number | null;
  readonly maxSessionsPerDesktop: number;
  /** The agent asks its owner for at most 30 s; 5 s more for the way. */
  readonly consentMs: number;
  /** From approval to an offer, and from an offer to a connection. */
  readonly negotiationMs: number;
  /** How long a session waits for a lost end. */
  readonly resumeMs: number;
  /** How long a session made by REST waits for its console. */
  readonly attachMs: number;
  /** A desktop that stays away is forgotten. */
  readonly forgetDesktopMs: number;
  /** Offers of one session without a connection in between; then only the diff relay is left. */
  readonly maxRetries: number;
  /** Offers of one session over time: a console's own backoff stays below. */
  readonly offerRate: BucketRate;
  /** Offers of one desktop that its agent has not answered yet. */
  readonly maxOffersInFlight: number;
}

export const DEFAULT_POLICY: ControllerPolicy = {
  webrtcEnabled: true,
  loopbackCandidates: true,
  credentialTtlMs: null,
  maxSessionsPerDesktop: 12,
  consentMs: 35_000,
  negotiationMs: 15_000,
  resumeMs: LINK_RESUME_MS,
  attachMs: 60_000,
  forgetDesktopMs: 24 * 60 * 60 * 1000,
  // Repairs back off to one in 30 s, so this is more than eight hours of a broken network.
  maxRetries: 1_000,
  offerRate: { perSecond: 0.5, burst: 10 },
  maxOffersInFlight: 8,
};

/** Candidates that one side may send in one generation; Chromium sends fewer than 30. */
export const MAX_CANDIDATES_PER_GENERATION = 64;
/** Events kept with a session for REST; the structured log has them all. */
export const MAX_SESSION_EVENTS = 200;
/** How it began is never given up for what came later. */
export const FIRST_SESSION_EVENTS = 60;
/** Ended sessions in a desktop's state, for lists; single ones are read from the history. */
export const MAX_ENDED_SESSIONS = 32;
/** Share of the credentials' lifetime after which fresh ones are issued. */
export const ROTATE_AT = 0.8;
