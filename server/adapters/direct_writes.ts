/**
 * Decisions whose messages for links of this node are kept with the write itself: one round trip
 * instead of one for the decision and one for each link.
 */
import type { Draft } from "@farglass/protocol";
import type { DesktopStore, DesktopWrite, Direct, Outgoing, Saved } from "../core/ports.ts";

/** What a decision needs of the links of its node. */
export interface OwnLinks {
  has(linkId: string): boolean;
  /** Numbers messages for a link; null when they have to go as mail. */
  direct(linkId: string, drafts: readonly Draft[]): Direct | null;
}

/** What is numbered for a write that fails has to be filled, which costs more than mail. */
const CONTESTED_WRITES = 16;

/** Writes to the store, directly where it pays. */
export class DirectWrites {
  readonly #store: DesktopStore;
  readonly #links: OwnLinks | null;
  /** Desktops that another node writes, too, and how many writes they are still taken for such. */
  readonly #contested = new Map<string, number>();

  /** Links are null where all are of this node. */
  constructor(store: DesktopStore, links: OwnLinks | null) {
    this.#store = store;
    this.#links = links;
  }

  /** As DesktopStore.save. */
  async save(desktopId: string, revision: number, said: DesktopWrite): Promise<Saved> {
    const { out = [] } = said;
    const links = this.#links;
    if (links === null) return await this.#store.save(desktopId, revision, said);
    const drafts = draftsOf(out);
    const write = { ...said, away: [...drafts.keys()].filter((linkId) => !links.has(linkId)) };
    const direct = this.#directs(desktopId, drafts);
    if (direct.length === 0) return await this.#store.save(desktopId, revision, write);
    const taken = new Set(direct.map(({ linkId }) => linkId));
    const rest = out.filter((o) => o.kind !== "mail" || !taken.has(o.linkId));
    let kept = 0;
    const counted = direct.map((one) => ({
      ...one,
      settle: (isKept: boolean) => {
        if (isKept) kept++;
        one.settle(isKept);
      },
    }));
    try {
      return await this.#store.save(desktopId, revision, { ...write, out: rest, direct: counted });
    } finally {
      for (const one of direct) one.settle(false);
      if (kept < direct.length) this.#contested.set(desktopId, CONTESTED_WRITES);
    }
  }

  #directs(
    desktopId: string,
    drafts: ReadonlyMap<string, readonly Draft[]>,
  ): readonly Direct[] {
    const links = this.#links;
    if (links === null || drafts.size === 0 || this.#isContested(desktopId)) return [];
    return [...drafts].flatMap(([linkId, of]) => links.direct(linkId, of) ?? []);
  }

  #isContested(desktopId: string): boolean {
    const left = this.#contested.get(desktopId) ?? 0;
    if (left > 1) this.#contested.set(desktopId, left - 1);
    else this.#contested.delete(desktopId);
    return left > 0;
  }
}

/** Messages by their link, in order. */
export function draftsOf(out: readonly Outgoing[]): ReadonlyMap<string, readonly Draft[]> {
  const drafts = new Map<string, Draft[]>();
  for (const o of out) {
    if (o.kind !== "mail") continue;
    const known = drafts.get(o.linkId);
    if (known === undefined) drafts.set(o.linkId, [o.draft]);
    else known.push(o.draft);
  }
  return drafts;
}
