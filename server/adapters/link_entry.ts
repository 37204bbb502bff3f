/** A link as the hub has it, and what is done to one without the others. */
import { type Draft, linkReplace, type Unacked } from "@farglass/protocol";
import type { ServerLink } from "../core/link_machine.ts";
import { isPressed } from "../core/link_pressure.ts";
import type { Direct } from "../core/ports.ts";
import type { LinkInbox } from "./link_inbox.ts";
import type { HubLink, Identity, LinkSocket } from "./link_types.ts";
import type { SharedLink } from "./shared_link.ts";

export interface Entry extends HubLink {
  /** The same one all its life, but for where it is. */
  identity: Identity;
  /** What the other nodes see of it; null when there are none. */
  shared: SharedLink | null;
  readonly inbox: LinkInbox;
  state: ServerLink;
  socket: LinkSocket | null;
  unsubscribe: () => void;
  /** It died of what its client did not take in. */
  overflowed: boolean;
}

/** See LinkHub.direct; `send` numbers one message of the link. */
export function directOf(
  entry: Entry,
  drafts: readonly Draft[],
  send: (draft: Draft) => void,
): Direct | null {
  const { linkId, shared, socket, state } = entry;
  if (shared === null || socket === null || state.dead) return null;
  if (isPressed(state.link, drafts.length)) return null;
  const direct = shared.direct(() => drafts.forEach(send));
  return direct === null ? null : { linkId, ...direct };
}

/** These texts stand under their numbers now. */
export function replaceIn(entry: Entry, entries: readonly Unacked[]): void {
  entry.state = { ...entry.state, link: linkReplace(entry.state.link, entries) };
}
