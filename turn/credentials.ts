/**
 * TURN credentials that a server and coturn's `use-auth-secret` make from one shared secret
 * (draft-uberti-behave-turn-rest-00): the name carries the expiry, the password proves it.
 */
import { createHmac } from "node:crypto";
import type { TurnToken } from "@farglass/protocol";

/** Shorter lives would expire while ICE is still at work. */
export const MIN_TTL_SECONDS = 60;
/** The draft's suggestion; security.md asks for 5 to 10 minutes. */
export const MAX_TTL_SECONDS = 24 * 60 * 60;

export interface TurnCredentials {
  /** `<expiry-unix>:<desktop-id>` */
  readonly username: string;
  /** base64(HMAC-SHA1(secret, username)) */
  readonly credential: string;
  readonly token: TurnToken;
}

/** Mints credentials for one desktop. Throws when the lifetime is out of bounds. */
export function mintTurnCredentials(
  secret: string,
  options: {
    readonly desktopId: string;
    readonly ttlSeconds: number;
    /** Unix seconds. */
    readonly nowSeconds: number;
  },
): TurnCredentials {
  const { desktopId, ttlSeconds, nowSeconds } = options;
  if (secret === "") throw new Error("The TURN secret is empty");
  if (
    !Number.isInteger(ttlSeconds) || ttlSeconds < MIN_TTL_SECONDS || ttlSeconds > MAX_TTL_SECONDS
  ) {
    throw new RangeError(`TURN lifetime out of bounds: ${ttlSeconds} s`);
  }
  const issuedAt = Math.floor(nowSeconds);
  const expiresAt = issuedAt + ttlSeconds;
  const username = `${expiresAt}:${desktopId}`;
  const credential = createHmac("sha1", secret).update(username).digest("base64");
  return { username, credential, token: { issuedAt, expiresAt, ttlSeconds } };
}
