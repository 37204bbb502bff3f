/**
 * Which encoder to open next: the first of the list that is not resting after a failure. An only
 * encoder gets a second try at once; one with a successor does not. Pure.
 */

import type { VideoCodec } from "@farglass/protocol";

/** What can be opened; the first one is the best. */
export interface EncoderChoice {
  readonly name: string;
  readonly codec: VideoCodec;
  readonly maxWidth?: number;
  readonly maxHeight?: number;
}

export interface EncoderWanted {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  /** Another format takes over where this one has no other encoder. */
  readonly spare?: boolean;
}

/** A driver that was reset works again soon; one that fails again and again rests longer. */
const REST_MS = 30_000;
const MAX_REST_MS = 600_000;
/** An only encoder that fails so often in a row rests, too. */
const TRIES = 2;

interface Failures {
  readonly inARow: number;
  readonly restMs: number;
  readonly untilMs: number;
}

export class EncoderChain {
  readonly #failures = new Map<string, Failures>();

  constructor(private readonly choices: () => readonly EncoderChoice[]) {}

  /** The encoder to use now, or null when none fits and works. */
  pick(wanted: EncoderWanted, now: number): string | null {
    const found = this.#fitting(wanted).find(({ name }) => !this.#rests(name, now));
    return found?.name ?? null;
  }

  /** Whether another one, or one of another format, could take over from `name`. */
  hasSuccessor(name: string, wanted: EncoderWanted, now: number): boolean {
    return wanted.spare === true ||
      this.#fitting(wanted).some((one) => one.name !== name && !this.#rests(one.name, now));
  }

  failed(name: string, wanted: EncoderWanted, now: number): void {
    const before = this.#failures.get(name);
    const inARow = (before?.inARow ?? 0) + 1;
    const restMs = Math.min(MAX_REST_MS, (before?.restMs ?? REST_MS / 2) * 2);
    const rests = this.hasSuccessor(name, wanted, now) || inARow >= TRIES;
    this.#failures.set(name, {
      inARow: rests ? 0 : inARow,
      restMs: rests ? restMs : before?.restMs ?? REST_MS / 2,
      untilMs: rests ? now + restMs : now,
    });
  }

  worked(name: string): void {
    const before = this.#failures.get(name);
    if (before !== undefined && before.inARow > 0) {
      this.#failures.set(name, { ...before, inARow: 0 });
    }
  }

  /** When the next resting encoder may be tried again, or null. */
  nextMs(now: number): number | null {
    const ends = [...this.#failures.values()].map((one) => one.untilMs).filter((at) => at > now);
    return ends.length === 0 ? null : Math.min(...ends);
  }

  #fitting({ codec, width, height }: EncoderWanted): readonly EncoderChoice[] {
    return this.choices().filter((one) =>
      one.codec === codec && width <= (one.maxWidth ?? Infinity) &&
      height <= (one.maxHeight ?? Infinity)
    );
  }

  #rests(name: string, now: number): boolean {
    return (this.#failures.get(name)?.untilMs ?? 0) > now;
  }
}

/** The encoders in the order in which they are used: the preferred one before all others. */
export function orderEncoders<E extends { readonly name: string }>(
  works: readonly E[],
  { order, preferred }: { readonly order: readonly string[]; readonly preferred: string },
): readonly E[] {
  const rank = ({ name }: E) => name === preferred ? -1 : order.indexOf(name);
  return [...works].sort((a, b) => rank(a) - rank(b));
}
