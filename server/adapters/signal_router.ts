/** Brings the links' messages to the controller, and the desktop list to the consoles. */
import { type ErrorCode, type Message, never, parseTraceparent } from "@farglass/protocol";
import type { ControllerEvent, Effect, MessageRef } from "../core/events.ts";
import {
  type DesktopStore,
  type Log,
  type Metrics,
  StoreNewer,
  StoreUnavailable,
} from "../core/ports.ts";
import { type Bucket, fullBucket, takeToken } from "../core/rate_limit.ts";
import { traceIdIn } from "../core/trace.ts";
import { desktopList } from "../core/views.ts";
import { type ControllerShell, errorDraft } from "./controller_shell.ts";
import type { LinkHub } from "./link_hub.ts";
import type { Outcome } from "./link_inbox.ts";
import type { HubLink, LinkHandlers } from "./link_types.ts";
import type { LinkHubOptions } from "./link_hub_options.ts";
import type { OperatorSessions } from "./operator_sessions.ts";
import type { Relay } from "./relay.ts";
import type { DispatchOptions } from "./shell_jobs.ts";
import { refusal } from "./retry_after.ts";
import type { TraceReports } from "./trace_reports.ts";

export interface SignalRouterOptions {
  readonly store: DesktopStore;
  readonly shell: ControllerShell;
  readonly relay: Relay;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly newId: () => string;
  readonly maxDesktops: number;
  readonly operators: OperatorSessions;
  /** Null when nobody collects traces. */
  readonly reports?: TraceReports | null;
  readonly hub: () => LinkHub;
  /** A message was answered with an error before the controller saw it. */
  readonly onRejected?: LinkHubOptions["onRejected"];
}

/** A store that is there but refuses is not asked in a tight circle. */
const STORE_RETRY_MS = 100;

/** One report per session in ten seconds; an agent has many sessions. */
const MEDIA_REPORT_RATE = { perSecond: 2, burst: 40 };

type MessageEvent = Extract<ControllerEvent, { kind: "message" }>;

/** One desktop in a list, about. */
const DESKTOP_BYTES = 400;
/** All lists to all consoles together; a change is told at once while they are few. */
const LIST_BYTES_PER_MS = 4_000;
const MIN_LIST_PAUSE_MS = 20;
const MAX_LIST_PAUSE_MS = 1_000;

/** Handlers for the hub. */
export class SignalRouter implements LinkHandlers {
  readonly #options: SignalRouterOptions;
  readonly #mediaReports = new WeakMap<HubLink, Bucket>();
  #listWanted = false;
  #listing: Promise<void> = Promise.resolve();

  constructor(options: SignalRouterOptions) {
    this.#options = options;
  }

  async opened(link: HubLink, resumed: boolean): Promise<void> {
    if (resumed) await this.#linkChanged(link, "resumed");
    if (link.identity.role === "console") await this.#run(link, this.#sendList([link]));
  }

  async lost(link: HubLink): Promise<void> {
    await this.#linkChanged(link, "lost");
  }

  async gone(link: HubLink, replaced: boolean): Promise<void> {
    this.#options.relay.forget(link.linkId);
    await this.#linkChanged(link, replaced ? "replaced" : "gone");
  }

  forwarded(link: HubLink, bytes: Uint8Array): void {
    this.#options.relay.onForwarded(link.linkId, bytes);
  }

  binary(link: HubLink, bytes: Uint8Array): void {
    this.#options.relay.onBinary(link.linkId, link.identity.role, bytes);
  }

  /** Sends the list to every console; calls in a row become one. */
  desktopsChanged(): void {
    if (this.#listWanted) return;
    this.#listWanted = true;
    this.#listing = this.#listing.then(async () => {
      this.#listWanted = false;
      const bytes = await this.#sendList(this.#options.hub().linksOf("console"));
      // A list is absolute, so the next one may wait: many long ones would fill the consoles' links.
      const waitMs = Math.min(MAX_LIST_PAUSE_MS, bytes / LIST_BYTES_PER_MS);
      if (waitMs >= MIN_LIST_PAUSE_MS) await new Promise((go) => setTimeout(go, waitMs));
    }).catch((cause) => {
      this.#options.log.write("error", "list-failed", { error: String(cause) });
    });
  }

  /** The store refused, perhaps without going away, so nothing else would ask again. */
  #listLater(): void {
    this.#options.store.whenUp()
      .then(() => new Promise((go) => setTimeout(go, STORE_RETRY_MS)))
      .then(() => this.desktopsChanged(), () => {
        // The node closes.
      });
  }

  message(link: HubLink, message: Message): Outcome {
    const { identity } = link;
    switch (message.type) {
      case "DESKTOP_CAPS":
        return this.#run(link, this.#caps(link, message), message);
      case "SESSION_REQUEST":
        if (identity.role !== "console") return;
        return this.#run(link, this.#request(link, identity, message), message);
      case "ERROR":
        return this.#agentError(link, message);
      case "TRACE_SPANS":
        return this.#run(link, this.#spans(link, message), message);
      case "MEDIA_REPORT":
        return this.#mediaReport(link, message);
      case "SESSION_DECISION":
      case "SESSION_ENDED":
      case "DESKTOP_WEBRTC_SIGNAL":
      case "PEER_STATE":
      case "DESKTOP_TRANSPORT_FALLBACK":
      case "DESKTOP_TRANSPORT_RESTORED":
      case "VIEWER_CONTROL":
      case "VIEWER_CHOICE":
      case "DESKTOP_KILL": {
        const { role } = identity;
        const event: MessageEvent = { kind: "message", from: role, linkId: link.linkId, message };
        const { desktopId } = message;
        const decided = this.#options.shell.decide(desktopId, event, optionsOf(link, message));
        if (!(decided instanceof Promise)) return;
        // The desktop's queue keeps their order and decides together what has come meanwhile.
        return { queued: this.#run(link, decided, message) };
      }
      case "HELLO":
      case "WELCOME":
      case "PING":
      case "PONG":
      case "DESKTOP_LIST":
      case "DESKTOP_WEBRTC_STATE":
      case "PEER_PRESENCE":
      case "RELAY_CONGESTION":
        // The link machine and the table of senders let none of these through.
        return;
      default:
        return never(message);
    }
  }

  async #request(
    link: HubLink,
    { operator, source }: Extract<HubLink["identity"], { role: "console" }>,
    message: Extract<Message, { type: "SESSION_REQUEST" }>,
  ): Promise<void> {
    const { requestId } = message.payload;
    const ref = refOf(message);
    const consoleLinkId = link.linkId;
    await link.addDesktop(message.desktopId);
    const base = { requestId, consoleLinkId, operator, source, ref };
    const { sessionId } = message;
    if (sessionId !== undefined) {
      const event: ControllerEvent = { kind: "attach", sessionId, ...base };
      await this.#decide(link, message.desktopId, event, message);
      return;
    }
    const { newId, operators } = this.#options;
    const made = newId();
    const free = await this.#patiently(() => operators.admit(operator.operatorId, made));
    if (!free) return this.#fail(link, message, "too-many-sessions", operators.detail);
    const event: ControllerEvent = { kind: "request", sessionId: made, ...base };
    const effects = await this.#decide(link, message.desktopId, event, message);
    // Refused, or asked for before: then another session has the place.
    const stands = effects.some((e) => e.kind === "event" && e.sessionId === made);
    if (!stands) await this.#patiently(() => operators.release(operator.operatorId, made));
  }

  async #spans(link: HubLink, message: Extract<Message, { type: "TRACE_SPANS" }>): Promise<void> {
    const refused = await this.#options.reports?.take(link, message) ?? null;
    if (refused !== null) this.#fail(link, message, refused.code, refused.detail);
  }

  /** Only counted: it touches no state. */
  #mediaReport(link: HubLink, message: Extract<Message, { type: "MEDIA_REPORT" }>): void {
    const now = performance.now();
    const full = () => fullBucket(MEDIA_REPORT_RATE, now);
    const taken = takeToken(this.#mediaReports.get(link) ?? full(), MEDIA_REPORT_RATE, now);
    this.#mediaReports.set(link, taken.bucket);
    if (!taken.ok) return this.#fail(link, message, "rate-limited", "media reports");
    if (!link.desktopIds.has(message.desktopId)) {
      return this.#fail(link, message, "desktop-not-found");
    }
    this.#options.metrics.mediaDecisions(message.payload.decisions);
  }

  async #caps(
    link: HubLink,
    message: Extract<Message, { type: "DESKTOP_CAPS" }>,
  ): Promise<void> {
    const { store, maxDesktops } = this.#options;
    const { desktopId } = message;
    const { agent } = link;
    if (agent === null || agent === undefined) throw new Error("An agent's link has no agent");
    if (!link.desktopIds.has(desktopId)) {
      const full = await this.#patiently(async () =>
        await store.size() >= maxDesktops && await store.load(desktopId) === null
      );
      if (full) {
        return this.#fail(
          link,
          message,
          "too-many-connections",
          `it takes ${maxDesktops} desktops`,
        );
      }
      await link.addDesktop(desktopId);
    }
    // Credentials are the server's to give.
    const caps = { ...message.payload, webrtc: undefined };
    const { linkId } = link;
    const event = { kind: "caps", desktopId, linkId, agent, caps, ref: refOf(message) } as const;
    await this.#decide(link, desktopId, event, message);
  }

  async #agentError(link: HubLink, message: Extract<Message, { type: "ERROR" }>): Promise<void> {
    const { desktopId, sessionId, payload } = message;
    const ids = { desktopId, sessionId, traceId: await this.#traceId(desktopId, sessionId) };
    this.#options.log.write("warn", "agent-error", { ...ids, code: payload.code });
    if (desktopId === undefined || sessionId === undefined) return;
    const error = { sessionId, payload };
    const event: ControllerEvent = { kind: "agent-error", linkId: link.linkId, error };
    await this.#dispatch(link, desktopId, event, message);
  }

  /** For the log, so a store that is away is no reason to wait. */
  async #traceId(desktopId = "", sessionId = ""): Promise<string | undefined> {
    const stored = await this.#options.store.recall(desktopId).catch(() => null);
    return traceIdIn(stored?.desktop ?? null, sessionId) ?? undefined;
  }

  async #linkChanged(
    link: HubLink,
    change: "lost" | "resumed" | "gone" | "replaced",
  ): Promise<void> {
    const { linkId, identity: { source } } = link;
    const event: ControllerEvent = { kind: "link", linkId, change, source };
    await Promise.all([...link.desktopIds].map((id) => this.#dispatch(link, id, event)));
  }

  #dispatch(
    link: HubLink,
    desktopId: string,
    event: ControllerEvent,
    message?: Message,
  ): Promise<void> {
    return this.#run(link, this.#decide(link, desktopId, event, message), message);
  }

  /** Waits for a store that is away; what is sent again is dealt with once. */
  #decide(
    link: HubLink,
    desktopId: string,
    event: ControllerEvent,
    message?: Message,
  ): Promise<readonly Effect[]> {
    return this.#options.shell.dispatch(desktopId, event, optionsOf(link, message));
  }

  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await this.#options.store.whenUp();
        await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS));
      }
    }
  }

  /** Never rejects. */
  async #run(link: HubLink, work: Promise<unknown>, message?: Message): Promise<void> {
    try {
      await work;
    } catch (cause) {
      // Whoever waits for the store gives up only when this node closes.
      if (cause instanceof StoreUnavailable) return;
      if (cause instanceof StoreNewer) return this.#newer(link, message);
      this.#options.log.write("error", "controller-failed", {
        type: message?.type ?? "link",
        error: String(cause),
      });
      if (message !== undefined) this.#fail(link, message, "internal");
    }
  }

  /** A node of that version may do it: an agent comes back, perhaps there. */
  #newer(link: HubLink, message?: Message): void {
    if (message === undefined) return;
    this.#fail(link, message, "desktop-newer");
    const { desktopId } = message;
    if (link.identity.role === "agent" && desktopId !== undefined) {
      this.#options.hub().renew(desktopId);
    }
  }

  #fail(link: HubLink, message: Message, code: ErrorCode, detail?: string): void {
    this.#options.metrics.rejected(code);
    this.#options.onRejected?.(code, { ...link, type: message.type });
    const about = {
      ref: refOf(message),
      desktopId: message.desktopId ?? "",
      sessionId: message.sessionId ?? null,
    };
    this.#options.hub().send(link.linkId, errorDraft(refusal(code, detail), about));
  }

  /** Sends the list, later to all when the store is away; returns about how many bytes that were. */
  async #sendList(links: readonly HubLink[]): Promise<number> {
    if (links.length === 0) return 0;
    const summaries = await this.#options.store.summaries().catch((cause) => {
      if (!(cause instanceof StoreUnavailable)) throw cause;
      this.#listLater();
      return null;
    });
    if (summaries === null) return 0;
    const desktops = desktopList(summaries);
    const list = { type: "DESKTOP_LIST", payload: { desktops } } as const;
    for (const { linkId } of links) this.#options.hub().send(linkId, list);
    return desktops.length * DESKTOP_BYTES * links.length;
  }
}

function optionsOf(link: HubLink, message: Message | undefined): DispatchOptions {
  if (message === undefined) return { wait: true };
  const { seq, traceparent } = message;
  const handled = seq > 0 ? { linkId: link.linkId, seq } : null;
  const caller = traceparent === undefined ? null : parseTraceparent(traceparent);
  return { handled, caller, wait: true };
}

const refOf = (message: Message): MessageRef => ({
  seq: message.seq,
  type: message.type,
  ...(message.type === "SESSION_REQUEST" ? { requestId: message.payload.requestId } : {}),
});
