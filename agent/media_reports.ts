/** Tells the server now and then what was decided about the media of each session, for its metrics. */
import type { DecisionCounts } from "@farglass/protocol";

export interface Deciding {
  /** Decisions since the last call, or null. */
  takeDecisions(): DecisionCounts | null;
}

/** Metrics are scraped about as often. */
const REPORT_MS = 10_000;

export class MediaReports {
  readonly #sessions: ReadonlyMap<string, Deciding>;
  readonly #send: (sessionId: string, decisions: DecisionCounts) => void;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(
    sessions: ReadonlyMap<string, Deciding>,
    send: (sessionId: string, decisions: DecisionCounts) => void,
  ) {
    this.#sessions = sessions;
    this.#send = send;
    this.#timer = setInterval(() => {
      for (const sessionId of this.#sessions.keys()) this.report(sessionId);
    }, REPORT_MS);
  }

  /** Also when the session is about to end. */
  report(sessionId: string): void {
    const decisions = this.#sessions.get(sessionId)?.takeDecisions() ?? null;
    if (decisions !== null) this.#send(sessionId, decisions);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
