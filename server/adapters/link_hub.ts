/**
 * All signalling links of this node: HELLO, resume, and the shell around the pure link machine.
 * It knows nothing of the WebSocket library and nothing of sessions.
 */
import {
  CLOSE,
  type CodedError,
  codedError,
  type Draft,
  type ErrorCode,
  type Message,
  type MessageOf,
} from "@farglass/protocol";
import { type LinkEvent, linkStep, newServerLink } from "../core/link_machine.ts";
import { isMail, type LinkMail, linkTopic, type MailRef, StoreUnavailable } from "../core/ports.ts";
import { backlogOf, heartbeatMs } from "../core/link_pressure.ts";
import { inRounds } from "./in_rounds.ts";
import { LinkInbox } from "./link_inbox.ts";
import {
  type HubLink,
  type Identity,
  isSame,
  type LinkSocket,
  type LinkSocketEvents,
} from "./link_types.ts";
import { directOf, type Entry, replaceIn } from "./link_entry.ts";
import { bareError, readHello } from "./link_hello.ts";
import type { LinkHubOptions } from "./link_hub_options.ts";
import type { LinkSharing } from "./link_sharing.ts";
import { LinkWatch } from "./link_watch.ts";
import type { SharedLinkEvents } from "./shared_link.ts";

const HELLO_DEADLINE_MS = 5_000;
/** Heartbeats are judged this often: a twelfth of LINK_TIMEOUT_MS. */
const TICK_MS = 375;
/** Signalling text that may wait in a socket whose peer does not read. */
const MAX_SOCKET_BYTES = 1024 * 1024;

/** Holds the links. */
export class LinkHub {
  readonly #options: LinkHubOptions;
  readonly #links = new Map<string, Entry>();
  readonly #watch = new LinkWatch<Entry>();
  readonly #greeting = new Map<LinkSocket, ReturnType<typeof setTimeout>>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #identities = new WeakMap<LinkSocket, Identity>();
  /** Links of agents by agent id. */
  readonly #agents = new Map<string, Entry>();
  /** Links with an open socket. */
  readonly #sockets = { agent: 0, console: 0 };
  #closed = false;

  constructor(options: LinkHubOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Takes over an authenticated socket. */
  accept(socket: LinkSocket, identity: Identity): LinkSocketEvents {
    this.#identities.set(socket, identity);
    let entry: Entry | null = null;
    let greeted = false;
    /** The code, once the socket is closed. */
    let closed: number | null = null;
    const timer = setTimeout(
      () => this.#refuse(socket, codedError("out-of-state", "no HELLO"), CLOSE.policyViolation),
      HELLO_DEADLINE_MS,
    );
    this.#greeting.set(socket, timer);
    return {
      text: (text) => {
        if (entry !== null) {
          if (entry.socket !== socket) return;
          const heartbeatMs = this.#heartbeatMs(identity.role);
          return this.#step(entry, { kind: "text", text, heartbeatMs });
        }
        if (greeted) {
          return this.#refuse(socket, codedError("out-of-state"), CLOSE.policyViolation);
        }
        greeted = true;
        clearTimeout(timer);
        // The entry must be known before WELCOME is written: the client's next message may be read
        // before any promise of ours is settled.
        const onOpen = (opened: Entry) => {
          entry = opened;
        };
        this.#hello(socket, identity, { text, onOpen }).then(() => {
          this.#greeting.delete(socket);
          if (closed !== null && entry !== null) this.#detach(entry, socket, closed);
        }, (cause) => {
          const away = cause instanceof StoreUnavailable;
          const code = away ? CLOSE.tryAgainLater : CLOSE.internalError;
          this.#refuse(socket, codedError(away ? "store-unavailable" : "internal"), code);
          if (!away) this.#options.log.write("error", "hello-failed", { error: String(cause) });
        });
      },
      binary: (bytes) => {
        if (entry === null) {
          return this.#refuse(socket, codedError("out-of-state"), CLOSE.policyViolation);
        }
        if (entry.socket !== socket) return;
        this.#step(entry, { kind: "binary" });
        this.#options.handlers.binary(entry, bytes);
      },
      closed: (code) => {
        closed = code;
        clearTimeout(timer);
        this.#greeting.delete(socket);
        if (entry !== null) this.#detach(entry, socket, code);
      },
    };
  }

  /** The link, where this node has it. */
  linkOf = (linkId: string): HubLink | null => this.#links.get(linkId) ?? null;

  /** The link's socket when it is open. */
  socketOf(linkId: string): LinkSocket | null {
    const entry = this.#links.get(linkId);
    // Whoever asks for it may write to it.
    if (entry !== undefined) this.#watch.written(entry);
    return entry?.socket ?? null;
  }

  linksOf(role: Identity["role"]): readonly HubLink[] {
    return [...this.#links.values()].filter((l) => l.identity.role === role);
  }

  send(linkId: string, draft: Draft): void {
    const entry = this.#links.get(linkId);
    if (entry !== undefined) this.#step(entry, { kind: "send", draft });
  }

  /**
   * Asks every client to move: their sockets are closed with 1012 over `windowMs`, their links
   * stay resumable elsewhere. Resolves when the last one has been told.
   */
  async drain(windowMs: number): Promise<void> {
    const open = [...this.#links.values()].filter((entry) => entry.socket !== null);
    await inRounds(open, windowMs, (entry) => {
      if (!this.#closed) entry.socket?.close(CLOSE.serviceRestart, "server-stopping");
    });
  }

  /** Closes every socket; nobody is told that links are lost. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const [socket, timer] of this.#greeting) {
      clearTimeout(timer);
      socket.close(CLOSE.goingAway, "server-stopping");
    }
    for (const entry of this.#links.values()) {
      entry.unsubscribe();
      entry.shared?.close();
      entry.socket?.close(CLOSE.goingAway, "server-stopping");
    }
    this.#links.clear();
  }

  async #hello(
    socket: LinkSocket,
    identity: Identity,
    { text, onOpen }: { readonly text: string; readonly onOpen: (entry: Entry) => void },
  ): Promise<void> {
    const { metrics, checkTicket } = this.#options;
    const hello = readHello(text, identity);
    if (!hello.ok) return this.#refuse(socket, hello.error, hello.close);
    metrics.message("HELLO", "in");
    const { ticket, agent = null, resume } = hello;
    const mine = identity.role === "agent" ||
      (ticket !== undefined && await checkTicket(ticket, identity.operator));
    if (!mine) return this.#refuse(socket, codedError("unauthorized"), CLOSE.unauthorized);
    if (!this.#closed) await this.#open(socket, identity, { agent, resume, onOpen });
  }

  async #open(
    socket: LinkSocket,
    identity: Identity,
    hello:
      & Pick<HubLink, "agent">
      & Pick<MessageOf<"HELLO">["payload"], "resume">
      & { readonly onOpen: (entry: Entry) => void },
  ): Promise<void> {
    const { resume, onOpen } = hello;
    const known = resume === undefined ? undefined : this.#links.get(resume.linkId);
    if (known !== undefined && isSame(known.identity, identity)) {
      const old = known.socket;
      known.identity = identity;
      this.#setSocket(known, socket);
      onOpen(known);
      old?.close(CLOSE.replaced, "replaced");
      const heartbeatMs = this.#heartbeatMs(identity.role);
      this.#step(known, { kind: "attach", lastSeq: resume?.lastSeq ?? 0, heartbeatMs });
      known.inbox.add(() => this.#options.handlers.opened(known, true));
      return;
    }
    const { agent } = hello;
    const sharing = this.#options.sharing ?? null;
    const adopted = resume === undefined || sharing === null
      ? null
      : await this.#adopt(resume.linkId, identity, { agent, sharing });
    if (adopted === null && identity.role === "agent") this.#replaceAgent(identity.agentId);
    const entry = adopted ?? this.#newEntry(this.#options.newId(), identity, hello);
    if (adopted === null && sharing !== null) {
      const events = this.#sharedEvents(entry);
      entry.shared = await sharing.create(entry.linkId, identity, events).catch((error) => {
        entry.unsubscribe();
        throw error;
      });
    }
    if (this.#closed) return entry.unsubscribe();
    this.#links.set(entry.linkId, entry);
    if (identity.role === "agent") this.#agents.set(identity.agentId, entry);
    this.#setSocket(entry, socket);
    onOpen(entry);
    const heartbeatMs = this.#heartbeatMs(identity.role);
    const lastSeq = adopted === null ? null : resume?.lastSeq ?? 0;
    this.#step(entry, { kind: "attach", lastSeq, heartbeatMs });
    entry.inbox.add(() => this.#options.handlers.opened(entry, adopted !== null));
    if (adopted !== null) entry.shared?.resync();
  }

  #newEntry(
    linkId: string,
    identity: Identity,
    hello: Pick<HubLink, "agent">,
  ): Entry {
    const { bus, clock, limits, handlers } = this.#options;
    const entry: Entry = {
      linkId,
      identity,
      agent: hello.agent,
      desktopIds: new Set(),
      addDesktop: async (desktopId) => {
        if (entry.desktopIds.has(desktopId)) return;
        await entry.shared?.addDesktop(desktopId);
        entry.desktopIds.add(desktopId);
      },
      shared: null,
      inbox: new LinkInbox(),
      state: newServerLink({ linkId, role: identity.role, limits: limits[identity.role] }, clock()),
      socket: null,
      overflowed: false,
      unsubscribe: bus.subscribe(
        linkTopic(linkId),
        // Only servers publish to the topic.
        (message) => this.#onMail(entry, message as LinkMail),
        (bytes) => handlers.forwarded?.(entry, bytes),
      ),
    };
    return entry;
  }

  /** Mail that came by the node's own topic. */
  mail = (linkId: string, mail: LinkMail) => this.#onMail(this.#links.get(linkId), mail);

  #onMail(entry: Entry | undefined, mail: LinkMail): void {
    if (entry === undefined || !isMail(mail)) return;
    if (this.#links.get(entry.linkId) !== entry) return;
    this.#options.sharing?.heard(mail);
    if (entry.shared !== null) entry.shared.onMail(mail);
    else if ("draft" in mail) this.#step(entry, { kind: "send", draft: mail.draft });
  }

  /** Goes on with a link that another node had; null when there is none such. */
  async #adopt(
    linkId: string,
    identity: Identity,
    hello: Pick<HubLink, "agent"> & { readonly sharing: LinkSharing },
  ): Promise<Entry | null> {
    const entry = this.#newEntry(linkId, identity, hello);
    const events = this.#sharedEvents(entry);
    let claimed: Awaited<ReturnType<LinkSharing["claim"]>> = null;
    try {
      claimed = await hello.sharing.claim(linkId, identity, events);
    } finally {
      if (claimed === null) entry.unsubscribe();
    }
    if (claimed === null) return null;
    entry.state = newServerLink(entry.state, this.#options.clock(), claimed.record);
    for (const desktopId of claimed.record.taken.keys()) entry.desktopIds.add(desktopId);
    entry.shared = claimed.shared;
    // This node's own older entry of the link is another owner now.
    const old = this.#links.get(linkId);
    if (old !== undefined) this.#moved(old);
    return entry;
  }

  #sharedEvents(entry: Entry): SharedLinkEvents {
    return {
      send: (draft, mail) => this.#step(entry, { kind: "send", draft }, mail),
      write: (texts) => this.#write(entry, texts),
      replaced: (entries) => replaceIn(entry, entries),
      moved: () => this.#moved(entry),
    };
  }

  /** Numbers what a decision sends to a link, to be kept with its write; null: it goes as mail. */
  direct(linkId: string, drafts: readonly Draft[]): ReturnType<typeof directOf> {
    const entry = this.#links.get(linkId);
    if (entry === undefined) return null;
    return directOf(entry, drafts, (draft) => this.#step(entry, { kind: "send", draft }));
  }

  /** Another node goes on with it; nobody is told that it is lost. */
  #moved(entry: Entry): void {
    if (this.#links.get(entry.linkId) !== entry) return;
    const { socket } = entry;
    this.#remove(entry);
    socket?.close(CLOSE.replaced, "replaced");
  }

  /** Looks for what was published while the bus did not listen. */
  resync(): void {
    for (const entry of this.#links.values()) entry.shared?.resync();
  }

  /** Tells every peer that signalling waits; without a number, so it is not sent again. */
  announceOutage(): void {
    const text = bareError(codedError("store-unavailable"), this.#options.clock());
    for (const entry of this.#links.values()) this.#write(entry, [text]);
  }

  /** The agent of a desktop that was lost in the store begins anew, and announces it again. */
  renew(desktopId: string): void {
    const isAgent = ({ identity }: HubLink) => identity.role === "agent";
    this.restart((link) => isAgent(link) && link.desktopIds.has(desktopId), "desktop-lost");
  }

  /** Clients begin new links instead of these. */
  restart(isLost: (link: HubLink) => boolean, reason: string): void {
    for (const entry of [...this.#links.values()].filter(isLost)) {
      const { socket } = entry;
      this.#remove(entry);
      this.#gone(entry, true);
      socket?.close(CLOSE.tryAgainLater, reason);
    }
  }

  /** Links of this node, with a socket or waiting for one. */
  links = (): readonly HubLink[] => [...this.#links.values()];

  /** What waits for the clients of each role. */
  backlog = () => backlogOf(this.#links.values());

  /** A new link of an agent that does not resume its old one: it was restarted. */
  #replaceAgent(agentId: string): void {
    const old = this.#agents.get(agentId);
    if (old === undefined) return;
    const { socket } = old;
    this.#remove(old);
    socket?.close(CLOSE.replaced, "replaced");
    this.#gone(old, true);
  }

  /** Tells that a link is gone, unless another node has gone on with it. */
  #gone(entry: Entry, replaced: boolean): void {
    const { handlers, metrics } = this.#options;
    const { shared } = entry;
    const { unacked } = entry.state.link;
    const tell = () => {
      metrics.dropped(entry.overflowed ? "link-full" : "link-gone", unacked.length);
      return handlers.gone(entry, replaced);
    };
    entry.inbox.add(() => {
      if (shared === null) return tell();
      return shared.remove().then((mine) => mine ? tell() : undefined);
    });
  }

  #refuse(socket: LinkSocket, error: CodedError, code: number): void {
    const { clock } = this.#options;
    this.#rejected(error.code, "HELLO", { identity: this.#identities.get(socket) });
    socket.sendTexts([bareError(error, clock(), "HELLO")]);
    socket.close(code, error.code);
  }

  #detach(entry: Entry, socket: LinkSocket, code: number): void {
    if (this.#closed || entry.socket !== socket) return;
    this.#setSocket(entry, null);
    // A clean close is the other side's decision: nobody will resume.
    const final = code === CLOSE.normal || code === CLOSE.goingAway;
    this.#step(entry, { kind: "detach", final });
    if (entry.state.dead) return;
    const { shared } = entry;
    const { handlers } = this.#options;
    entry.inbox.add(() => {
      const told = handlers.lost(entry);
      if (shared === null) return told;
      // It may have come back at another node, which then said so before this node said "lost".
      return Promise.resolve(told).then(() => shared.owns())
        .then((mine) => mine ? undefined : handlers.opened(entry, true));
    });
  }

  #step(entry: Entry, event: LinkEvent, mail: MailRef | null = null): void {
    const { clock, metrics } = this.#options;
    const { sent } = entry.state.link;
    const [state, effects] = linkStep(entry.state, event, clock());
    entry.state = state;
    // What it sends does not move its deadline.
    if (event.kind !== "send" && event.kind !== "handled") this.#watch.changed(entry);
    const { shared } = entry;
    if (shared !== null) {
      const added = state.link.sent > sent ? state.link.unacked.last : undefined;
      const first = state.link.unacked.first?.seq ?? state.link.sent + 1;
      if (added !== undefined) shared.keep({ ...added, mail }, first - 1);
      else if (mail !== null) shared.drop(mail);
    }
    for (const effect of effects) {
      switch (effect.kind) {
        case "write":
          // A numbered one is written once it is kept where other nodes find it.
          if (shared === null || effect.seq === 0 || shared.isKept(effect.seq)) {
            this.#write(entry, [effect.text]);
          }
          if (effect.type !== null) metrics.message(effect.type, "out");
          break;
        case "close":
          entry.overflowed ||= effect.code === CLOSE.tryAgainLater;
          // The close event of the socket then detaches the link.
          entry.socket?.close(effect.code, effect.reason);
          break;
        case "deliver":
          metrics.message(effect.message.type, "in");
          this.#deliver(entry, effect.message);
          break;
        case "rejected":
          this.#reject(entry, effect.code);
          break;
        case "gone":
          this.#remove(entry);
          this.#gone(entry, false);
          break;
      }
    }
  }

  #deliver(entry: Entry, message: Message): void {
    entry.inbox.add(() => this.#options.handlers.message(entry, message), () => {
      if (message.seq > 0) this.#step(entry, { kind: "handled", seq: message.seq });
    });
  }

  #reject(entry: Entry, code: ErrorCode): void {
    this.#rejected(code, "link", entry);
    this.#options.log.write("debug", "message-rejected", { role: entry.identity.role, code });
  }

  #rejected(code: ErrorCode, type: string, link: Partial<HubLink>): void {
    const { metrics, onRejected } = this.#options;
    metrics.rejected(code);
    if (link.identity !== undefined) onRejected?.(code, { ...link, identity: link.identity, type });
  }

  #write(entry: Entry, texts: readonly string[]): void {
    const { socket } = entry;
    if (socket === null) return;
    this.#watch.written(entry);
    if (socket.bufferedBytes() <= MAX_SOCKET_BYTES) return socket.sendTexts(texts);
    this.#cut(entry);
  }

  #remove(entry: Entry): void {
    const { identity, linkId } = entry;
    entry.unsubscribe();
    entry.shared?.close();
    this.#setSocket(entry, null);
    entry.state = { ...entry.state, dead: true };
    this.#links.delete(linkId);
    this.#watch.forget(entry);
    if (identity.role !== "agent" || this.#agents.get(identity.agentId) !== entry) return;
    this.#agents.delete(identity.agentId);
  }

  #tick(): void {
    const { clock, maxBufferedBytes = Infinity } = this.#options;
    for (const entry of this.#watch.due(clock())) this.#step(entry, { kind: "tick" });
    for (const entry of this.#watch.slow(maxBufferedBytes)) this.#cut(entry);
  }

  #cut(entry: Entry): void {
    this.#rejected("buffer-full", "link", entry);
    this.#options.log.write("warn", "slow-peer", { role: entry.identity.role });
    entry.socket?.close(CLOSE.tryAgainLater, "slow-peer");
  }

  #heartbeatMs(role: Identity["role"]): number {
    return heartbeatMs(role, this.#sockets.agent, this.#options.agentHeartbeatsPerSecond);
  }

  #setSocket(entry: Entry, socket: LinkSocket | null): void {
    const { role } = entry.identity;
    this.#sockets[role] += Number(socket !== null) - Number(entry.socket !== null);
    entry.socket = socket;
    this.#options.metrics.connections(role, this.#sockets[role]);
  }
}
