/** Whether an operator may see the screen: by policy, or by asking whoever sits in front of it. */
import type { DesktopPolicy } from "@farglass/protocol";

export type ConsentAnswer =
  | "allowed-by-policy"
  | "allowed-by-owner"
  | "denied-by-policy"
  | "denied-by-owner"
  | "timeout";

/** How long the owner has to answer. */
export const CONSENT_TIMEOUT_MS = 30_000;

export type ConsentPlan =
  | { readonly kind: "ask" }
  | {
    readonly kind: "answer";
    readonly answer: ConsentAnswer;
    /** What the owner should read in the log. */
    readonly log: string | null;
  };

/** What to do with a request; `canAsk` when a terminal is there to ask on. */
export function decideConsent(consent: DesktopPolicy["consent"], canAsk: boolean): ConsentPlan {
  switch (consent) {
    case "allow":
      return { kind: "answer", answer: "allowed-by-policy", log: null };
    case "deny":
      return {
        kind: "answer",
        answer: "denied-by-policy",
        log: "denied, because policy.consent is deny",
      };
    case "ask":
      return canAsk ? { kind: "ask" } : {
        kind: "answer",
        answer: "denied-by-policy",
        log: "denied, because policy.consent is ask and there is no terminal to ask on; " +
          "start the agent in a terminal, or with --allow",
      };
  }
}

/** Printable ASCII and letters of any script; a name must not steer the terminal it is shown on. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

/** Who asks to see what. */
export interface ConsentRequest {
  readonly operator: string;
  /** Names of the displays that may be seen. */
  readonly displays: readonly string[];
}

/** What an operator would get beside the screen. */
export interface SharedParts {
  readonly sound: boolean;
}

/** The question on the terminal; it names the displays where there are several. */
export function consentQuestion(
  { operator, displays }: ConsentRequest,
  { sound }: SharedParts,
): string {
  const printable = (text: string, most: number) => text.replace(UNPRINTABLE, "?").slice(0, most);
  const named = displays.length < 2 ? "" : ` (${printable(displays.join(", "), 160)})`;
  const heard = sound ? " and hear its sound" : "";
  return `Allow ${printable(operator, 80)} to see this screen${named}${heard}? [y/N] `;
}

/** Reads the owner's answer: only a clear yes allows. */
export function readConsent(line: string): ConsentAnswer {
  return /^\s*(?:y|yes)\s*$/i.test(line) ? "allowed-by-owner" : "denied-by-owner";
}
