/**
 * All signalling links of this node: HELLO, resume, and the shell around the pure link machine.
 * It knows nothing of the WebSocket library and nothing of sessions.
 */
import {
  CLOSE,
  type CodedError,
  codedError,
  decodeMessage,
  type Draft,
  type ErrorCode,
  LINK_HEARTBEAT_MS,
  type Message,
  type MessageOf,
  PROTOCOL_VERSION,
} from "@farglass/protocol";
import {
  linkDeadline,
  type LinkEvent,
  type LinkLimits,
  linkStep,
  newServerLink,
  type ServerLink,
} from "../core/link_machine.ts";
import { type Bus, type LinkMail, linkTopic, type Log, type Metrics } from "../core/ports.ts";
import type { Operator } from "../core/state.ts";

/** Who is on the other end, as the upgrade proved it. */
export type Identity =
  | { readonly role: "agent"; readonly agentId: string }
  | { readonly role: "console"; readonly operator: Operator };

/** A WebSocket, without its library. */
export interface LinkSocket {
  sendText(text: string): void;
  sendBinary(bytes: Uint8Array): void;
  /** Says goodbye and reports `closed` at once; a peer that does not answer is cut off soon. */
  close(code: number, reason: string): void;
  /** Bytes handed over but not yet taken by the kernel. */
  bufferedBytes(): number;
}

/** What a socket reports. `closed` comes once and is the last call. */
export interface LinkSocketEvents {
  text(text: string): void;
  binary(bytes: Uint8Array): void;
  closed(code: number): void;
}

export interface LinkHandlers {
  /** A link was opened (`resumed` false) or came back. */
  opened(link: HubLink, resumed: boolean): void;
  message(link: HubLink, message: Message): void;
  binary(link: HubLink, bytes: Uint8Array): void;
  lost(link: HubLink): void;
  /** The link will not come back; `replaced` when the agent has already made a new one. */
  gone(link: HubLink, replaced: boolean): void;
}

export interface HubLink {
  readonly linkId: string;
  readonly identity: Identity;
  /** From HELLO; null for a console. */
  readonly agent: MessageOf<"HELLO">["payload"]["agent"] | null;
  /** Desktops whose state names this link. */
  readonly desktopIds: Set<string>;
}

interface Entry extends HubLink {
  state: ServerLink;
  socket: LinkSocket | null;
  unsubscribe: () => void;
}

export interface LinkHubOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: () => number;
  readonly newId: () => string;
  readonly limits: { readonly agent: LinkLimits; readonly console: LinkLimits };
  /** Heartbeats of all agents together; with more agents each beats slower, down to one in 15 s. */
  readonly agentHeartbeatsPerSecond?: number;
  /** Bytes that may wait in all sockets together before the slowest peers are cut off. */
  readonly maxBufferedBytes?: number;
  /** Uses up a console's ticket. */
  readonly checkTicket: (ticket: string, operator: Operator) => Promise<boolean>;
  readonly handlers: LinkHandlers;
}

const HELLO_DEADLINE_MS = 5_000;
/** Heartbeats are judged this often: a twelfth of LINK_TIMEOUT_MS. */
const TICK_MS = 375;
/** The slowest heartbeat that agents are asked for. */
const MAX_HEARTBEAT_MS = 15_000;
/** Each socket may always hold this much: cutting it would free nothing worth it. */
const SMALL_SOCKET_BYTES = 16 * 1024;
/** While draining, sockets are closed in this many rounds, so that not all come back at once. */
const DRAIN_ROUNDS = 20;

/** Signalling text that may wait in a socket whose peer does not read. */
const MAX_SOCKET_BYTES = 1024 * 1024;

/** Holds the links. */
export class LinkHub {
  readonly #options: LinkHubOptions;
  readonly #links = new Map<string, Entry>();
  readonly #greeting = new Map<LinkSocket, ReturnType<typeof setTimeout>>();
  readonly #timer: ReturnType<typeof setInterval>;
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
    let entry: Entry | null = null;
    let greeted = false;
    let closed = false;
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
          if (closed && entry !== null) this.#detach(entry, socket, CLOSE.goingAway);
        }, (cause) => {
          this.#options.log.write("error", "hello-failed", { error: String(cause) });
          socket.close(CLOSE.internalError, "internal");
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
        closed = true;
        clearTimeout(timer);
        this.#greeting.delete(socket);
        if (entry !== null) this.#detach(entry, socket, code);
      },
    };
  }

  /** The link's socket when it is open. */
  socketOf(linkId: string): LinkSocket | null {
    return this.#links.get(linkId)?.socket ?? null;
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
    const perRound = Math.max(10, Math.ceil(open.length / DRAIN_ROUNDS));
    for (let at = 0; at < open.length && !this.#closed; at += perRound) {
      if (at > 0) {
        await new Promise<void>((resolve) => setTimeout(resolve, windowMs / DRAIN_ROUNDS));
      }
      for (const entry of open.slice(at, at + perRound)) {
        entry.socket?.close(CLOSE.serviceRestart, "server-stopping");
      }
    }
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
    const decoded = decodeMessage(text, identity.role);
    if (!decoded.ok) {
      this.#refuse(socket, decoded.error, CLOSE.policyViolation);
      return;
    }
    const message = decoded.value;
    metrics.message(message.type, "in");
    if (message.type !== "HELLO") {
      this.#refuse(socket, codedError("out-of-state", "HELLO first"), CLOSE.policyViolation);
      return;
    }
    const { version, role, ticket, agent, resume } = message.payload;
    if (version !== PROTOCOL_VERSION) {
      this.#refuse(socket, codedError("wrong-version"), CLOSE.wrongVersion);
      return;
    }
    const mine = role === identity.role &&
      (identity.role === "agent"
        ? agent?.agentId === identity.agentId
        : ticket !== undefined && await checkTicket(ticket, identity.operator));
    if (!mine) {
      this.#refuse(socket, codedError("unauthorized"), CLOSE.unauthorized);
      return;
    }
    if (this.#closed) return;
    this.#open(socket, identity, { agent: agent ?? null, resume, onOpen });
  }

  #open(
    socket: LinkSocket,
    identity: Identity,
    hello:
      & Pick<HubLink, "agent">
      & Pick<MessageOf<"HELLO">["payload"], "resume">
      & { readonly onOpen: (entry: Entry) => void },
  ): void {
    const { resume, agent, onOpen } = hello;
    const known = resume === undefined ? undefined : this.#links.get(resume.linkId);
    if (known !== undefined && isSame(known.identity, identity)) {
      const old = known.socket;
      this.#setSocket(known, socket);
      onOpen(known);
      old?.close(CLOSE.replaced, "replaced");
      const heartbeatMs = this.#heartbeatMs(identity.role);
      this.#step(known, { kind: "attach", lastSeq: resume?.lastSeq ?? 0, heartbeatMs });
      this.#options.handlers.opened(known, true);
      return;
    }
    if (identity.role === "agent") this.#replaceAgent(identity.agentId);
    const { bus, clock, newId, limits } = this.#options;
    const linkId = newId();
    const state = newServerLink(
      { linkId, role: identity.role, limits: limits[identity.role] },
      clock(),
    );
    const entry: Entry = {
      linkId,
      identity,
      agent,
      desktopIds: new Set(),
      state,
      socket: null,
      unsubscribe: bus.subscribe(linkTopic(linkId), (message) => {
        // Only servers publish to the topic.
        const mail = message as LinkMail;
        if ("draft" in mail) this.send(linkId, mail.draft);
      }),
    };
    this.#links.set(linkId, entry);
    if (identity.role === "agent") this.#agents.set(identity.agentId, entry);
    this.#setSocket(entry, socket);
    onOpen(entry);
    const heartbeatMs = this.#heartbeatMs(identity.role);
    this.#step(entry, { kind: "attach", lastSeq: null, heartbeatMs });
    this.#options.handlers.opened(entry, false);
  }

  /** A new link of an agent that does not resume its old one: it was restarted. */
  #replaceAgent(agentId: string): void {
    const old = this.#agents.get(agentId);
    if (old === undefined) return;
    const { socket } = old;
    this.#remove(old);
    socket?.close(CLOSE.replaced, "replaced");
    this.#options.handlers.gone(old, true);
  }

  #refuse(socket: LinkSocket, error: CodedError, code: number): void {
    const { metrics, clock } = this.#options;
    metrics.rejected(error.code);
    const payload = { ...error, refType: "HELLO" };
    socket.sendText(JSON.stringify({ type: "ERROR", seq: 0, ack: 0, ts: clock(), payload }));
    socket.close(code, error.code);
  }

  #detach(entry: Entry, socket: LinkSocket, code: number): void {
    if (this.#closed || entry.socket !== socket) return;
    this.#setSocket(entry, null);
    // A clean close is the other side's decision: nobody will resume.
    const final = code === CLOSE.normal || code === CLOSE.goingAway;
    this.#step(entry, { kind: "detach", final });
    if (!entry.state.dead) this.#options.handlers.lost(entry);
  }

  #step(entry: Entry, event: LinkEvent): void {
    const { clock, metrics, handlers } = this.#options;
    const [state, effects] = linkStep(entry.state, event, clock());
    entry.state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case "write":
          this.#write(entry, effect.text);
          if (effect.type !== null) metrics.message(effect.type, "out");
          break;
        case "close":
          // The close event of the socket then detaches the link.
          entry.socket?.close(effect.code, effect.reason);
          break;
        case "deliver":
          metrics.message(effect.message.type, "in");
          handlers.message(entry, effect.message);
          break;
        case "rejected":
          this.#reject(entry, effect.code);
          break;
        case "gone":
          this.#remove(entry);
          handlers.gone(entry, false);
          break;
      }
    }
  }

  #reject(entry: Entry, code: ErrorCode): void {
    this.#options.metrics.rejected(code);
    this.#options.log.write("debug", "message-rejected", { role: entry.identity.role, code });
  }

  #write(entry: Entry, text: string): void {
    const { socket } = entry;
    if (socket === null) return;
    if (socket.bufferedBytes() <= MAX_SOCKET_BYTES) return socket.sendText(text);
    this.#cut(entry);
  }

  #remove(entry: Entry): void {
    const { identity, linkId } = entry;
    entry.unsubscribe();
    this.#setSocket(entry, null);
    entry.state = { ...entry.state, dead: true };
    this.#links.delete(linkId);
    if (identity.role !== "agent" || this.#agents.get(identity.agentId) !== entry) return;
    this.#agents.delete(identity.agentId);
  }

  #tick(): void {
    const { clock, maxBufferedBytes = Infinity } = this.#options;
    const now = clock();
    let buffered = 0;
    for (const entry of this.#links.values()) {
      buffered += entry.socket?.bufferedBytes() ?? 0;
      if (now >= linkDeadline(entry.state)) this.#step(entry, { kind: "tick" });
    }
    if (buffered > maxBufferedBytes) this.#cutSlowest(buffered, maxBufferedBytes);
  }

  /** The peers that read slowest are cut off until the rest fits. */
  #cutSlowest(buffered: number, limit: number): void {
    const slow = [...this.#links.values()]
      .map((entry) => ({ entry, bytes: entry.socket?.bufferedBytes() ?? 0 }))
      .filter(({ bytes }) => bytes > SMALL_SOCKET_BYTES)
      .sort((a, b) => b.bytes - a.bytes);
    let left = buffered;
    for (const { entry, bytes } of slow) {
      if (left <= limit) return;
      this.#cut(entry);
      left -= bytes;
    }
  }

  #cut(entry: Entry): void {
    this.#options.metrics.rejected("buffer-full");
    this.#options.log.write("warn", "slow-peer", { role: entry.identity.role });
    entry.socket?.close(CLOSE.tryAgainLater, "slow-peer");
  }

  #heartbeatMs(role: Identity["role"]): number {
    const { agentHeartbeatsPerSecond = Infinity } = this.#options;
    if (role === "console") return LINK_HEARTBEAT_MS;
    const wanted = Math.ceil(this.#sockets.agent / agentHeartbeatsPerSecond) * 1000;
    return Math.min(MAX_HEARTBEAT_MS, Math.max(LINK_HEARTBEAT_MS, wanted));
  }

  #setSocket(entry: Entry, socket: LinkSocket | null): void {
    const { role } = entry.identity;
    this.#sockets[role] += Number(socket !== null) - Number(entry.socket !== null);
    entry.socket = socket;
    this.#options.metrics.connections(role, this.#sockets[role]);
  }
}

function isSame(a: Identity, b: Identity): boolean {
  if (a.role === "agent") return b.role === "agent" && a.agentId === b.agentId;
  return b.role === "console" && a.operator.operatorId === b.operator.operatorId;
}
