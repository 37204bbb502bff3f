/** What happens to links, told to security teams: who connected, from where, what was refused. */
import type { ErrorCode, Message } from "@farglass/protocol";
import { type EventOrigin, operatorActor, rejectionDraft } from "../core/telemetry/drafts.ts";
import type { Telemetry } from "../core/telemetry/ports.ts";
import type { Outcome } from "./link_inbox.ts";
import type { HubLink, Identity, LinkHandlers } from "./link_types.ts";
import type { RefusedUpgrade } from "./upgrade_gate.ts";

/** Who an upgrade has proved to be there; an agent's name comes with HELLO. */
export function originOf(identity: Identity, agent: HubLink["agent"] = null): EventOrigin {
  const { source } = identity;
  const actor = identity.role === "console"
    ? operatorActor(identity.operator)
    : { kind: "agent" as const, id: identity.agentId, name: agent?.name };
  return { actor, ...(source === undefined ? {} : { source }) };
}

export interface LinkEventsOptions {
  readonly telemetry: Telemetry;
  /** Unix ms. */
  readonly clock: () => number;
}

/** The handlers, with agents that come and go told on the way. */
export class LinkEvents implements LinkHandlers {
  readonly #handlers: LinkHandlers;
  readonly #options: LinkEventsOptions;

  constructor(handlers: LinkHandlers, options: LinkEventsOptions) {
    this.#handlers = handlers;
    this.#options = options;
  }

  opened(link: HubLink, resumed: boolean): void | Promise<void> {
    const { identity, agent } = link;
    if (identity.role === "agent" && !resumed) {
      const details = agent?.software === undefined ? {} : { software: agent.software };
      this.#tell(link, { action: "agent-connected", details });
    }
    return this.#handlers.opened(link, resumed);
  }

  message(link: HubLink, message: Message): Outcome {
    return this.#handlers.message(link, message);
  }

  binary(link: HubLink, bytes: Uint8Array): void {
    this.#handlers.binary(link, bytes);
  }

  forwarded(link: HubLink, bytes: Uint8Array): void {
    this.#handlers.forwarded?.(link, bytes);
  }

  lost(link: HubLink): void | Promise<void> {
    return this.#handlers.lost(link);
  }

  gone(link: HubLink, replaced: boolean): void | Promise<void> {
    if (link.identity.role === "agent") {
      const reason = replaced ? "agent-restarted" as const : "agent-lost" as const;
      this.#tell(link, { action: "agent-disconnected", reason, details: {} });
    }
    return this.#handlers.gone(link, replaced);
  }

  #tell(
    link: HubLink,
    what:
      | { readonly action: "agent-connected"; readonly details: { readonly software?: string } }
      | {
        readonly action: "agent-disconnected";
        readonly reason: "agent-restarted" | "agent-lost";
        readonly details: Record<never, never>;
      },
  ): void {
    const { telemetry, clock } = this.#options;
    const { identity } = link;
    const target = identity.role === "agent" ? { agentId: identity.agentId } : {};
    const common = { at: clock(), outcome: "success" as const, target };
    telemetry.emit({ ...what, ...common, ...originOf(identity, link.agent) });
  }
}

/** A refusal of a link's message, or of its first one. */
export function tellLinkRejection(
  { telemetry, clock }: LinkEventsOptions,
  about: {
    readonly identity: Identity;
    readonly agent?: HubLink["agent"];
    readonly code: ErrorCode;
    readonly messageType: string;
  },
): void {
  const { identity, agent, code, messageType } = about;
  const at = clock();
  telemetry.emit(rejectionDraft(code, { at, messageType, ...originOf(identity, agent) }));
}

/** An upgrade that was refused: an agent without its key is an event of its own. */
export function tellRefusedUpgrade(
  { telemetry, clock }: LinkEventsOptions,
  code: ErrorCode,
  { role, source }: RefusedUpgrade,
): void {
  const actor = { kind: role === "agent" ? "agent" as const : "operator" as const };
  const common = { at: clock(), actor, source };
  if (role === "agent" && code === "unauthorized") {
    const outcome = "failure" as const;
    const action = "agent-refused" as const;
    return telemetry.emit({ action, ...common, outcome, reason: code, details: {} });
  }
  telemetry.emit(rejectionDraft(code, { ...common, messageType: "upgrade" }));
}
