/**
 * Which links of a node need a look: those whose deadline has come, and those whose sockets hold
 * bytes back. Ten thousand quiet links cost nothing in between.
 */
import { linkDeadline, type ServerLink } from "../core/link_machine.ts";
import { slowest } from "../core/link_pressure.ts";

export interface Watched {
  readonly state: ServerLink;
  readonly socket: { bufferedBytes(): number } | null;
}

/** Deadlines this near each other are looked at together. */
const STEP_MS = 500;

/** Deadlines that move later are noticed when the old one has come; most of them move so. */
export class LinkWatch<T extends Watched> {
  /** Links by the step of the deadline they had when they were put there. */
  readonly #steps = new Map<number, Set<T>>();
  readonly #stepOf = new Map<T, number>();
  /** Links whose sockets were written to since they were last seen empty. */
  readonly #written = new Set<T>();

  /** The link has another state. */
  changed(link: T): void {
    if (link.state.dead) return;
    const step = Math.floor(linkDeadline(link.state) / STEP_MS);
    const known = this.#stepOf.get(link);
    if (known !== undefined && known <= step) return;
    if (known !== undefined) this.#steps.get(known)?.delete(link);
    const links = this.#steps.get(step) ?? new Set();
    this.#steps.set(step, links.add(link));
    this.#stepOf.set(link, step);
  }

  /** Something is written to the link's socket. */
  written(link: T): void {
    this.#written.add(link);
  }

  forget(link: T): void {
    this.#steps.get(this.#stepOf.get(link) ?? NaN)?.delete(link);
    this.#stepOf.delete(link);
    this.#written.delete(link);
  }

  /** Links whose deadline has come. */
  due(now: number): readonly T[] {
    const due: T[] = [];
    for (const [step, links] of [...this.#steps]) {
      if (step * STEP_MS > now) continue;
      this.#steps.delete(step);
      for (const link of links) {
        this.#stepOf.delete(link);
        if (now >= linkDeadline(link.state)) due.push(link);
        // Those that are due are put back by what comes of it, or here: a look too many does no harm.
        this.changed(link);
      }
    }
    return due;
  }

  /** The slowest readers that must go until at most `limit` bytes wait in all sockets together. */
  slow(limit: number): readonly T[] {
    const waiting: { readonly link: T; readonly bytes: number }[] = [];
    for (const link of this.#written) {
      const bytes = link.socket?.bufferedBytes() ?? 0;
      if (bytes > 0) waiting.push({ link, bytes });
      else this.#written.delete(link);
    }
    return slowest(waiting, limit).map(({ link }) => link);
  }
}
