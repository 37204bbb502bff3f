/** What the hub, the sockets under it and the router above it say to each other. */
import type { EventSource, Message, MessageOf } from "@farglass/protocol";
import type { Operator } from "../core/state.ts";
import type { Outcome } from "./link_inbox.ts";

/** Who is on the other end, as the upgrade proved it, and where its newest socket came from. */
export type Identity =
  & (
    | { readonly role: "agent"; readonly agentId: string }
    | { readonly role: "console"; readonly operator: Operator }
  )
  & { readonly source?: EventSource };

/** A WebSocket, without its library. */
export interface LinkSocket {
  /** Several messages in order, handed to the kernel at once. */
  sendTexts(texts: readonly string[]): void;
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
  opened(link: HubLink, resumed: boolean): void | Promise<void>;
  /** The message is acknowledged once this has settled. */
  message(link: HubLink, message: Message): Outcome;
  binary(link: HubLink, bytes: Uint8Array): void;
  /** A diff relay frame that another node passed on to this link. */
  forwarded?(link: HubLink, bytes: Uint8Array): void;
  lost(link: HubLink): void | Promise<void>;
  /** The link will not come back; `replaced` when the agent has already made a new one. */
  gone(link: HubLink, replaced: boolean): void | Promise<void>;
}

export interface HubLink {
  readonly linkId: string;
  readonly identity: Identity;
  /** From HELLO; null for a console. */
  readonly agent: MessageOf<"HELLO">["payload"]["agent"] | null;
  /** Desktops whose state names this link. */
  readonly desktopIds: Set<string>;
  /** Names a desktop that the link has to do with, so that any node knows. */
  addDesktop(desktopId: string): Promise<void>;
}

/** Who may claim a link, in one comparable text. */
export const keyOf = (identity: Identity): string =>
  identity.role === "agent"
    ? `agent ${identity.agentId}`
    : `console ${identity.operator.operatorId}`;

/** Whether both are the same agent or operator. */
export function isSame(a: Identity, b: Identity): boolean {
  if (a.role === "agent") return b.role === "agent" && a.agentId === b.agentId;
  return b.role === "console" && a.operator.operatorId === b.operator.operatorId;
}
