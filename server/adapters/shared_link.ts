/**
 * One link of this node as the other nodes may have to go on with it: every numbered message is
 * kept in the store before it is written to the socket, and the controller's mail is taken once,
 * in order, whatever the bus lost or brought twice.
 */
import type { Draft } from "@farglass/protocol";
import {
  type Direct,
  type LinkMail,
  type LinkStore,
  type Log,
  type MailRef,
  StoreUnavailable,
} from "../core/ports.ts";

export interface SharedLinkOptions {
  readonly store: LinkStore;
  readonly log: Log;
  readonly linkId: string;
  readonly owner: string;
  /** Of a link taken over: the last mail taken of each desktop, and the last number kept. */
  readonly taken: ReadonlyMap<string, number>;
  readonly persisted: number;
}

export interface SharedLinkEvents {
  /** Number and keep this; `mail` says what it was. */
  send(draft: Draft, mail: MailRef | null): void;
  /** They are kept: write them to the socket, if there is one. */
  write(texts: readonly string[]): void;
  /** These texts, and no others, stand under their numbers now. */
  replaced(entries: readonly Numbered[]): void;
  /** Another node owns the link. */
  moved(): void;
}

interface Numbered {
  readonly seq: number;
  readonly text: string;
}

interface Kept extends Numbered {
  readonly mail: MailRef | null;
}

/** Where a message's number begins in its text: its last three fields are numbers. */
export const numberAt = (text: string): number => text.lastIndexOf(',"seq":');

/** A numbered message that says nothing, in the place of one that was not decided after all. */
const fillerOf = (text: string): string =>
  `{"type":"PONG","payload":{}${text.slice(numberAt(text))}`;

/** Messages kept in one round trip. */
const MAX_BATCH = 64;

/** A store that is there but refuses is not asked in a tight circle. */
const RETRY_MS = 50;

/** See the file's comment. The queue is bounded by the link's own limit of unacknowledged bytes. */
export class SharedLink {
  readonly #options: SharedLinkOptions;
  readonly #events: SharedLinkEvents;
  readonly #taken: Map<string, number>;
  readonly #looking = new Map<string, boolean>();
  #queue: Kept[] = [];
  #kept: number;
  #acked = 0;
  #flushing = false;
  #closed = false;
  /** Messages that are to be kept with a decision's write. */
  #direct: Kept[] | null = null;

  constructor(options: SharedLinkOptions, events: SharedLinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#taken = new Map(options.taken);
    this.#kept = options.persisted;
  }

  /** Whether the message with this number is in the store. */
  isKept(seq: number): boolean {
    return seq <= this.#kept;
  }

  /**
   * What `number` gives to `keep` is kept by somebody else's write: at the end of it `settle` says
   * whether. Null while other messages are on their way. Until then all later ones wait.
   */
  direct(number: () => void): Omit<Direct, "linkId"> | null {
    if (this.#flushing || this.#closed) return null;
    this.#flushing = true;
    const entries: Kept[] = [];
    this.#direct = entries;
    try {
      number();
    } finally {
      this.#direct = null;
    }
    let settled = false;
    const settle = (kept: boolean) => {
      if (settled) return;
      settled = true;
      void this.#settleDirect(entries, kept);
    };
    return { owner: this.#options.owner, acked: this.#acked, entries, settle };
  }

  async #settleDirect(entries: readonly Kept[], kept: boolean): Promise<void> {
    if (kept) this.#written(entries);
    else {
      const fillers = entries.map(({ seq, text }) => ({ seq, text: fillerOf(text) }));
      if (fillers.length > 0 && !await this.#fill(fillers)) return;
    }
    await this.#flush();
  }

  /** Numbers that are given out must stand for something; false when the link is not ours. */
  async #fill(fillers: readonly Numbered[]): Promise<boolean> {
    const { store, linkId, owner } = this.#options;
    try {
      const texts = await this.#patiently(() => store.fill(linkId, owner, fillers));
      if (this.#closed) return false;
      if (texts === null) this.#events.moved();
      else {
        const entries = fillers.map(({ seq }, i) => ({ seq, text: texts[i] }));
        this.#events.replaced(entries);
        this.#written(entries);
      }
      return texts !== null;
    } catch (error) {
      this.#broken(error);
      return false;
    }
  }

  #written(entries: readonly Numbered[]): void {
    if (this.#closed || entries.length === 0) return;
    this.#kept = entries[entries.length - 1].seq;
    this.#events.write(entries.map(({ text }) => text));
  }

  /** Keeps a message, then writes it; `acked` is what the client has said it has. */
  keep(message: Kept, acked: number): void {
    this.#acked = acked;
    if (this.#direct !== null) return void this.#direct.push(message);
    this.#queue.push(message);
    if (this.#flushing) return;
    this.#flushing = true;
    // A moment later: what comes at once is kept in one round trip.
    queueMicrotask(() => void this.#flush());
  }

  /** Mail that the link did not find worth a number. */
  drop(mail: MailRef): void {
    const { store, linkId } = this.#options;
    this.#background(store.drop(linkId, mail));
  }

  async addDesktop(desktopId: string): Promise<void> {
    const { store, linkId, owner } = this.#options;
    await this.#patiently(() => store.addDesktop(linkId, owner, desktopId));
    if (!this.#taken.has(desktopId)) this.#taken.set(desktopId, 0);
  }

  onMail(mail: LinkMail): void {
    if (this.#closed) return;
    if ("movedTo" in mail) {
      if (mail.movedTo !== this.#options.owner) this.#events.moved();
      return;
    }
    if (!("n" in mail)) return this.#events.send(mail.draft, null);
    const { desktopId } = mail;
    const drafts = "drafts" in mail ? mail.drafts : [mail.draft];
    for (let i = 0; i < drafts.length && !this.#closed; i++) {
      const n = mail.n + i;
      const last = this.#taken.get(desktopId) ?? 0;
      if (n === last + 1) this.#take({ desktopId, n }, drafts[i]);
      // The store has the others, too.
      else if (n > last) return this.#look(desktopId);
    }
  }

  /** Looks for mail that the bus may have lost. */
  resync(): void {
    for (const desktopId of this.#taken.keys()) this.#look(desktopId);
  }

  /** False when another node owns the link. */
  async remove(): Promise<boolean> {
    const { store, linkId, owner } = this.#options;
    return await this.#patiently(() => store.remove(linkId, owner));
  }

  async owns(): Promise<boolean> {
    const { store, linkId, owner } = this.#options;
    return await this.#patiently(() => store.owns(linkId, owner));
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  #take(mail: MailRef, draft: Draft): void {
    this.#taken.set(mail.desktopId, mail.n);
    this.#events.send(draft, mail);
  }

  /** One search at a time for each desktop; a call meanwhile makes it search once more. */
  #look(desktopId: string): void {
    if (this.#looking.has(desktopId)) {
      this.#looking.set(desktopId, true);
      return;
    }
    this.#looking.set(desktopId, false);
    const { store, linkId } = this.#options;
    const search = async () => {
      const after = this.#taken.get(desktopId) ?? 0;
      const found = await this.#patiently(() => store.missed(linkId, desktopId, after));
      for (const { n, draft } of found) {
        if (this.#closed) return;
        if (n > (this.#taken.get(desktopId) ?? 0)) this.#take({ desktopId, n }, draft);
      }
    };
    this.#background(
      search().finally(() => {
        const again = this.#looking.get(desktopId) === true;
        this.#looking.delete(desktopId);
        if (again && !this.#closed) this.#look(desktopId);
      }),
    );
  }

  async #flush(): Promise<void> {
    const { store, linkId, owner } = this.#options;
    try {
      while (this.#queue.length > 0 && !this.#closed) {
        const entries = this.#queue.slice(0, MAX_BATCH);
        const batch = { entries, acked: this.#acked };
        const mine = await this.#patiently(() => store.append(linkId, owner, batch));
        if (this.#closed) return;
        if (!mine) return this.#events.moved();
        this.#queue.splice(0, entries.length);
        this.#written(entries);
      }
    } catch (error) {
      this.#broken(error);
    } finally {
      this.#flushing = false;
    }
  }

  /** At close, or a defect: the client's link breaks and begins anew elsewhere. */
  #broken(error: unknown): void {
    if (this.#closed) return;
    this.#options.log.write("error", "link-failed", { error: String(error) });
    this.#events.moved();
  }

  /** Waits for a store that is away; the same write twice does no harm. */
  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || this.#closed) throw error;
        await this.#options.store.whenUp();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #background(work: Promise<unknown>): void {
    work.catch((error) => {
      if (!this.#closed) {
        this.#options.log.write("warn", "link-store-failed", { error: String(error) });
      }
    });
  }
}
