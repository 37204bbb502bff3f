/** Brings the links' messages to the controller, and the desktop list to the consoles. */
import { type ErrorCode, type Message, never } from "@farglass/protocol";
import type { ControllerEvent, MessageRef } from "../core/events.ts";
import type { DesktopStore, Log, Metrics } from "../core/ports.ts";
import { desktopList } from "../core/views.ts";
import { type ControllerShell, errorDraft } from "./controller_shell.ts";
import type { LinkHub } from "./link_hub.ts";
import type { HubLink, LinkHandlers } from "./link_types.ts";
import type { OperatorSessions } from "./operator_sessions.ts";
import type { Relay } from "./relay.ts";
import { refusal } from "./retry_after.ts";

export interface SignalRouterOptions {
  readonly store: DesktopStore;
  readonly shell: ControllerShell;
  readonly relay: Relay;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly newId: () => string;
  readonly maxDesktops: number;
  readonly operators: OperatorSessions;
  readonly hub: () => LinkHub;
}

type MessageEvent = Extract<ControllerEvent, { kind: "message" }>;

/** Handlers for the hub. */
export class SignalRouter implements LinkHandlers {
  readonly #options: SignalRouterOptions;
  #listWanted = false;
  #listing: Promise<void> = Promise.resolve();

  constructor(options: SignalRouterOptions) {
    this.#options = options;
  }

  opened(link: HubLink, resumed: boolean): void {
    if (resumed) this.#linkChanged(link, "resumed");
    if (link.identity.role === "console") this.#run(link, this.#sendList([link]));
  }

  lost(link: HubLink): void {
    this.#linkChanged(link, "lost");
  }

  gone(link: HubLink, replaced: boolean): void {
    this.#options.relay.forget(link.linkId);
    this.#linkChanged(link, replaced ? "replaced" : "gone");
  }

  binary(link: HubLink, bytes: Uint8Array): void {
    this.#options.relay.onBinary(link.linkId, link.identity.role, bytes);
  }

  /** Sends the list to every console; calls in a row become one. */
  desktopsChanged(): void {
    if (this.#listWanted) return;
    this.#listWanted = true;
    this.#listing = this.#listing.then(() => {
      this.#listWanted = false;
      return this.#sendList(this.#options.hub().linksOf("console"));
    }).catch((cause) => {
      this.#options.log.write("error", "list-failed", { error: String(cause) });
    });
  }

  message(link: HubLink, message: Message): void {
    const { identity } = link;
    switch (message.type) {
      case "DESKTOP_CAPS":
        return this.#run(link, this.#caps(link, message), message);
      case "SESSION_REQUEST":
        if (identity.role === "console") this.#request(link, identity.operator, message);
        return;
      case "ERROR":
        return this.#agentError(link, message);
      case "SESSION_DECISION":
      case "SESSION_ENDED":
      case "DESKTOP_WEBRTC_SIGNAL":
      case "PEER_STATE":
      case "DESKTOP_TRANSPORT_FALLBACK":
      case "DESKTOP_TRANSPORT_RESTORED":
      case "VIEWER_CONTROL":
      case "DESKTOP_KILL": {
        const { role } = identity;
        const event: MessageEvent = { kind: "message", from: role, linkId: link.linkId, message };
        return this.#dispatch(link, message.desktopId, event, message);
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

  #request(
    link: HubLink,
    operator: Extract<HubLink["identity"], { role: "console" }>["operator"],
    message: Extract<Message, { type: "SESSION_REQUEST" }>,
  ): void {
    const { requestId } = message.payload;
    const ref = refOf(message);
    const consoleLinkId = link.linkId;
    link.desktopIds.add(message.desktopId);
    const base = { requestId, consoleLinkId, operator, ref };
    const { sessionId } = message;
    if (sessionId !== undefined) {
      const event: ControllerEvent = { kind: "attach", sessionId, ...base };
      return this.#dispatch(link, message.desktopId, event, message);
    }
    const { newId, operators, shell } = this.#options;
    const made = newId();
    const work = operators.admit(operator.operatorId, made).then(async (free) => {
      if (!free) return this.#fail(link, message, "too-many-sessions", "of one operator");
      await shell.dispatch(message.desktopId, { kind: "request", sessionId: made, ...base });
    });
    this.#run(link, work, message);
  }

  async #caps(
    link: HubLink,
    message: Extract<Message, { type: "DESKTOP_CAPS" }>,
  ): Promise<void> {
    const { store, shell, maxDesktops } = this.#options;
    const { desktopId } = message;
    const { agent } = link;
    if (agent === null || agent === undefined) throw new Error("An agent's link has no agent");
    if (!link.desktopIds.has(desktopId)) {
      if (await store.size() >= maxDesktops && await store.load(desktopId) === null) {
        return this.#fail(link, message, "too-many-connections");
      }
      link.desktopIds.add(desktopId);
    }
    await shell.dispatch(desktopId, {
      kind: "caps",
      desktopId,
      linkId: link.linkId,
      agent,
      // Credentials are the server's to give.
      caps: { ...message.payload, webrtc: undefined },
      ref: refOf(message),
    });
  }

  #agentError(link: HubLink, message: Extract<Message, { type: "ERROR" }>): void {
    const { desktopId, sessionId, payload } = message;
    this.#options.log.write("warn", "agent-error", { desktopId, sessionId, code: payload.code });
    if (desktopId === undefined || sessionId === undefined) return;
    const error = { sessionId, payload };
    const event: ControllerEvent = { kind: "agent-error", linkId: link.linkId, error };
    this.#dispatch(link, desktopId, event, message);
  }

  #linkChanged(link: HubLink, change: "lost" | "resumed" | "gone" | "replaced"): void {
    for (const desktopId of link.desktopIds) {
      this.#dispatch(link, desktopId, { kind: "link", linkId: link.linkId, change });
    }
  }

  #dispatch(link: HubLink, desktopId: string, event: ControllerEvent, message?: Message): void {
    this.#run(link, this.#options.shell.dispatch(desktopId, event), message);
  }

  #run(link: HubLink, work: Promise<unknown>, message?: Message): void {
    work.catch((cause) => {
      this.#options.log.write("error", "controller-failed", {
        type: message?.type ?? "link",
        error: String(cause),
      });
      if (message !== undefined) this.#fail(link, message, "internal");
    });
  }

  #fail(link: HubLink, message: Message, code: ErrorCode, detail?: string): void {
    this.#options.metrics.rejected(code);
    const about = {
      ref: refOf(message),
      desktopId: message.desktopId ?? "",
      sessionId: message.sessionId ?? null,
    };
    this.#options.hub().send(link.linkId, errorDraft(refusal(code, detail), about));
  }

  async #sendList(links: readonly HubLink[]): Promise<void> {
    if (links.length === 0) return;
    const desktops = desktopList(await this.#options.store.list());
    for (const { linkId } of links) {
      this.#options.hub().send(linkId, { type: "DESKTOP_LIST", payload: { desktops } });
    }
  }
}

const refOf = (message: Message): MessageRef => ({
  seq: message.seq,
  type: message.type,
  ...(message.type === "SESSION_REQUEST" ? { requestId: message.payload.requestId } : {}),
});
