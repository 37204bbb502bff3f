/** How the load of bench:signalling runs: at a steady pace or as fast as it goes, and what came of it. */
import { percentile, round } from "../support/bench.ts";

/** At a steady pace, whatever the server does; or with so many under way at any time. */
export type Plan =
  & ({ readonly perSecond: number } | { readonly inFlight: number })
  & { readonly seconds: number };

export interface LoadAnswer {
  readonly done: number;
  /** Of a set-up or message, in ms; null when there was none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly seconds: number;
  readonly failed: number;
}

const opened = new Map<string, Promise<unknown>>();

/**
 * What a load needs is opened by the first command that asks for it and stays: connecting costs
 * the server more than a thousand messages and must not count as theirs.
 */
export function keptOpen<T>(key: unknown, open: () => Promise<T>): Promise<T> {
  const name = JSON.stringify(key);
  const known = opened.get(name) as Promise<T> | undefined;
  if (known !== undefined) return known;
  const made = open();
  opened.set(name, made);
  return made;
}

/** After the last start this much is waited for the rest. */
const REST_MS = 10_000;

/** Times of what was begun, measured from when it was due. */
export class Timings {
  readonly #timesMs: number[] = [];
  #startedAt = 0;
  #begun = 0;
  #wake = () => {};

  get done(): number {
    return this.#timesMs.length;
  }

  add(dueAt: number): void {
    this.#timesMs.push(performance.now() - dueAt);
    this.#wake();
  }

  /** Calls `begin` by the plan; resolves when all that was begun is done, or has had its time. */
  async run(plan: Plan, begin: (index: number, dueAt: number) => void): Promise<LoadAnswer> {
    this.#startedAt = performance.now();
    if ("perSecond" in plan) await this.#steady(plan, begin);
    else await this.#flood(plan, begin);
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const endsAt = performance.now() + REST_MS;
    const during = this.done;
    while (this.done < this.#begun && performance.now() < endsAt) await pauseMs(5);
    return {
      // As fast as it goes: what came while it ran. At a pace: all of it.
      done: "perSecond" in plan ? this.done : during,
      failed: this.#begun - this.done,
      seconds: "perSecond" in plan ? (performance.now() - this.#startedAt) / 1000 : seconds,
      p50Ms: round(percentile(this.#timesMs, 0.5)),
      p99Ms: round(percentile(this.#timesMs, 0.99)),
      maxMs: round(percentile(this.#timesMs, 1)),
    };
  }

  /** Catches up after every delay. */
  async #steady(
    plan: { readonly perSecond: number; readonly seconds: number },
    begin: (index: number, dueAt: number) => void,
  ): Promise<void> {
    const total = Math.round(plan.perSecond * plan.seconds);
    while (this.#begun < total) {
      const passedMs = performance.now() - this.#startedAt;
      const due = Math.min(total, passedMs / 1000 * plan.perSecond);
      for (; this.#begun < due; this.#begun++) {
        begin(this.#begun, this.#startedAt + this.#begun / plan.perSecond * 1000);
      }
      await pauseMs(2);
    }
  }

  async #flood(
    plan: { readonly inFlight: number; readonly seconds: number },
    begin: (index: number, dueAt: number) => void,
  ): Promise<void> {
    const more = () => {
      while (this.#begun - this.done < plan.inFlight) begin(this.#begun++, performance.now());
    };
    this.#wake = more;
    more();
    await pauseMs(plan.seconds * 1000);
    this.#wake = () => {};
  }
}

const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
