/** Makes links known to the other nodes, and takes theirs over. */
import {
  type Bus,
  type LinkMail,
  type LinkRecord,
  type LinkStore,
  linkTopic,
  type Log,
} from "../core/ports.ts";
import { type Identity, keyOf } from "./link_types.ts";
import { SharedLink, type SharedLinkEvents } from "./shared_link.ts";

export interface LinkSharingOptions {
  readonly store: LinkStore;
  readonly bus: Bus;
  readonly log: Log;
  readonly newId: () => string;
  /** The node's own, where mail for its links may come. */
  readonly topic: string;
  /** Another node's write, as its mail tells it. */
  readonly onChange: (desktopId: string, change: unknown) => void;
}

/** The hub's part that knows the store of links; the caller has subscribed to the link's topic. */
export class LinkSharing {
  readonly #options: LinkSharingOptions;

  constructor(options: LinkSharingOptions) {
    this.#options = options;
  }

  /** To be called before the link takes the mail: what it answers is decided on the newer state. */
  heard(mail: LinkMail): void {
    if (!("change" in mail) || mail.change === undefined) return;
    this.#options.onChange(mail.desktopId, mail.change);
  }

  async create(
    linkId: string,
    identity: Identity,
    events: SharedLinkEvents,
  ): Promise<SharedLink> {
    const { store, log, newId } = this.#options;
    const owner = newId();
    await this.#listening(linkId);
    await store.create(linkId, owner, keyOf(identity));
    return new SharedLink({ store, log, linkId, owner, taken: new Map(), persisted: 0 }, events);
  }

  /** First listens, then claims: what is published meanwhile is to be looked up afterwards. */
  async claim(
    linkId: string,
    identity: Identity,
    events: SharedLinkEvents,
  ): Promise<{ readonly record: LinkRecord; readonly shared: SharedLink } | null> {
    const { store, log, newId } = this.#options;
    const owner = newId();
    await this.#listening(linkId);
    const record = await store.claim(linkId, owner, keyOf(identity));
    if (record === null) return null;
    const { taken, sent: persisted } = record;
    return {
      record,
      shared: new SharedLink({ store, log, linkId, owner, taken, persisted }, events),
    };
  }

  async #listening(linkId: string): Promise<void> {
    const { bus, topic } = this.#options;
    await Promise.all([bus.settled(topic), bus.settled(linkTopic(linkId))]);
  }
}
