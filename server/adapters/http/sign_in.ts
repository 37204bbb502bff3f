/** Turns a sign-in link into a cookie. */
import type { Context } from "hono";
import type { ErrorCode } from "@farglass/protocol";
import {
  attemptFailed,
  type AttemptRates,
  type AttemptState,
  attemptWaitMs,
  newAttempts,
} from "../../core/attempt_limit.ts";
import type { Operator } from "../../core/state.ts";
import { operatorActor } from "../../core/telemetry/drafts.ts";
import { COOKIE_NAME, COOKIE_TTL_MS } from "../identity.ts";
import type { HttpAppOptions } from "./app.ts";
import { fail, sourceOf } from "./security.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** All addresses together may fail as often as so many of them. */
const ADDRESSES = 20;

/** The handler of `/sign-in`, with the memory of who has failed. */
export class SignIn {
  readonly #options: HttpAppOptions;
  readonly #rates: AttemptRates;
  #attempts: AttemptState;

  constructor(options: HttpAppOptions) {
    const perMinute = options.signInFailuresPerMinute;
    const each = { perSecond: perMinute / 60, burst: perMinute };
    const all = { perSecond: each.perSecond * ADDRESSES, burst: each.burst * ADDRESSES };
    this.#options = options;
    this.#rates = { each, all };
    this.#attempts = newAttempts(this.#rates, options.steadyClock());
  }

  /** Takes the link out of the address at once. */
  async handle(c: Context): Promise<Response> {
    const { identities, log, secureCookies } = this.#options;
    // Mail scanners and chat previews look at links by HEAD; that must not use one up.
    if (c.req.method !== "GET") return fail(c, this.#options, { code: "method-not-allowed" });
    const waitMs = this.#waitMs(c);
    if (waitMs > 0) {
      return fail(c, this.#options, {
        ...{ code: "rate-limited", detail: "sign-ins", retryAfterMs: waitMs },
      });
    }
    const link = c.req.query("link") ?? "";
    const connect = c.req.query("connect") ?? "";
    const target = UUID.test(connect) ? `/?connect=${connect}` : "/";
    if (!await identities.useSignInLink(link)) return this.#refuse(c, "link-used");
    log.write("info", "sign-in");
    const cookie = identities.newCookie();
    const operator = identities.operatorOf(`${COOKIE_NAME}=${cookie}`);
    this.#tell(c, operator);
    const attributes = [
      `${COOKIE_NAME}=${cookie}`,
      "HttpOnly",
      "SameSite=Strict",
      "Path=/",
      `Max-Age=${COOKIE_TTL_MS / 1000}`,
      ...(secureCookies ? ["Secure"] : []),
    ];
    return new Response(null, {
      status: 303,
      headers: { location: target, "set-cookie": attributes.join("; ") },
    });
  }

  #refuse(c: Context, code: ErrorCode): Response {
    const { log, steadyClock } = this.#options;
    const address = sourceOf(c).address ?? "";
    const now = steadyClock();
    this.#attempts = attemptFailed(this.#attempts, address, { rates: this.#rates, now });
    log.write("warn", "sign-in-refused");
    // Further ones are only counted, in the metrics and as events.
    if (this.#waitMs(c) > 0) log.write("warn", "sign-in-limited", { code: "rate-limited" });
    this.#tell(c, null);
    return fail(c, this.#options, { code });
  }

  #waitMs(c: Context): number {
    const now = this.#options.steadyClock();
    return attemptWaitMs(this.#attempts, sourceOf(c).address ?? "", { rates: this.#rates, now });
  }

  #tell(c: Context, operator: Operator | null): void {
    const { telemetry, clock } = this.#options;
    const source = sourceOf(c);
    const at = clock();
    if (operator === null) {
      const actor = { kind: "operator" as const };
      const outcome = "failure" as const;
      const reason = "link-used" as const;
      const action = "sign-in-refused" as const;
      return telemetry.emit({ action, at, outcome, actor, source, reason, details: {} });
    }
    const actor = operatorActor(operator);
    telemetry.emit({ action: "sign-in", at, outcome: "success", actor, source, details: {} });
  }
}
