/** What was decided since the last report, from counters that only grow, each since its own start. */
import type { DecisionCounts, MediaDecision } from "@farglass/protocol";

type Counts = Partial<Record<MediaDecision, number>>;

/** Decisions that have not been reported. */
export class DecisionTally {
  readonly #seen = new WeakMap<object, DecisionCounts>();
  #waiting: Counts = {};

  /** `counts` is what `source` has counted since it began. */
  add(source: object, counts: DecisionCounts): void {
    const seen = this.#seen.get(source) ?? {};
    this.#seen.set(source, counts);
    for (const [name, count] of Object.entries(counts)) {
      const reason = name as MediaDecision;
      const more = count - (seen[reason] ?? 0);
      if (more > 0) this.#waiting[reason] = (this.#waiting[reason] ?? 0) + more;
    }
  }

  /** What is to be reported, or null; it counts as reported then. */
  take(): DecisionCounts | null {
    const counts = this.#waiting;
    this.#waiting = {};
    return Object.keys(counts).length === 0 ? null : counts;
  }
}
